/* What can be asked of caches: sizes, counts, walks. */
#include "base/fail.h"
#include "slab/debug.h"
#include "slab/local.h"
#include "slab/quarantine.h"

size_t tarn_cache_size(const struct tarn_cache *cache) { return tarn__object_size(cache); }

const char *tarn_cache_name(const struct tarn_cache *cache) { return cache->name; }

struct tarn_cache *tarn_cache_of(const void *object)
{
    struct tarn__slab *slab = tarn__slab_of(object);
    return slab ? slab->cache : NULL;
}

void tarn_cache_stats(struct tarn_cache *cache, struct tarn_cache_stats *stats)
{
    struct tarn__local_sums sums;
    tarn__local_sum(cache, &sums);
    tarn__lock(&cache->slabs_lock);
    uint64_t slabs = cache->slabs;
    tarn__unlock(&cache->slabs_lock);
    tarn__lock(&tarn__caches_lock);
    unsigned references = cache->references;
    tarn__unlock(&tarn__caches_lock);
    *stats = (struct tarn_cache_stats){
        .name = cache->name,
        .object_size = tarn__object_size(cache),
        .size = cache->size,
        .slab_objects = cache->objects,
        .slab_pages = cache->pages,
        .allocations = sums.allocs,
        .frees = sums.frees,
        .active = sums.allocs - sums.frees,
        .objects = slabs * cache->objects,
        .slabs = slabs,
        .flags = cache->flags,
        .references = references,
        .capacity = cache->number ? cache->capacity : 0,
    };
}

void tarn_cache_each(void (*visit)(struct tarn_cache *cache, void *context), void *context)
{
    struct tarn__pin pin = {NULL, NULL};
    for (struct tarn_cache *cache; (cache = tarn__cache_pin_next(&pin)) != NULL;)
        visit(cache, context);
}

void tarn_cache_walk(struct tarn_cache *cache, void (*visit)(void *object, void *context), void *context)
{
    if (cache->flags & TARN_CACHE_QUARANTINE)
        tarn__quarantine_empty();
    tarn__local_flush_cache(cache);
    tarn__depot_reap(cache, true);
    tarn__cache_visit(cache, visit, context);
}

void tarn_cache_verify(struct tarn_cache *cache)
{
    tarn__cache_check(cache);
    if (cache->flags & TARN__DEBUG_FLAGS)
        tarn__debug_look(cache, "cache_verify");
}

void tarn__local_sum(struct tarn_cache *cache, struct tarn__local_sums *sums)
{
    unsigned number = cache->number; /* 0: no bin of it counts anything */
    *sums = (struct tarn__local_sums){0};
    tarn__lock(&tarn__registry_lock);
    for (struct tarn__list *link = tarn__registry.next; link != &tarn__registry; link = link->next) {
        struct tarn__local *local = TARN__CONTAINER(link, struct tarn__local, link);
        sums->allocs += tarn__counter_read(&local->bin[number].allocs);
        sums->frees += tarn__counter_read(&local->bin[number].frees);
        sums->samples += tarn__counter_read(&local->rear[number].samples);
        sums->sampled_bytes += tarn__counter_read(&local->rear[number].sampled_bytes);
        sums->reallocs += tarn__counter_read(&local->rear[number].reallocs);
    }
    sums->allocs += atomic_load_explicit(&cache->past_allocs, memory_order_relaxed);
    sums->frees += atomic_load_explicit(&cache->past_frees, memory_order_relaxed);
    sums->samples += atomic_load_explicit(&cache->past_samples, memory_order_relaxed);
    sums->sampled_bytes += atomic_load_explicit(&cache->past_sampled_bytes, memory_order_relaxed);
    sums->reallocs += atomic_load_explicit(&cache->past_reallocs, memory_order_relaxed);
    tarn__unlock(&tarn__registry_lock);
}
