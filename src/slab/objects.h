/*
 * Objects of users' caches: the fast paths, whole. (Those of tarn_malloc are in alloc/fast.h.)
 *
 * The cache is named by the caller, so allocation is one load more than a pop. A free compares the tag of the unit that the object lies in, and its
 * mark; so an object of another cache never gets into this one's bins, nor one that is free already, nor what is no object.
 */
#ifndef TARN_SLAB_OBJECTS_H
#define TARN_SLAB_OBJECTS_H

#include "slab/local.h"

/* What the fast path does not look at: to be zeroed, or a mistake. */
#define TARN__SLOW_FLAGS (TARN_GFP_ZERO | TARN_GFP_HIGHMEM | TARN_GFP_MOVABLE)

/* Any cache, any flags, any object. `caller` is where the user's call returns to. */
void *tarn__cache_alloc_slow(struct tarn_cache *cache, tarn_gfp_t flags, const void *caller);
void tarn__cache_free_slow(struct tarn_cache *cache, void *object, const void *caller);

/* The bin that the fast paths look at. Either answer will do while injection begins or ends, so the load need not be ordered. */
static inline struct tarn__bin *tarn__quick_bin(const struct tarn_cache *cache)
{
    return (struct tarn__bin *)((char *)tarn__self->bin + __atomic_load_n(&cache->quick, __ATOMIC_RELAXED));
}

/* Pops the last of a bin's `count` objects. */
static inline void *tarn__quick_pop(const struct tarn_cache *cache, struct tarn__bin *bin, uint32_t count)
{
    void *object = bin->array[count - 1];
    bin->count = count - 1;
    tarn__counter_add(&bin->allocs, 1);
    tarn__mark_used(object, cache->inverse);
    return object;
}

/* In these two the return address is that of the function they are part of. */
static inline __attribute__((always_inline)) void *tarn__cache_alloc(struct tarn_cache *cache, tarn_gfp_t flags)
{
    struct tarn__bin *bin = tarn__quick_bin(cache);
    uint32_t count = bin->count;
    if (TARN__UNLIKELY(count == 0 || (flags & TARN__SLOW_FLAGS)))
        return tarn__cache_alloc_slow(cache, flags, __builtin_return_address(0));
    return tarn__quick_pop(cache, bin, count);
}

/* The mark of a live object of a cache that has a tag of its own; NULL: it is none, or the cache has none. */
static inline uint8_t *tarn__quick_mark(const struct tarn_cache *cache, const void *object)
{
    size_t unit = tarn__unit_of(object);
    if (TARN__UNLIKELY(unit >= TARN__READ(tarn__units_end)))
        return NULL;
    uintptr_t entry = tarn__unit_entry(unit);
    uint64_t place = tarn__mark_place(object, cache->inverse);
    if (TARN__UNLIKELY((uint8_t)entry != cache->tag || (uint32_t)place >= cache->inverse))
        return NULL;
    uint8_t *mark = tarn__mark_at(entry, place);
    return TARN__LIKELY(tarn__mark_read(mark)) ? mark : NULL;
}

static inline __attribute__((always_inline)) void tarn__cache_free(struct tarn_cache *cache, void *object)
{
    struct tarn__bin *bin = tarn__quick_bin(cache);
    uint32_t count = bin->count;
    uint8_t *mark = tarn__quick_mark(cache, object);
    if (TARN__UNLIKELY(!mark || count >= bin->room)) {
        tarn__cache_free_slow(cache, object, __builtin_return_address(0));
        return;
    }
    tarn__mark_write(mark, false);
    bin->array[count] = object;
    atomic_signal_fence(memory_order_release); /* see local.h: the object before the count */
    bin->count = count + 1;
    tarn__counter_add(&bin->frees, 1);
}

#endif
