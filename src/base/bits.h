/*
 * Arithmetic on powers of two, and bitmaps as arrays of 64-bit words. Pure: no state, no memory of its own.
 *
 * A bitmap's bit i is bit i % 64 of word i / 64. Ranges are [first, first + count).
 */
#ifndef TARN_BASE_BITS_H
#define TARN_BASE_BITS_H

#include "base/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool tarn__is_pow2(size_t x) { return x != 0 && (x & (x - 1)) == 0; }

/* x rounded up to a multiple of align, a power of two. Wraps to less than x when that is not representable. */
static inline size_t tarn__align_up(size_t x, size_t align) { return (x + (align - 1)) & ~(align - 1); }

static inline size_t tarn__align_down(size_t x, size_t align) { return x & ~(align - 1); }

/* Largest k with 2^k <= x. x > 0. */
static inline unsigned tarn__log2_floor(size_t x) { return 63u - (unsigned)__builtin_clzll((unsigned long long)x); }

/* Smallest k with 2^k >= x. x > 0. */
static inline unsigned tarn__log2_ceil(size_t x) { return x <= 1 ? 0 : tarn__log2_floor(x - 1) + 1; }

/* By fewer bits than x has. x / 2^by, if x is a multiple of that; else more than any such number. */
static inline size_t tarn__rotate_right(size_t x, unsigned by) { return x >> by | x << (-by & (unsigned)(sizeof x * 8 - 1)); }

/* Largest power of two that divides x. x > 0. */
static inline size_t tarn__pow2_factor(size_t x) { return x & (~x + 1); }

static inline size_t tarn__min(size_t a, size_t b) { return a < b ? a : b; }

static inline size_t tarn__max(size_t a, size_t b) { return a > b ? a : b; }

/* The bits of word `w` that lie in the range [first, first + count). */
static inline uint64_t tarn__word_mask(size_t w, size_t first, size_t count)
{
    size_t low = w * 64, begin = first > low ? first - low : 0;
    size_t end = first + count - low;
    if (end >= 64)
        return ~UINT64_C(0) << begin;
    return (~UINT64_C(0) << begin) & ((UINT64_C(1) << end) - 1);
}

/* Index of the lowest bit that is set. word != 0. By halves where a long is half as wide: compilers would call a library there. */
static inline size_t tarn__bit_lowest(uint64_t word)
{
    unsigned long low = (unsigned long)word;
    return sizeof low == sizeof word || low ? tarn__scan_low(low) : 32 + tarn__scan_low((unsigned long)(word >> 32));
}

static inline bool tarn__bit_test(const uint64_t *map, size_t i) { return map[i / 64] >> (i % 64) & 1; }

static inline void tarn__bit_set(uint64_t *map, size_t i) { map[i / 64] |= UINT64_C(1) << (i % 64); }

static inline void tarn__bit_clear(uint64_t *map, size_t i) { map[i / 64] &= ~(UINT64_C(1) << (i % 64)); }

static inline void tarn__bits_set(uint64_t *map, size_t first, size_t count)
{
    if (count)
        for (size_t w = first / 64; w <= (first + count - 1) / 64; w++)
            map[w] |= tarn__word_mask(w, first, count);
}

static inline void tarn__bits_clear(uint64_t *map, size_t first, size_t count)
{
    if (count)
        for (size_t w = first / 64; w <= (first + count - 1) / 64; w++)
            map[w] &= ~tarn__word_mask(w, first, count);
}

static inline size_t tarn__bits_count(const uint64_t *map, size_t first, size_t count)
{
    size_t n = 0;
    if (count)
        for (size_t w = first / 64; w <= (first + count - 1) / 64; w++)
            n += (size_t)__builtin_popcountll(map[w] & tarn__word_mask(w, first, count));
    return n;
}

/* First bit at or after `from` whose value is `value`; `limit` if there is none below it. Others may change the map meanwhile, by atomics. */
static inline size_t tarn__bits_find(const uint64_t *map, size_t from, size_t limit, bool value)
{
    while (from < limit) {
        uint64_t word = __atomic_load_n(&map[from / 64], __ATOMIC_RELAXED);
        word = (value ? word : ~word) >> (from % 64);
        if (word) {
            from += tarn__bit_lowest(word);
            return from < limit ? from : limit;
        }
        from = (from / 64 + 1) * 64;
    }
    return limit;
}

/*
 * First run of `count` clear bits whose index, plus `bias`, is a multiple of `align` (a power of two);
 * `limit` if there is none. O(limit / 64) in the worst case.
 */
static inline size_t tarn__bits_find_clear_run(const uint64_t *map, size_t limit, size_t count, size_t align, size_t bias)
{
    size_t at = 0;
    while (at < limit) {
        at = tarn__bits_find(map, at, limit, false);
        at = tarn__align_up(at + bias, align) - bias;
        if (at >= limit || count > limit - at)
            return limit;
        size_t taken = tarn__bits_find(map, at, at + count, true);
        if (taken == at + count)
            return at;
        at = taken + 1;
    }
    return limit;
}

#endif
