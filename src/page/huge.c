/* Huge blocks (huge.h). page[0] of the section describes the block: `count` is its length now, or, when free, how much of it is dirty. */
#include "page/huge.h"

#include "base/bits.h"
#include "page/buddy.h"
#include "page/purge.h"

#include <stdint.h>

static size_t pages_of(const struct tarn__section *section) { return section->slots * TARN__SECTION_PAGES; }

/* Off the list of free blocks, and out of the counts of free pages. */
static void take_off(struct tarn__section *section)
{
    tarn__list_remove(&section->link);
    section->zone->free_pages -= pages_of(section);
    section->zone->dirty_pages -= section->page[0].count;
}

/* The shortest kept block of at least `count` pages and at most a quarter more, taken off the list. */
static struct tarn__section *take_kept(struct tarn__zone *zone, size_t count, size_t align)
{
    struct tarn__section *best = NULL;
    size_t slots = (count + TARN__SECTION_PAGES - 1) / TARN__SECTION_PAGES, most = slots + slots / 4;
    tarn__lock(&zone->lock);
    for (struct tarn__list *link = zone->huge.next; link != &zone->huge; link = link->next) {
        struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        if (section->slots < slots || section->slots > most || ((uintptr_t)section->base & (align - 1)))
            continue;
        if (!best || section->slots < best->slots)
            best = section;
    }
    if (best)
        take_off(best);
    tarn__unlock(&zone->lock);
    return best;
}

static struct tarn__section *map_new(struct tarn__zone *zone, size_t count, size_t align)
{
    size_t slots = (count + TARN__SECTION_PAGES - 1) / TARN__SECTION_PAGES, size = slots * TARN__SECTION_SIZE;
    char *base = tarn_source_acquire(zone->source, size, tarn__max(align, TARN__SECTION_SIZE));
    if (!base)
        return NULL;
    struct tarn__section *section = tarn__section_create(zone, base, slots);
    if (section && tarn__section_publish(section) == 0) {
        tarn__lock(&zone->lock);
        zone->pages += pages_of(section);
        if (slots == 1) /* a short run at a far alignment: an ordinary section with its beginning in use */
            tarn__buddy_put(section, count, TARN__SECTION_PAGES - count);
        tarn__unlock(&zone->lock);
        return section;
    }
    if (section)
        tarn__section_destroy(section);
    tarn_source_release(zone->source, base, size);
    return NULL;
}

struct tarn__page *tarn__huge_alloc(struct tarn__zone *zone, size_t count, size_t align, bool *zeroed)
{
    if (count > UINT32_MAX)
        return NULL;
    struct tarn__section *section = take_kept(zone, count, align);
    bool clean = !section;
    if (section && section->page[0].count > count) /* what it held beyond the new length would stay resident */
        tarn_source_purge(zone->source, section->base + count * TARN__PAGE_SIZE,
                          (section->page[0].count - count) * TARN__PAGE_SIZE);
    if (!section)
        section = map_new(zone, count, align);
    if (!section)
        return NULL;
    section->page[0].count = (uint32_t)count;
    section->page[0].state = TARN__PAGE_RUN;
    *zeroed = clean;
    return &section->page[0];
}

/* Onto the list of free blocks. Returns whether the zone now keeps more dirty pages than it may. */
static bool keep(struct tarn__section *section)
{
    struct tarn__zone *zone = section->zone;
    tarn__lock(&zone->lock);
    tarn__list_push_front(&zone->huge, &section->link);
    zone->free_pages += pages_of(section);
    zone->dirty_pages += section->page[0].count;
    bool excess = tarn__dirty_excess(zone);
    tarn__unlock(&zone->lock);
    return excess;
}

bool tarn__huge_free(struct tarn__section *section)
{
    section->page[0].state = TARN__PAGE_INSIDE;
    if (section->slots * TARN__SECTION_SIZE >= TARN__HUGE_KEEP && tarn__section_unmap(section))
        return false;
    return keep(section);
}

/* The newest or the oldest free block, off the list; NULL when there is none or the zone has no more than `dirty` dirty pages. */
static struct tarn__section *take_end(struct tarn__zone *zone, bool newest, size_t dirty)
{
    struct tarn__section *section = NULL;
    tarn__lock(&zone->lock);
    if (!tarn__list_empty(&zone->huge) && zone->dirty_pages >= dirty) {
        section = TARN__CONTAINER(newest ? zone->huge.next : zone->huge.prev, struct tarn__section, link);
        take_off(section);
    }
    tarn__unlock(&zone->lock);
    return section;
}

size_t tarn__huge_unmap_oldest(struct tarn__zone *zone, size_t dirty)
{
    struct tarn__section *section = take_end(zone, false, dirty);
    if (!section)
        return 0;
    size_t size = section->slots * TARN__SECTION_SIZE;
    if (tarn__section_unmap(section))
        return size;
    keep(section);
    return 0;
}

/* Makes the slots of a huge block after its first sections of their own. All or none. */
static bool split_off(struct tarn__section *head, struct tarn__list *made)
{
    tarn__list_init(made);
    for (size_t i = 1; i < head->slots; i++) {
        struct tarn__section *section = tarn__section_create(head->zone, head->base + i * TARN__SECTION_SIZE, 1);
        if (!section) {
            while (!tarn__list_empty(made)) {
                struct tarn__list *link = made->next;
                tarn__list_remove(link);
                tarn__section_destroy(TARN__CONTAINER(link, struct tarn__section, link));
            }
            return false;
        }
        tarn__list_push_back(made, &section->link);
    }
    return true;
}

bool tarn__huge_divide(struct tarn__zone *zone)
{
    struct tarn__section *head = take_end(zone, true, 0);
    struct tarn__list made;
    if (!head)
        return false;
    if (!split_off(head, &made)) {
        keep(head);
        return false;
    }
    size_t dirty = head->page[0].count;
    head->slots = 1;
    tarn__list_push_front(&made, &head->link);
    while (!tarn__list_empty(&made)) {
        struct tarn__section *section = TARN__CONTAINER(made.next, struct tarn__section, link);
        size_t its_dirty = tarn__min(dirty, TARN__SECTION_PAGES);
        tarn__list_remove(&section->link);
        tarn__section_publish(section); /* cannot fail: the slots were in the table */
        tarn__lock(&zone->lock);
        tarn__bits_set(section->dirty, 0, its_dirty);
        zone->dirty_pages += its_dirty;
        tarn__buddy_put(section, 0, TARN__SECTION_PAGES);
        tarn__unlock(&zone->lock);
        dirty -= its_dirty;
    }
    return true;
}
