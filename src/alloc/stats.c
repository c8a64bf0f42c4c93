/* Adds up the counters that each floor keeps. */
#include "tarn/stats.h"

#include "alloc/ended.h"
#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "os/os.h"
#include "page/meta.h"
#include "page/shelf.h"

#include <errno.h>
#include <string.h>

_Static_assert(TARN_CLASSES == TARN__CLASSES, "the public count of classes is right");

static uint64_t read_count(_Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

int tarn_class_stats(unsigned index, struct tarn_class_stats *stats)
{
    if (index >= TARN__CLASSES)
        return -EINVAL;
    struct tarn_cache *cache = tarn__heap_class_made(index + 1);
    struct tarn__local_sums sums;
    *stats = (struct tarn_class_stats){.size = tarn__class_size(index + 1),
                                       .slab_objects = TARN__UNIT_SIZE / tarn__class_size(index + 1)};
    if (!cache)
        return 0;
    tarn__local_sum(cache, &sums);
    sums.frees += tarn__ended_of(index + 1);
    tarn__lock(&cache->slabs_lock);
    uint64_t slabs = cache->slabs, free_objects = cache->free_objects;
    tarn__unlock(&cache->slabs_lock);
    uint64_t taken = slabs * cache->objects - free_objects, active = sums.allocs - sums.frees;
    stats->allocations = sums.allocs;
    stats->frees = sums.frees;
    stats->slabs = slabs;
    stats->cached = taken > active ? taken - active : 0;
    stats->sampled = sums.samples;
    stats->sampled_bytes = sums.sampled_bytes;
    return 0;
}

static void add_pages(struct tarn_stats *stats)
{
    struct tarn__heap *heap = &tarn__heap;
    size_t shelved = tarn__shelves_pages(&heap->zone);
    tarn__lock(&heap->zone.lock);
    stats->held_bytes = heap->zone.pages * TARN__PAGE_SIZE;
    stats->used_bytes = (heap->zone.pages - heap->zone.free_pages - shelved) * TARN__PAGE_SIZE;
    stats->peak_used_bytes = heap->zone.peak_pages * TARN__PAGE_SIZE;
    stats->dirty_bytes = (heap->zone.dirty_pages + shelved) * TARN__PAGE_SIZE;
    tarn__unlock(&heap->zone.lock);
    stats->system_bytes = __atomic_load_n(&heap->source.acquired, __ATOMIC_RELAXED);
    stats->returned_bytes = __atomic_load_n(&heap->source.released, __ATOMIC_RELAXED);
    stats->purged_bytes = __atomic_load_n(&heap->source.purged, __ATOMIC_RELAXED);
    stats->metadata_bytes = tarn__meta_bytes();
    for (int call = 0; call < TARN__OS_CALLS; call++)
        stats->system_calls += tarn__os_calls(call);
}

/* Of all caches, those of size classes among them. */
static void add_cache(struct tarn_cache *cache, void *context)
{
    struct tarn_stats *stats = context;
    struct tarn__local_sums sums;
    tarn__local_sum(cache, &sums);
    stats->allocations += sums.allocs;
    stats->frees += sums.frees;
    stats->live_bytes += (sums.allocs - sums.frees) * cache->size;
    stats->reallocs_in_place += sums.reallocs;
}

/* Structures that are kept of pools that have ended count as free. */
static void sub_ended(struct tarn_stats *stats)
{
    for (unsigned class = 1; class <= TARN__CLASSES; class ++) {
        unsigned count = tarn__ended_of(class);
        stats->frees += count;
        stats->live_bytes -= count * tarn__class_size(class);
    }
}

/* Users' heaps. */
static void add_heaps(struct tarn_stats *stats)
{
    struct tarn__heaps_sums sums;
    tarn__heaps_sum(&sums);
    stats->allocations += sums.allocations;
    stats->frees += sums.frees;
    stats->failures += sums.failures;
    stats->live_bytes += sums.live_bytes;
}

static void add_large(struct tarn_stats *stats)
{
    for (int i = 0; i < TARN__LARGE_TALLIES; i++) {
        struct tarn__large_tally *tally = &tarn__heap.large[i];
        stats->large_allocations += read_count(&tally->allocs);
        stats->large_frees += read_count(&tally->frees);
        stats->large_live_bytes += read_count(&tally->pages) * TARN__PAGE_SIZE;
        stats->large_requested_bytes += read_count(&tally->requested);
        stats->large_rounded_bytes += read_count(&tally->rounded);
    }
}

void tarn_stats(struct tarn_stats *stats)
{
    struct tarn__heap *heap = &tarn__heap;
    memset(stats, 0, sizeof *stats);
    tarn__heap_ready();
    tarn_cache_each(add_cache, stats);
    tarn__lock(&tarn__caches_lock);
    stats->allocations += tarn__ended_allocs;
    stats->frees += tarn__ended_allocs;
    tarn__unlock(&tarn__caches_lock);
    add_large(stats);
    stats->allocations += stats->large_allocations;
    stats->frees += stats->large_frees;
    stats->failures = read_count(&heap->failures);
    add_heaps(stats);
    sub_ended(stats);
    stats->live_objects = stats->allocations - stats->frees;
    stats->live_bytes += stats->large_live_bytes;
    int64_t peak = atomic_load_explicit(&tarn__ledger.peak, memory_order_relaxed);
    stats->peak_bytes = peak > 0 && (uint64_t)peak > stats->live_bytes ? (uint64_t)peak : stats->live_bytes;
    stats->reallocs_in_place += read_count(&heap->reallocs_in_place);
    stats->reallocs_moved = read_count(&heap->reallocs_moved);
    stats->reallocs_remapped = read_count(&heap->reallocs_remapped);
    stats->threads = tarn__local_threads();
    add_pages(stats);
}
