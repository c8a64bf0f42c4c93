/* Small blocks for devices (tarn/dmapool.h). */
#ifndef TARN_LINUX_DMAPOOL_H
#define TARN_LINUX_DMAPOOL_H
#define LINUX_DMAPOOL_H

#include <linux/gfp.h>

#include "../../dmapool.h"

#ifdef __cplusplus
extern "C" {
#endif

struct device;
struct dma_pool;

static inline struct dma_pool *dma_pool_create(const char *name, struct device *device, size_t size, size_t align,
                                               size_t boundary)
{
    (void)device;
    return (struct dma_pool *)tarn_dma_pool_create(name, size, align, boundary);
}

static inline void dma_pool_destroy(struct dma_pool *pool) { tarn_dma_pool_destroy((struct tarn_dma_pool *)pool); }

static inline void *dma_pool_alloc(struct dma_pool *pool, gfp_t flags, dma_addr_t *handle)
{
    tarn_dma_t address = 0;
    void *block = tarn_dma_pool_alloc((struct tarn_dma_pool *)pool, flags, &address);

    if (block)
        *handle = (dma_addr_t)address;
    return block;
}

static inline void *dma_pool_zalloc(struct dma_pool *pool, gfp_t flags, dma_addr_t *handle)
{
    return dma_pool_alloc(pool, flags | __GFP_ZERO, handle);
}

static inline void dma_pool_free(struct dma_pool *pool, void *block, dma_addr_t handle)
{
    tarn_dma_pool_free((struct tarn_dma_pool *)pool, block, handle);
}

/* No device ends here, so nothing is freed with it: who made such a pool destroys it. */
#define dmam_pool_create(name, device, size, align, boundary) dma_pool_create(name, device, size, align, boundary)
#define dmam_pool_destroy(pool) dma_pool_destroy(pool)

#ifdef __cplusplus
}
#endif

#endif
