/* What the fast paths of objects.h leave out, and bulk. */
#include "slab/objects.h"

#include "base/bits.h"
#include "base/fail.h"
#include "base/inject.h"
#include "base/warn.h"
#include "slab/debug.h"

#include <string.h>

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

/* A cache's memory is never anything else than a cache's; so this finds its use after its end until there is another one in its place. */
static bool has_ended(const struct tarn_cache *cache, const char *where)
{
    bool ended = TARN__UNLIKELY(__atomic_load_n(&cache->references, __ATOMIC_RELAXED) == 0);
    if (ended)
        tarn__report(TARN__DESTROYED_POOL, where, cache, &(struct tarn__suspect){.pool = cache->name});
    return ended;
}

TARN__NOINLINE void *tarn__cache_alloc_slow(struct tarn_cache *cache, tarn_gfp_t flags, const void *caller)
{
    if (has_ended(cache, "cache_alloc") || !flags_can_be(cache, flags) || tarn__inject(TARN_FAIL_SLAB, flags, 0, cache))
        return NULL;
    tarn_gfp_t inner = flags & ~(TARN_GFP_ZERO | TARN_GFP_MOVABLE);
    void *object = cache->flags & TARN__DEBUG_FLAGS ? tarn__debug_alloc(cache, inner, caller)
                                                    : tarn__local_alloc(cache, tarn__object_size(cache), inner);
    return object && (flags & TARN_GFP_ZERO) ? memset(object, 0, tarn__object_size(cache)) : object;
}

void *tarn_cache_alloc(struct tarn_cache *cache, tarn_gfp_t flags) { return tarn__cache_alloc(cache, flags); }

void *tarn_cache_zalloc(struct tarn_cache *cache, tarn_gfp_t flags)
{
    if (cache->ctor)
        return tarn__cache_alloc_slow(cache, flags | TARN_GFP_ZERO, __builtin_return_address(0));
    void *object = tarn__cache_alloc(cache, flags & ~TARN_GFP_ZERO);
    return object ? memset(object, 0, tarn__object_size(cache)) : NULL;
}

/* Free */

TARN__NOINLINE void tarn__cache_free_slow(struct tarn_cache *cache, void *object, const void *caller)
{
    if (!object)
        return;
    struct tarn__slab *slab = tarn__slab_of(object);
    if (slab && slab->cache != cache) {
        tarn__misuse(TARN__WRONG_CACHE, "cache_free", object);
    } else if (slab && (cache->flags & TARN__DEBUG_FLAGS)) {
        tarn__debug_free(cache, object, caller);
    } else if (!slab && tarn__debug_free_guarded(cache, object)) {
        return;
    } else if (!slab || tarn__object_is_free(slab, object)) {
        tarn__misuse(TARN__INVALID_FREE, "cache_free", object);
    } else {
        tarn__mark_write(tarn__mark_of(slab, object), false);
        tarn__local_free(cache, object);
    }
}

void tarn_cache_free(struct tarn_cache *cache, void *object) { tarn__cache_free(cache, object); }

/* Bulk */

/* Pops up to `count` objects of the bin. */
static size_t pop_many(struct tarn_cache *cache, size_t count, void **objects)
{
    struct tarn__bin *bin = tarn__quick_bin(cache);
    size_t got = tarn__min(count, bin->count);
    if (got == 0)
        return 0; /* it may be a shared bin, which no one writes */
    bin->count -= (uint32_t)got;
    memcpy(objects, bin->array + bin->count, got * sizeof *objects);
    tarn__counter_add(&bin->allocs, got);
    for (size_t i = 0; i < got; i++)
        tarn__mark_used(objects[i], cache->inverse);
    return got;
}

size_t tarn_cache_alloc_bulk(struct tarn_cache *cache, tarn_gfp_t flags, size_t count, void **objects)
{
    size_t got = 0;
    bool fast = !(flags & TARN__SLOW_FLAGS);
    while (got < count) {
        if (fast)
            got += pop_many(cache, count - got, objects + got);
        if (got == count)
            break;
        objects[got] = tarn__cache_alloc_slow(cache, flags, __builtin_return_address(0)); /* refills the bin */
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
    struct tarn__bin *bin = tarn__quick_bin(cache);
    size_t room = bin->room > bin->count ? bin->room - bin->count : 0, done = 0;
    for (uint8_t *mark; done < tarn__min(count, room) && (mark = tarn__quick_mark(cache, objects[done])) != NULL; done++) {
        tarn__mark_write(mark, false);
        bin->array[bin->count + done] = objects[done];
    }
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
        if (!of && objects[done] && !tarn__debug_free_guarded(NULL, objects[done]))
            tarn__misuse(TARN__INVALID_FREE, "cache_free_bulk", objects[done]);
        size_t pushed = of ? push_many(of, count - done, objects + done) : 0;
        if (pushed == 0 && of)
            tarn__cache_free_slow(of, objects[done], __builtin_return_address(0));
        done += tarn__max(pushed, 1);
    }
}
