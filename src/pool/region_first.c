/*
 * First fit: the lowest address that will do. Free blocks are in a list in order of address. Where a new one belongs, the bits tell: the next free block is as far
 * away as the live ones between are long, and 64 granules of these are looked at together.
 */
#include "base/list.h"
#include "pool/region_blocks.h"

/* The first free block behind `at`, in this range; NULL: none. */
static struct tarn__free *next_free_in(struct tarn__range *range, size_t at)
{
    struct tarn__pair *pair = tarn__pair_of(range, at), *last = tarn__pair_of(range, range->granules);
    unsigned long found = (pair->start & pair->flag) & (~0ul << tarn__bit_of(at) << 1);
    while (!found) {
        if (pair == last)
            return NULL;
        pair++;
        found = pair->start & pair->flag;
    }
    return tarn__free_at(range, ((size_t)(pair - range->pairs) << TARN__PAIR_SHIFT) + tarn__scan_low(found));
}

struct tarn__free *tarn__first_next(struct tarn_region *region, struct tarn__range *range, size_t at)
{
    struct tarn__free *next = next_free_in(range, at);
    while (!next) {
        range = (struct tarn__range *)(void *)tarn__spans_above(&region->ranges, range->span.base);
        if (!range)
            return NULL;
        next = tarn__start_is(range, 0) && tarn__flag_is(range, 0) ? tarn__free_at(range, 0) : next_free_in(range, 0);
    }
    return next;
}

void tarn__first_insert(struct tarn_region *region, struct tarn__range *range, size_t at)
{
    struct tarn__free *block = tarn__free_at(range, at), *next = tarn__first_next(region, range, at);
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
        if ((region->flags & TARN_POOL_CHECK) && (!tarn__start_is(range, index) || !tarn__flag_is(range, index)))
            return NULL;
        if (tarn__free_granules(range, index) >= granules)
            return block;
    }
    return NULL;
}
