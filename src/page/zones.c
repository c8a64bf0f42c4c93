/*
 * Zones made, listed, measured, ended.
 *
 * Descriptors of zones are kept for the next zone when theirs ends. The chain of all that there ever were only grows, so that the fork
 * hooks can walk it whatever other threads do.
 */
#include "page/zones.h"

#include "base/bits.h"
#include "page/letters.h"
#include "page/lists.h"
#include "page/marks.h"
#include "page/meta.h"
#include "page/mobility.h"
#include "page/shelf.h"
#include "source/low.h"

#include <errno.h>
#include <string.h>

enum { NAME_SIZE = sizeof(((struct tarn_zone *)0)->name_room) };

static const size_t dma_size = (size_t)16 << 20, least_grouped = (size_t)32 << 20;

struct tarn__list tarn__zones = {&tarn__zones, &tarn__zones};
static struct tarn__list spare = {&spare, &spare};
static _Atomic(struct tarn_zone *) all_made;
struct tarn_zone *_Atomic tarn__normal;
static struct tarn_zone *_Atomic dma;
static void (*make_normal)(void);

/* The chain of descriptors gets another one. Under the registry's lock. */
static void add_made(struct tarn_zone *zone)
{
    zone->made_before = atomic_load_explicit(&all_made, memory_order_relaxed);
    atomic_store_explicit(&all_made, zone, memory_order_release);
}

static struct tarn_zone *obtain(void)
{
    struct tarn_zone *zone = NULL;
    tarn__lock(&tarn__zones_lock);
    if (!tarn__list_empty(&spare)) {
        zone = TARN__CONTAINER(spare.next, struct tarn_zone, link);
        tarn__list_remove(&zone->link);
    }
    tarn__unlock(&tarn__zones_lock);
    if (zone || !(zone = tarn__meta_alloc(sizeof *zone, TARN__CACHE_LINE)))
        return zone;
    tarn__lock_init(&zone->lock, TARN__RANK_ZONE);
    tarn__lock(&tarn__zones_lock);
    add_made(zone);
    tarn__unlock(&tarn__zones_lock);
    return zone;
}

static void keep(struct tarn_zone *zone)
{
    tarn__lock(&tarn__zones_lock);
    tarn__list_push_front(&spare, &zone->link);
    tarn__unlock(&tarn__zones_lock);
}

/* Under the registry's lock. */
static struct tarn_zone *named(const char *name)
{
    for (struct tarn__list *link = tarn__zones.next; link != &tarn__zones; link = link->next) {
        struct tarn_zone *zone = TARN__CONTAINER(link, struct tarn_zone, link);
        if (strcmp(zone->name, name) == 0)
            return zone;
    }
    return NULL;
}

/* Puts a zone among all. False: there is one of its name. */
static bool list_zone(struct tarn_zone *zone)
{
    tarn__lock(&tarn__zones_lock);
    bool unique = !named(zone->name);
    if (unique) {
        tarn__list_push_back(&tarn__zones, &zone->link);
        tarn__lists_enter(zone);
    }
    tarn__unlock(&tarn__zones_lock);
    return unique;
}

/* As aligned as the source has it, so that blocks are as large as they can be. */
static char *acquire(struct tarn_source *source, size_t size)
{
    size_t align = (size_t)1 << tarn__log2_floor(tarn__min(size, TARN__SECTION_SIZE));
    char *memory = NULL;
    for (; align >= TARN__PAGE_SIZE && !memory; align /= 2)
        memory = tarn_source_acquire(source, size, align);
    return memory;
}

/* Begins a descriptor anew, its lock included: so the fork hooks must not hold that. */
static void begin(struct tarn_zone *zone, const char *name, struct tarn_source *source)
{
    tarn__lock(&tarn__zones_lock);
    tarn__zone_init(zone, name, source);
    tarn__unlock(&tarn__zones_lock);
    strcpy(zone->name_room, name);
    zone->name = zone->name_room;
}

