/**
 * @file levelpool.h
 * Level pool: small blocks of each size kept ready.
 *
 * Classes of 8, 16, 24 … 128 bytes; 20 blocks of each are prepared when the pool is made. An allocation that takes a class below its low-water mark prepares
 * more of it, so that the next ones find some; larger requests are passed on. Blocks have no header: the pool knows a block's class by the chunk it lies in,
 * and whether it is live by a bit. A ready block holds one pointer; where a program overwrote that, what was ready behind it stays out of use.
 *
 * Threads, forks and signal handlers: pool.h.
 */
#ifndef TARN_LEVELPOOL_H
#define TARN_LEVELPOOL_H

#include "pool.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_levelpool;

#define TARN_LEVELPOOL_STEP ((size_t)8)

/** All zeros: 16 classes, 20 blocks of each, mark at a quarter, the system's source and malloc behind it where there are these, no lock. */
struct tarn_levelpool_options {
    unsigned flags;     /**< enum tarn_pool_flags */
    unsigned classes;   /**< of 8, 16, … 8 * classes bytes; 1 … 64; 0: 16 */
    unsigned blocks;    /**< of each class, ready at the beginning and after a refill; 0: 20 */
    unsigned low_water; /**< a class with fewer ready ones is refilled to `blocks`; below `blocks`; 0: a quarter of `blocks` */
    const struct tarn_pool_lock *lock;
    struct tarn_source
        *source; /**< what refills take when the memory is used up; NULL: the system where `memory` was NULL, else nowhere */
    struct tarn_pool_fallback fallback; /**< for larger requests; all NULL: malloc and free, where there is a C library */
};

/**
 * Makes a pool in `memory`, or, when that is NULL, in memory of the options' source.
 * @param size  bytes of `memory`; 0 with NULL: as much as the prepared blocks need
 * @return NULL: an argument that cannot be, or no memory for the blocks to be prepared. Cost: O(classes * blocks).
 */
TARN_API struct tarn_levelpool *tarn_levelpool_create(void *memory, size_t size, const struct tarn_levelpool_options *options);

/** Ends it. @return 0; TARN_POOL_BUSY: blocks are live, or passed-on ones are out, and nothing has changed */
TARN_API int tarn_levelpool_destroy(struct tarn_levelpool *pool);

/**
 * Allocates `size` bytes; 0 gets 8. Aligned to 16 where the class is a multiple of 16, else to 8; what malloc gives is aligned as that does.
 * @return NULL: nothing is ready and nothing can be had. O(1); a refill is O(blocks).
 */
TARN_API void *tarn_levelpool_alloc(struct tarn_levelpool *pool, size_t size);

/**
 * Frees a block, or one that was passed on; NULL is allowed.
 * @return 0; TARN_POOL_DOUBLE_FREE, TARN_POOL_INSIDE, TARN_POOL_FOREIGN; TARN_POOL_CORRUPT: with red zones, one of the block's was overwritten. Nothing has changed
 * then.
 */
TARN_API int tarn_levelpool_free(struct tarn_levelpool *pool, void *p);

/** Changes a block's size; it stays where it is when its class has room. NULL is allocated, 0 frees. @return NULL: nothing has changed */
TARN_API void *tarn_levelpool_realloc(struct tarn_levelpool *pool, void *p, size_t size);

/** Bytes that may be used; 0 for what is no live block. */
TARN_API size_t tarn_levelpool_usable_size(struct tarn_levelpool *pool, const void *p);

/** How many blocks are ready of the class that serves `size` bytes; 0 for a size that no class serves. */
TARN_API size_t tarn_levelpool_ready(struct tarn_levelpool *pool, size_t size);

TARN_API void tarn_levelpool_stats(struct tarn_levelpool *pool, struct tarn_pool_stats *stats);

/** Each live block, with the size of its class; those that were passed on, too. */
TARN_API void tarn_levelpool_each(struct tarn_levelpool *pool, tarn_pool_visit *visit, void *context);

/** @return 0; TARN_POOL_CORRUPT */
TARN_API int tarn_levelpool_check(struct tarn_levelpool *pool);

#ifdef __cplusplus
}
#endif

#endif
