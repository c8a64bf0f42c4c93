/*
 * The buddy system proper. A block's buddy is the neighbour that it was split from: its index differs in one bit. Blocks never cross a
 * section, so neither do merges.
 *
 * A block lies on the lists of its pageblock's group. One of the highest order is two pageblocks, which then are of one group.
 */
#include "page/buddy.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/halves.h"
#include "page/marks.h"

static size_t index_of(const struct tarn_page *page) { return (size_t)(page - tarn__page_section(page)->page); }

static int list_of(const struct tarn__section *section, size_t index, unsigned order)
{
    size_t end = index + ((size_t)1 << order);
    return tarn__bits_find(section->dirty, index, end, true) < end ? TARN__DIRTY : TARN__CLEAN;
}

static unsigned group_of(const struct tarn__section *section, size_t index)
{
    return section->group[index >> TARN_PAGEBLOCK_ORDER];
}

void tarn__buddy_on(struct tarn_page *page, unsigned order)
{
    struct tarn__section *section = tarn__page_section(page);
    struct tarn_zone *zone = section->zone;
    size_t index = index_of(page);
    unsigned group = group_of(section, index);
    int list = list_of(section, index, order);
    page->order = (uint8_t)order;
    tarn__page_set_state(page, TARN__PAGE_FREE);
    tarn__list_push_front(&zone->free[group][list][order], tarn__page_link(page));
    zone->filled[group][list] |= 1u << order;
    zone->blocks[order]++;
    zone->group_blocks[group][order]++;
}

void tarn__buddy_off(struct tarn_page *block)
{
    struct tarn__section *section = tarn__page_section(block);
    struct tarn_zone *zone = section->zone;
    unsigned group = group_of(section, index_of(block));
    int list = list_of(section, index_of(block), block->order);
    tarn__list_remove(tarn__page_link(block));
    tarn__page_set_state(block, TARN__PAGE_INSIDE);
    if (tarn__list_empty(&zone->free[group][list][block->order]))
        zone->filled[group][list] &= ~(1u << block->order);
    zone->blocks[block->order]--;
    zone->group_blocks[group][block->order]--;
}

/* Pageblocks that became one block are of the group of the last that was freed. */
static void join_groups(struct tarn__section *section, unsigned group)
{
    section->zone->conversions += section->group[0] != section->group[1];
    section->group[0] = section->group[1] = (uint8_t)group;
}

/* One aligned block: merged upwards as long as its buddy is free and whole. */
static void put_block(struct tarn__section *section, size_t index, unsigned order)
{
    unsigned group = group_of(section, index);
    while (order < TARN__MAX_ORDER) {
        struct tarn_page *buddy = &section->page[tarn__buddy_of(index, order)];
        if (tarn__page_state(buddy) != TARN__PAGE_FREE || buddy->order != order)
            break;
        tarn__buddy_off(buddy);
        index = tarn__whole_of(index, order);
        order++;
        if (order == TARN__MAX_ORDER)
            join_groups(section, group);
    }
    tarn__buddy_on(&section->page[index], order);
}

/* Any range, as the blocks of its binary decomposition. */
static void put_range(struct tarn__section *section, size_t first, size_t count)
{
    while (count > 0) {
        unsigned order = tarn__log2_floor(count);
        if (first > 0 && (unsigned)__builtin_ctzll(first) < order)
            order = (unsigned)__builtin_ctzll(first);
        put_block(section, first, order);
        first += (size_t)1 << order;
        count -= (size_t)1 << order;
    }
}

/* The pages are free from now on, or no longer. */
static void account(struct tarn__section *section, size_t first, size_t count, bool now_free)
{
    if (now_free) {
        tarn__bits_set(section->free, first, count);
        section->free_pages = (uint16_t)(section->free_pages + count);
        section->longest[0] = section->longest[1] = TARN__SECTION_PAGES;
        section->zone->free_pages += count;
        tarn__span_freed(section);
    } else {
        tarn__bits_clear(section->free, first, count);
        section->free_pages = (uint16_t)(section->free_pages - count);
        section->zone->free_pages -= count;
    }
    if (section->zone->bounded)
        tarn__marks_moved(section->zone);
}