static struct tarn_zone *make(const char *name, struct tarn_source *source, size_t size, unsigned flags)
{
    struct tarn_zone *zone = obtain();
    if (!zone)
        return NULL;
    begin(zone, name, source);
    if ((flags & TARN_ZONE_NO_GROUPING) || size < least_grouped)
        atomic_store_explicit(&zone->group_mask, 0, memory_order_relaxed);
    zone->memory = acquire(source, size);
    if (zone->memory && tarn__zone_fill(zone, zone->memory, size) == 0) {
        if (list_zone(zone))
            return zone;
        tarn__zone_empty(zone);
    }
    if (zone->memory)
        tarn_source_release(source, zone->memory, size);
    keep(zone);
    return NULL;
}

struct tarn_zone *tarn_zone_create(const char *name, struct tarn_source *source, size_t size, unsigned flags)
{
    size_t length = strlen(name);
    if (size == 0 || size % TARN__PAGE_SIZE != 0 || length == 0 || length >= NAME_SIZE)
        return NULL;
    if (strcmp(name, "NORMAL") == 0 || strcmp(name, "DMA") == 0)
        return NULL;
    return make(name, source, size, flags);
}

/* What threads' lists hold of a zone whose pages are in use by no one else goes back to it. False: some are in use. */
static bool collect(struct tarn_zone *zone)
{
    size_t held = tarn__lists_sum(zone).held;
    tarn__lock(&zone->lock);
    size_t used = tarn__zone_used(zone);
    tarn__unlock(&zone->lock);
    if (used > held)
        return false;
    tarn__block_free_chain(tarn__lists_empty(zone));
    tarn__lock(&zone->lock);
    used = tarn__zone_used(zone);
    tarn__unlock(&zone->lock);
    return used == 0;
}

int tarn_zone_destroy(struct tarn_zone *zone)
{
    if (zone == tarn__normal || zone == dma)
        return -EINVAL;
    tarn__lists_drain();
    tarn__letters_empty(zone);
    if (!collect(zone))
        return -EBUSY;
    tarn__lock(&tarn__zones_lock);
    tarn__lists_leave(zone);
    tarn__list_remove(&zone->link);
    tarn__unlock(&tarn__zones_lock);
    size_t size = zone->pages * TARN__PAGE_SIZE;
    tarn__zone_empty(zone);
    if (tarn_source_release(zone->source, zone->memory, size) != 0)
        tarn_source_purge(zone->source, zone->memory, size); /* its addresses are lost, its pages need not be */
    keep(zone);
    return 0;
}

/* The two that are always there */

void tarn__zone_on_normal(void (*ready)(void)) { make_normal = ready; }

void tarn__zone_set_normal(struct tarn_zone *zone)
{
    tarn__lock(&tarn__zones_lock);
    add_made(zone);
    tarn__list_push_front(&tarn__zones, &zone->link);
    tarn__lists_enter(zone);
    tarn__unlock(&tarn__zones_lock);
    atomic_store_explicit(&tarn__normal, zone, memory_order_release);
}

struct tarn_zone *tarn_zone_normal(void)
{
    struct tarn_zone *zone = atomic_load_explicit(&tarn__normal, memory_order_acquire);
    if (zone || !make_normal)
        return zone;
    make_normal();
    return atomic_load_explicit(&tarn__normal, memory_order_acquire);
}

/* Of two threads that make it at once, one finds the name taken, and the zone of the other. */
struct tarn_zone *tarn_zone_dma(void)
{
    struct tarn_zone *zone = atomic_load_explicit(&dma, memory_order_acquire);
    if (zone)
        return zone;
    zone = make("DMA", tarn__low_source(), dma_size, 0);
    if (!zone) {
        tarn__lock(&tarn__zones_lock);
        zone = named("DMA");
        tarn__unlock(&tarn__zones_lock);
    }
    if (zone)
        atomic_store_explicit(&dma, zone, memory_order_release);
    return zone;
}

struct tarn_zone *tarn__zone_for(tarn_gfp_t flags)
{
    return flags & (TARN_GFP_DMA | TARN_GFP_DMA32) ? tarn_zone_dma() : tarn_zone_normal();
}

