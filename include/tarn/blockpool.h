/**
 * @file blockpool.h
 * Block pool: runs of neighbouring blocks of one size, found by bitmap.
 *
 * A request takes as many neighbouring blocks as it needs. Two bits a block remember each allocation exactly: taken, and last of its run. So a
 * free needs no size, and finds every mistake. A pool that is full grows by a segment of `increment` bytes.
 *
 *     struct tarn_blockpool *pool = tarn_blockpool_create(1024, 512, 0);
 *     void *p = tarn_blockpool_alloc(pool, 8);
 *     tarn_blockpool_free(pool, p);
 *     tarn_blockpool_destroy(pool);
 */
#ifndef TARN_BLOCKPOOL_H
#define TARN_BLOCKPOOL_H

#include "pool.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_blockpool;

enum tarn_blockpool_fit {
    TARN_BLOCKPOOL_FIRST_FIT, /**< the lowest run that will do, of the oldest segment that has one */
    TARN_BLOCKPOOL_NEXT_FIT,  /**< the next one after the latest allocation */
};

/** All zeros: blocks of 64 bytes, first fit, no growth, no lock. */
struct tarn_blockpool_options {
    unsigned flags; /**< enum tarn_pool_flags */
    enum tarn_blockpool_fit fit;
    size_t block_size; /**< bytes: a power of two from 8 to 65536, or any multiple of 8 up to that; 0: 64 */
    size_t increment;  /**< bytes of blocks that a further segment has at least; 0: the pool does not grow */
    const struct tarn_pool_lock *lock;
    struct tarn_source
        *source; /**< of further segments, and of the first when no memory is given; NULL: the system, where there is one */
};

/**
 * Makes a pool of `size` bytes of blocks, which grows by `increment`, from the system's memory, with the built-in lock.
 * @param block_size  bytes; 0: 64
 * @return NULL: a block size that cannot be, no memory, or no operating system. Rounded to whole pages; what that gains is used.
 */
TARN_API struct tarn_blockpool *tarn_blockpool_create(size_t size, size_t increment, size_t block_size);

/** Makes a pool in `memory`, of `size` bytes with the pool's own struct; or, when it is NULL, of `size` bytes of blocks from the options' source. */
TARN_API struct tarn_blockpool *tarn_blockpool_create_in(void *memory, size_t size,
                                                         const struct tarn_blockpool_options *options);

/** Ends it. @return 0; TARN_POOL_BUSY: runs are live, and nothing has changed */
TARN_API int tarn_blockpool_destroy(struct tarn_blockpool *pool);

/**
 * Takes a run of blocks for `size` bytes; 0 takes one block. Aligned to the largest power of two that divides the block size, up to 4096 where the memory is, too.
 * @return NULL: no run is that long, and the pool cannot grow. O(blocks / 64) in the worst case; a single block is found at once where a hint holds.
 */
TARN_API void *tarn_blockpool_alloc(struct tarn_blockpool *pool, size_t size);

/** Frees a run; NULL is allowed. @return 0; TARN_POOL_INSIDE, TARN_POOL_DOUBLE_FREE, TARN_POOL_FOREIGN, TARN_POOL_CORRUPT: nothing has changed then */
TARN_API int tarn_blockpool_free(struct tarn_blockpool *pool, void *p);

/** Changes a run's length: in place when it shrinks or the blocks behind it are free, else by moving. NULL is allocated, 0 frees. @return NULL: nothing has changed */
TARN_API void *tarn_blockpool_realloc(struct tarn_blockpool *pool, void *p, size_t size);

/** Bytes of the run that begins at `p`; 0 for what is none. */
TARN_API size_t tarn_blockpool_usable_size(struct tarn_blockpool *pool, const void *p);

/** Bytes of all runs that are live. */
TARN_API size_t tarn_blockpool_used(struct tarn_blockpool *pool);

/** Gives the source the segments that are empty, but for the first. @return bytes given back */
TARN_API size_t tarn_blockpool_trim(struct tarn_blockpool *pool);

TARN_API void tarn_blockpool_stats(struct tarn_blockpool *pool, struct tarn_pool_stats *stats);

TARN_API void tarn_blockpool_each(struct tarn_blockpool *pool, tarn_pool_visit *visit, void *context);

/** @return 0; TARN_POOL_CORRUPT */
TARN_API int tarn_blockpool_check(struct tarn_blockpool *pool);

#ifdef __cplusplus
}
#endif

#endif
