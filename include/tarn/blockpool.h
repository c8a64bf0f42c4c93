/**
 * @file blockpool.h
 * Block pool: runs of neighbouring blocks of one size, found by bitmap.
 *
 * A request takes as many neighbouring blocks as it needs. Two bits a block remember each allocation exactly: taken, and last of its run. So a
 * free needs no size, and finds every mistake. A pool that is full grows by `increment` bytes.
 *
 *     struct tarn_blockpool *pool = tarn_blockpool_create(1024, 512, 64);
 *     void *p = tarn_blockpool_alloc(pool, 8);         one block of the sixteen: 64 bytes are used
 *     tarn_blockpool_free(pool, p);
 *     tarn_blockpool_destroy(pool);
 *
 * Threads, forks and signal handlers: pool.h.
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
    size_t block_size; /**< bytes: a multiple of 8 up to 65536; 0: 64 */
    size_t increment;  /**< bytes of blocks that the pool grows by, rounded up to whole blocks; 0: it does not grow */
    const struct tarn_pool_lock *lock;
    struct tarn_source
        *source; /**< of memory to grow, and of the first when none is given; NULL: the system, where there is one */
};

/**
 * Makes a pool of `size` bytes of blocks, which grows by `increment`, from the system's memory, with the built-in lock.
 *
 * It has exactly size / block_size blocks (one at least), and grows by as many increments as a request needs. Memory comes in whole pages: what of
 * those is more than that is kept for later increments, so several of them may cost the source one call only.
 * @param size        bytes, greater than 0
 * @param block_size  bytes; 0: 64
 * @return NULL: a block size that cannot be, no memory, or no operating system
 */
TARN_API struct tarn_blockpool *tarn_blockpool_create(size_t size, size_t increment, size_t block_size);

/**
 * Makes a pool in `memory`, whatever its alignment, of `size` bytes with the pool's own words: as many blocks as find room; or, when it is
 * NULL, of `size` bytes of blocks from the options' source, as above.
 * @return NULL: no memory, or too little for one block; options that cannot be
 */
TARN_API struct tarn_blockpool *tarn_blockpool_create_in(void *memory, size_t size,
                                                         const struct tarn_blockpool_options *options);

/** Ends it. NULL is allowed. @return 0; TARN_POOL_BUSY: runs are live; TARN_POOL_CORRUPT: nothing has changed in both cases */
TARN_API int tarn_blockpool_destroy(struct tarn_blockpool *pool);

/**
 * Takes a run of blocks for `size` bytes; 0 takes one block. Aligned to the largest power of two that divides the block size, up to 4096; with red
 * zones, to two words at most.
 * @return NULL: no run is that long, and the pool cannot grow; with flags also: something was overwritten. A single block, or a short run, is
 * found at once where the search begins; else O(blocks / 64 + segments).
 */
TARN_API void *tarn_blockpool_alloc(struct tarn_blockpool *pool, size_t size);

/**
 * Frees a run; NULL is allowed.
 * @return 0; TARN_POOL_INSIDE, TARN_POOL_DOUBLE_FREE, TARN_POOL_FOREIGN, TARN_POOL_CORRUPT: nothing has changed then
 */
TARN_API int tarn_blockpool_free(struct tarn_blockpool *pool, void *p);

/**
 * Changes a run's length: in place when it shrinks or the blocks behind it are free, else by moving. NULL is allocated, 0 frees and gets NULL.
 * @return NULL: no memory, or `p` is no live run: nothing has changed
 */
TARN_API void *tarn_blockpool_realloc(struct tarn_blockpool *pool, void *p, size_t size);

/** Bytes of the run that begins at `p`, with red zones those asked for; 0 for what is none. */
TARN_API size_t tarn_blockpool_usable_size(struct tarn_blockpool *pool, const void *p);

/** What each run is aligned to: see tarn_blockpool_alloc. */
TARN_API size_t tarn_blockpool_align(const struct tarn_blockpool *pool);

/** Bytes of the blocks of all runs that are live. */
TARN_API size_t tarn_blockpool_used(struct tarn_blockpool *pool);

/** Gives the source the segments that are empty, but for the first. @return bytes given back */
TARN_API size_t tarn_blockpool_trim(struct tarn_blockpool *pool);

/** `capacity` is that of the blocks that the pool has, not of the room to grow in that memory. O(blocks / 64). */
TARN_API void tarn_blockpool_stats(struct tarn_blockpool *pool, struct tarn_pool_stats *stats);

/** Each live run, in order of age of the segments, and of address in them. */
TARN_API void tarn_blockpool_each(struct tarn_blockpool *pool, tarn_pool_visit *visit, void *context);

/** Walks all of the pool. @return 0; TARN_POOL_CORRUPT */
TARN_API int tarn_blockpool_check(struct tarn_blockpool *pool);

#ifdef __cplusplus
}
#endif

#endif