void tarn__buddy_put(struct tarn__section *section, size_t first, size_t count)
{
    account(section, first, count, true);
    put_range(section, first, count);
}

/*
 * A zone that grows prefers dirty blocks of any order, as they cost no page fault. One that is fixed is about to fill anyway, and the
 * smallest block that suffices breaks up the least.
 */
struct tarn_page *tarn__buddy_find(struct tarn_zone *zone, unsigned order, unsigned group)
{
    uint32_t dirty = zone->filled[group][TARN__DIRTY] >> order, clean = zone->filled[group][TARN__CLEAN] >> order;
    if (!(dirty | clean))
        return NULL;
    bool from_dirty = dirty && (!zone->fixed || !clean || __builtin_ctz(dirty) <= __builtin_ctz(clean));
    unsigned found = order + (unsigned)__builtin_ctz(from_dirty ? dirty : clean);
    return tarn__link_page(zone->free[group][from_dirty ? TARN__DIRTY : TARN__CLEAN][found].next);
}

struct tarn_page *tarn__buddy_take(struct tarn_page *block, unsigned order)
{
    struct tarn__section *section = tarn__page_section(block);
    tarn__buddy_off(block);
    for (unsigned half = block->order; half-- > order;)
        tarn__buddy_on(block + ((size_t)1 << half), half);
    block->order = (uint8_t)order;
    account(section, index_of(block), (size_t)1 << order, false);
    return block;
}

struct tarn__section *tarn__section_next(const struct tarn__section *section)
{
    struct tarn__section *next = tarn__section_of(section->base + TARN__SECTION_SIZE);
    return next && next->zone == section->zone && next->slots == 1 ? next : NULL;
}

/* The free block that page `index`, a free page, is part of. */
static struct tarn_page *block_with(struct tarn__section *section, size_t index)
{
    for (unsigned order = 0; order <= TARN__MAX_ORDER; order++) {
        struct tarn_page *head = &section->page[tarn__align_down(index, (size_t)1 << order)];
        if (tarn__page_state(head) == TARN__PAGE_FREE && head->order == order)
            return head;
    }
    tarn__assert_failed("a free page is part of a free block");
}

static bool all_free(struct tarn__section *section, size_t first, size_t count)
{
    while (section) {
        size_t end = tarn__min(first + count, TARN__SECTION_PAGES);
        if (tarn__bits_find(section->free, first, end, false) < end)
            return false;
        count -= end - first;
        if (count == 0)
            return true;
        section = tarn__section_next(section);
        first = 0;
    }
    return false;
}

/* Takes a range of one section out of the blocks that hold it; what they have before and behind it stays free. */
static void cut_out(struct tarn__section *section, size_t first, size_t end)
{
    account(section, first, end - first, false);
    for (size_t at = first; at < end;) {
        struct tarn_page *block = block_with(section, at);
        size_t begin = index_of(block), behind = begin + ((size_t)1 << block->order);
        tarn__buddy_off(block);
        if (begin < first)
            put_range(section, begin, first - begin);
        if (behind > end)
            put_range(section, end, behind - end);
        at = behind;
    }
}

bool tarn__buddy_claim(struct tarn__section *section, size_t first, size_t count)
{
    if (!all_free(section, first, count))
        return false;
    for (;;) {
        size_t end = tarn__min(first + count, TARN__SECTION_PAGES);
        TARN__ASSERT(section, "a range that is free lies in sections that follow each other");
        cut_out(section, first, end);
        count -= end - first;
        if (count == 0)
            return true;
        section = tarn__section_next(section);
        first = 0;
    }
}
