/*
 * Object caches: objects of one size, from slabs of 64 KiB, through magazines.
 *
 * (Bonwick 1994, "The slab allocator"; Bonwick and Adams 2001, "Magazines and vmem".)
 *
 *     thread            bin      the magazine in use; allocation pops, free pushes, whoever allocated     local.h
 *                       spare    one more magazine, so that a thread at a boundary does not run to the depot at each turn
 *     cache   depot     full magazines, up to 1 MiB, handed over whole: a copy of a pointer and a count, no object is touched
 *             slabs     bitmaps of free objects, out of line; partial slabs in four lists, the fullest first
 *     zone              runs of 16 pages
 *
 * A magazine holds at most `capacity` free objects: 16 KiB worth, from 2 to 128. Objects above 64 KiB have none, unless they are
 * constructed: they go back to the zone. In size classes it is a list, linked through the objects' first words; in users' caches an array of pointers, as the
 * objects must stay as they are. Free objects in slabs, and all of users' caches, hold nothing of tarn's; so their pages can be
 * purged (idle.c), and a write after free reaches no list. Which of the two is better where: docs/decisions/0006-arrays.md.
 *
 * A slab is a run of pages that begins at a multiple of 64 KiB, and its descriptor lies in the room of its first unit: 64 KiB of objects, or one
 * object larger than that. A slot is what an object takes of it:
 *
 *     | left red zone | object | right red zone, or padding | tail |      red zones, tail: debugged caches only (debug.h)
 *     ^ slot          ^ + start
 *
 * Objects are constructed in order of address when they first leave their slab: those below `constructed` are.
 *
 * Alternatives measured: docs/decisions/. Wrong if: objects that cross threads pay for walking lists, or slabs
 * that are mostly free cannot be emptied because refills scatter.
 *
 * Locks: `slabs` and `depot` of each cache; neither is held while another lock is taken, nor in a system call, a callback or a page
 * fault of objects.
 */
#ifndef TARN_SLAB_CACHE_H
#define TARN_SLAB_CACHE_H

#include "base/atomic.h"
#include "base/fail.h"
#include "os/lock.h"
#include "page/zone.h"
#include "slab/mark.h"
#include "tarn/cache.h"
#include "tarn/rcu.h"

enum {
    TARN__DEPOT_DEPTH = 256, /* at most */
    TARN__DEPOT_BYTES = 1 << 20,
    TARN__MAGAZINE_LEAST = 2,
    TARN__MAGAZINE_MOST = 128,
    TARN__MAGAZINE_BYTES = 16384,
    TARN__THREAD_BYTES = 256 << 10, /* of all magazines of a thread */
    TARN__DEPOTS_LEAST = 4 << 20,   /* all depots together may hold that, or a quarter of what is live */
    TARN__DEPOTS_SHARE = 4,
    TARN__SLAB_GROUPS = 4,
    TARN__SLAB_OBJECTS = TARN__UNIT_SIZE / 16, /* at most */
    TARN__SLAB_WORDS = TARN__SLAB_OBJECTS / 64,
    TARN__CACHES = 512,             /* numbers of caches that have bins; 0 is none */
    TARN__FIRST_KERNEL_NUMBER = 73, /* numbers below this are for the size classes of tarn_malloc */
    TARN__CLASS_NUMBERS = 128,      /* numbers below this are for size classes, whose links are at 0 */
    TARN__USER_NUMBERS = 256,       /* and from this one on for users' caches; between them bins stay full */
    TARN__SHARED_TAG = 255,         /* in the table of units: a users' cache that is none of the first 127 */
};

#define TARN__LEAVING (1u << 31)

#define TARN__DEBUG_FLAGS                                                                                                      \
    (TARN_CACHE_POISON | TARN_CACHE_RED_ZONE | TARN_CACHE_STORE_USER | TARN_CACHE_CONSISTENCY_CHECKS | TARN_CACHE_QUARANTINE)

