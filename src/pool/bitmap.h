/* Walking over the set bits of a bitmap as in base/bits.h, without atomics, and without what a small machine has no instruction for. */
#ifndef TARN_POOL_BITMAP_H
#define TARN_POOL_BITMAP_H

#include "base/scan.h"

#include <stddef.h>
#include <stdint.h>

/* The first bit that is set in [from, limit), or `limit`. */
static inline size_t tarn__bitmap_next(const uint64_t *map, size_t from, size_t limit)
{
    while (from < limit) {
        uint64_t word = map[from / 64] >> from % 64;
        if (word) {
            uint32_t low = (uint32_t)word;
            from += low ? tarn__scan_low(low) : 32 + tarn__scan_low((unsigned long)(word >> 32));
            return from < limit ? from : limit;
        }
        from = (from / 64 + 1) * 64;
    }
    return limit;
}

#endif
