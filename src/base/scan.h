/*
 * The lowest and the highest bit of a machine word, as an unsigned long.
 *
 * Where the machine has no instruction for it (RISC-V without Zbb, small ARM), compilers call a function of their library, with branches or loops;
 * there a multiplication by a de Bruijn sequence brings a single bit's number to the top of the product (Leiserson, Prokop, Randall 1998, "Using de
 * Bruijn Sequences to Index a 1 in a Computer Word").
 */
#ifndef TARN_BASE_SCAN_H
#define TARN_BASE_SCAN_H

#include <limits.h>
#include <stdint.h>

#define TARN__WORD_BITS ((unsigned)(sizeof(unsigned long) * CHAR_BIT))

_Static_assert(sizeof(unsigned long) == sizeof(void *), "a machine word is an unsigned long");

#if (defined(__riscv) && !defined(__riscv_zbb)) || (defined(__arm__) && !defined(__ARM_FEATURE_CLZ)) ||                        \
    defined(TARN_SCAN_BY_TABLE)

/* The number of the only bit of x. */
static inline unsigned tarn__scan_only(unsigned long x)
{
#if ULONG_MAX > 0xffffffff
    static const unsigned char number[64] = {0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,
                                             62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
                                             63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
                                             46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6};
    return number[x * UINT64_C(0x03f79d71b4cb0a89) >> 58];
#else
    static const unsigned char number[32] = {0,  1,  28, 2,  29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4,  8,
                                             31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6,  11, 5,  10, 9};
    return number[x * UINT32_C(0x077cb531) >> 27];
#endif
}

static inline unsigned tarn__scan_low(unsigned long x) { return tarn__scan_only(x & (~x + 1)); }

static inline unsigned tarn__scan_high(unsigned long x)
{
    for (unsigned by = 1; by < TARN__WORD_BITS; by *= 2)
        x |= x >> by;
    return tarn__scan_only(x - (x >> 1));
}

#else

/* The number of the lowest bit that is set. x != 0. */
static inline unsigned tarn__scan_low(unsigned long x) { return (unsigned)__builtin_ctzl(x); }

/* The number of the highest one. */
static inline unsigned tarn__scan_high(unsigned long x) { return (TARN__WORD_BITS - 1) ^ (unsigned)__builtin_clzl(x); }

#endif

#endif
