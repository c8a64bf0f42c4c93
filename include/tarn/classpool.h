/**
 * @file classpool.h
 * Class pool: 13 power-of-two classes, 16 bytes to 64 KiB, in one buffer, shared by several modules.
 *
 * Each block has a header with a word that is a function of its address, its class and its state, and a guard behind what was asked for; both
 * are verified at each free and realloc. Blocks are carved from the buffer as they are first needed; a freed one goes to its class's queue and is handed out again
 * for that class. A class that has none, when the buffer is used up, takes the next larger free block. Allocation and free are O(1).
 *
 *     struct tarn_classpool *pool = NULL;                      one variable that the modules share
 *     tarn_classpool_open(&pool, memory, sizeof memory, NULL);  each module, as it begins
 *     void *p = tarn_classpool_alloc(pool, 100);
 *     tarn_classpool_free(pool, p);
 *     tarn_classpool_close(&pool, NULL);                       each module, as it ends
 *
 * Threads, forks and signal handlers: pool.h.
 */
#ifndef TARN_CLASSPOOL_H
#define TARN_CLASSPOOL_H

#include "pool.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_CLASSPOOL_CLASSES 13u
#define TARN_CLASSPOOL_LEAST ((size_t)16)
#define TARN_CLASSPOOL_MOST ((size_t)65536)

struct tarn_classpool;

enum tarn_classpool_flags {
    TARN_CLASSPOOL_PASS_LARGE = 1 << 8, /**< requests above 64 KiB go to the fallback */
    TARN_CLASSPOOL_PASS_FULL = 1 << 9,  /**< requests for which the buffer has no block go to the fallback */
};

/** All zeros: never falls back, no notifier, no lock. */
struct tarn_classpool_options {
    unsigned flags; /**< enum tarn_pool_flags, enum tarn_classpool_flags */
    const struct tarn_pool_lock *lock;
    struct tarn_source *source; /**< where the buffer comes from if none is given; NULL: the system, where there is one */
    struct tarn_pool_fallback
        fallback; /**< all NULL: malloc and free, where there is a C library. With more than 12 blocks out it is asked for a table of them, too. */
    void (*notify)(void *context,
                   size_t size); /**< a request of `size` bytes could be had neither here nor from the fallback */
    void *notify_context;
};

/**
 * Opens a pool: the first call for a variable that holds NULL makes it, later ones count. Safe when modules race to be first.
 * @param memory   the buffer, of any alignment; NULL: `size` bytes from the options' source. Ignored, as `size` and `options`, by later calls.
 * @return 0; TARN_POOL_INVALID: an unknown flag, or a size below TARN_CLASSPOOL_BUFFER_LEAST; TARN_POOL_NO_MEMORY; of a pool with TARN_POOL_CHECK that
 *         is open already, as tarn_classpool_close
 */
TARN_API int tarn_classpool_open(struct tarn_classpool **pool, void *memory, size_t size,
                                 const struct tarn_classpool_options *options);
#define TARN_CLASSPOOL_BUFFER_LEAST ((size_t)2048)

/**
 * Closes it once. The last close ends the pool, sets the variable to NULL, gives the buffer back, and what is still out at the fallback, too.
 * @param left  gets what was still allocated, or may be NULL
 * @return 0; TARN_POOL_BUSY: this was the last close, and blocks were still out (the pool has ended nevertheless); TARN_POOL_INVALID: it is not open;
 *         with TARN_POOL_CHECK, as tarn_classpool_free, and nothing was changed: its struct was overwritten, or another thread is inside
 */
TARN_API int tarn_classpool_close(struct tarn_classpool **pool, struct tarn_pool_stats *left);

/** Allocates `size` bytes, aligned to 16; what the fallback gives is aligned as that does. 0 gets a block of the least class. @return NULL: none, and the notifier was told */
TARN_API void *tarn_classpool_alloc(struct tarn_classpool *pool, size_t size);

/**
 * Changes a block's size; it stays where it is when its class has room. NULL is allocated, a size of 0 frees.
 * @return NULL: no block will do, or `p` is wrong in a way tarn_classpool_free tells: nothing has changed then
 */
TARN_API void *tarn_classpool_realloc(struct tarn_classpool *pool, void *p, size_t size);

/**
 * Frees a block; NULL is allowed. @return 0; TARN_POOL_DOUBLE_FREE; TARN_POOL_FOREIGN: no block of this pool begins there; TARN_POOL_CORRUPT: the block or the
 * one before it was overrun. Nothing has changed then; an overrun block stays out of use.
 */
TARN_API int tarn_classpool_free(struct tarn_classpool *pool, void *p);

/** Bytes that may be used: the class's. The guard moves behind these, as who asks may use them. 0 for what is no live block, or an overrun one. */
TARN_API size_t tarn_classpool_usable_size(struct tarn_classpool *pool, const void *p);

/** One class: bytes of its blocks, how many are live, how many wait in its queue. */
struct tarn_classpool_class {
    size_t size, live, queued;
};

/** @return 0; TARN_POOL_INVALID: no such class, 0 … 12 */
TARN_API int tarn_classpool_class(struct tarn_classpool *pool, unsigned index, struct tarn_classpool_class *answer);

TARN_API void tarn_classpool_stats(struct tarn_classpool *pool, struct tarn_pool_stats *stats);

/** Each live block, with the size that was asked for; those of the fallback, too. */
TARN_API void tarn_classpool_each(struct tarn_classpool *pool, tarn_pool_visit *visit, void *context);

/** Verifies every header, guard and queue. @return 0; TARN_POOL_CORRUPT. O(blocks). */
TARN_API int tarn_classpool_check(struct tarn_classpool *pool);

#ifdef __cplusplus
}
#endif

#endif
