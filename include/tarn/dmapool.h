/**
 * @file dmapool.h
 * Small blocks for devices: aligned, never across a boundary. (The kernel's dma_pool.)
 */
#ifndef TARN_DMAPOOL_H
#define TARN_DMAPOOL_H

#include <tarn/gfp.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t tarn_dma_t; /**< the address a device uses: here the memory's own, as no device translates */

struct tarn_dma_pool;

/**
 * @param size      bytes of a block, rounded up to the alignment; at least 4 in effect
 * @param align     a power of two, or 0: 1
 * @param boundary  a power of two of at least `size` that blocks never cross, or 0: none
 * @return NULL: no memory, or arguments that do not go together
 */
TARN_API struct tarn_dma_pool *tarn_dma_pool_create(const char *name, size_t size, size_t align, size_t boundary);
TARN_API void
tarn_dma_pool_destroy(struct tarn_dma_pool *pool); /**< NULL is allowed; blocks in use are warned of, and their pages kept */
TARN_API void *tarn_dma_pool_alloc(struct tarn_dma_pool *pool, tarn_gfp_t flags, tarn_dma_t *handle);
TARN_API void tarn_dma_pool_free(struct tarn_dma_pool *pool, void *block, tarn_dma_t handle);

#ifdef __cplusplus
}
#endif

#endif
