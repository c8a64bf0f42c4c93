/*
 * The buddy system proper. A block's buddy is the neighbour that it was split from: its index differs in one bit. Blocks never cross a
 * section, so neither do merges.
 */
#include "page/buddy.h"

#include "base/bits.h"
#include "base/fail.h"

static size_t index_of(const struct tarn__page *page) { return (size_t)(page - tarn__page_section(page)->page); }

static int list_of(const struct tarn__section *section, size_t index, unsigned order)
{
    size_t end = index + ((size_t)1 << order);
    return tarn__bits_find(section->dirty, index, end, true) < end ? TARN__DIRTY : TARN__CLEAN;
}

static void insert(struct tarn__section *section, size_t index, unsigned order)
{
    struct tarn__zone *zone = section->zone;
    struct tarn__page *page = &section->page[index];
    int list = list_of(section, index, order);
    page->state = TARN__PAGE_FREE;
    page->order = (uint8_t)order;
    tarn__list_push_front(&zone->free[list][order], &page->link);
    zone->filled[list] |= 1u << order;
    zone->blocks[order]++;
}

void tarn__buddy_remove(struct tarn__page *block)
{
    struct tarn__section *section = tarn__page_section(block);
    struct tarn__zone *zone = section->zone;
    int list = list_of(section, index_of(block), block->order);
    tarn__list_remove(&block->link);
    block->state = TARN__PAGE_INSIDE;
    if (tarn__list_empty(&zone->free[list][block->order]))
        zone->filled[list] &= ~(1u << block->order);
    zone->blocks[block->order]--;
}

/* The smallest sufficient block, dirty before clean. */
static struct tarn__page *find_block(struct tarn__zone *zone, unsigned order)
{
    for (int list = TARN__LISTS - 1; list >= 0; list--) {
        uint32_t sufficient = zone->filled[list] >> order;
        if (sufficient) {
            unsigned found = order + (unsigned)__builtin_ctz(sufficient);
            return TARN__CONTAINER(zone->free[list][found].next, struct tarn__page, link);
        }
    }
    return NULL;
}

struct tarn__page *tarn__buddy_take(struct tarn__zone *zone, unsigned order)
{
    struct tarn__page *block = find_block(zone, order);
    if (!block)
        return NULL;
    tarn__buddy_remove(block);
    for (unsigned half = block->order; half-- > order;)
        insert(tarn__page_section(block), index_of(block) + ((size_t)1 << half), half);
    block->order = (uint8_t)order;
    return block;
}

/* One aligned block: merged upwards as long as its buddy is free and whole. */
static void put_block(struct tarn__section *section, size_t index, unsigned order)
{
    while (order < TARN__MAX_ORDER) {
        struct tarn__page *buddy = &section->page[index ^ (size_t)1 << order];
        if (buddy->state != TARN__PAGE_FREE || buddy->order != order)
            break;
        tarn__buddy_remove(buddy);
        index &= ~((size_t)1 << order);
        order++;
    }
    insert(section, index, order);
}

void tarn__buddy_put(struct tarn__section *section, size_t first, size_t count)
{
    section->zone->free_pages += count;
    while (count > 0) {
        unsigned order = tarn__log2_floor(count);
        if (first > 0 && (unsigned)__builtin_ctzll(first) < order)
            order = (unsigned)__builtin_ctzll(first);
        put_block(section, first, order);
        first += (size_t)1 << order;
        count -= (size_t)1 << order;
    }
}

bool tarn__buddy_claim(struct tarn__section *section, size_t first, size_t count)
{
    size_t end = first + count, at = first;
    if (end > TARN__SECTION_PAGES)
        return false;
    while (at < end) {
        if (section->page[at].state != TARN__PAGE_FREE)
            return false;
        at += (size_t)1 << section->page[at].order;
    }
    for (size_t i = first; i < end;) {
        struct tarn__page *block = &section->page[i];
        i += (size_t)1 << block->order;
        tarn__buddy_remove(block);
    }
    section->zone->free_pages -= at - first;
    tarn__buddy_put(section, end, at - end);
    return true;
}
