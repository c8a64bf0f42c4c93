/**
 * @file cache.h
 * Object caches: objects of one type, from slabs, through magazines, kept constructed between uses.
 *
 * (Bonwick 1994, "The slab allocator"; the interface is that of the kernel's kmem_cache.)
 *
 * Each thread has up to two magazines of a cache; threads exchange whole magazines through the cache's depot. Any thread may free what any other
 * allocated. Unless a function says otherwise: any thread may call it at any time, and the child of a fork; none is async-signal-safe.
 *
 * Cost: about a dozen instructions each for allocation and free while magazines last.
 */
#ifndef TARN_CACHE_H
#define TARN_CACHE_H

#include "gfp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_cache;
struct tarn_zone;
struct tarn_sheaf;

#define TARN_CACHE_NAME_MOST 47                /**< characters of a name */
#define TARN_CACHE_SIZE_MOST ((size_t)4 << 20) /**< bytes of an object */

enum tarn_cache_flags {
    TARN_CACHE_HWCACHE_ALIGN = 0x1, /**< aligned to cache lines, or to a fraction of one for objects of less than half a line */
    TARN_CACHE_PANIC = 0x2,         /**< failing to make it ends the process */
    TARN_CACHE_POISON =
        0x4, /**< free objects are filled with 0x6b … 0xa5, verified at reuse and when their slab is given back; not with ctor or TYPESAFE_BY_RCU. No magazines */
    TARN_CACHE_RED_ZONE = 0x8,    /**< bytes around objects, 0xbb free, 0xcc in use, verified at each step. No magazines */
    TARN_CACHE_STORE_USER = 0x10, /**< remembers who allocated and who freed. No magazines */
    TARN_CACHE_CONSISTENCY_CHECKS = 0x20, /**< every step verified against the slab. No magazines */
    TARN_CACHE_TYPESAFE_BY_RCU =
        0x40, /**< memory stays of this type until a grace period has passed; an object may be reused at once */
    TARN_CACHE_RECLAIM_ACCOUNT = 0x80, /**< pages from the reclaimable group */
    TARN_CACHE_DMA = 0x100,            /**< pages from the low zone */
    TARN_CACHE_DMA32 = 0x200,
    TARN_CACHE_ACCOUNT = 0x400,      /**< kept apart from caches without it */
    TARN_CACHE_NO_MERGE = 0x800,     /**< never shares slabs with a like cache */
    TARN_CACHE_NOLEAKTRACE = 0x1000, /**< accepted; never shares either */
    TARN_CACHE_QUARANTINE =
        0x2000, /**< what is freed waits before it is used again: up to 1 MiB of slots in each of 16 queues, by thread. No magazines */
};

struct tarn_cache_args {
    size_t align;           /**< a power of two up to 4096, or 0: what any type of that size can need, 8 or 16 */
    void (*ctor)(void *);   /**< constructs an object when its memory is first used; not again until its slab was given back */
    void (*dtor)(void *);   /**< called for constructed objects whose slab is given back; not without ctor */
    struct tarn_zone *zone; /**< NULL: NORMAL, or what the flags say */
    size_t useroffset, usersize; /**< the part of an object that may be copied to users; verified to lie in it, reported */
    unsigned
        sheaf_capacity; /**< objects of a magazine, up to 128, and then never shared; 0: chosen by size, none above 64 KiB but with a constructor */
};

/**
 * Makes a cache, or shares a like one: without constructor, user part, magazine size, debug flags, TYPESAFE_BY_RCU, NO_MERGE and
 * NOLEAKTRACE, with equal accounting flags and zone and less than 8 bytes lost, a cache that exists is counted once more and returned.
 *
 * @param name  1 … TARN_CACHE_NAME_MOST characters without white space, of no other cache, and not beginning with "malloc-"; copied
 * @param size  bytes of an object, 1 … TARN_CACHE_SIZE_MOST
 * @param args  NULL: all zero
 * @return 0 and *cache; -EINVAL: a size of 0 or too large, an alignment that is no power of two, a name that cannot be, unknown flags or ones
 * that exclude each other (DMA with DMA32 or a zone, dtor with TYPESAFE_BY_RCU or without ctor), a user part outside of the object; -EEXIST: the name is taken; -ENOMEM. *cache is NULL then.
 */
TARN_API int tarn_cache_make(struct tarn_cache **cache, const char *name, size_t size, const struct tarn_cache_args *args,
                             unsigned flags);

/** The same with the commonest arguments. @return the cache, or NULL for any of the errors. */
TARN_API struct tarn_cache *tarn_cache_create(const char *name, size_t size, size_t align, unsigned flags, void (*ctor)(void *),
                                              void (*dtor)(void *));

