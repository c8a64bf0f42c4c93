/* Walking over the set bits of a bitmap as in base/bits.h, without atomics, and without what a small machine has no instruction for. */
#ifndef TARN_POOL_BITMAP_H
#define TARN_POOL_BITMAP_H

#include "base/bits.h"

/* The first bit that is set in [from, limit), or `limit`. */
static inline size_t tarn__bitmap_next(const uint64_t *map, size_t from, size_t limit)
{
    while (from < limit) {
        uint64_t word = map[from / 64] >> from % 64;
        if (word) {
            from += tarn__bit_lowest(word);
            return from < limit ? from : limit;
        }
        from = (from / 64 + 1) * 64;
    }
    return limit;
}

#endif
