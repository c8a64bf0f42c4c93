/**
 * @file pool.h
 * What the pools that stand alone have in common: errors, locks, flags, counters.
 *
 * They are region.h (any size, in given ranges), classpool.h (13 classes, integrity words), levelpool.h (small blocks kept ready),
 * blockpool.h (runs of neighbouring blocks) and bump.h (allocate forward, reset at once). Each stands on a caller's buffer or on a page source
 * (source.h), keeps its own struct at the beginning of that memory, and needs no C library: in dist/tarn-pools.c they are alone.
 *
 * A pool's functions never print and never end the process; misuse is an answer, and changes nothing. They do not touch errno. But where TARN_DEBUG in
 * the environment names the kind of pool (tarn_pool(7)), misuse is reported as that of malloc's is, and ends the process unless a handler says otherwise.
 *
 * Threads: as the lock given at creation says. Without one, a pool is used by one thread at a time. Callbacks (fallbacks, notifiers, cleanups) are
 * called with no lock held, and may use the pool; visitors are called with the lock held, and may not.
 * Forks: a pool with the built-in lock may be used by the child whatever other threads did. Signal handlers: no function may be called in one that
 * interrupted the same pool.
 */
#ifndef TARN_POOL_H
#define TARN_POOL_H

#include "api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What functions that return int answer: 0, or one of these. Values are Linux's, negated, where there is one that says the same. */
enum tarn_pool_error {
    TARN_POOL_OK = 0,
    TARN_POOL_NO_MEMORY = -12,    /**< ENOMEM */
    TARN_POOL_FOREIGN = -14,      /**< EFAULT: the address is not of this pool */
    TARN_POOL_BUSY = -16,         /**< EBUSY: something is still allocated */
    TARN_POOL_EXISTS = -17,       /**< EEXIST: the memory overlaps the pool's */
    TARN_POOL_INVALID = -22,      /**< EINVAL: an argument that cannot be */
    TARN_POOL_DOUBLE_FREE = -114, /**< EALREADY: the block is free */
    TARN_POOL_INSIDE = -33,       /**< EDOM: the address is inside a block, not its beginning */
    TARN_POOL_WRONG_SIZE = -90,   /**< EMSGSIZE: the block has another size than the one named */
    TARN_POOL_CORRUPT = -117,     /**< EUCLEAN: the pool's or the block's own words were overwritten */
    TARN_POOL_RACE = -35,         /**< EDEADLK: with TARN_POOL_CHECK: another thread is in a pool without lock */
    TARN_POOL_DESTROYED = -43,    /**< EIDRM: with TARN_POOL_CHECK, and a buffer that is there still: the pool has ended */
};

/** A few words for an error; never NULL. */
TARN_API const char *tarn_pool_error_text(int error);

/** How a pool is guarded against other threads: a pair of functions. A pool copies it. */
struct tarn_pool_lock {
    void (*acquire)(void *context);
    void (*release)(void *context);
    void *context;
};

/**
 * In place of a pair: tarn's own lock. On Linux it sleeps while it waits, and a fork finds it free. Without an operating system (dist/tarn-pools.c) it spins,
 * so an interrupt handler may not use a pool that it may have interrupted: give a pair that masks interrupts. A pool with it must be destroyed before its
 * memory goes.
 */
#define TARN_POOL_LOCK_BUILTIN ((const struct tarn_pool_lock *)(uintptr_t)1)

/**
 * Flags that all pools know, as the letters of slub_debug. Each costs time or room only where it is given. With TARN_POOLS_UNCHECKED defined, for
 * dist/tarn-pools.c and the program alike, the first three are 0, and there is no code for them.
 */
enum tarn_pool_flags {
#ifndef TARN_POOLS_UNCHECKED
    /**
     * F: what is about to be used of the pool's own words is verified at each call, and never followed when wrong. A call that meets another thread's in a
     * pool without lock, or comes after the pool's end, answers so and changes nothing. Without lock, any byte of the memory that a pool other than an arena was made
     * in may change between calls: none touches anything outside of it then. A call verifies and seals the struct: some hundred instructions.
     */
    TARN_POOL_CHECK = 1 << 0,
    /** Z: a word before and behind each block, verified at free, at realloc, and by the checker */
    TARN_POOL_RED_ZONE = 1 << 1,
    /** P: free memory is filled with 0x6b, and verified when it is used again; new blocks hold 0x5a */
    TARN_POOL_POISON = 1 << 2,
#else
    TARN_POOL_CHECK = 0,
    TARN_POOL_RED_ZONE = 0,
    TARN_POOL_POISON = 0,
#endif
    TARN_POOL_ZERO = 1 << 3,      /**< blocks are zeroed when they are handed out */
    TARN_POOL_OWN_FLAGS = 1 << 8, /**< a pool's own flags begin here */
};

/** Exact whenever no call is under way. Bytes are those of blocks as they are handed out, rounded as the pool rounds. */
struct tarn_pool_stats {
    size_t size;     /**< bytes of memory that the pool has, its own words included */
    size_t capacity; /**< bytes of that which can be handed out when nothing is live */
    size_t live_bytes, live_blocks;
    size_t peak_bytes;                     /**< most live_bytes ever */
    size_t largest_free;                   /**< the largest request that would succeed now without growing */
    size_t segments;                       /**< separate pieces of memory */
    uint64_t allocations, frees, failures; /**< failures: requests that got NULL */
    uint64_t fallbacks;                    /**< requests that were passed on */
};

/** Called for each live block with its address, as it was handed out, and its size in bytes. */
typedef void tarn_pool_visit(void *context, void *block, size_t size);

/** Where a pool passes on what it cannot serve. Both are called with no lock held. */
struct tarn_pool_fallback {
    void *(*alloc)(void *context, size_t size);        /**< aligned as malloc's; NULL: none */
    void (*free)(void *context, void *p, size_t size); /**< what `alloc` gave for `size` */
    void *context;
};

#ifdef __cplusplus
}
#endif

#endif
