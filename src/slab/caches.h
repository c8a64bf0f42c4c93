/*
 * The caches there are: a table by number, which threads' bins go by, and a list of all, which also has those without a number.
 *
 * Caches are made and destroyed while other threads do their maintenance (reaping, flushing, ending): these pin a cache before they work on
 * it. A cache that is to be destroyed leaves the table first, and then its pins are waited for; on the list it stays to the end, so that
 * forks find its locks, and its name stays taken. The memory of caches is never given back, so a stale look at one is harmless.
 *
 * Lock: `tarn__caches_lock`, the table and the list; nothing is called under it.
 */
#ifndef TARN_SLAB_CACHES_H
#define TARN_SLAB_CACHES_H

#include "slab/cache.h"

extern TARN__HIDDEN _Atomic(struct tarn_cache *) tarn__cache_table[TARN__CACHES];
extern _Atomic unsigned tarn__cache_table_end; /* no number from this one on is taken */
extern struct tarn__list tarn__caches;         /* by `all`: size classes by size, then others in the order of their making */
extern struct tarn__lock tarn__caches_lock;
extern uint64_t tarn__ended_allocs; /* of caches that have ended, each freed again; under the lock */

/* The name that a cache is shared under. */
struct tarn__alias {
    struct tarn__list link;
    char name[TARN_CACHE_NAME_MOST + 1];
};

/* What the names of tarn_malloc's size classes begin with. No other cache's may, as those are made at their first use. */
#define TARN__CLASS_NAME "malloc-"

/* Of all caches, and aliases of shared ones. The lock is held. */
bool tarn__cache_name_taken(const char *name);

/*
 * Enters a cache that was set up. If it has no number it gets one from `first` to `end` - 1, if one is left. 0; -EEXIST: its name is
 * taken. One that brings its number along, a size class, is entered whatever its name, and before all with a higher one.
 */
int tarn__cache_enter(struct tarn_cache *cache, unsigned first, unsigned end);

/* Takes it out of the table, and waits until no other thread is at work on it. Number and name stay taken until tarn__cache_release. */
void tarn__cache_withdraw(struct tarn_cache *cache);

/* Puts a withdrawn cache back, with one reference. */
void tarn__cache_readmit(struct tarn_cache *cache);

/* Takes a withdrawn cache off the list, and lets its number be given to another. */
void tarn__cache_release(struct tarn_cache *cache);

/*
 * A hold on a cache, on the stack of who works on it: a thread's holds are linked, so that the child of a fork knows which of them go on.
 */
struct tarn__pin {
    struct tarn_cache *cache;
    struct tarn__pin *outer;
};

/* The cache of a number, which stays until tarn__cache_unpin; NULL: there is none, and nothing to unpin. */
struct tarn_cache *tarn__cache_pin(struct tarn__pin *pin, unsigned number);
void tarn__cache_unpin(struct tarn__pin *pin);

/*
 * For walks over all, beside which caches come and go: a pin begun with {NULL} moves to the first cache, then on from cache to cache.
 * NULL: that was the last, and it is unpinned.
 */
struct tarn_cache *tarn__cache_pin_next(struct tarn__pin *pin);

/* For fork hooks: `act` on every lock of the floor but the threads' registry's, in order of rank; and, in the child, the end of other threads' pins. */
void tarn__caches_each_lock(void (*act)(struct tarn__lock *));
void tarn__caches_after_fork(void);

#endif
