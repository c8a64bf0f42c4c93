/*
 * What each thread has of each cache: a bin, which the fast path works on, and what stands behind it.
 *
 *     bin of a size class     head ──> object ──> object ──> NULL     the magazine in use: a list
 *                             allocs, frees                           by this thread, ever
 *                             limit                                   frees - allocs at which the magazine is full
 *                             inverse                                 of the objects' size: for their marks (mark.h)
 *     bin of a users' cache   array ──> object, object, … room        the magazine in use: an array, `count` of it filled
 *                             allocs, frees
 *
 * A magazine's capacity begins with half a page's worth and doubles each time magazines move in quick succession, so threads that
 * exchange much do so in large lots, and what merely sways to and fro keeps little. A thread's magazines, with their spares, together have room for at most
 * 256 KiB: whoever needs more takes it from a bin that was not used of late, or whose magazines move seldom. When a cache sheds
 * its objects (tarn__cache_bound) capacities shrink, down to none: what is freed goes to its slab at once, as each object
 * that is kept would keep its page.
 *
 * In a size class, malloc is: pop, allocs++, mark; free is: compare frees - allocs with limit, compare the mark and clear it, push, frees++. The number
 * of objects in the magazine is most - (limit - (frees - allocs)). So the counts, which are exact, cost nothing extra.
 *
 * A bin of zeros is at once empty and full: so the first operation on it takes the slow path, which begins it. A thread begins
 * with a shared set of such bins, in whose place the slow path puts its own; a thread that has ended its cache gets another such set:
 * what it still does goes to the slabs directly. No test for any of this is needed in the fast path. Bin 0, of what is in no slab
 * and of caches that have no number, stays so.
 *
 * What a thread frees of a class before it allocated any came from elsewhere, and its neighbours are in use elsewhere: it
 * is kept apart, to be handed on and not to be used again here, so that threads do not come to write to one cache line. A
 * thread that frees a magazine full of such objects is a consumer; from then on its bin takes them as it takes all others.
 *
 * free stores the object's link before the head, or the object before the count: a thread that a fork catches between the two leaves a
 * proper magazine in the child.
 */
#ifndef TARN_SLAB_LOCAL_H
#define TARN_SLAB_LOCAL_H

#include "slab/caches.h"

struct tarn__bin {
    union {
        void *head;
        void **array;
    };
    tarn__counter allocs, frees;
    union {
        struct {
            uint32_t limit, inverse;
        };
        struct {
            uint32_t count, room;
        };
    };
};

/* How many more objects a bin that is a list may take. Counted round: a thread may free any number more than it allocates. */
static inline int32_t tarn__bin_room(const struct tarn__bin *bin)
{
    return (int32_t)(bin->limit - (uint32_t)(bin->frees - bin->allocs));
}

/* Behind each bin, for the slow path. */
struct tarn__rear {
    struct tarn__magazine spare;   /* full, or empty */
    struct tarn__magazine foreign; /* freed here before anything was allocated here */
    uint64_t reaped;               /* allocs + frees at the last reaping */
    uint64_t seen;                 /* allocs + frees when capacity was last looked for */
    uint32_t capacity; /* objects of a full magazine here, and of a refill from slabs: up to the cache's; 0: no magazine now */
    uint32_t most;     /* objects that the bin may hold now, if it is a list */
    bool begun;
    uint32_t epoch;                       /* of the cache, when it was last asked for all it has */
    bool apart;                           /* nothing was allocated here yet: what is freed is set apart */
    uint32_t looked_at;                   /* allocs, when sampling looked at them, or allocs - frees */
    tarn__counter samples, sampled_bytes; /* sizes asked for, recorded at refills */
    tarn__counter reallocs;               /* that left their object where it is */
    uint64_t noted_allocs, noted_frees;   /* already in the ledger */
};

struct tarn__local {
    struct tarn__bin bin[TARN__CACHES];
    struct tarn__list link; /* in the registry, or spare. These three are on a page that is used anyway */
    _Atomic size_t room;    /* of all bins; whoever destroys a cache changes it, too */
    unsigned hand, wishes;  /* the bin that was last asked to give room; how often there was none */
    struct tarn__rear rear[TARN__CACHES];
};

/* Bytes that fit in a bin and its spare magazine, of which there is none where a single object is held; what is set apart is so instead of them. */
static inline size_t tarn__room_of(const struct tarn_cache *cache, size_t capacity)
{
    return capacity > 1 ? 2 * capacity * cache->size : capacity * cache->size;
}

extern struct tarn__list tarn__registry; /* of those of living threads */

/* The calling thread's bins. Never NULL. */
extern TARN__HIDDEN TARN__TLS struct tarn__local *tarn__self;

/* Bytes that users hold, and the most they ever held. Noted when magazines move, so behind by what bins' traffic since then changed. */
struct tarn__ledger {
    _Atomic int64_t live;
    _Atomic int64_t peak;
};
extern TARN__HIDDEN struct tarn__ledger tarn__ledger;

static inline void tarn__ledger_note(int64_t change)
{
    int64_t live = atomic_fetch_add_explicit(&tarn__ledger.live, change, memory_order_relaxed) + change;
    int64_t peak = atomic_load_explicit(&tarn__ledger.peak, memory_order_relaxed);
    while (live > peak &&
           !atomic_compare_exchange_weak_explicit(&tarn__ledger.peak, &peak, live, memory_order_relaxed, memory_order_relaxed))
        ;
}

/* Called at slow-path events with no lock held, if set: for whoever publishes counters. One pointer, set before threads. */
extern TARN__HIDDEN void (*tarn__slow_path_hook)(void);

/*
 * The slow halves of allocation and free. `requested` is the size asked for, for the sample; `flags` say how to get pages.
 * NULL from alloc: no memory. Constructors, destructors and shrinkers may run, and use the same cache.
 */
void *tarn__local_alloc(struct tarn_cache *cache, size_t requested, tarn_gfp_t flags);
void tarn__local_free(struct tarn_cache *cache, void *object);

/* Without magazines: for caches and threads that have none. */
void *tarn__direct_alloc(struct tarn_cache *cache, tarn_gfp_t flags);
void tarn__direct_free(struct tarn_cache *cache, void *object);

/*
 * Makes the calling thread's next request slow, whatever it is; and the end of that, for who is about to look at its bins. What the slow halves do begins with it.
 */
void tarn__local_poke(void);
void tarn__local_unpoke(void);

/* Gives what the calling thread has back to the slabs: of all caches, or of one. */
void tarn__local_flush(void);
void tarn__local_flush_cache(struct tarn_cache *cache);

/* Of a withdrawn cache, puts back to its slabs what every thread has. */
void tarn__local_collect(struct tarn_cache *cache);

/* Makes every thread's bin of a withdrawn cache, which holds nothing, one of zeros. */
void tarn__local_forget(struct tarn_cache *cache);

/* Every thread's bins of one cache together. */
struct tarn__local_sums {
    uint64_t allocs, frees, samples, sampled_bytes, reallocs;
};
void tarn__local_sum(struct tarn_cache *cache, struct tarn__local_sums *sums);

/* Threads that have a cache. Changed under tarn__registry_lock. */
extern TARN__HIDDEN _Atomic size_t tarn__threads;
static inline size_t tarn__local_threads(void) { return atomic_load_explicit(&tarn__threads, memory_order_relaxed); }

/* For the fork hooks: the registry's lock, and, in the child, the recovery of what the other threads had. */
extern struct tarn__lock tarn__registry_lock;
void tarn__local_adopt_orphans(void);

#endif
