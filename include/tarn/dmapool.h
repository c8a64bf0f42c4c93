/**
 * @file dmapool.h
 * Small blocks for devices: aligned, never across a boundary. (The kernel's dma_pool.)
 *
 * Blocks are cut from pages, which stay the pool's until it is destroyed. What the pool knows of them lies elsewhere, so a device that writes to a
 * block after its end spoils no bookkeeping. Unless a function says otherwise: any thread may call it at any time, and the child of a fork;
 * none is async-signal-safe.
 */
#ifndef TARN_DMAPOOL_H
#define TARN_DMAPOOL_H

#include "gfp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t tarn_dma_t; /**< the address a device uses: here the memory's own, as no device translates */

struct tarn_dma_pool;

/**
 * Makes a pool, without pages at first.
 * @param name      for warnings and reports, copied; cut after 31 characters
 * @param size      bytes of a block, 1 … INT_MAX, rounded up to the alignment; at least 4 in effect
 * @param align     a power of two, or 0: 1
 * @param boundary  a power of two of at least the rounded size that blocks never cross, or 0: none
 * @return NULL: no memory, or arguments that do not go together
 */
TARN_API struct tarn_dma_pool *tarn_dma_pool_create(const char *name, size_t size, size_t align, size_t boundary);

/**
 * Ends a pool. NULL is allowed. Nobody may use it meanwhile. When blocks are in use a warning tells how many (tarn_warn_to), and the pages they
 * lie in are kept for ever, as a device may still write to them.
 */
TARN_API void tarn_dma_pool_destroy(struct tarn_dma_pool *pool);

/**
 * A block. Its contents are not defined, but with TARN_GFP_ZERO.
 * @param flags   how its pages may be got where none has room: as for tarn_pages_alloc
 * @param handle  gets the address for the device; may be NULL
 * @return NULL: no memory. Cost: a lock and a bit; a page's allocation once in so many blocks.
 */
TARN_API void *tarn_dma_pool_alloc(struct tarn_dma_pool *pool, tarn_gfp_t flags, tarn_dma_t *handle);

/** Frees a block. One that is free already, or none of this pool, or another handle than the block's, is reported (report.h). */
TARN_API void tarn_dma_pool_free(struct tarn_dma_pool *pool, void *block, tarn_dma_t handle);

/**
 * Fills free blocks with 0xa7, verified when they are allocated, and allocated ones with 0xa9: writes after free are found. Off at first, but in
 * builds for development. @return 0; -EBUSY: the pool has pages already
 */
TARN_API int tarn_dma_pool_poison(struct tarn_dma_pool *pool, bool on);

/** What a pool holds. */
struct tarn_dma_pool_stats {
    const char *name;
    size_t size;           /**< bytes of a block, rounded */
    size_t page_blocks;    /**< blocks of one allocation of pages */
    size_t page_bytes;     /**< bytes of one allocation of pages */
    size_t pages;          /**< such allocations */
    size_t blocks, active; /**< blocks in all of them; those in use */
};
TARN_API void tarn_dma_pool_stats(struct tarn_dma_pool *pool, struct tarn_dma_pool_stats *stats);

/** Verifies the whole structure, and the fill of free blocks; ends the process with what does not hold. The pool must be at rest. */
TARN_API void tarn_dma_pool_verify(struct tarn_dma_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
