/*
 * Objects of users' caches: the fast paths, whole, and what they leave out. (Those of tarn_malloc are in alloc/fast.h.)
 *
 * The cache is named by the caller, so allocation is one load more than a pop. A
 * free compares the tag of the unit that the object lies in; so an object of another cache never gets into this one's bins.
 */
#include "base/bits.h"
#include "base/fail.h"
#include "base/inject.h"
#include "base/warn.h"
#include "slab/debug.h"
#include "slab/local.h"

#include <string.h>

/* What the fast path does not look at: to be zeroed, or a mistake. */
#define SLOW_FLAGS (TARN_GFP_ZERO | TARN_GFP_HIGHMEM | TARN_GFP_MOVABLE)

/* Allocation */

static bool flags_can_be(const struct tarn_cache *cache, tarn_gfp_t flags)
{
    bool both = (flags & TARN_GFP_MOVABLE) && (flags & TARN_GFP_RECLAIMABLE), zeroes = (flags & TARN_GFP_ZERO) && cache->ctor;
    if (!both && !zeroes && !(flags & TARN_GFP_HIGHMEM))
        return true;
    tarn__warn("cache %s: allocation with flags that %s: %#x", cache->name,
               zeroes ? "would zero a constructed object"
               : both ? "name two mobility groups"
                      : "ask for high memory",
               flags);
    return false;
}

static TARN__NOINLINE void *alloc_slow(struct tarn_cache *cache, tarn_gfp_t flags, const void *caller)
{
    if (!flags_can_be(cache, flags) || tarn__inject(TARN_FAIL_SLAB, flags, 0, cache))
        return NULL;
    tarn_gfp_t inner = flags & ~(TARN_GFP_ZERO | TARN_GFP_MOVABLE);
    void *object = cache->flags & TARN__DEBUG_FLAGS ? tarn__debug_alloc(cache, inner, caller)
                                                    : tarn__local_alloc(cache, tarn__object_size(cache), inner);
    return object && (flags & TARN_GFP_ZERO) ? memset(object, 0, tarn__object_size(cache)) : object;
}

static inline void *alloc_for(struct tarn_cache *cache, tarn_gfp_t flags, const void *caller)
{
    struct tarn__bin *bin = &tarn__self->bin[cache->quick];
    uint32_t count = bin->count;
    if (TARN__UNLIKELY(count == 0 || (flags & SLOW_FLAGS)))
        return alloc_slow(cache, flags, caller);
    bin->count = count - 1;
    tarn__counter_add(&bin->allocs, 1);
    return bin->array[count - 1];
}

void *tarn_cache_alloc(struct tarn_cache *cache, tarn_gfp_t flags)
{
    return alloc_for(cache, flags, __builtin_return_address(0));
}

void *tarn_cache_zalloc(struct tarn_cache *cache, tarn_gfp_t flags)
{
    if (cache->ctor)
        return alloc_slow(cache, flags | TARN_GFP_ZERO, __builtin_return_address(0));
    void *object = alloc_for(cache, flags & ~TARN_GFP_ZERO, __builtin_return_address(0));
    return object ? memset(object, 0, tarn__object_size(cache)) : NULL;
}

/* Free */

static TARN__NOINLINE void free_slow(struct tarn_cache *cache, void *object, const void *caller)
{
    if (!object)
        return;
    struct tarn__slab *slab = tarn__slab_of(object);
    if (!slab)
        tarn__fail(TARN__INVALID_FREE, "cache_free", object);
    if (slab->cache != cache)
        tarn__fail(TARN__WRONG_CACHE, "cache_free", object);
    if (cache->flags & TARN__DEBUG_FLAGS)
        tarn__debug_free(cache, object, caller);
    else
        tarn__local_free(cache, object);
}

/* Whether the object lies in a slab of the cache that has a tag of its own; its offset is not looked at. */
static inline bool is_of(const struct tarn_cache *cache, const void *object)
{
    size_t unit = ((uintptr_t)object - tarn__window_base) >> TARN__UNIT_BITS;
    return TARN__LIKELY(unit < TARN__UNITS) && tarn__unit_cache[unit] == cache->tag;
}

void tarn_cache_free(struct tarn_cache *cache, void *object)
{
    struct tarn__bin *bin = &tarn__self->bin[cache->quick];
    uint32_t count = bin->count;
    if (TARN__UNLIKELY(!is_of(cache, object) || count >= bin->room))
        return free_slow(cache, object, __builtin_return_address(0));
    bin->array[count] = object;
    atomic_signal_fence(memory_order_release); /* see local.h: the object before the count */
    bin->count = count + 1;
    tarn__counter_add(&bin->frees, 1);
}

/* Bulk */

/* Pops up to `count` objects of the bin. */
static size_t pop_many(struct tarn_cache *cache, size_t count, void **objects)
{
    struct tarn__bin *bin = &tarn__self->bin[cache->quick];
    size_t got = tarn__min(count, bin->count);
    if (got == 0)
        return 0; /* it may be a shared bin, which no one writes */
    bin->count -= (uint32_t)got;
    memcpy(objects, bin->array + bin->count, got * sizeof *objects);
    tarn__counter_add(&bin->allocs, got);
    return got;
}

size_t tarn_cache_alloc_bulk(struct tarn_cache *cache, tarn_gfp_t flags, size_t count, void **objects)
{
    size_t got = 0;
    bool fast = !(flags & SLOW_FLAGS);
    while (got < count) {
        if (fast)
            got += pop_many(cache, count - got, objects + got);
        if (got == count)
            break;
        objects[got] = alloc_slow(cache, flags, __builtin_return_address(0)); /* refills the bin */
        if (!objects[got]) {
            tarn_cache_free_bulk(cache, got, objects);
            return 0;
        }
        got++;
    }
    return got;
}

/* Pushes objects as long as they are of the cache and there is room. */
static size_t push_many(struct tarn_cache *cache, size_t count, void **objects)
{
    struct tarn__bin *bin = &tarn__self->bin[cache->quick];
    size_t room = bin->room > bin->count ? bin->room - bin->count : 0, done = 0;
    for (; done < tarn__min(count, room) && is_of(cache, objects[done]); done++)
        bin->array[bin->count + done] = objects[done];
    if (done == 0)
        return 0;
    atomic_signal_fence(memory_order_release);
    bin->count += (uint32_t)done;
    tarn__counter_add(&bin->frees, done);
    return done;
}

void tarn_cache_free_bulk(struct tarn_cache *cache, size_t count, void **objects)
{
    for (size_t done = 0; done < count;) {
        struct tarn_cache *of = cache ? cache : tarn_cache_of(objects[done]);
        if (!of && objects[done])
            tarn__fail(TARN__INVALID_FREE, "cache_free_bulk", objects[done]);
        size_t pushed = of ? push_many(of, count - done, objects + done) : 0;
        if (pushed == 0 && of)
            free_slow(of, objects[done], __builtin_return_address(0));
        done += tarn__max(pushed, 1);
    }
}
