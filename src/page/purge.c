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
#include "page/marks.h"

#include <string.h>

enum { SMALLEST_ORDER = 4, TICK_MS = 100 };
static const size_t least_budget = ((size_t)32 << 20) / TARN__PAGE_SIZE;

/* A section that is unmapped leaves the table first: as soon as its addresses are free another thread may be given them. */
bool tarn__section_unmap(struct tarn__section *section)
{
    struct tarn_zone *zone = section->zone;
    size_t size = section->slots * TARN__SECTION_SIZE;
    tarn__section_withdraw(section);
    if (tarn_source_release(zone->source, section->base, size) != 0) {
        tarn__section_publish(section);
        return false;
    }
    tarn__lock(&zone->lock);
    zone->pages -= section->slots * TARN__SECTION_PAGES;
    tarn__marks_moved(zone);
    tarn__unlock(&zone->lock);
    tarn__section_destroy(section);
    return true;
}

/* Pages of one section that are to be purged, and then those that were: a copy, as no word of the section's is read without the lock. */
struct batch {
    struct tarn__section *section;
    size_t first, count;
    uint64_t dirty[TARN__SECTION_PAGES / 64], cleaned[TARN__SECTION_PAGES / 64];
};

/* Purges the dirty pages of a batch, span by span. No lock is held; the pages are on no list. */
static void purge_batch(struct batch *batch)
{
    size_t end = batch->first + batch->count, step = tarn__os_page_size() / TARN__PAGE_SIZE;
    for (size_t at = batch->first; at < end;) {
        size_t begin = tarn__align_up(tarn__bits_find(batch->dirty, at, end, true), step);
        at = tarn__bits_find(batch->dirty, begin, end, false);
        size_t length = at > begin ? tarn__align_down(at - begin, step) : 0;
        char *p = batch->section->base + begin * TARN__PAGE_SIZE;
        if (length == 0)
            continue;
        if (tarn_source_purge(batch->section->zone->source, p, length * TARN__PAGE_SIZE) != 0)
            break;
        tarn__bits_set(batch->cleaned, begin, length);
    }
}

/* The oldest dirty block of the largest order that has one. Of two groups' blocks it does not matter which. */
static struct tarn_page *oldest_dirty(struct tarn_zone *zone, unsigned smallest_order)
{
    uint32_t filled = 0, largest = 0;
    for (unsigned i = 0; i < TARN_MOBILITIES; i++)
        if (zone->filled[i][TARN__DIRTY] > largest) {
            filled = i;
            largest = zone->filled[i][TARN__DIRTY];
        }
    if (largest >> smallest_order == 0)
        return NULL;
    return tarn__link_page(zone->free[filled][TARN__DIRTY][31u - (unsigned)__builtin_clz(largest)].prev);
}

/* Takes the oldest dirty block off the lists if more than `keep` pages are dirty. */
static bool take_batch(struct tarn_zone *zone, size_t keep, unsigned smallest_order, struct batch *batch)
{
    tarn__lock(&zone->lock);
    struct tarn_page *block = zone->dirty_pages > keep ? oldest_dirty(zone, smallest_order) : NULL;
    if (block) {
        struct tarn__section *section = tarn__page_section(block);
        *batch = (struct batch){section, (size_t)(block - section->page), (size_t)1 << block->order, {0}, {0}};
        memcpy(batch->dirty, section->dirty, sizeof batch->dirty);
        tarn__buddy_claim(section, batch->first, batch->count);
    }
    tarn__unlock(&zone->lock);
    return block != NULL;
}

/* Purges one block. Returns the pages it made clean; 0 when there is none, and when the system refuses. */
static size_t purge_oldest(struct tarn_zone *zone, size_t keep, unsigned smallest_order)
{
    struct batch batch;
    if (!take_batch(zone, keep, smallest_order, &batch))
        return 0;
    purge_batch(&batch);
    size_t cleaned = tarn__bits_count(batch.cleaned, batch.first, batch.count);
    tarn__lock(&zone->lock);
    for (size_t w = 0; w < TARN__SECTION_PAGES / 64; w++)
        batch.section->dirty[w] &= ~batch.cleaned[w];
    zone->dirty_pages -= cleaned;
    tarn__buddy_put(batch.section, batch.first, batch.count);
    tarn__unlock(&zone->lock);
    return cleaned;
}

