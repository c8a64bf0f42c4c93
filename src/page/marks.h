/*
 * Watermarks: how many pages must remain for whom.
 *
 * A request fails when no more pages are available than its mark, the others of its pages not counted: as in the kernel, with a mark of 0 the
 * last page can be had, and with a mark of m there are always m left. What is available is what is free in a fixed zone, and under a
 * limit what may still be taken.
 *
 * Who asks          first attempt   then
 * anyone            low             min
 * HIGH                              min / 2
 * ATOMIC                            3/8 of min: HIGH without DIRECT_RECLAIM
 * MEMALLOC                          0
 *
 * All calls are made under the zone's lock. Zones without bounds pay one test of `bounded`.
 */
#ifndef TARN_PAGE_MARKS_H
#define TARN_PAGE_MARKS_H

#include "page/zone.h"

/* Pages that can still be taken; SIZE_MAX in a zone without bounds. */
static inline size_t tarn__marks_available(const struct tarn_zone *zone)
{
    size_t used = tarn__zone_used(zone), available = SIZE_MAX;
    if (zone->limit > 0)
        available = zone->limit > used ? zone->limit - used : 0;
    return zone->fixed && zone->free_pages < available ? zone->free_pages : available;
}

/* Whether single pages may be kept in threads' lists: not near the marks, where each one counts. */
static inline bool tarn__marks_plenty(const struct tarn_zone *zone)
{
    return !zone->bounded || tarn__marks_available(zone) > zone->high + 4 * (size_t)zone->list_most;
}

/* What is available changed, or a bound. */
static inline void tarn__marks_moved(struct tarn_zone *zone)
{
    uint8_t lists = tarn__marks_plenty(zone) ? zone->number : 0;
    bool below = zone->bounded && tarn__marks_available(zone) < zone->high;
    if (atomic_load_explicit(&zone->lists, memory_order_relaxed) != lists)
        atomic_store_explicit(&zone->lists, lists, memory_order_relaxed);
    if (atomic_load_explicit(&zone->below_high, memory_order_relaxed) != below)
        atomic_store_explicit(&zone->below_high, below, memory_order_relaxed);
}

/* The mark for a request. */
size_t tarn__marks_for(const struct tarn_zone *zone, tarn_gfp_t flags, bool ample);

/* Whether a request is forbidden. */
static inline bool tarn__marks_forbid(const struct tarn_zone *zone, size_t count, tarn_gfp_t flags, bool ample)
{
    return zone->bounded && tarn__marks_available(zone) < count + tarn__marks_for(zone, flags, ample);
}

#endif
