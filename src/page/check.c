/* The specification of a zone's free lists, as a program: tarn__zone_check. */
#include "base/bits.h"
#include "base/fail.h"
#include "page/zone.h"

struct sums {
    size_t free, dirty, marked, blocks[TARN__ORDERS];
};

static void check_block(struct tarn_zone *zone, struct tarn_page *block, int list, unsigned order, struct sums *sums)
{
    struct tarn__section *section = tarn__page_section(block);
    size_t index = (size_t)(block - section->page), count = (size_t)1 << order;
    TARN__ASSERT(section->zone == zone && section->slots == 1, "a listed block lies in an ordinary section of its zone");
    TARN__ASSERT(tarn__section_of(section->base) == section, "a block's section is found from its address");
    TARN__ASSERT(block->state == TARN__PAGE_FREE && block->order == order, "a listed block is free and of its list's order");
    TARN__ASSERT(index % count == 0, "a block begins at a multiple of its size");
    if (order < TARN__MAX_ORDER) {
        struct tarn_page *buddy = &section->page[index ^ count];
        TARN__ASSERT(!(buddy->state == TARN__PAGE_FREE && buddy->order == order), "free buddies are merged");
    }
    for (size_t i = 1; i < count; i++)
        TARN__ASSERT(block[i].state == TARN__PAGE_INSIDE, "nothing begins inside a free block");
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
                there = there || section->base == from;
                TARN__ASSERT(!from || section->base >= from || longest_span(section, dirty) < (size_t)1 << class,
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
        sums->marked += section->free_pages;
        previous = section->base;
    }
}

void tarn__zone_check(struct tarn_zone *zone)
{
    struct sums sums = {0};
    tarn__lock(&zone->lock);
    for (int list = 0; list < TARN__LISTS; list++)
        for (unsigned order = 0; order < TARN__ORDERS; order++) {
            struct tarn__list *head = &zone->free[list][order];
            TARN__ASSERT(tarn__list_empty(head) == !(zone->filled[list] >> order & 1),
                         "the mask tells which lists have blocks");
            for (struct tarn__list *link = head->next; link != head; link = link->next)
                check_block(zone, TARN__CONTAINER(link, struct tarn_page, link), list, order, &sums);
        }
    check_sections(zone, &sums);
    TARN__ASSERT(sums.free == sums.marked, "the blocks hold just the pages that are marked free");
    check_notes(zone);
    check_stuck(zone, &sums);
    for (unsigned order = 0; order < TARN__ORDERS; order++)
        TARN__ASSERT(sums.blocks[order] == zone->blocks[order], "the count of blocks of an order is right");
    TARN__ASSERT(sums.free == zone->free_pages, "the count of free pages is right");
    TARN__ASSERT(sums.dirty == zone->dirty_pages, "the count of dirty pages is right");
    TARN__ASSERT(zone->free_pages <= zone->pages, "no more pages are free than there are");
    tarn__unlock(&zone->lock);
}
