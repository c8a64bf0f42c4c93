/*
 * Arithmetic on sizes that stays at SIZE_MAX instead of wrapping round, as far as nobody else gives it. The others' header comes first: its
 * functions must not be met by macros of their names.
 */
#ifndef TARN_LINUX_FILL_OVERFLOW_H
#define TARN_LINUX_FILL_OVERFLOW_H

#include <linux/overflow.h>

#include <stddef.h>
#include <stdint.h>

static inline size_t tarn_linux_size_add(size_t a, size_t b)
{
    size_t sum;

    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

static inline size_t tarn_linux_size_sub(size_t a, size_t b)
{
    size_t difference;

    /* A size that is saturated already says nothing about what would remain. */
    return a == SIZE_MAX || b == SIZE_MAX || __builtin_sub_overflow(a, b, &difference) ? SIZE_MAX : difference;
}

static inline size_t tarn_linux_size_mul(size_t a, size_t b)
{
    size_t product;

    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

#ifndef check_add_overflow
#define check_add_overflow(a, b, result) __builtin_add_overflow(a, b, result)
#endif
#ifndef check_sub_overflow
#define check_sub_overflow(a, b, result) __builtin_sub_overflow(a, b, result)
#endif
#ifndef check_mul_overflow
#define check_mul_overflow(a, b, result) __builtin_mul_overflow(a, b, result)
#endif
#ifndef size_add
#define size_add(a, b) tarn_linux_size_add(a, b)
#endif
#ifndef size_sub
#define size_sub(a, b) tarn_linux_size_sub(a, b)
#endif
#ifndef size_mul
#define size_mul(a, b) tarn_linux_size_mul(a, b)
#endif
#ifndef array_size
#define array_size(a, b) tarn_linux_size_mul(a, b)
#endif
#ifndef array3_size
#define array3_size(a, b, c) tarn_linux_size_mul(tarn_linux_size_mul(a, b), c)
#endif
#ifndef flex_array_size
#define flex_array_size(p, member, count) tarn_linux_size_mul(count, sizeof(*(p)->member))
#endif
#ifndef struct_size
#define struct_size(p, member, count) tarn_linux_size_add(sizeof(*(p)), flex_array_size(p, member, count))
#endif
#ifndef struct_size_t
#define struct_size_t(type, member, count) struct_size((type *)NULL, member, count)
#endif

#endif
