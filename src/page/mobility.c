/* Falling back and conversion, as mobility.h describes them. */
#include "page/mobility.h"

#include "base/bits.h"
#include "page/buddy.h"

#define BLOCK_PAGES ((size_t)1 << TARN_PAGEBLOCK_ORDER)

static const uint8_t fallbacks[TARN_MOBILITIES][2] = {
    [TARN_UNMOVABLE] = {TARN_RECLAIMABLE, TARN_MOVABLE},
    [TARN_MOVABLE] = {TARN_RECLAIMABLE, TARN_UNMOVABLE},
    [TARN_RECLAIMABLE] = {TARN_UNMOVABLE, TARN_MOVABLE},
};

/* A free block of just this order, of the groups that a request of `group` falls back to; NULL: none has one. */
static struct tarn_page *foreign_block(struct tarn_zone *zone, unsigned order, unsigned group)
{
    for (int i = 0; i < 2; i++)
        for (int list = TARN__FREE_LISTS - 1; list >= 0; list--) {
            struct tarn__list *head = &zone->free[fallbacks[group][i]][list][order];
            if (!tarn__list_empty(head))
                return tarn__link_page(head->next);
        }
    return NULL;
}

/* Whether a request may convert the pageblock of such a block. */
static bool may_convert(unsigned order, unsigned group) { return order >= TARN_PAGEBLOCK_ORDER / 2 || group != TARN_MOVABLE; }

/* The block to fall back on: the largest; the smallest for who leaves the pageblock as it is. */
static struct tarn_page *choose(struct tarn_zone *zone, unsigned order, unsigned group)
{
    struct tarn_page *block = NULL;
    unsigned found = TARN__ORDERS;
    while (!block && found-- > order)
        block = foreign_block(zone, found, group);
    if (block && !may_convert(found, group))
        for (found = order, block = NULL; !block; found++)
            block = foreign_block(zone, found, group);
    return block;
}

struct contents {
    size_t free, movable; /* pages */
};

static struct contents look_into(const struct tarn__section *section, size_t first)
{
    struct contents contents = {0, 0};
    for (size_t i = first, step; i < first + BLOCK_PAGES; i += step) {
        const struct tarn_page *page = &section->page[i];
        unsigned state = tarn__page_state(page);
        bool block = state == TARN__PAGE_FREE || state == TARN__PAGE_BLOCK;
        step = block ? (size_t)1 << page->order : 1;
        if (state == TARN__PAGE_FREE)
            contents.free += step;
        if (state == TARN__PAGE_BLOCK && (__atomic_load_n(&page->bits, __ATOMIC_RELAXED) & TARN__PAGE_ASKED) == TARN_MOVABLE)
            contents.movable += step;
    }
    return contents;
}

/*
 * Whether a pageblock is at least half free or in use by the request's kind. Which pages are movable is known; of the others, that they
 * are not. So in a movable pageblock all others count as the request's kind, and in another one none do.
 */
static bool mostly_ours(const struct tarn__section *section, size_t first, unsigned group)
{
    struct contents contents = look_into(section, first);
    size_t alike = 0;
    if (group == TARN_MOVABLE)
        alike = contents.movable;
    else if (section->group[first >> TARN_PAGEBLOCK_ORDER] == TARN_MOVABLE)
        alike = BLOCK_PAGES - contents.free - contents.movable;
    return contents.free + alike >= BLOCK_PAGES / 2;
}

/* Changes the group of a pageblock, and moves its free blocks, all of less than its size, to the new group's lists. */
static void convert(struct tarn__section *section, size_t first, unsigned group)
{
    struct tarn__list blocks;
    tarn__list_init(&blocks);
    for (size_t i = first; i < first + BLOCK_PAGES; i++) {
        struct tarn_page *page = &section->page[i];
        if (tarn__page_state(page) != TARN__PAGE_FREE)
            continue;
        i += ((size_t)1 << page->order) - 1;
        tarn__buddy_off(page);
        tarn__list_push_back(&blocks, tarn__page_link(page));
    }
    section->group[first < BLOCK_PAGES ? 0 : 1] = (uint8_t)group;
    while (!tarn__list_empty(&blocks)) {
        struct tarn_page *page = tarn__link_page(blocks.next);
        tarn__list_remove(blocks.next);
        tarn__buddy_on(page, page->order);
    }
}

/* A block of a pageblock or more changes group with all that it covers. */
static void convert_whole(struct tarn__section *section, struct tarn_page *block, unsigned group)
{
    bool both = block->order == TARN__MAX_ORDER;
    tarn__buddy_off(block);
    section->group[both || block == section->page ? 0 : 1] = (uint8_t)group;
    if (both)
        section->group[1] = (uint8_t)group;
    section->zone->conversions += both ? 2 : 1;
    tarn__buddy_on(block, block->order);
}

static struct tarn_page *fall_back(struct tarn_zone *zone, unsigned order, unsigned group)
{
    struct tarn_page *block = choose(zone, order, group);
    if (!block)
        return NULL;
    struct tarn__section *section = tarn__page_section(block);
    size_t first = tarn__align_down((size_t)(block - section->page), BLOCK_PAGES);
    bool complete = first >= section->first && first + BLOCK_PAGES <= section->end;
    zone->fallbacks++;
    if (block->order >= TARN_PAGEBLOCK_ORDER) {
        convert_whole(section, block, group);
    } else if (complete && may_convert(block->order, group) && mostly_ours(section, first, group)) {
        convert(section, first, group);
        zone->conversions++;
        block = tarn__buddy_find(zone, order, group);
    }
    return tarn__buddy_take(block, order);
}

struct tarn_page *tarn__group_take(struct tarn_zone *zone, unsigned order, unsigned group)
{
    struct tarn_page *block = tarn__buddy_find(zone, order, group);
    if (block)
        return tarn__buddy_take(block, order);
    return zone->group_mask ? fall_back(zone, order, group) : NULL;
}

static void regroup_section(struct tarn__section *section, bool grouping)
{
    struct tarn_page *page = section->page;
    if (section->first == 0 && tarn__page_state(page) == TARN__PAGE_FREE && page->order == TARN__MAX_ORDER) {
        tarn__buddy_off(page);
        section->group[0] = section->group[1] = grouping ? TARN_MOVABLE : TARN_UNMOVABLE;
        tarn__buddy_on(page, TARN__MAX_ORDER);
        return;
    }
    for (size_t first = 0; first < TARN__SECTION_PAGES; first += BLOCK_PAGES) {
        bool all_free = tarn__bits_count(section->free, first, BLOCK_PAGES) == BLOCK_PAGES;
        convert(section, first, grouping && all_free ? TARN_MOVABLE : TARN_UNMOVABLE);
    }
}

void tarn__regroup(struct tarn_zone *zone, bool grouping)
{
    for (struct tarn__list *link = zone->sections.next; link != &zone->sections; link = link->next)
        regroup_section(TARN__CONTAINER(link, struct tarn__section, link), grouping);
}

void tarn__group_count(const struct tarn_zone *zone, size_t pageblocks[TARN_MOBILITIES])
{
    for (unsigned group = 0; group < TARN_MOBILITIES; group++)
        pageblocks[group] = 0;
    for (const struct tarn__list *link = zone->sections.next; link != &zone->sections; link = link->next) {
        const struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        for (size_t i = 0; i < TARN__PAGEBLOCKS; i++)
            if (section->first < (i + 1) * BLOCK_PAGES && section->end > i * BLOCK_PAGES)
                pageblocks[section->group[i]]++;
    }
}