/* The descriptor of a slab, in the room of its unit. */
struct tarn__slab {
    union {
        struct tarn__list link;   /* in its cache's list of `group`, or of full slabs */
        struct tarn_rcu_head rcu; /* given up, waiting for a grace period */
    };
    struct tarn_cache *cache;
    char *base;
    uint32_t free;        /* objects free in the slab, not counting those in magazines */
    uint32_t leaves_at;   /* count of free objects at which it leaves its group */
    uint16_t hint;        /* no word of `map` below this one has a bit */
    uint16_t group;       /* how full: 0 (fullest) … 3 */
    uint16_t constructed; /* objects that are */
    uint16_t resident;    /* bit i: page i may hold something */
    uint16_t idle;        /* bit i: it is resident, and all objects that reach into it are free here */
    uint16_t away;        /* bit i: it was idle, and is being purged */
    struct tarn__list
        idle_link; /* among its cache's slabs that have idle pages: those that have many last, else the latest first */
    uint64_t map[TARN__SLAB_WORDS]; /* bit i: object i is free here. Words that no object needs may be marks */
    uint8_t *marks;                 /* [i]: object i is in use (mark.h) */
};
_Static_assert(sizeof(struct tarn__slab) <= TARN__ROOM_SIZE, "a slab's descriptor fits its room");

struct tarn__magazine {
    void *head; /* the first object of a list, or an array with room for the cache's capacity, also while it is empty */
    uint32_t count;
};

struct tarn_cache {
    uint32_t quick;    /* offset of the bin that fast paths look at: 0's, which is always empty and full, or that of `number` */
    uint32_t tag;      /* of its units, if no other cache has it; else a number that none has */
    uint32_t number;   /* of its bin; 0: it has none */
    uint32_t size;     /* bytes of a slot */
    uint32_t inverse;  /* ceil(2^32 / size): offset / size without division */
    uint32_t objects;  /* in a slab */
    uint32_t capacity; /* objects of a full magazine */
    uint32_t depot_depth; /* magazines that the depot may hold */
    uint32_t pages;       /* of a slab */
    uint32_t start;       /* of the object in its slot */
    uint32_t object_size; /* as asked for; the largest of those who share the cache, so it may grow: tarn__object_size */
    uint32_t tracks;      /* offset of the tail from the object; 0: not debugged */
    uint32_t flags;       /* enum tarn_cache_flags */
    uint32_t align;
    bool permanent; /* never destroyed */
    bool linked;    /* its magazines are lists */
    bool marked;    /* its slabs' units are in the table of units */
    bool exact;     /* a debugged size class: its objects are of any size up to its own, and of each it is known */
    bool watched;   /* a debugged one of whose objects AddressSanitizer or memcheck is told (base/tools.h) */
    bool keeps;     /* it has magazines however large its objects are: it was made so, or they are constructed */
    bool guarded;   /* letter G: each object lies before a guard page, if it can */
    bool purges;    /* free objects need not stay what they are, so their pages can be given back */
    void (*ctor)(void *);
    void (*dtor)(void *);
    struct tarn_zone *zone;
    size_t useroffset, usersize;
    struct tarn__list all; /* caches.h */
    uint32_t references;   /* who share it; 0: it is being destroyed. Under the caches' lock, as the next two */
    bool left;             /* one of them has left */
    struct tarn__list aliases;
    _Atomic uint32_t pins; /* other threads' maintenance that is at work on it; TARN__LEAVING: whoever ends it waits for that */
    _Atomic uint32_t epoch; /* changes when threads are to give back what they have */
    char name[TARN_CACHE_NAME_MOST + 1];

    _Alignas(TARN__CACHE_LINE) struct tarn__lock depot_lock;
    _Atomic uint32_t depth;       /* magazines in the depot; changed under the lock */
    uint32_t low;                 /* least depth since the last reaping: that many were not needed */
    _Atomic uint32_t most;        /* magazines that it takes now: halved when there are too many, doubled when one is missing */
    struct tarn__magazine *depot; /* room for TARN__DEPOT_DEPTH */
    size_t depot_objects;
    void **arrays; /* empty ones, linked through their first words */

    _Alignas(TARN__CACHE_LINE) struct tarn__lock slabs_lock;
    struct tarn__list partial[TARN__SLAB_GROUPS];
    struct tarn__list full;
    struct tarn__list idle;        /* slabs with idle pages */
    size_t slabs;                  /* held */
    size_t free_objects;           /* in slabs */
    long idle_pages, absent_pages; /* of slabs: see their descriptors */
    size_t peak;                   /* objects in all slabs, the most of late */
    uint64_t faded;                /* when that was last let go */

    /* of threads that have ended, and of requests that passed by the magazines */
    _Alignas(TARN__CACHE_LINE) _Atomic uint64_t past_allocs;
    _Atomic uint64_t past_frees, past_samples, past_sampled_bytes, past_reallocs;
};

/*
 * A size class. `depot` is room for TARN__DEPOT_DEPTH magazines, zeroed. `size` is from 8 to 32768, a multiple of 8; objects are aligned
 * to the largest power of two that divides it. `number` is from 1 to TARN__CLASS_NUMBERS - 1. Takes no memory yet. The name is cut to fit.
 */
