/*
 * The lock of everything in tarn: one word, taken by one compare-and-swap, which spins shortly and then sleeps.
 *
 * The word holds its owner, for three reasons: a fork inside a signal handler may find the interrupted code holding locks, and the
 * fork hooks must then neither wait for them nor let go of them; other libraries' fork hooks may allocate while tarn's hold every
 * lock, which is a re-entry by the owner; and a lock taken out of order is found in development builds.
 *
 *     word = 0                    free
 *     word = owner << 1 | waited  held; waited: someone sleeps on it or is about to
 *
 * Order: a thread takes locks only of a higher rank than those it holds. Locks of one rank are never held together,
 * except by the fork hooks, which hold all.
 */
#ifndef TARN_OS_LOCK_H
#define TARN_OS_LOCK_H

#include "os/single.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum tarn__rank {
    TARN__RANK_GUARD_RACE, /* pools that stand alone: who makes one first */
    TARN__RANK_GUARDS,     /* their list */
    TARN__RANK_GUARD,      /* one of them */
    TARN__RANK_WATCH,      /* what is known of watched ones */
    TARN__RANK_HEAPS,      /* the tree of users' heaps */
    TARN__RANK_HEAP,       /* a user's heap */
    TARN__RANK_POOLS,      /* the list of dma pools */
    TARN__RANK_POOL,       /* a dma pool */
    TARN__RANK_MEMPOOLS,   /* the list of mempools */
    TARN__RANK_MEMPOOL,    /* a mempool */
    TARN__RANK_WORKER,     /* the background thread's queue */
    TARN__RANK_RCU,        /* readers, and calls that wait for a grace period */
    TARN__RANK_SHRINKERS,  /* the list of shrinkers */
    TARN__RANK_GUARDED,    /* objects with guard pages */
    TARN__RANK_HARD,       /* hardened mode: a class's free slots; whole pages */
    TARN__RANK_REGISTRY,   /* the list of thread caches */
    TARN__RANK_CACHES,     /* the list of caches */
    TARN__RANK_ZONES,      /* the lists of zones, and of threads' pages */
    TARN__RANK_QUARANTINE, /* debugged objects that were freed */
    TARN__RANK_SLABS,      /* a cache's slabs */
    TARN__RANK_DEPOT,      /* a cache's full magazines */
    TARN__RANK_SHELF,      /* a shelf of a zone's runs */
    TARN__RANK_ZONE,       /* a zone's free pages */
    TARN__RANK_META,       /* memory for descriptors */
    TARN__RANK_SOURCE,     /* a page source */
    TARN__RANK_RECORDS,    /* what letters keep of objects */
};

struct tarn__lock {
    _Atomic uint32_t word;
    uint16_t rank;  /* enum tarn__rank */
    uint16_t depth; /* re-entries by the owner; only between the fork hooks */
};

#define TARN__LOCK_INIT(its_rank)                                                                                              \
    {                                                                                                                          \
        .word = 0, .rank = (its_rank), .depth = 0                                                                              \
    }

void tarn__lock_init(struct tarn__lock *lock, enum tarn__rank rank);

/* Ranks that the calling thread holds, one bit each. Kept by development builds only. */
#ifdef TARN_DEBUG_BUILD
extern TARN__TLS uint32_t tarn__ranks_held;
/* For tests: called by whoever has just taken a lock, between the fork hooks too; NULL: nothing. It must not take one. Set before there are threads. */
extern void (*tarn__lock_taken)(const struct tarn__lock *lock);
void tarn__lock_note(const struct tarn__lock *lock);
void tarn__locked_note(const struct tarn__lock *lock);
void tarn__unlock_note(const struct tarn__lock *lock);
#else
static inline void tarn__locked_note(const struct tarn__lock *lock) { (void)lock; }
static inline void tarn__lock_note(const struct tarn__lock *lock) { (void)lock; }
static inline void tarn__unlock_note(const struct tarn__lock *lock) { (void)lock; }
#endif

void tarn__lock_slow(struct tarn__lock *lock, uint32_t mine);
void tarn__unlock_slow(struct tarn__lock *lock);

static inline void tarn__lock(struct tarn__lock *lock)
{
    uint32_t mine = tarn__thread_id() << 1, was = 0;
    tarn__lock_note(lock);
    if (tarn__single_threaded() && atomic_load_explicit(&lock->word, memory_order_relaxed) == 0)
        atomic_store_explicit(&lock->word, mine, memory_order_relaxed);
    else if (__builtin_expect(
                 !atomic_compare_exchange_strong_explicit(&lock->word, &was, mine, memory_order_acquire, memory_order_relaxed),
                 0))
        tarn__lock_slow(lock, mine);
    tarn__locked_note(lock);
}

static inline void tarn__unlock(struct tarn__lock *lock)
{
    if (__builtin_expect(lock->depth != 0, 0)) {
        lock->depth--;
        return;
    }
    tarn__unlock_note(lock);
    if (tarn__single_threaded())
        atomic_store_explicit(&lock->word, 0, memory_order_release);
    else if (__builtin_expect(atomic_exchange_explicit(&lock->word, 0, memory_order_release) & 1, 0))
        tarn__unlock_slow(lock);
}

/* Whether the calling thread holds the lock. */
static inline bool tarn__lock_is_mine(const struct tarn__lock *lock)
{
    return atomic_load_explicit(&lock->word, memory_order_relaxed) >> 1 == tarn__thread_id();
}

/*
 * For the fork hooks, in this order on every lock of tarn: `tarn__lock_for_fork` takes it unless the forking thread holds it
 * already; `tarn__unlock_after_fork` lets go of it if the former took it. In the child no one sleeps on it, whatever it says.
 */
void tarn__lock_for_fork(struct tarn__lock *lock);
void tarn__unlock_after_fork(struct tarn__lock *lock);

/* Whether the calling thread is between the fork hooks. Set by them. */
extern TARN__TLS bool tarn__forking;

#endif
