/*
 * First fit: the lowest address that will do. Free blocks are in a list in order of address.
 *
 * Where a new one belongs is mostly where one was taken out just before: what is left of a block that is cut, or what neighbours become together. So
 * the last place is kept, as a finger, and believed if the new block lies between those on either side of it. If not, two searches go on in
 * turn, and the first to arrive ends both: along the list from the finger, and by tags to the next free block behind. One is at most as long as there
 * are free blocks, F, the other in the mean as there are live ones between two of them, L / F: the shorter is no longer than about the root of L.
 */
#include "base/list.h"
#include "pool/region_blocks.h"

/* Towards the next free block behind, from block to block where tags say how long they are; then through the ranges above. */
struct search {
    struct tarn__range *range; /* NULL: there is none behind */
    size_t at;
};

static struct search above(struct tarn_region *region, const struct tarn__range *range)
{
    return (struct search){(struct tarn__range *)(void *)tarn__spans_above(&region->ranges, range->span.base), 0};
}

/* One hop. @return whether the search is over: at a free block or the end */
static bool hop(struct tarn_region *region, struct search *search)
{
    unsigned tag = search->range->tags[search->at];
    if (tarn__tag_free(tag))
        return true;
    search->at += tag - 1 < TARN__LONG - 1 ? tag : 1;
    if (search->at >= search->range->granules)
        *search = above(region, search->range);
    return !search->range;
}

struct tarn__free *tarn__first_next(struct tarn_region *region, struct tarn__range *range, size_t at)
{
    struct search search = {range, at};
    if (at < range->granules || (search = above(region, range)).range)
        while (!hop(region, &search))
            ;
    return search.range ? tarn__free_at(search.range, search.at) : NULL;
}

/* The block that a link is in; NULL: it is the list's head. */
static struct tarn__free *owner_of(struct tarn_region *region, struct tarn__free **link)
{
    return link == &region->order.lowest ? NULL : TARN__CONTAINER(link, struct tarn__free, next);
}

/* The link where a block belongs, behind which the granule `end` of its range is. With TARN_POOL_CHECK tarn__place_sound has found it. */
static struct tarn__free **place_of(struct tarn_region *region, struct tarn__free *block, struct tarn__range *range, size_t end)
{
    struct tarn__free **link = region->order.finger;
    struct search search = end < range->granules ? (struct search){range, end} : above(region, range);
    if (region->flags & TARN_POOL_CHECK)
        return link;
    if (block > owner_of(region, region->order.end))
        return region->order.end;
    for (;;) {
        struct tarn__free *below = owner_of(region, link);
        if (below && below > block)
            link = below->at;
        else if (*link && *link < block) /* NOLINT(clang-analyzer-core.NullDereference): each block is pointed to */
            link = &(*link)->next;
        else
            return link;
        if (search.range && hop(region, &search) && search.range)
            return tarn__free_at(search.range, search.at)->at;
    }
}

void tarn__first_insert(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    struct tarn__free *block = tarn__free_at(range, at), **link = place_of(region, block, range, at + granules), *next = *link;
    block->next = next;
    block->at = link;
    *link = block;
    *(next ? &next->at : &region->order.end) = &block->next;
    region->order.finger = &block->next;
}

/* The finger may be in this block. */
void tarn__first_remove(struct tarn_region *region, struct tarn__free *block)
{
    struct tarn__free *next = block->next, **link = block->at;
    *link = next;
    *(next ? &next->at : &region->order.end) = link;
    region->order.finger = link;
}

/* Whether a block may be looked at whose address was read from where users may have written. */
static bool followed(struct tarn_region *region, const struct tarn__free *block, const struct tarn__free *below)
{
    struct tarn__range *range = tarn__range_of(region, block);
    return range && (uintptr_t)block % TARN__GRANULE == 0 && block > below && tarn__is_free_start(region, block);
}

struct tarn__free *tarn__first_find(struct tarn_region *region, size_t granules)
{
    const struct tarn__free *below = NULL;
    for (struct tarn__free *block = region->order.lowest; block; below = block, block = block->next) {
        if ((region->flags & TARN_POOL_CHECK) && !followed(region, block, below))
            return NULL;
        struct tarn__range *range = tarn__range_of(region, block);
        if (!range)
            return NULL;
        if (tarn__free_granules(range, tarn__index_in(range, block)) >= granules)
            return block;
    }
    return NULL;
}
