/*
 * First fit: the lowest address that will do. Free blocks are in a list in order of address. Where a new one belongs, tags tell: the next free block
 * is as far away as the live ones between are long.
 */
#include "base/list.h"
#include "pool/region_blocks.h"

/* The first free block at or behind `at`, in this range; NULL: none. From block to block where tags say how long they are. */
static struct tarn__free *next_free_in(struct tarn__range *range, size_t at)
{
    while (at < range->granules) {
        unsigned tag = range->tags[at];
        if (tarn__tag_free(tag))
            return tarn__free_at(range, at);
        at += tag - 1 < TARN__LONG - 1 ? tag : 1;
    }
    return NULL;
}

struct tarn__free *tarn__first_next(struct tarn_region *region, struct tarn__range *range, size_t at)
{
    bool is_free = tarn__tag_free(range->tags[at]);
    struct tarn__free *next = next_free_in(range, at + (is_free ? tarn__free_granules(range, at) : 1));
    while (!next) {
        range = (struct tarn__range *)(void *)tarn__spans_above(&region->ranges, range->span.base);
        if (!range)
            return NULL;
        next = next_free_in(range, 0);
    }
    return next;
}

/* The rest of the last free block is the last one again: the end of the list tells that at once. */
void tarn__first_insert(struct tarn_region *region, struct tarn__range *range, size_t at)
{
    struct tarn__free *block = tarn__free_at(range, at), *next = NULL;
    struct tarn__free **end = region->order.end;
    if (end != &region->order.lowest && (uintptr_t)end > (uintptr_t)block)
        next = tarn__first_next(region, range, at);
    struct tarn__free ***back = next ? &next->at : &region->order.end;
    block->next = next;
    block->at = *back;
    *block->at = block;
    *back = &block->next;
}

void tarn__first_remove(struct tarn_region *region, struct tarn__free *block)
{
    *block->at = block->next;
    *(block->next ? &block->next->at : &region->order.end) = block->at;
}

struct tarn__free *tarn__first_find(struct tarn_region *region, size_t granules)
{
    struct tarn__free **at = &region->order.lowest;
    for (struct tarn__free *block; (block = *at); at = &block->next) {
        struct tarn__range *range = tarn__range_of(region, block);
        if ((region->flags & TARN_POOL_CHECK) && (!range || (uintptr_t)block % TARN__GRANULE != 0 || block->at != at))
            return NULL;
        size_t index = tarn__index_in(range, block);
        if ((region->flags & TARN_POOL_CHECK) && !tarn__starts_free(range, index))
            return NULL;
        if (tarn__free_granules(range, index) >= granules)
            return block;
    }
    return NULL;
}
