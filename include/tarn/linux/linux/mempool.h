/* Reserves (tarn/mempool.h). */
#ifndef TARN_LINUX_MEMPOOL_H
#define TARN_LINUX_MEMPOOL_H
#define _LINUX_MEMPOOL_H

#include <linux/gfp.h>
#include <linux/slab.h>

#include "../../mempool.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The tag has changed in the course of the kernel's versions; both lead to the same type. */
#define mempool_s tarn_mempool
typedef struct tarn_mempool mempool_t;
typedef void *(mempool_alloc_t)(gfp_t flags, void *pool_data);
typedef void(mempool_free_t)(void *element, void *pool_data);

/* Back ends are compared by address, so these are tarn's functions themselves. */
#define mempool_alloc_slab tarn_mempool_alloc_slab
#define mempool_free_slab tarn_mempool_free_slab
#define mempool_kmalloc tarn_mempool_kmalloc
#define mempool_kfree tarn_mempool_kfree
#define mempool_alloc_pages tarn_mempool_alloc_pages
#define mempool_free_pages tarn_mempool_free_pages

static inline int mempool_init(mempool_t *pool, int min_nr, mempool_alloc_t *alloc, mempool_free_t *free, void *pool_data)
{
    return tarn_mempool_init(pool, min_nr, (tarn_mempool_alloc_t *)alloc, free, pool_data, GFP_KERNEL);
}

static inline int mempool_init_node(mempool_t *pool, int min_nr, mempool_alloc_t *alloc, mempool_free_t *free, void *pool_data,
                                    gfp_t flags, int node)
{
    (void)node;
    return tarn_mempool_init(pool, min_nr, (tarn_mempool_alloc_t *)alloc, free, pool_data, flags);
}

static inline void mempool_exit(mempool_t *pool) { tarn_mempool_exit(pool); }

static inline mempool_t *mempool_create(int min_nr, mempool_alloc_t *alloc, mempool_free_t *free, void *pool_data)
{
    return tarn_mempool_create(min_nr, (tarn_mempool_alloc_t *)alloc, free, pool_data);
}

#define mempool_create_node(min_nr, alloc, free, pool_data, flags, node)                                                       \
    ((void)(flags), (void)(node), mempool_create(min_nr, alloc, free, pool_data))

static inline void mempool_destroy(mempool_t *pool) { tarn_mempool_destroy(pool); }

static inline int mempool_resize(mempool_t *pool, int min_nr) { return tarn_mempool_resize(pool, min_nr); }

static inline bool mempool_initialized(mempool_t *pool) { return tarn_mempool_initialized(pool); }

static inline bool mempool_is_saturated(mempool_t *pool) { return tarn_mempool_is_saturated(pool); }

static inline void *mempool_alloc(mempool_t *pool, gfp_t flags) { return tarn_mempool_alloc(pool, flags); }

static inline void *mempool_alloc_preallocated(mempool_t *pool) { return tarn_mempool_alloc_preallocated(pool); }

static inline void mempool_free(void *element, mempool_t *pool) { tarn_mempool_free(element, pool); }

/* Fills the empty slots of an array, of which `allocated` are full; it may sleep, and so always fills all. */
static inline int mempool_alloc_bulk(mempool_t *pool, void **elements, unsigned int count, unsigned int allocated)
{
    return tarn_mempool_alloc_bulk(pool, elements, count, allocated, GFP_KERNEL);
}

static inline unsigned int mempool_free_bulk(mempool_t *pool, void **elements, unsigned int count)
{
    return tarn_mempool_free_bulk(pool, elements, count);
}

static inline void *mempool_kvmalloc(gfp_t flags, void *size) { return tarn_kvmalloc((size_t)size, flags); }

static inline void mempool_kvfree(void *element, void *size)
{
    (void)size;
    tarn_kvfree(element);
}

#define mempool_init_slab_pool(pool, min_nr, cache)                                                                            \
    mempool_init(pool, min_nr, mempool_alloc_slab, mempool_free_slab, (void *)(cache))
#define mempool_create_slab_pool(min_nr, cache) mempool_create(min_nr, mempool_alloc_slab, mempool_free_slab, (void *)(cache))
#define mempool_init_kmalloc_pool(pool, min_nr, size)                                                                          \
    mempool_init(pool, min_nr, mempool_kmalloc, mempool_kfree, (void *)(size_t)(size))
#define mempool_create_kmalloc_pool(min_nr, size) mempool_create(min_nr, mempool_kmalloc, mempool_kfree, (void *)(size_t)(size))
#define mempool_init_kvmalloc_pool(pool, min_nr, size)                                                                         \
    mempool_init(pool, min_nr, mempool_kvmalloc, mempool_kvfree, (void *)(size_t)(size))
#define mempool_create_kvmalloc_pool(min_nr, size)                                                                             \
    mempool_create(min_nr, mempool_kvmalloc, mempool_kvfree, (void *)(size_t)(size))
#define mempool_init_page_pool(pool, min_nr, order)                                                                            \
    mempool_init(pool, min_nr, mempool_alloc_pages, mempool_free_pages, (void *)(size_t)(order))
#define mempool_create_page_pool(min_nr, order)                                                                                \
    mempool_create(min_nr, mempool_alloc_pages, mempool_free_pages, (void *)(size_t)(order))

#ifdef __cplusplus
}
#endif

#endif
