/*
 * Giving free pages back: so many of them, or on request all. What lies in the largest blocks goes first, as one system call gives back much;
 * blocks below 64 KiB only when there are no others.
 */
#include "page/purge.h"

#include "base/bits.h"
#include "os/os.h"
#include "page/buddy.h"
#include "page/mapped.h"
#include "page/marks.h"

#include <string.h>

enum { LARGE_ORDER = 4, SECTIONS_KEPT = 2, SECTIONS_SHARE = 16, FEW_DIRTY = 64 };

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
    struct tarn__list link; /* in its zone's: for the child of a fork, which has the memory of other threads' stacks, too */
    uint32_t owner;
    struct tarn__section *section;
    size_t first, count;
    uint64_t dirty[TARN__SECTION_PAGES / 64], cleaned[TARN__SECTION_PAGES / 64];
};

/* Purges dirty pages of a batch, span by span, about `most` of them. No lock is held; the pages are on no list. */
static void purge_batch(struct batch *batch, size_t most)
{
    size_t end = batch->first + batch->count, step = tarn__os_page_size() / TARN__PAGE_SIZE, done = 0, length;
    for (size_t at = batch->first; at < end && done < most; done += length) {
        size_t begin = tarn__align_up(tarn__bits_find(batch->dirty, at, end, true), step);
        at = tarn__bits_find(batch->dirty, begin, tarn__min(end, begin + tarn__align_up(tarn__min(most - done, end), step)),
                             false);
        length = at > begin ? tarn__align_down(at - begin, step) : 0;
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
        *batch = (struct batch){.owner = tarn__thread_id(),
                                .section = section,
                                .first = (size_t)(block - section->page),
                                .count = (size_t)1 << block->order};
        memcpy(batch->dirty, section->dirty, sizeof batch->dirty);
        tarn__buddy_claim(section, batch->first, batch->count);
        tarn__forget_dirty(section, batch->first, batch->count);
        tarn__list_push_front(&zone->purging, &batch->link);
    }
    tarn__unlock(&zone->lock);
    return block != NULL;
}

/* Puts a batch back, those of its pages dirty that were and are not cleaned. Under the zone's lock. */
static void end_batch(struct tarn_zone *zone, struct batch *batch)
{
    struct tarn__section *section = batch->section;
    tarn__list_remove(&batch->link);
    for (size_t w = batch->first / 64; w <= (batch->first + batch->count - 1) / 64; w++) {
        uint64_t dirty = batch->dirty[w] & ~batch->cleaned[w] & tarn__word_mask(w, batch->first, batch->count);
        section->dirty[w] |= dirty;
        zone->dirty_pages += (size_t)__builtin_popcountll(dirty);
    }
    tarn__buddy_put(section, batch->first, batch->count);
}

void tarn__purge_adopt(struct tarn_zone *zone)
{
    for (struct tarn__list *link = zone->purging.next, *next; link != &zone->purging; link = next) {
        struct batch *batch = TARN__CONTAINER(link, struct batch, link);
        next = link->next;
        if (batch->owner != tarn__thread_id())
            end_batch(zone, batch);
    }
}

/* Purges about `most` pages of one block. Returns the pages it made clean; 0 when there is none, and when the system refuses. */
static size_t purge_oldest(struct tarn_zone *zone, size_t keep, unsigned smallest_order, size_t most)
{
    struct batch batch;
    if (!take_batch(zone, keep, smallest_order, &batch))
        return 0;
    purge_batch(&batch, most);
    size_t cleaned = tarn__bits_count(batch.cleaned, batch.first, batch.count);
    tarn__lock(&zone->lock);
    end_batch(zone, &batch);
    tarn__unlock(&zone->lock);
    return cleaned;
}

/* Takes a section off the lists: one with at most `few` dirty pages, or without whose dirty pages the zone still has `keep`. NULL: there is none. */
static struct tarn__section *take_free_section(struct tarn_zone *zone, size_t keep, size_t few)
{
    struct tarn__section *found = NULL;
    tarn__lock(&zone->lock);
    for (unsigned i = 0; i < TARN__FREE_LISTS * TARN_MOBILITIES && !found; i++) {
        struct tarn__list *head = &zone->free[i % TARN_MOBILITIES][i / TARN_MOBILITIES][TARN__MAX_ORDER];
        if (tarn__list_empty(head))
            continue;
        struct tarn__section *section = tarn__page_section(tarn__link_page(head->prev));
        size_t dirty = tarn__bits_count(section->dirty, 0, TARN__SECTION_PAGES);
        if (dirty > few && zone->dirty_pages < keep + dirty)
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

/* Unmaps one free section. False: there is none, or the system refuses. */
static bool unmap_one(struct tarn_zone *zone, size_t keep, size_t few)
{
    struct tarn__section *section = take_free_section(zone, keep, few);
    if (!section || tarn__section_unmap(section))
        return section != NULL;
    tarn__lock(&zone->lock);
    zone->dirty_pages += tarn__bits_count(section->dirty, 0, TARN__SECTION_PAGES);
    tarn__zone_insert(section);
    tarn__buddy_put(section, 0, TARN__SECTION_PAGES);
    tarn__unlock(&zone->lock);
    return false;
}

size_t tarn__zone_unmap_free(struct tarn_zone *zone, size_t keep)
{
    if (zone->fixed)
        return 0;
    size_t freed = tarn__mapped_retry(zone);
    while (unmap_one(zone, keep, 0))
        freed += TARN__SECTION_SIZE;
    return freed;
}

size_t tarn__zone_trim(struct tarn_zone *zone, size_t keep)
{
    size_t freed = tarn__zone_unmap_free(zone, keep), step;
    while ((step = purge_oldest(zone, keep, 0, SIZE_MAX)) > 0)
        freed += step * TARN__PAGE_SIZE;
    return freed;
}

size_t tarn__purge_dirty(struct tarn_zone *zone, size_t pages)
{
    size_t done = 0, step;
    for (int order = LARGE_ORDER; order >= 0; order -= LARGE_ORDER)
        while (done < pages && (step = purge_oldest(zone, 0, (unsigned)order, pages - done)) > 0)
            done += step;
    return done;
}

bool tarn__sections_to_spare(struct tarn_zone *zone)
{
    size_t whole = zone->blocks[TARN__MAX_ORDER], all = zone->pages / TARN__SECTION_PAGES;
    size_t kept = tarn__max(SECTIONS_KEPT, all / SECTIONS_SHARE) + zone->learned / TARN__SECTION_PAGES;
    zone->whole_seen = tarn__min(zone->whole_seen, whole);
    return whole > kept && whole > zone->whole_seen;
}

void tarn__purge_sections(struct tarn_zone *zone)
{
    bool spare;
    do {
        tarn__lock(&zone->lock);
        spare = tarn__sections_to_spare(zone);
        tarn__unlock(&zone->lock);
    } while (spare && unmap_one(zone, SIZE_MAX / 2, FEW_DIRTY));
    tarn__lock(&zone->lock);
    zone->whole_seen = zone->blocks[TARN__MAX_ORDER];
    tarn__unlock(&zone->lock);
}
