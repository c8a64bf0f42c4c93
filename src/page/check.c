/* The specification of a zone's free lists, as a program: tarn__zone_check. */
#include "base/bits.h"
#include "base/fail.h"
#include "page/marks.h"
#include "page/zone.h"

struct sums {
    size_t free, dirty, marked, present, blocks[TARN__ORDERS], group_blocks[TARN_MOBILITIES][TARN__ORDERS];
};

static void check_groups(struct tarn_zone *zone, const struct tarn__section *section, size_t index, unsigned order,
                         unsigned group)
{
    TARN__ASSERT(section->group[index >> TARN_PAGEBLOCK_ORDER] == group, "a block is on a list of its pageblock's group");
    TARN__ASSERT(order < TARN__MAX_ORDER || section->group[0] == section->group[1],
                 "the pageblocks of one block are of one group");
    TARN__ASSERT(zone->group_mask || group == TARN_UNMOVABLE, "without grouping all blocks are of one group");
}

static void check_block(struct tarn_zone *zone, struct tarn_page *block, int list, unsigned order, struct sums *sums)
{
    struct tarn__section *section = tarn__page_section(block);
    size_t index = (size_t)(block - section->page), count = (size_t)1 << order;
    TARN__ASSERT(section->zone == zone && section->slots == 1, "a listed block lies in an ordinary section of its zone");
    TARN__ASSERT(tarn__section_of(tarn__page_address(block)) == section, "a block's section is found from its address");
    TARN__ASSERT(index >= section->first && index + count <= section->end,
                 "a free block is within what is there of its section");
    TARN__ASSERT(block->state == TARN__PAGE_FREE && block->order == order, "a listed block is free and of its list's order");
    TARN__ASSERT(index % count == 0, "a block begins at a multiple of its size");
    if (order < TARN__MAX_ORDER) {
        struct tarn_page *buddy = &section->page[index ^ count];
        TARN__ASSERT(!(buddy->state == TARN__PAGE_FREE && buddy->order == order), "free buddies are merged");
    }
    for (size_t i = 1; i < count; i++)
        TARN__ASSERT(tarn__page_state(&block[i]) == TARN__PAGE_INSIDE, "nothing begins inside a free block");
    size_t dirty = tarn__bits_count(section->dirty, index, count);
    TARN__ASSERT(tarn__bits_count(section->free, index, count) == count, "the pages of a free block are marked free");
    TARN__ASSERT((dirty > 0) == (list == TARN__DIRTY), "a block is on the list of dirty ones when it has a dirty page");
    sums->free += count;
    sums->dirty += dirty;
    sums->blocks[order]++;
}

static void check_stuck(struct tarn_zone *zone, struct sums *sums)
{
    for (struct tarn__list *link = zone->stuck.next; link != &zone->stuck; link = link->next) {
        struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        TARN__ASSERT(section->slots > 1 && section->zone == zone, "a stuck block has several slots, in its zone");
        TARN__ASSERT(section->page[0].state == TARN__PAGE_INSIDE, "a stuck block is not in use");
        sums->free += section->slots * TARN__SECTION_PAGES;
    }
}

static size_t longest_span(const struct tarn__section *section, bool dirty)
{
    size_t longest = 0, length = 0;
    for (size_t i = 0; i < TARN__SECTION_PAGES; i++) {
        bool counts = tarn__bit_test(section->free, i) && (!dirty || tarn__bit_test(section->dirty, i));
        length = counts ? length + 1 : 0;
        longest = tarn__max(longest, length);
    }
    return longest;
}

/* Searches begin at sections that are there, and pass by none that has what they look for. */
static void check_notes(struct tarn_zone *zone)
{
    for (int dirty = 0; dirty < 2; dirty++)
        for (unsigned class = 0; class < TARN__ORDERS; class ++) {
            const char *from = zone->span_from[dirty][class];
            bool there = from == NULL;
            for (struct tarn__list *link = zone->sections.next; link != &zone->sections; link = link->next) {
                struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
                there = there || tarn__section_start(section) == from;
                TARN__ASSERT(!from || tarn__section_start(section) >= from || longest_span(section, dirty) < (size_t)1 << class,
                             "no section before the one that searches begin at has a span");
            }
            TARN__ASSERT(there, "searches begin at a section of the zone");
        }
}

