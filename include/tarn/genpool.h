/**
 * @file genpool.h
 * Ranges out of memory that is not ordinary, or not memory at all: a bitmap per chunk, chunks added at run time. (The kernel's gen_pool.)
 *
 * The memory managed is never touched, except by tarn_gen_pool_zalloc.
 */
#ifndef TARN_GENPOOL_H
#define TARN_GENPOOL_H

#include <tarn/gfp.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_gen_pool;

/** Finds `count` clear bits of `map`, `size` bits long, from `start` on. @return their first, or something ≥ size: none. */
typedef unsigned long tarn_gen_pool_algo_t(unsigned long *map, unsigned long size, unsigned long start, unsigned count,
                                           void *data, struct tarn_gen_pool *pool, unsigned long start_addr);

TARN_API struct tarn_gen_pool *tarn_gen_pool_create(int min_order, int nid); /**< units of 2^min_order bytes */
TARN_API void tarn_gen_pool_destroy(struct tarn_gen_pool *pool); /**< with ranges in use: a warning, and the pool stays */
TARN_API int tarn_gen_pool_add(struct tarn_gen_pool *pool, unsigned long address, uint64_t physical, size_t size, void *owner);
TARN_API unsigned long tarn_gen_pool_alloc(struct tarn_gen_pool *pool, size_t size, tarn_gen_pool_algo_t *algo, void *data,
                                           void **owner); /**< 0: none. `algo` NULL: the pool's */
TARN_API void tarn_gen_pool_free(struct tarn_gen_pool *pool, unsigned long address, size_t size, void **owner);
TARN_API void tarn_gen_pool_set_algo(struct tarn_gen_pool *pool, tarn_gen_pool_algo_t *algo, void *data);
TARN_API uint64_t tarn_gen_pool_physical(struct tarn_gen_pool *pool, unsigned long address); /**< UINT64_MAX: not in it */
TARN_API bool tarn_gen_pool_has(struct tarn_gen_pool *pool, unsigned long address, size_t size);
TARN_API size_t tarn_gen_pool_available(struct tarn_gen_pool *pool);
TARN_API size_t tarn_gen_pool_size(struct tarn_gen_pool *pool);

struct tarn_gen_pool_align {
    int align;
};
struct tarn_gen_pool_fixed {
    unsigned long offset;
};
TARN_API tarn_gen_pool_algo_t tarn_gen_pool_first_fit, tarn_gen_pool_first_fit_align, tarn_gen_pool_first_fit_order_align,
    tarn_gen_pool_fixed_alloc, tarn_gen_pool_best_fit;

#ifdef __cplusplus
}
#endif

#endif