struct tarn_zone *tarn_zone_next(struct tarn_zone *zone)
{
    tarn__lock(&tarn__zones_lock);
    struct tarn__list *next = zone ? zone->link.next : tarn__zones.next;
    tarn__unlock(&tarn__zones_lock);
    return next != &tarn__zones ? TARN__CONTAINER(next, struct tarn_zone, link) : NULL;
}

/* Bounds and groups */

int tarn_zone_set_watermarks(struct tarn_zone *zone, size_t min, size_t low, size_t high)
{
    tarn__lock(&zone->lock);
    bool valid = min <= low && low <= high && (!zone->fixed || high <= zone->pages);
    if (valid) {
        zone->min = min;
        zone->low = low;
        zone->high = high;
        tarn__marks_moved(zone);
    }
    tarn__unlock(&zone->lock);
    return valid ? 0 : -EINVAL;
}

int tarn_zone_limit(struct tarn_zone *zone, size_t pages)
{
    tarn__lock(&zone->lock);
    zone->limit = pages;
    zone->bounded = zone->fixed || pages > 0;
    tarn__marks_moved(zone);
    tarn__unlock(&zone->lock);
    return 0;
}

void tarn_zone_set_grouping(struct tarn_zone *zone, bool on)
{
    if (zone->fixed && zone->pages < least_grouped / TARN__PAGE_SIZE)
        return;
    tarn__lists_drain();
    tarn__lock(&zone->lock);
    atomic_store_explicit(&zone->group_mask, on ? 3 : 0, memory_order_relaxed);
    tarn__regroup(zone, on);
    tarn__unlock(&zone->lock);
}

/* Reports */

void tarn_zone_stats(struct tarn_zone *zone, struct tarn_zone_stats *stats)
{
    struct tarn__lists_sums sums = tarn__lists_sum(zone);
    struct tarn__shelves_sums shelves = tarn__shelves_sum(zone);
    tarn__lock(&zone->lock);
    *stats = (struct tarn_zone_stats){
        .name = zone->name,
        .pages = zone->pages,
        .free = tarn__min(zone->free_pages + sums.held + shelves.pages, zone->pages),
        .dirty = zone->dirty_pages + shelves.pages,
        .peak_used = zone->peak_pages,
        .limit = zone->limit,
        .min = zone->min,
        .low = zone->low,
        .high = zone->high,
        .cached = sums.held,
        .allocations = zone->allocations + sums.allocs + shelves.taken,
        .frees = zone->frees + sums.frees + shelves.put,
        .failures = atomic_load_explicit(&zone->failures, memory_order_relaxed),
        .fallbacks = zone->fallbacks,
        .conversions = zone->conversions,
    };
    memcpy(stats->blocks, zone->blocks, sizeof stats->blocks);
    memcpy(stats->group_blocks, zone->group_blocks, sizeof stats->group_blocks);
    tarn__group_count(zone, stats->pageblocks);
    tarn__unlock(&zone->lock);
}

void tarn_zone_verify(struct tarn_zone *zone) { tarn__zone_check(zone); }

bool tarn__zones_short(void)
{
    bool below = false;
    tarn__lock(&tarn__zones_lock);
    for (struct tarn__list *link = tarn__zones.next; link != &tarn__zones && !below; link = link->next)
        below = atomic_load_explicit(&TARN__CONTAINER(link, struct tarn_zone, link)->below_high, memory_order_relaxed);
    tarn__unlock(&tarn__zones_lock);
    return below;
}

/* Forks */

/* A walk that lets go ends with the lists' lock: or else a zone could be made meanwhile whose lock was never taken. */
void tarn__zones_each_lock(void (*act)(struct tarn__lock *))
{
    bool lets_go = act == tarn__unlock_after_fork;
    if (!lets_go)
        act(&tarn__zones_lock);
    for (struct tarn_zone *zone = atomic_load_explicit(&all_made, memory_order_acquire); zone; zone = zone->made_before)
        tarn__shelves_each_lock(zone, act);
    for (struct tarn_zone *zone = atomic_load_explicit(&all_made, memory_order_acquire); zone; zone = zone->made_before)
        act(&zone->lock);
    if (lets_go)
        act(&tarn__zones_lock);
}
