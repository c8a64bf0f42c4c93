/*
 * Giving back pages inside slabs that still hold something: those that no object in use reaches into.
 *
 * As with free pages, what is given back is out of reach meanwhile: no lock is held in the system call. The child of a fork that catches another
 * thread there does not get these objects back.
 */
#include "base/bits.h"
#include "page/decay.h"
#include "slab/caches.h"
#include "slab/idle.h"

/* Purges the pages of a slab that are given by bits, neighbours together. Returns those that were. */
static uint16_t purge_pages(const struct tarn__slab *slab, uint16_t pages)
{
    uint64_t wanted = pages, cleaned = 0;
    for (size_t at = 0; at < TARN__UNIT_PAGES;) {
        size_t begin = tarn__bits_find(&wanted, at, TARN__UNIT_PAGES, true);
        at = tarn__bits_find(&wanted, begin, TARN__UNIT_PAGES, false);
        size_t length = at > begin ? at - begin : 0;
        if (length == 0)
            break;
        char *p = slab->base + begin * TARN__PAGE_SIZE;
        if (tarn_source_purge(slab->cache->zone->source, p, length * TARN__PAGE_SIZE) != 0)
            break;
        tarn__bits_set(&cleaned, begin, length);
    }
    return (uint16_t)cleaned;
}

static size_t purge_cache(struct tarn_cache *cache, size_t most)
{
    size_t done = 0;
    struct tarn__slab *slab;
    uint16_t pages, cleaned = 1;
    while (done < most && cleaned && (slab = tarn__cache_idle_take(cache, &pages)) != NULL) {
        cleaned = purge_pages(slab, pages);
        tarn__cache_idle_return(slab, pages, cleaned);
        done += (size_t)__builtin_popcount(cleaned);
    }
    return done;
}

size_t tarn__slabs_purge(struct tarn_zone *zone, size_t pages)
{
    static _Atomic unsigned hand; /* where the last purge ended: caches take turns */
    unsigned end = atomic_load_explicit(&tarn__cache_table_end, memory_order_acquire), at = 0;
    unsigned begin = atomic_load_explicit(&hand, memory_order_relaxed);
    size_t done = 0;
    for (unsigned i = 0; i < end && done < pages; i++) {
        struct tarn__pin pin;
        at = (begin + i) % end;
        struct tarn_cache *cache = at > 0 ? tarn__cache_pin(&pin, at) : NULL;
        if (!cache)
            continue;
        if (cache->zone == zone)
            done += purge_cache(cache, pages - done);
        tarn__cache_unpin(&pin);
    }
    atomic_store_explicit(&hand, at, memory_order_relaxed);
    return done;
}
