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
 * A magazine is a list of free objects, linked through their first word, of at most `capacity` objects: 16 KiB worth, from
 * 4 to 128. Free objects in slabs hold nothing of tarn's, so their pages can be purged.
 *
 * Alternatives measured: docs/decisions/. Wrong if: objects that cross threads pay for walking lists, or slabs
 * that are mostly free cannot be emptied because refills scatter.
 *
 * Locks: `slabs` and `depot` of each cache; neither is held while another lock is taken, nor in a system call or page fault of objects.
 */
#ifndef TARN_SLAB_CACHE_H
#define TARN_SLAB_CACHE_H

#include "base/atomic.h"
#include "os/lock.h"
#include "page/zone.h"
#include "source/window.h"

enum {
    TARN__DEPOT_DEPTH = 256, /* at most */
    TARN__DEPOT_BYTES = 1 << 20,
    TARN__MAGAZINE_LEAST = 2,
    TARN__MAGAZINE_MOST = 128,
    TARN__MAGAZINE_BYTES = 16384,
    TARN__SLAB_GROUPS = 4,
    TARN__SLAB_WORDS = TARN__UNIT_SIZE / 16 / 64,
    TARN__CACHES = 80, /* numbers of caches that have bins; 0 is none */
};

/* The descriptor of a slab, in the room of its unit. */
struct tarn__slab {
    struct tarn__list link; /* in its cache's list of `group`, when it has free objects */
    struct tarn_cache *cache;
    char *base;
    uint32_t free;                  /* objects free in the slab, not counting those in magazines */
    uint32_t leaves_at;             /* count of free objects at which it leaves its group */
    uint16_t hint;                  /* no word of `map` below this one has a bit */
    uint16_t group;                 /* how full: 0 (fullest) … 3 */
    uint64_t map[TARN__SLAB_WORDS]; /* bit i: object i is free here */
};
_Static_assert(sizeof(struct tarn__slab) <= TARN__ROOM_SIZE, "a slab's descriptor fits its room");

struct tarn__magazine {
    void *head;
    uint32_t count;
};

struct tarn_cache {
    const char *name;
    struct tarn_zone *zone;
    uint32_t size;        /* bytes of an object, a multiple of 16 */
    uint32_t inverse;     /* ceil(2^32 / size): offset / size without division */
    uint32_t objects;     /* in a slab */
    uint32_t capacity;    /* objects of a full magazine */
    uint32_t number;      /* of its bin */
    uint32_t depot_depth; /* magazines that the depot may hold */

    _Alignas(TARN__CACHE_LINE) struct tarn__lock depot_lock;
    _Atomic uint32_t depth;       /* magazines in the depot; changed under the lock */
    uint32_t low;                 /* least depth since the last reaping: that many were not needed */
    struct tarn__magazine *depot; /* room for TARN__DEPOT_DEPTH */
    size_t depot_objects;

    _Alignas(TARN__CACHE_LINE) struct tarn__lock slabs_lock;
    struct tarn__list partial[TARN__SLAB_GROUPS];
    size_t slabs;        /* held */
    size_t free_objects; /* in slabs */

    /* of threads that have ended, and of requests that passed by the magazines */
    _Alignas(TARN__CACHE_LINE) _Atomic uint64_t past_allocs;
    _Atomic uint64_t past_frees, past_samples, past_sampled_bytes;
};

/* The number of the cache whose slab each unit of the window is; 0: no slab. Read on each free. */
extern uint8_t tarn__unit_cache[(size_t)1 << (TARN__WINDOW_BITS - TARN__UNIT_BITS)];

/*
 * `depot` is room for TARN__DEPOT_DEPTH magazines, zeroed. `size` is from 16 to 32768, a multiple of 16; objects are aligned
 * to the largest power of two that divides it. Takes no memory yet.
 */
void tarn__cache_init(struct tarn_cache *cache, const char *name, unsigned number, size_t size, struct tarn_zone *zone,
                      struct tarn__magazine *depot);

/* Takes up to `wanted` objects from the slabs there are, lowest addresses of the fullest slabs first. */
size_t tarn__cache_take(struct tarn_cache *cache, void **objects, size_t wanted);

/* Takes them from a new slab. 0: no memory. */
size_t tarn__cache_take_new(struct tarn_cache *cache, void **objects, size_t wanted);

/* Puts one object back to its slab; a slab that becomes empty goes back to the zone. */
void tarn__cache_put(struct tarn_cache *cache, void *object);

/* Puts a whole magazine back to slabs. */
void tarn__cache_put_magazine(struct tarn_cache *cache, struct tarn__magazine magazine);

/* Hands a magazine to the depot; false: it is full. */
bool tarn__depot_push(struct tarn_cache *cache, struct tarn__magazine magazine);

/* A magazine of the depot; its count is 0 if there is none. */
struct tarn__magazine tarn__depot_pop(struct tarn_cache *cache);

/* Puts back to slabs the magazines that were not needed since the last reaping, or all of them. */
void tarn__depot_reap(struct tarn_cache *cache, bool all);

/* The cache and the slab of the object that begins at `p`, or NULL: `p` is not the start of an object. */
struct tarn__slab *tarn__slab_of(const void *p);

/* Verifies slabs and depot, taking the locks. */
void tarn__cache_check(struct tarn_cache *cache);

static inline size_t tarn__object_index(const struct tarn_cache *cache, size_t offset)
{
    return (size_t)((uint64_t)offset * cache->inverse >> 32);
}

#endif
