/**
 * @file mempool.h
 * Reserves: a guaranteed number of elements kept back, so that who may wait always gets one.
 *
 * An allocation asks the allocator below first, without sleeping; then takes from the reserve; then, if it may sleep
 * (TARN_GFP_DIRECT_RECLAIM), asks below with all its flags, and waits for an element to be freed. A free fills the reserve
 * first and wakes a waiter. So N threads that each hold at most their share of `min_nr` make progress for ever. (The kernel's
 * mempool.)
 *
 * Waiters are served in the order in which they came, and one is woken for each element that there is for it. A bulk request
 * holds nothing of the reserve while it waits, so smaller ones that can be served may pass it.
 *
 * Any thread may use a pool at any time, and the child of a fork, in which other threads' waiters do not exist. A pool's memory
 * must not go away before tarn_mempool_exit. None of the functions is async-signal-safe.
 *
 * Cost: that of the allocator below, and a comparison at each free; one short lock when the reserve is used. The reserve's
 * array is whole pages of the system: 512 elements to one of 4096 bytes.
 */
#ifndef TARN_MEMPOOL_H
#define TARN_MEMPOOL_H

#include "gfp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Gives an element or NULL; must not sleep without TARN_GFP_DIRECT_RECLAIM in `flags`. Called with no lock held, as the next.
 */
typedef void *tarn_mempool_alloc_t(tarn_gfp_t flags, void *pool_data);
typedef void tarn_mempool_free_t(void *element, void *pool_data);

/**
 * The caller's memory, for tarn_mempool_init; all members are read-only to users, and those without a comment are tarn's own.
 */
struct tarn_mempool {
    uint64_t lock;
    int min_nr;  /**< elements kept back, at least 1 */
    int curr_nr; /**< of them there now */
    void **elements;
    void *pool_data;
    tarn_mempool_alloc_t *alloc;
    tarn_mempool_free_t *free;
    size_t element_size; /**< for poison; 0: not known */
    void *(*memory)(void *element);
    void *waiters[2];
    void *pools[2];
    uint64_t arrivals;
    uint32_t capacity, flags, forks;
    int missing;
    void *(*quick_alloc)(struct tarn_mempool *pool, tarn_gfp_t flags);
    void (*quick_free)(void *element, struct tarn_mempool *pool);
};

/**
 * Makes a pool in the caller's memory and fills its reserve.
 * @param min_nr  elements to keep back; 0 keeps one
 * @param flags   for the elements that fill it; TARN_GFP_ZERO is an error
 * @return 0; -EINVAL: negative, no functions, TARN_GFP_ZERO, or a cache with a constructor; -ENOMEM: the reserve could not be
 * filled. In both cases nothing is held, and *pool is as tarn_mempool_exit leaves it.
 */
TARN_API int tarn_mempool_init(struct tarn_mempool *pool, int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free,
                               void *pool_data, tarn_gfp_t flags);

/**
 * Frees the reserve. Nobody may use the pool meanwhile. Elements in use stay their users', but where TARN_DEBUG has letters for "mempool" they are reported
 * (report.h). A zeroed pool is allowed, and one that was ended.
 */
TARN_API void tarn_mempool_exit(struct tarn_mempool *pool);

/** The same with tarn's memory, the elements allocated with TARN_GFP_KERNEL. @return NULL for any of the errors */
TARN_API struct tarn_mempool *tarn_mempool_create(int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free,
                                                  void *pool_data);
TARN_API void tarn_mempool_destroy(struct tarn_mempool *pool); /**< NULL is allowed */

/**
 * Changes min_nr, beside allocations, frees and other resizes; the last to begin decides. May sleep as the allocator below does
 * with TARN_GFP_KERNEL. @return 0; -EINVAL: not positive; -ENOMEM: no room for so many, nothing has changed. Growing may stop
 * short; frees fill the rest.
 */
TARN_API int tarn_mempool_resize(struct tarn_mempool *pool, int min_nr);

/**
 * An element. With TARN_GFP_DIRECT_RECLAIM never NULL: waits for one to be freed, and asks below again every five seconds.
 * Without, NULL when neither the allocator below nor the reserve has one. TARN_GFP_ZERO is an error, as what comes from the
 * reserve is not zero: NULL, and a warning.
 */
TARN_API void *tarn_mempool_alloc(struct tarn_mempool *pool, tarn_gfp_t flags);
TARN_API void *tarn_mempool_alloc_preallocated(struct tarn_mempool *pool); /**< from the reserve only; NULL when it is empty */

/**
 * Fills the empty (NULL) slots of `elements[0 … count - 1]`. Takes from the reserve all that is missing at once or nothing, so
 * that two requests do not wait for each other's parts.
 * @param count      more than min_nr get a warning: the reserve alone could never serve that
 * @param allocated  slots that are not empty
 * @return 0; -EINVAL: TARN_GFP_ZERO; -ENOMEM, without TARN_GFP_DIRECT_RECLAIM only: slots that the allocator below filled stay
 * filled
 */
TARN_API int tarn_mempool_alloc_bulk(struct tarn_mempool *pool, void **elements, unsigned count, unsigned allocated,
                                     tarn_gfp_t flags);

/**
 * NULL is allowed. An element of a cache or of kmalloc's classes that is freed into the reserve and is free already is reported (report.h); any other while the
 * reserve holds at most 16, or is poisoned.
 */
TARN_API void tarn_mempool_free(void *element, struct tarn_mempool *pool);

/**
 * Gives elements to the reserve as long as that is short.
 * @return how many of them, from the start of the array, are dealt with; these slots are NULL now. The rest is still the
 * caller's, to be freed in bulk where they came from.
 */
TARN_API unsigned tarn_mempool_free_bulk(struct tarn_mempool *pool, void **elements, unsigned count);

TARN_API bool tarn_mempool_initialized(const struct tarn_mempool *pool);
TARN_API bool tarn_mempool_is_saturated(const struct tarn_mempool *pool); /**< whether the reserve is full, at a moment */

/**
 * Poisons elements while they are in the reserve: filled with 0x6b, the last byte 0xa5, which is verified when one leaves it,
 * when it is filled with 0x5a; and finds all elements freed twice into the reserve. What is proved is reported (report.h).
 * Call it before others use the pool. Without it the reserve's elements are not written to, except by development builds, which
 * poison what stands on a cache, a size or pages.
 * @param element_size  bytes; 0 for what stands on a cache, a size or pages
 * @return 0; -EINVAL: the size is not known
 */
TARN_API int tarn_mempool_poison(struct tarn_mempool *pool, size_t element_size);

/* What a pool can stand on. Caches must be without constructor. */
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