static void check_sections(struct tarn_zone *zone, struct sums *sums)
{
    const char *previous = NULL;
    for (struct tarn__list *link = zone->sections.next; link != &zone->sections; link = link->next) {
        struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        TARN__ASSERT(!previous || section->base > previous, "sections are listed by address");
        TARN__ASSERT(section->zone == zone && section->slots == 1, "a listed section is an ordinary one of its zone");
        TARN__ASSERT(tarn__bits_count(section->free, 0, TARN__SECTION_PAGES) == section->free_pages,
                     "the count of a section's free pages is right");
        for (size_t w = 0; w < TARN__SECTION_PAGES / 64; w++)
            TARN__ASSERT((section->dirty[w] & ~section->free[w]) == 0, "dirty pages are free ones");
        TARN__ASSERT(section->longest[0] >= longest_span(section, false) && section->longest[1] >= longest_span(section, true),
                     "a section's notes of its longest spans are not too short");
        TARN__ASSERT(section->first < section->end && section->end <= TARN__SECTION_PAGES &&
                         (zone->fixed || tarn__section_whole(section)),
                     "only a fixed zone has sections of which not all is there");
        sums->marked += section->free_pages;
        sums->present += (size_t)(section->end - section->first);
        previous = section->base;
    }
}

static void check_lists(struct tarn_zone *zone, unsigned group, struct sums *sums)
{
    for (int list = 0; list < TARN__FREE_LISTS; list++)
        for (unsigned order = 0; order < TARN__ORDERS; order++) {
            struct tarn__list *head = &zone->free[group][list][order];
            TARN__ASSERT(tarn__list_empty(head) == !(zone->filled[group][list] >> order & 1),
                         "the mask tells which lists have blocks");
            for (struct tarn__list *link = head->next; link != head; link = link->next) {
                struct tarn_page *block = tarn__link_page(link);
                check_block(zone, block, list, order, sums);
                check_groups(zone, tarn__page_section(block), (size_t)(block - tarn__page_section(block)->page), order, group);
                sums->group_blocks[group][order]++;
            }
        }
}

static void check_bounds(struct tarn_zone *zone, const struct sums *sums)
{
    TARN__ASSERT(zone->free_pages <= zone->pages, "no more pages are free than there are");
    TARN__ASSERT(zone->bounded == (zone->fixed || zone->limit > 0), "a zone is bounded by its size or by a limit");
    TARN__ASSERT(!zone->fixed || sums->present == zone->pages, "a fixed zone has the pages of its sections");
    TARN__ASSERT(zone->min <= zone->low && zone->low <= zone->high, "the marks lie in order");
    TARN__ASSERT(zone->lists == (tarn__marks_plenty(zone) ? zone->number : 0), "lists are used while pages are not short");
}

void tarn__zone_check(struct tarn_zone *zone)
{
    struct sums sums = {0};
    tarn__lock(&zone->lock);
    for (unsigned group = 0; group < TARN_MOBILITIES; group++)
        check_lists(zone, group, &sums);
    check_sections(zone, &sums);
    TARN__ASSERT(sums.free == sums.marked, "the blocks hold just the pages that are marked free");
    check_notes(zone);
    check_stuck(zone, &sums);
    for (unsigned order = 0; order < TARN__ORDERS; order++) {
        TARN__ASSERT(sums.blocks[order] == zone->blocks[order], "the count of blocks of an order is right");
        for (unsigned group = 0; group < TARN_MOBILITIES; group++)
            TARN__ASSERT(sums.group_blocks[group][order] == zone->group_blocks[group][order],
                         "the count of a group's blocks of an order is right");
    }
    TARN__ASSERT(sums.free == zone->free_pages, "the count of free pages is right");
    TARN__ASSERT(sums.dirty == zone->dirty_pages, "the count of dirty pages is right");
    check_bounds(zone, &sums);
    tarn__unlock(&zone->lock);
}