/**
 * Ends a cache, or one of those that share it. Nobody may use it meanwhile. NULL is allowed.
 * @return 0; -EBUSY when objects are live: they are listed (tarn_warn_to), and the cache stays usable, so nothing is freed under its users
 */
TARN_API int tarn_cache_destroy(struct tarn_cache *cache);

/** An object; NULL when there is no memory within what the flags allow. TARN_GFP_ZERO does not go with a constructor: NULL, and a warning. */
TARN_API void *tarn_cache_alloc(struct tarn_cache *cache, tarn_gfp_t flags);

/** The same, zeroed. */
TARN_API void *tarn_cache_zalloc(struct tarn_cache *cache, tarn_gfp_t flags);

/** Frees an object of this cache; NULL is allowed. One of another cache, or none, is reported (report.h). */
TARN_API void tarn_cache_free(struct tarn_cache *cache, void *object);

/** Allocates `count` objects, all or none. @return `count`, or 0. Cost: a few instructions an object. */
TARN_API size_t tarn_cache_alloc_bulk(struct tarn_cache *cache, tarn_gfp_t flags, size_t count, void **objects);

/** Frees `count` objects; with a NULL cache, of any caches mixed. */
TARN_API void tarn_cache_free_bulk(struct tarn_cache *cache, size_t count, void **objects);

/** Bytes of an object, as it was asked for (the largest of those who share the cache). */
TARN_API size_t tarn_cache_size(const struct tarn_cache *cache);
TARN_API const char *tarn_cache_name(const struct tarn_cache *cache);

/**
 * Gives back slabs that are wholly free: first what this thread, ended threads and the depot hold. Other living threads give theirs at their
 * next exchange. @return 0 when the cache holds no slab afterwards, 1 when it does
 */
TARN_API int tarn_cache_shrink(struct tarn_cache *cache);

/** The cache of an object, or NULL: it is no object of tarn's slabs. */
TARN_API struct tarn_cache *tarn_cache_of(const void *object);

/* Sheaves: allocations that cannot fail */

/** A sheaf with at least `size` objects of the cache. @return NULL: no memory, or a size of 0. Owned by one thread at a time. */
TARN_API struct tarn_sheaf *tarn_cache_prefill_sheaf(struct tarn_cache *cache, tarn_gfp_t flags, unsigned size);

/** Fills it up to `size` again. @return 0; -ENOMEM: it holds what it held; -EINVAL for a sheaf of another cache. *sheaf may change. */
TARN_API int tarn_cache_refill_sheaf(struct tarn_cache *cache, tarn_gfp_t flags, struct tarn_sheaf **sheaf, unsigned size);

/**
 * An object of the sheaf: never NULL as long as it holds one; NULL, and a warning, from an empty one or another cache's. TARN_GFP_ZERO is
 * honoured, but for constructed objects, which stay as they are with a warning; the other flags do not matter.
 */
TARN_API void *tarn_cache_alloc_from_sheaf(struct tarn_cache *cache, tarn_gfp_t flags, struct tarn_sheaf *sheaf);

/** Gives the sheaf and what it still holds back. NULL is allowed. */
TARN_API void tarn_cache_return_sheaf(struct tarn_cache *cache, tarn_gfp_t flags, struct tarn_sheaf *sheaf);

/** Objects it holds. */
TARN_API unsigned tarn_sheaf_size(const struct tarn_sheaf *sheaf);

/* Reports */

/** One cache; counts are exact once its users pause. */
struct tarn_cache_stats {
    const char *name;
    size_t object_size; /**< as asked for */
    size_t size;        /**< bytes that one takes in a slab */
    size_t slab_objects, slab_pages;
    uint64_t allocations, frees; /**< objects, ever */
    uint64_t active;             /**< live objects */
    uint64_t objects;            /**< in all slabs: live, in magazines, free */
    uint64_t slabs;
    unsigned flags, references; /**< enum tarn_cache_flags; how many share it */
    unsigned capacity;          /**< objects of a magazine */
};
TARN_API void tarn_cache_stats(struct tarn_cache *cache, struct tarn_cache_stats *stats);

/** Calls `visit` for each cache, the size classes of tarn_malloc and kmalloc that were used included. Caches may be made and destroyed meanwhile by others, not by `visit`. */
TARN_API void tarn_cache_each(void (*visit)(struct tarn_cache *cache, void *context), void *context);

/** Calls `visit` for each live object, as far as it is known: objects in other living threads' magazines count as live. The cache must be at rest. */
TARN_API void tarn_cache_walk(struct tarn_cache *cache, void (*visit)(void *object, void *context), void *context);

/** Verifies the whole structure; ends the process with the sentence that does not hold. */
TARN_API void tarn_cache_verify(struct tarn_cache *cache);

#ifdef __cplusplus
}
#endif

#endif
