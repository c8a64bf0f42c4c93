/* What is kept, and what was learned. */
#include "page/decay.h"

#include "base/bits.h"
#include "os/os.h"
#include "page/purge.h"

enum { LEAST = 128, SHARE = 16, AT_ONCE = 64, LESSON = 8, CREDIT = 8192, TICK_MS = 100, FORGOTTEN = 2000 }; /* pages; pages in a tick */

size_t (*tarn__purge_slabs)(struct tarn_zone *zone, size_t pages);

void tarn__idle_begin(struct tarn_zone *zone)
{
    zone->learned = CREDIT;
    zone->faded = tarn__os_now() / TICK_MS;
}

/* What was given back is no mistake any more after a while. */
static void fade(struct tarn_zone *zone)
{
    uint64_t tick = tarn__os_now() / TICK_MS, passed = tick - zone->faded;
    if (passed == 0)
        return;
    zone->faded = tick;
    zone->learned -= tarn__min(zone->learned, passed < SIZE_MAX / FORGOTTEN ? (size_t)passed * FORGOTTEN : SIZE_MAX);
    for (uint64_t i = 0; i < passed && zone->given_back > 0; i++)
        zone->given_back -= (zone->given_back + 7) / 8;
}

static void note_fresh(struct tarn_zone *zone, size_t fresh)
{
    if (zone->given_back == 0)
        return;
    fade(zone);
    size_t mistake = tarn__min(fresh, zone->given_back);
    zone->given_back -= mistake;
    zone->learned = tarn__max(zone->learned, tarn__min(zone->learned + LESSON * mistake, zone->peak_pages / 2 * 3));
}

void tarn__note_use(struct tarn_zone *zone, size_t fresh)
{
    zone->peak_pages = tarn__max(zone->peak_pages, tarn__zone_used(zone));
    if (fresh > 0)
        note_fresh(zone, fresh);
}

static size_t idle_in_slabs(const struct tarn_zone *zone)
{
    return (size_t)tarn__max(atomic_load_explicit(&zone->idle_pages, memory_order_relaxed), 0);
}

/* Without what was learned. */
static size_t least_allowance(const struct tarn_zone *zone)
{
    size_t used = tarn__zone_used(zone), idle = idle_in_slabs(zone);
    return tarn__max(LEAST, (used - tarn__min(used, idle)) / SHARE);
}

bool tarn__idle_excess(struct tarn_zone *zone)
{
    size_t idle = zone->dirty_pages + idle_in_slabs(zone), least = least_allowance(zone);
    if (idle <= least || zone->fixed)
        return false;
    fade(zone);
    return idle > least + zone->learned;
}

/* Slabs and free pages each give their share. */
void tarn__purge_excess(struct tarn_zone *zone)
{
    tarn__lock(&zone->lock);
    size_t slabs = idle_in_slabs(zone), idle = zone->dirty_pages + slabs;
    size_t allowed = least_allowance(zone) + zone->learned, keep = allowed - tarn__min(allowed / 4, AT_ONCE);
    size_t excess = idle - tarn__min(idle, keep);
    size_t from_slabs = excess > 0 ? (size_t)((double)excess * (double)slabs / (double)idle) : 0;
    tarn__unlock(&zone->lock);
    size_t given = from_slabs > 0 && tarn__purge_slabs ? tarn__purge_slabs(zone, from_slabs) : 0;
    if (excess > given)
        given += tarn__purge_dirty(zone, excess - given);
    tarn__lock(&zone->lock);
    zone->given_back += given;
    tarn__unlock(&zone->lock);
}

void tarn__idle_note(struct tarn_zone *zone, long change, size_t fresh)
{
    atomic_fetch_add_explicit(&zone->idle_pages, change, memory_order_relaxed);
    if (change <= 0 && fresh == 0)
        return;
    tarn__lock(&zone->lock);
    if (fresh > 0)
        note_fresh(zone, fresh);
    bool excess = change > 0 && tarn__idle_excess(zone);
    tarn__unlock(&zone->lock);
    if (excess)
        tarn__purge_excess(zone);
}