/* Returns the bytes given back. */
static size_t purge_to(struct tarn_zone *zone, size_t keep, unsigned smallest_order)
{
    size_t freed = 0, step;
    do {
        step = purge_oldest(zone, keep, smallest_order) * TARN__PAGE_SIZE;
        freed += step;
    } while (step != 0);
    return freed;
}

void tarn__note_use(struct tarn_zone *zone)
{
    if (tarn__zone_used(zone) <= zone->recent_peak)
        return;
    zone->recent_peak = tarn__zone_used(zone);
    zone->faded = tarn__os_now() / TICK_MS; /* a fresh peak has not begun to fade */
    zone->peak_pages = tarn__max(zone->peak_pages, zone->recent_peak);
}

/* What the recent peak exceeds the use by loses an eighth with each tick: half of it goes in half a second. */
static void fade(struct tarn_zone *zone)
{
    uint64_t tick = tarn__os_now() / TICK_MS, passed = tick - zone->faded;
    size_t used = tarn__zone_used(zone), excess = zone->recent_peak > used ? zone->recent_peak - used : 0;
    zone->faded = tick;
    for (uint64_t i = 0; i < passed && excess > 0; i++)
        excess -= (excess + 7) / 8;
    zone->recent_peak = used + excess;
}

static size_t dirty_budget(const struct tarn_zone *zone)
{
    size_t used = tarn__zone_used(zone), needed = zone->recent_peak + zone->recent_peak / 2,
           swing = needed > used ? needed - used : 0;
    return tarn__max(least_budget, tarn__max(used, swing));
}

bool tarn__dirty_excess(struct tarn_zone *zone)
{
    if (zone->dirty_pages <= tarn__max(least_budget, tarn__zone_used(zone)) || zone->fixed)
        return false;
    fade(zone);
    return zone->dirty_pages > dirty_budget(zone);
}

void tarn__purge_excess(struct tarn_zone *zone)
{
    tarn__lock(&zone->lock);
    size_t budget = dirty_budget(zone);
    tarn__unlock(&zone->lock);
    purge_to(zone, budget / 4 * 3, SMALLEST_ORDER);
}

/* Takes a section off the lists: a clean one, or one without whose dirty pages the zone still has `keep`. NULL: there is none. */
static struct tarn__section *take_free_section(struct tarn_zone *zone, size_t keep)
{
    struct tarn__section *found = NULL;
    tarn__lock(&zone->lock);
    for (unsigned i = 0; i < TARN__FREE_LISTS * TARN_MOBILITIES && !found; i++) {
        struct tarn__list *head = &zone->free[i % TARN_MOBILITIES][i / TARN_MOBILITIES][TARN__MAX_ORDER];
        if (tarn__list_empty(head))
            continue;
        struct tarn__section *section = tarn__page_section(tarn__link_page(head->prev));
        size_t dirty = tarn__bits_count(section->dirty, 0, TARN__SECTION_PAGES);
        if (dirty > 0 && zone->dirty_pages < keep + dirty)
            continue;
        tarn__buddy_claim(section, 0, TARN__SECTION_PAGES);
        tarn__list_remove(&section->link);
        tarn__span_forget(zone);
        zone->dirty_pages -= dirty;
        found = section;
    }
    tarn__unlock(&zone->lock);
    return found;
}

size_t tarn__zone_unmap_free(struct tarn_zone *zone, size_t keep)
{
    if (zone->fixed)
        return 0;
    size_t freed = tarn__mapped_retry(zone);
    for (struct tarn__section *section; (section = take_free_section(zone, keep)) != NULL; freed += TARN__SECTION_SIZE)
        if (!tarn__section_unmap(section)) {
            tarn__lock(&zone->lock);
            zone->dirty_pages += tarn__bits_count(section->dirty, 0, TARN__SECTION_PAGES);
            tarn__zone_insert(section);
            tarn__buddy_put(section, 0, TARN__SECTION_PAGES);
            tarn__unlock(&zone->lock);
            break;
        }
    return freed;
}

size_t tarn__zone_trim(struct tarn_zone *zone, size_t keep)
{
    size_t freed = tarn__zone_unmap_free(zone, keep);
    return freed + purge_to(zone, keep, 0);
}
