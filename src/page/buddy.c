/*
 * The buddy system proper. A block's buddy is the neighbour that it was split from: its index differs in one bit. Blocks never cross a
 * section, so neither do merges.
 */
#include "page/buddy.h"

#include "base/bits.h"
#include "base/fail.h"

static size_t index_of(const struct tarn_page *page) { return (size_t)(page - tarn__page_section(page)->page); }

static int list_of(const struct tarn__section *section, size_t index, unsigned order)
{
    size_t end = index + ((size_t)1 << order);
    return tarn__bits_find(section->dirty, index, end, true) < end ? TARN__DIRTY : TARN__CLEAN;
}

static void insert(struct tarn__section *section, size_t index, unsigned order)
{
    struct tarn_zone *zone = section->zone;
    struct tarn_page *page = &section->page[index];
    int list = list_of(section, index, order);
    page->state = TARN__PAGE_FREE;
    page->order = (uint8_t)order;
    tarn__list_push_front(&zone->free[list][order], &page->link);
    zone->filled[list] |= 1u << order;
    zone->blocks[order]++;
}

static void take_off(struct tarn_page *block)
{
    struct tarn__section *section = tarn__page_section(block);
    struct tarn_zone *zone = section->zone;
    int list = list_of(section, index_of(block), block->order);
    tarn__list_remove(&block->link);
    block->state = TARN__PAGE_INSIDE;
    if (tarn__list_empty(&zone->free[list][block->order]))
        zone->filled[list] &= ~(1u << block->order);
    zone->blocks[block->order]--;
}

/* One aligned block: merged upwards as long as its buddy is free and whole. */
static void put_block(struct tarn__section *section, size_t index, unsigned order)
{
    while (order < TARN__MAX_ORDER) {
        struct tarn_page *buddy = &section->page[index ^ (size_t)1 << order];
        if (buddy->state != TARN__PAGE_FREE || buddy->order != order)
            break;
        take_off(buddy);
        index &= ~((size_t)1 << order);
        order++;
    }
    insert(section, index, order);
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
}

void tarn__buddy_put(struct tarn__section *section, size_t first, size_t count)
{
    account(section, first, count, true);
    put_range(section, first, count);
}

static struct tarn_page *find_block(struct tarn_zone *zone, unsigned order)
{
    for (int list = TARN__LISTS - 1; list >= 0; list--) {
        uint32_t sufficient = zone->filled[list] >> order;
        if (sufficient) {
            unsigned found = order + (unsigned)__builtin_ctz(sufficient);
            return TARN__CONTAINER(zone->free[list][found].next, struct tarn_page, link);
        }
    }
    return NULL;
}

struct tarn_page *tarn__buddy_take(struct tarn_zone *zone, unsigned order)
{
    struct tarn_page *block = find_block(zone, order);
    if (!block)
        return NULL;
    struct tarn__section *section = tarn__page_section(block);
    size_t index = index_of(block);
    take_off(block);
    for (unsigned half = block->order; half-- > order;)
        insert(section, index + ((size_t)1 << half), half);
    block->order = (uint8_t)order;
    account(section, index, (size_t)1 << order, false);
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
        if (head->state == TARN__PAGE_FREE && head->order == order)
            return head;
    }
    tarn__assert_failed("a free page is part of a free block");
}

static bool all_free(struct tarn__section *section, size_t first, size_t count)
{
    for (; count > 0; section = tarn__section_next(section), first = 0) {
        size_t end = tarn__min(first + count, TARN__SECTION_PAGES);
        if (!section || tarn__bits_find(section->free, first, end, false) < end)
            return false;
        count -= end - first;
    }
    return true;
}

/* Takes a range of one section out of the blocks that hold it; what they have before and behind it stays free. */
static void cut_out(struct tarn__section *section, size_t first, size_t end)
{
    account(section, first, end - first, false);
    for (size_t at = first; at < end;) {
        struct tarn_page *block = block_with(section, at);
        size_t begin = index_of(block), behind = begin + ((size_t)1 << block->order);
        take_off(block);
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
    for (; count > 0; section = tarn__section_next(section), first = 0) {
        size_t end = tarn__min(first + count, TARN__SECTION_PAGES);
        cut_out(section, first, end);
        count -= end - first;
    }
    return true;
}
