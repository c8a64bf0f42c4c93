/*
 * Purging by budget, and trimming on request.
 *
 * Excess is purged from blocks of at least 64 KiB, largest and oldest first, down to three quarters of the budget: one system call
 * gives back much, and a program that frees and allocates around the budget does not call at each turn.
 */
#include "page/purge.h"

#include "base/bits.h"
#include "os/os.h"
#include "page/buddy.h"
#include "page/mapped.h"

enum { SMALLEST_ORDER = 4, TICK_MS = 100 };
static const size_t least_budget = ((size_t)32 << 20) / TARN__PAGE_SIZE;

/* A section that is unmapped leaves the table first: as soon as its addresses are free another thread may be given them. */
bool tarn__section_unmap(struct tarn__section *section)
{
    struct tarn__zone *zone = section->zone;
    size_t size = section->slots * TARN__SECTION_SIZE;
    tarn__section_withdraw(section);
    if (tarn_source_release(zone->source, section->base, size) != 0) {
        tarn__section_publish(section);
        return false;
    }
    tarn__lock(&zone->lock);
    zone->pages -= section->slots * TARN__SECTION_PAGES;
    tarn__unlock(&zone->lock);
    tarn__section_destroy(section);
    return true;
}

/* Purges the dirty pages of [first, first + count), span by span. Returns how many it made clean. No lock held; the range is on no list. */
static size_t purge_range(struct tarn__section *section, size_t first, size_t count)
{
    size_t end = first + count, step = tarn__os_page_size() / TARN__PAGE_SIZE, cleaned = 0;
    for (size_t at = first; at < end;) {
        size_t begin = tarn__align_up(tarn__bits_find(section->dirty, at, end, true), step);
        at = tarn__bits_find(section->dirty, begin, end, false);
        size_t length = at > begin ? tarn__align_down(at - begin, step) : 0;
        if (length == 0)
            continue;
        char *p = section->base + begin * TARN__PAGE_SIZE;
        if (tarn_source_purge(section->zone->source, p, length * TARN__PAGE_SIZE) != 0)
            break;
        tarn__bits_clear(section->dirty, begin, length);
        cleaned += length;
    }
    return cleaned;
}

/* The oldest dirty block of the largest order that has one. */
static struct tarn__page *oldest_dirty(struct tarn__zone *zone, unsigned smallest_order)
{
    if (zone->filled[TARN__DIRTY] >> smallest_order == 0)
        return NULL;
    unsigned order = 31u - (unsigned)__builtin_clz(zone->filled[TARN__DIRTY]);
    return TARN__CONTAINER(zone->free[TARN__DIRTY][order].prev, struct tarn__page, link);
}

/* Purges one block if more than `keep` pages are dirty. Returns the pages it made clean; 0 also when the system refuses. */
static size_t purge_oldest(struct tarn__zone *zone, size_t keep, unsigned smallest_order)
{
    tarn__lock(&zone->lock);
    struct tarn__page *block = zone->dirty_pages > keep ? oldest_dirty(zone, smallest_order) : NULL;
    if (!block) {
        tarn__unlock(&zone->lock);
        return 0;
    }
    struct tarn__section *section = tarn__page_section(block);
    size_t first = (size_t)(block - section->page), count = (size_t)1 << block->order;
    tarn__buddy_claim(section, first, count);
    tarn__unlock(&zone->lock);
    size_t cleaned = purge_range(section, first, count);
    tarn__lock(&zone->lock);
    zone->dirty_pages -= cleaned;
    tarn__buddy_put(section, first, count);
    tarn__unlock(&zone->lock);
    return cleaned;
}

/* Returns the bytes given back. */
static size_t purge_to(struct tarn__zone *zone, size_t keep, unsigned smallest_order)
{
    size_t freed = 0, step;
    do {
        step = purge_oldest(zone, keep, smallest_order) * TARN__PAGE_SIZE;
        freed += step;
    } while (step != 0);
    return freed;
}

static size_t used_pages(const struct tarn__zone *zone) { return zone->pages - zone->free_pages; }

void tarn__note_use(struct tarn__zone *zone)
{
    if (used_pages(zone) <= zone->recent_peak)
        return;
    zone->recent_peak = used_pages(zone);
    zone->peak_pages = tarn__max(zone->peak_pages, zone->recent_peak);
}

/* What the recent peak exceeds the use by loses an eighth with each tick: half of it goes in half a second. */
static void fade(struct tarn__zone *zone)
{
    uint64_t tick = tarn__os_now() / TICK_MS, passed = tick - zone->faded;
    size_t used = used_pages(zone), excess = zone->recent_peak > used ? zone->recent_peak - used : 0;
    zone->faded = tick;
    for (uint64_t i = 0; i < passed && excess > 0; i++)
        excess -= (excess + 7) / 8;
    zone->recent_peak = used + excess;
}

static size_t dirty_budget(const struct tarn__zone *zone)
{
    size_t used = used_pages(zone), needed = zone->recent_peak + zone->recent_peak / 2, swing = needed > used ? needed - used : 0;
    return tarn__max(least_budget, tarn__max(used, swing));
}

bool tarn__dirty_excess(struct tarn__zone *zone)
{
    if (zone->dirty_pages <= tarn__max(least_budget, used_pages(zone)))
        return false;
    fade(zone);
    return zone->dirty_pages > dirty_budget(zone);
}

void tarn__purge_excess(struct tarn__zone *zone)
{
    tarn__lock(&zone->lock);
    size_t budget = dirty_budget(zone);
    tarn__unlock(&zone->lock);
    purge_to(zone, budget / 4 * 3, SMALLEST_ORDER);
}

/* Takes one wholly free section off the lists, clean ones last. */
static struct tarn__section *take_free_section(struct tarn__zone *zone)
{
    struct tarn__section *section = NULL;
    tarn__lock(&zone->lock);
    struct tarn__page *block = tarn__buddy_take(zone, TARN__MAX_ORDER);
    if (block) {
        section = tarn__page_section(block);
        tarn__list_remove(&section->link);
        zone->dirty_pages -= tarn__bits_count(section->dirty, 0, TARN__SECTION_PAGES);
    }
    tarn__unlock(&zone->lock);
    return section;
}

size_t tarn__zone_trim(struct tarn__zone *zone, size_t keep)
{
    size_t freed = tarn__mapped_retry(zone);
    for (struct tarn__section *section; (section = take_free_section(zone)) != NULL; freed += TARN__SECTION_SIZE)
        if (!tarn__section_unmap(section)) {
            tarn__lock(&zone->lock);
            zone->dirty_pages += tarn__bits_count(section->dirty, 0, TARN__SECTION_PAGES);
            tarn__zone_insert(section);
            tarn__buddy_put(section, 0, TARN__SECTION_PAGES);
            tarn__unlock(&zone->lock);
            break;
        }
    return keep == SIZE_MAX ? freed : freed + purge_to(zone, keep, 0);
}
