/* Ranges out of memory that is not ordinary (tarn/genpool.h). */
#ifndef TARN_LINUX_GENALLOC_H
#define TARN_LINUX_GENALLOC_H
#define __GENALLOC_H__

#include "../fill/types.h"
#include "../fill/warn.h"

#include "../../genpool.h"

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gen_pool;

typedef unsigned long (*genpool_algo_t)(unsigned long *map, unsigned long size, unsigned long start, unsigned int count,
                                        void *data, struct gen_pool *pool, unsigned long start_addr);

struct genpool_data_align {
    int align;
};

struct genpool_data_fixed {
    unsigned long offset;
};

/* The searches, as functions of the kernel's type; their data has the same layout as tarn's. */
#define TARN_LINUX_SEARCH(name, native)                                                                                        \
    static inline unsigned long name(unsigned long *map, unsigned long size, unsigned long start, unsigned int count,          \
                                     void *data, struct gen_pool *pool, unsigned long start_addr)                              \
    {                                                                                                                          \
        return native(map, size, start, count, data, (struct tarn_gen_pool *)pool, start_addr);                                \
    }
TARN_LINUX_SEARCH(gen_pool_first_fit, tarn_gen_pool_first_fit)
TARN_LINUX_SEARCH(gen_pool_first_fit_align, tarn_gen_pool_first_fit_align)
TARN_LINUX_SEARCH(gen_pool_first_fit_order_align, tarn_gen_pool_first_fit_order_align)
TARN_LINUX_SEARCH(gen_pool_fixed_alloc, tarn_gen_pool_fixed_alloc)
TARN_LINUX_SEARCH(gen_pool_best_fit, tarn_gen_pool_best_fit)
#undef TARN_LINUX_SEARCH

static inline struct gen_pool *gen_pool_create(int min_order, int node)
{
    return (struct gen_pool *)tarn_gen_pool_create(min_order, node);
}

static inline void gen_pool_destroy(struct gen_pool *pool) { tarn_gen_pool_destroy((struct tarn_gen_pool *)pool); }

static inline int gen_pool_add_owner(struct gen_pool *pool, unsigned long address, phys_addr_t physical, size_t size, int node,
                                     void *owner)
{
    (void)node;
    return tarn_gen_pool_add((struct tarn_gen_pool *)pool, address, physical, size, owner);
}

static inline int gen_pool_add_virt(struct gen_pool *pool, unsigned long address, phys_addr_t physical, size_t size, int node)
{
    return gen_pool_add_owner(pool, address, physical, size, node, NULL);
}

static inline int gen_pool_add(struct gen_pool *pool, unsigned long address, size_t size, int node)
{
    return gen_pool_add_owner(pool, address, (phys_addr_t)-1, size, node, NULL);
}

static inline unsigned long gen_pool_alloc_algo_owner(struct gen_pool *pool, size_t size, genpool_algo_t algo, void *data,
                                                      void **owner)
{
    return tarn_gen_pool_alloc((struct tarn_gen_pool *)pool, size, (tarn_gen_pool_algo_t *)algo, data, owner);
}

static inline unsigned long gen_pool_alloc_owner(struct gen_pool *pool, size_t size, void **owner)
{
    return gen_pool_alloc_algo_owner(pool, size, NULL, NULL, owner);
}

static inline unsigned long gen_pool_alloc_algo(struct gen_pool *pool, size_t size, genpool_algo_t algo, void *data)
{
    return gen_pool_alloc_algo_owner(pool, size, algo, data, NULL);
}

static inline unsigned long gen_pool_alloc(struct gen_pool *pool, size_t size)
{
    return gen_pool_alloc_algo_owner(pool, size, NULL, NULL, NULL);
}

static inline void gen_pool_free_owner(struct gen_pool *pool, unsigned long address, size_t size, void **owner)
{
    tarn_gen_pool_free((struct tarn_gen_pool *)pool, address, size, owner);
}

static inline void gen_pool_free(struct gen_pool *pool, unsigned long address, size_t size)
{
    gen_pool_free_owner(pool, address, size, NULL);
}

static inline phys_addr_t gen_pool_virt_to_phys(struct gen_pool *pool, unsigned long address)
{
    return (phys_addr_t)tarn_gen_pool_physical((struct tarn_gen_pool *)pool, address);
}

static inline void gen_pool_set_algo(struct gen_pool *pool, genpool_algo_t algo, void *data)
{
    tarn_gen_pool_set_algo((struct tarn_gen_pool *)pool, (tarn_gen_pool_algo_t *)algo, data);
}

static inline bool gen_pool_has_addr(struct gen_pool *pool, unsigned long address, size_t size)
{
    return tarn_gen_pool_has((struct tarn_gen_pool *)pool, address, size);
}

static inline size_t gen_pool_avail(struct gen_pool *pool) { return tarn_gen_pool_available((struct tarn_gen_pool *)pool); }

static inline size_t gen_pool_size(struct gen_pool *pool) { return tarn_gen_pool_size((struct tarn_gen_pool *)pool); }

/* A range together with its physical address. */
static inline void *gen_pool_dma_alloc_algo(struct gen_pool *pool, size_t size, dma_addr_t *dma, genpool_algo_t algo,
                                            void *data)
{
    unsigned long address = pool ? gen_pool_alloc_algo(pool, size, algo, data) : 0;

    if (address && dma)
        *dma = gen_pool_virt_to_phys(pool, address);
    return (void *)address;
}

static inline void *gen_pool_dma_alloc(struct gen_pool *pool, size_t size, dma_addr_t *dma)
{
    return gen_pool_dma_alloc_algo(pool, size, dma, NULL, NULL);
}

static inline void *gen_pool_dma_alloc_align(struct gen_pool *pool, size_t size, dma_addr_t *dma, int align)
{
    struct genpool_data_align data = {align};

    return gen_pool_dma_alloc_algo(pool, size, dma, gen_pool_first_fit_align, &data);
}

static inline void *gen_pool_dma_zalloc_algo(struct gen_pool *pool, size_t size, dma_addr_t *dma, genpool_algo_t algo,
                                             void *data)
{
    void *range = gen_pool_dma_alloc_algo(pool, size, dma, algo, data);

    return range ? memset(range, 0, size) : NULL;
}

static inline void *gen_pool_dma_zalloc(struct gen_pool *pool, size_t size, dma_addr_t *dma)
{
    return gen_pool_dma_zalloc_algo(pool, size, dma, NULL, NULL);
}

static inline void *gen_pool_dma_zalloc_align(struct gen_pool *pool, size_t size, dma_addr_t *dma, int align)
{
    struct genpool_data_align data = {align};

    return gen_pool_dma_zalloc_algo(pool, size, dma, gen_pool_first_fit_align, &data);
}

#ifdef __cplusplus
}
#endif

#endif