void tarn__cache_init(struct tarn_cache *cache, const char *name, unsigned number, size_t size, struct tarn_zone *zone,
                      struct tarn__magazine *depot);

/* What of a cache follows from its layout: size, pages, start and number are set. */
void tarn__cache_set_up(struct tarn_cache *cache, struct tarn__magazine *depot);

/* Takes up to `wanted` objects from the slabs there are, lowest addresses of the fullest slabs first; constructed. */
size_t tarn__cache_take(struct tarn_cache *cache, void **objects, size_t wanted);

/* Takes them from a new slab, within what `flags` allow. 0: no memory. */
size_t tarn__cache_take_new(struct tarn_cache *cache, void **objects, size_t wanted, tarn_gfp_t flags);

/* Gives all slabs up, whatever is in them: when nothing of the cache is in use. */
void tarn__cache_release_slabs(struct tarn_cache *cache);

/* Puts one object back to its slab; a slab that becomes empty goes back to the zone. */
void tarn__cache_put(struct tarn_cache *cache, void *object);

/*
 * Idle pages of slabs. Takes those of one slab away, the one that has had some for longest: *pages has a bit for each; their objects are out of reach
 * until they are returned, which tells of which pages the system has got back. Until then the slab stays, whatever is freed in it. NULL: there are none.
 */
struct tarn__slab *tarn__cache_idle_take(struct tarn_cache *cache, uint16_t *pages);
void tarn__cache_idle_return(struct tarn__slab *slab, uint16_t pages, uint16_t cleaned);

/* Puts a whole magazine back to slabs, and its array to the depot. */
void tarn__cache_put_magazine(struct tarn_cache *cache, struct tarn__magazine magazine);

/*
 * How many objects a magazine of a thread that has `own` free ones may hold. UINT32_MAX unless the cache is shedding: most of what it had of late is
 * freed; then the fewer are left, the fewer may be held.
 */
uint32_t tarn__cache_bound(struct tarn_cache *cache, size_t own);

/* Hands a magazine to the depot; false: it takes no more. */
bool tarn__depot_push(struct tarn_cache *cache, struct tarn__magazine magazine);

/* Whether all depots together hold more than they should. */
bool tarn__depots_full(void);

/* A magazine of the depot; its count is 0 if there is none. */
struct tarn__magazine tarn__depot_pop(struct tarn_cache *cache);

/* An empty array for a magazine, and back. NULL: no memory. */
void **tarn__array_take(struct tarn_cache *cache);
void tarn__array_put(struct tarn_cache *cache, void **array);

/* Leaves the empty arrays of a cache that ends to others. */
void tarn__arrays_leave(struct tarn_cache *cache);

/* Puts back to slabs the magazines that were not needed since the last reaping, or all of them. */
void tarn__depot_reap(struct tarn_cache *cache, bool all);

/* The cache and the slab of the object that begins at `p`, or NULL: `p` is not the start of an object. */
struct tarn__slab *tarn__slab_of(const void *p);

/* Where the object begins whose slot `p` lies in, or NULL: it lies in no slab. */
void *tarn__object_around(const void *p);

/* The mark of the object that begins at `p` in this slab; and whether it says that it is free. */
uint8_t *tarn__mark_of(const struct tarn__slab *slab, const void *p);
bool tarn__object_is_free(const struct tarn__slab *slab, const void *p);

/* Marks what is handed out or taken back away from the fast paths; returns it. */
void *tarn__object_mark(void *object, bool used);

/*
 * Reports the free, or use as if it were live, of `p`, which is no live object. What is said to be an invalid free is called a double one where something
 * that is free now may have begun: an object, or any in pages that are free.
 */
void tarn__misuse(enum tarn__crime crime, const char *where, const void *p);

/* Calls `visit` for each object that is not in its slab. The cache must be at rest; `visit` must not free. */
void tarn__cache_visit(struct tarn_cache *cache, void (*visit)(void *object, void *context), void *context);

/* Relaxed, as the store where a cache is shared (create.c): whoever asked for the larger size sees it, and no one else needs it. */
static inline size_t tarn__object_size(const struct tarn_cache *cache)
{
    return __atomic_load_n(&cache->object_size, __ATOMIC_RELAXED);
}

/* Verifies slabs and depot, taking the locks. */
void tarn__cache_check(struct tarn_cache *cache);

static inline size_t tarn__object_index(const struct tarn_cache *cache, size_t offset)
{
    return (size_t)((uint64_t)offset * cache->inverse >> 32);
}

#endif
