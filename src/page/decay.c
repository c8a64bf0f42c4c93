/* What is kept, and what was learned. */
#include "page/decay.h"

#include "base/bits.h"
#include "os/background.h"
#include "os/os.h"
#include "os/pressure.h"
#include "page/purge.h"
#include "page/shelf.h"
#include "page/zones.h"

enum {
    LEAST = 128,
    SHARE = 16,
    AT_ONCE = 64,
    SHORT_SHARE = 4,
    LIMIT_SHARE = 8,
    LESSON = 8,
    CREDIT = 8192,
    TICK_MS = 100,
    FORGOTTEN = 2000
}; /* pages; pages in a tick */

size_t (*_Atomic tarn__purge_slabs)(struct tarn_zone *zone, size_t pages);

void tarn__idle_begin(struct tarn_zone *zone)
{
    zone->learned = CREDIT + FORGOTTEN;
    zone->faded = tarn__os_now() / TICK_MS - 1; /* so that the first look at what is idle is at the system's limits, too */
}

/* What was given back is no mistake any more after a while. Whether a tick has passed. */
static bool fade(struct tarn_zone *zone)
{
    uint64_t tick = tarn__os_now() / TICK_MS, passed = tick - zone->faded;
    if (passed == 0)
        return false;
    zone->faded = tick;
    zone->learned -= tarn__min(zone->learned, passed < SIZE_MAX / FORGOTTEN ? (size_t)passed * FORGOTTEN : SIZE_MAX);
    for (uint64_t i = 0; i < passed && zone->given_back > 0; i++)
        zone->given_back -= (zone->given_back + 7) / 8;
    return true;
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

/* Threads' notes may come in another order than what they tell of. */
static size_t pages_in(const _Atomic long *count)
{
    long pages = atomic_load_explicit(count, memory_order_relaxed);
    return pages > 0 ? (size_t)pages : 0;
}

static size_t idle_in_slabs(const struct tarn_zone *zone) { return pages_in(&zone->idle_pages); }

/* Without shelves, which bound themselves, and are used again at once. */
static size_t idle_pages(const struct tarn_zone *zone) { return zone->dirty_pages + idle_in_slabs(zone); }

/* What may stay idle, whatever was learned. */
static size_t least_allowance(const struct tarn_zone *zone)
{
    size_t used = tarn__zone_used(zone), none = idle_in_slabs(zone) + pages_in(&zone->absent_pages) + tarn__shelves_pages(zone);
    return tarn__max(LEAST, (used - tarn__min(used, none)) / SHARE);
}

/* What was learned, as far as there is room for it. */
static size_t worth_keeping(const struct tarn_zone *zone)
{
    size_t limit = tarn__os_limit_known() / (TARN__PAGE_SIZE >> 10);
    return tarn__min(zone->learned, limit / LIMIT_SHARE);
}

/* Where memory is short less may, and at last nothing. */
static size_t allowance(const struct tarn_zone *zone)
{
    size_t calm = least_allowance(zone) + worth_keeping(zone);
    int pressure = tarn__os_pressure_known();
    return pressure == TARN__PRESSURE_CALM ? calm : pressure == TARN__PRESSURE_SOME ? calm / SHORT_SHARE : 0;
}

/* Once in a tick it says so in any case, so that the pressure is asked for, and the background thread told. */
bool tarn__idle_excess(struct tarn_zone *zone)
{
    size_t idle = idle_pages(zone);
    if (zone->fixed)
        return false;
    if (tarn__sections_to_spare(zone))
        return true;
    return idle > LEAST && (fade(zone) || idle > allowance(zone) || tarn__background_waits());
}

/* Slabs and free pages. Returns the pages. */
static size_t give_back(struct tarn_zone *zone, size_t excess, size_t from_slabs)
{
    if (excess == 0)
        return 0;
    size_t (*purge_slabs)(struct tarn_zone *, size_t) = atomic_load_explicit(&tarn__purge_slabs, memory_order_relaxed);
    size_t given = from_slabs > 0 && purge_slabs ? purge_slabs(zone, from_slabs) : 0;
    return excess > given ? given + tarn__purge_dirty(zone, excess - given) : given;
}

/* Slabs and free pages each give their share. */
static void purge(struct tarn_zone *zone)
{
    tarn__os_pressure();
    tarn__lock(&zone->lock);
    fade(zone);
    size_t slabs = idle_in_slabs(zone), idle = idle_pages(zone), allowed = allowance(zone);
    size_t excess = idle > allowed ? idle - allowed + tarn__min(allowed / 4, AT_ONCE) : 0;
    size_t from_slabs = excess > 0 ? (size_t)((double)excess * (double)slabs / (double)idle) : 0;
    tarn__unlock(&zone->lock);
    bool shelves = tarn__shelves_pages(zone) > allowed;
    size_t given = give_back(zone, excess, from_slabs);
    if (shelves)
        tarn__shelves_empty(zone);
    tarn__purge_sections(zone);
    tarn__lock(&zone->lock);
    zone->given_back += given;
    tarn__unlock(&zone->lock);
}

void tarn__purge_excess(struct tarn_zone *zone)
{
    tarn__background_need();
    if (!tarn__background_works() || zone != atomic_load_explicit(&tarn__normal, memory_order_relaxed))
        purge(zone);
}

/* The background thread's turn: until there is little left that time could make too much. */
static bool tick(void)
{
    struct tarn_zone *zone = atomic_load_explicit(&tarn__normal, memory_order_relaxed);
    purge(zone);
    tarn__lock(&zone->lock);
    bool more = idle_pages(zone) > least_allowance(zone);
    tarn__unlock(&zone->lock);
    return more;
}

void tarn__idle_count(struct tarn_zone *zone, long idle, long absent)
{
    atomic_fetch_add_explicit(&zone->idle_pages, idle, memory_order_relaxed);
    atomic_fetch_add_explicit(&zone->absent_pages, absent, memory_order_relaxed);
}

void tarn__idle_note(struct tarn_zone *zone, long idle, long absent, size_t fresh)
{
    tarn__idle_count(zone, idle, absent);
    if (idle <= 0 && fresh == 0)
        return;
    tarn__lock(&zone->lock);
    if (fresh > 0)
        note_fresh(zone, fresh);
    bool excess = idle > 0 && tarn__idle_excess(zone);
    tarn__unlock(&zone->lock);
    if (excess)
        tarn__purge_excess(zone);
}

__attribute__((constructor(101))) static void announce(void) { tarn__background_tick = tick; }
