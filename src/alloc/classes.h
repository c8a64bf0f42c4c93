/*
 * Size classes: pure arithmetic.
 *
 *     class    1 …  16    16, 32 … 256           steps of 16
 *     class   17 …  24    288, 320 … 512         eight steps in each doubling: a step is an eighth of the
 *     …                                          doubling's beginning, so rounding up wastes less than
 *     class   65 …  72    18432, … 32768         1/9 of the class above 128 bytes (the worst: 257 in 288)
 *
 * Eight steps instead of four cost no time and save 5 to 10 % of a program's peak.
 *
 * Alignment: a class's objects are aligned to the largest power of two that divides its size. A size rounded up to a multiple of an
 * alignment is either itself a class or lies in a doubling whose step is a multiple of the alignment; so the class of the
 * rounded size always serves an aligned request, without a search.
 */
#ifndef TARN_ALLOC_CLASSES_H
#define TARN_ALLOC_CLASSES_H

#include "base/bits.h"

#define TARN__CLASSES 72u                /* numbered from 1 */
#define TARN__SMALL_MOST ((size_t)32768) /* the largest class */
#define TARN__TABLE_MOST ((size_t)1024)  /* sizes up to this are looked up */

/* The class of 16 * i bytes, for i ≤ 64. */
#define TARN__CLASS_OF_16(i) ((i) == 0 ? 1 : (i) <= 16 ? (i) : (i) <= 32 ? 16 + ((i)-16 + 1) / 2 : 24 + ((i)-32 + 3) / 4)

/* The class of 128 * i bytes, for 8 ≤ i ≤ 256; some class for less. */
#define TARN__CLASS_OF_128(i)                                                                                                  \
    ((i) <= 8     ? 32                                                                                                         \
     : (i) <= 16  ? 24 + (i)                                                                                                   \
     : (i) <= 32  ? 40 + ((i)-16 + 1) / 2                                                                                      \
     : (i) <= 64  ? 48 + ((i)-32 + 3) / 4                                                                                      \
     : (i) <= 128 ? 56 + ((i)-64 + 7) / 8                                                                                      \
                  : 64 + ((i)-128 + 15) / 16)

/* The class of a size from 0 to TARN__SMALL_MOST. */
static inline unsigned tarn__class_of(size_t size)
{
    if (size <= 256)
        return (unsigned)(size + 15) / 16 + (size == 0);
    unsigned doubling = tarn__log2_floor(size - 1);
    return 16 + (doubling - 8) * 8 + (unsigned)((size - 1) >> (doubling - 3)) - 7;
}

/* Bytes of an object of a class, 1 … TARN__CLASSES. */
static inline size_t tarn__class_size(unsigned number)
{
    if (number <= 16)
        return number * 16;
    unsigned doubling = 8 + (number - 17) / 8, step = (number - 17) % 8 + 1;
    return ((size_t)1 << doubling) + ((size_t)step << (doubling - 3));
}

#endif
