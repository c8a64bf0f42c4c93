/**
 * @file mempool.h
 * Reserves: a guaranteed number of elements kept back, so that who may wait always gets one.
 *
 * An allocation asks the allocator below first, without sleeping; then takes from the reserve; then, if it may sleep
 * (TARN_GFP_DIRECT_RECLAIM), asks below with all its flags, and waits for an element to be freed. A free fills the reserve first and wakes a
 * waiter. So N threads that each hold at most their share of `min_nr` make progress for ever. (The kernel's mempool.)
 */
#ifndef TARN_MEMPOOL_H
#define TARN_MEMPOOL_H

#include <tarn/gfp.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Gives an element or NULL; must not sleep without TARN_GFP_DIRECT_RECLAIM in `flags`. */
typedef void *tarn_mempool_alloc_t(tarn_gfp_t flags, void *pool_data);
typedef void tarn_mempool_free_t(void *element, void *pool_data);

/** The caller's memory, for tarn_mempool_init; all members are read-only to users. */
struct tarn_mempool {
    uint64_t lock[2];
    int min_nr;  /**< elements kept back */
    int curr_nr; /**< of them there now */
    void **elements;
    void *pool_data;
    tarn_mempool_alloc_t *alloc;
    tarn_mempool_free_t *free;
    void *wait[2];
    size_t element_size; /**< for poison; 0: not known, not poisoned */
    uint32_t flags, waiters;
    uint64_t room[2];
};

/**
 * Makes a pool in the caller's memory and fills its reserve.
 * @param min_nr  elements to keep back; 0 keeps one
 * @return 0; -EINVAL: negative, no functions; -ENOMEM: the reserve could not be filled, nothing is held
 */
TARN_API int tarn_mempool_init(struct tarn_mempool *pool, int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free,
                               void *pool_data, tarn_gfp_t flags);
TARN_API void tarn_mempool_exit(struct tarn_mempool *pool); /**< a zeroed pool is allowed */

/** The same with tarn's memory. @return NULL for any of the errors */
TARN_API struct tarn_mempool *tarn_mempool_create(int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free,
                                                  void *pool_data);
TARN_API void tarn_mempool_destroy(struct tarn_mempool *pool); /**< NULL is allowed */

/** Changes min_nr beside traffic. @return 0; -EINVAL: not positive; -ENOMEM. Growing may stop short; frees fill the rest. */
TARN_API int tarn_mempool_resize(struct tarn_mempool *pool, int min_nr);

TARN_API void *tarn_mempool_alloc(struct tarn_mempool *pool, tarn_gfp_t flags);
TARN_API void *tarn_mempool_alloc_preallocated(struct tarn_mempool *pool); /**< from the reserve only; NULL when it is empty */
TARN_API int tarn_mempool_alloc_bulk(struct tarn_mempool *pool, void **elements, unsigned count, unsigned allocated,
                                     tarn_gfp_t flags);
TARN_API void tarn_mempool_free(void *element, struct tarn_mempool *pool); /**< NULL is allowed */
TARN_API unsigned tarn_mempool_free_bulk(struct tarn_mempool *pool, void **elements, unsigned count);
TARN_API bool tarn_mempool_initialized(const struct tarn_mempool *pool);
TARN_API bool tarn_mempool_is_saturated(const struct tarn_mempool *pool);

/* What a pool can stand on. */
TARN_API void *tarn_mempool_alloc_slab(tarn_gfp_t flags, void *cache);
TARN_API void tarn_mempool_free_slab(void *element, void *cache);
TARN_API void *tarn_mempool_kmalloc(tarn_gfp_t flags, void *size);
TARN_API void tarn_mempool_kfree(void *element, void *size);
TARN_API void *tarn_mempool_alloc_pages(tarn_gfp_t flags, void *order); /**< struct tarn_page * */
TARN_API void tarn_mempool_free_pages(void *element, void *order);

#ifdef __cplusplus
}
#endif

#endif
