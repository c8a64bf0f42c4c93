/*
 * Bytes that are live, and the most that ever were.
 *
 * How many fewer than the most are live is the difference of two words, of which an allocation writes one and a free the other. So neither waits for
 * what the other has just stored: in a pair that is a third of the time. Both words may wrap around.
 */
#ifndef TARN_POOL_PEAK_H
#define TARN_POOL_PEAK_H

#include <stddef.h>

struct tarn__peak {
    size_t most;         /* ever live at a time */
    size_t taken, limit; /* ever taken; and what that may become before there are more live than ever: limit - taken <= most */
};

static inline void tarn__peak_take(struct tarn__peak *peak, size_t bytes)
{
    size_t taken = peak->taken + bytes, left = peak->limit - taken;
    peak->taken = taken;
    if (__builtin_expect((ptrdiff_t)left < 0, 0)) {
        peak->limit = taken;
        peak->most -= left;
    }
}

static inline void tarn__peak_give(struct tarn__peak *peak, size_t bytes) { peak->limit += bytes; }

static inline size_t tarn__peak_live(const struct tarn__peak *peak) { return peak->most - (peak->limit - peak->taken); }

#endif
