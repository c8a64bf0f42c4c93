/*
 * Regions: counters, a visit to each block, and the whole structure as a specification.
 */
#include "base/bits.h"
#include "pool/region_care.h"
#include "pool/region_ranges.h"
#include "pool/watch.h"

/* The largest free block, by tags alone: no links are followed. */
static size_t largest_by_tags(struct tarn_region *region)
{
    struct tarn__range *range = NULL;
    size_t most = 0;
    for (uintptr_t above = 0; (range = tarn__range_above(region, above)); above = range->span.base)
        for (size_t at = 0, next; at < range->granules; at = next) {
            next = tarn__next_start(range, at);
            if (tarn__starts_free(range, at))
                most = tarn__max(most, next - at);
        }
    return most;
}

/* The largest free block that its strategy would find, in granules. */
static size_t largest(struct tarn_region *region)
{
    struct tarn__free *block = NULL;
    if (tarn__strategy(region) == TARN_REGION_FIRST_FIT || region->flags & TARN_POOL_CHECK)
        return largest_by_tags(region);
    if (tarn__strategy(region) == TARN_REGION_BEST_FIT) {
        for (struct tarn__tree_node *node = tarn__tree_at(region->tree); node; node = tarn__tree_child(node, 1))
            block = TARN__CONTAINER(node, struct tarn__free, node);
    } else if (region->tlsf.filled) {
        unsigned level = tarn__scan_high(region->tlsf.filled);
        block = region->tlsf.heads[(level << TARN__LISTS_SHIFT) + tarn__scan_high(region->tlsf.second[level])];
    }
    struct tarn__range *range = block ? tarn__range_of(region, block) : NULL;
    return range ? tarn__free_granules(range, tarn__index_in(range, block)) : 0;
}

/* What a free block of so many granules can hold. */
static size_t largest_request(const struct tarn_region *region, size_t granules)
{
    bool zones = region->flags & TARN_POOL_RED_ZONE;
    if (granules == 0 || (zones && granules == 1))
        return 0;
    size_t payload = zones || granules >= TARN__LONG ? granules - 1 : granules;
    return (payload << TARN__GRANULE_SHIFT) - (zones ? sizeof(size_t) : 0);
}

void tarn_region_stats(struct tarn_region *region, struct tarn_pool_stats *stats)
{
    struct tarn__range *range = NULL;
    if (region->flags & TARN__WATCHED)
        tarn__watch_empty(region);
    *stats = (struct tarn_pool_stats){.size = 0};
    if (tarn__guard_enter(&region->guard))
        return;
    *stats = (struct tarn_pool_stats){
        .live_bytes = region->live_bytes,
        .live_blocks = tarn__region_live(region),
        .peak_bytes = region->peak_bytes,
        .largest_free = largest_request(region, largest(region)),
        .segments = region->ranges.count,
        .allocations = region->allocations,
        .frees = region->frees,
        .failures = region->failures,
    };
    for (uintptr_t above = 0; (range = tarn__range_above(region, above)); above = range->span.base) {
        stats->size += range->span.end - range->span.base;
        stats->capacity += range->bytes;
    }
    tarn__guard_drop(&region->guard);
}

/* The live block that begins at a granule. */
static struct tarn__block block_at(struct tarn__range *range, size_t at, size_t next)
{
    struct tarn__block block = {range, at, next - at, NULL, at};
    if (range->tags[at] == TARN__HEAD) {
        block.head = (struct tarn__head *)(void *)tarn__granule_address(range, at);
        block.payload++;
    }
    return block;
}

void tarn_region_each(struct tarn_region *region, tarn_pool_visit *visit, void *context)
{
    struct tarn__range *range = NULL;
    if (region->flags & TARN__WATCHED)
        tarn__watch_empty(region);
    if (tarn__guard_enter(&region->guard))
        return;
    for (uintptr_t above = 0; (range = tarn__range_above(region, above)); above = range->span.base)
        for (size_t at = 0, next; at < range->granules; at = next) {
            next = tarn__next_start(range, at);
            if (tarn__starts_free(range, at))
                continue;
            struct tarn__block block = block_at(range, at, next);
            char *payload = tarn__block_payload(&block);
            if (payload != (char *)region->handles.table && tarn__block_sound(region, &block))
                visit(context, payload, tarn__block_bytes(region, &block));
        }
    tarn__guard_drop(&region->guard);
}

/* The specification */

struct tally {
    size_t live, bytes, free;
};

/* Whether there are no tags inside of a block, from granule `at` on. */
static bool nothing_inside(const struct tarn__range *range, size_t at, size_t end)
{
    while (at < end)
        if (range->tags[at++] != TARN__INSIDE)
            return false;
    return true;
}

static bool live_right(struct tarn_region *region, struct tarn__range *range, size_t at, size_t next, struct tally *tally)
{
    struct tarn__block block = block_at(range, at, next);
    if (!nothing_inside(range, at + 1 + (block.head != NULL), next))
        return false; /* tags are those of a beginning only */
    if (block.head ? range->tags[at + 1] != TARN__PAYLOAD || block.head->granules != block.granules
                   : range->tags[at] != tarn__tag_of(block.granules))
        return false; /* and say the size; or a header does */
    size_t handle = block.head ? tarn__mark_handle(region, block.head) : 0;
    if (tarn__block_error(region, &block) || (handle && !tarn__handle_names(region, handle, block.head)))
        return false;
    if (tarn__block_payload(&block) == (char *)region->handles.table)
        return true;
    tally->live++;
    tally->bytes += tarn__block_bytes(region, &block);
    return true;
}

static bool free_right(struct tarn_region *region, struct tarn__range *range, size_t at, size_t next, struct tally *tally)
{
    size_t granules = next - at;
    tally->free++;
    if (!nothing_inside(range, at + 1, next - 1) || tarn__free_before(range, next) != granules)
        return false; /* the last granule has a tag that says the size, none inside has one */
    if (tarn__starts_free(range, next))
        return false; /* free blocks were merged */
    if (tarn__free_granules(range, at) != granules || !tarn__free_sound(region, range, at))
        return false; /* a long one says its size, and it is known to its strategy */
    return !(region->flags & TARN_POOL_POISON) || tarn__poison_intact(range, at, at, next);
}

static bool range_right(struct tarn_region *region, struct tarn__range *range, struct tally *tally)
{
    if (range->tags[-1] != TARN__INSIDE || !tarn__starts(range, 0))
        return false; /* nothing is in front, and the first block begins at once */
    if (range->tags[range->granules] != TARN__SENTINEL)
        return false; /* the sentinel ends the last one */
    for (size_t at = 0, next; at < range->granules; at = next) {
        next = tarn__next_start(range, at);
        if (next > range->granules)
            return false;
        if (!(tarn__starts_free(range, at) ? free_right : live_right)(region, range, at, next, tally))
            return false;
    }
    return true;
}

/* How many blocks are in a list, all of which are where they belong; more than `most`: they are not. */
static size_t count_list(struct tarn_region *region, struct tarn__free *const *head, size_t list, size_t most)
{
    size_t count = 0;
    for (struct tarn__free *const *at = head, *block; (block = *at); at = &block->next, count++) {
        struct tarn__range *range = tarn__range_of(region, block);
        if (count > most || !range || !tarn__is_free_start(region, block) || block->at != at)
            return most + 1;
        size_t granules = tarn__free_granules(range, tarn__index_in(range, block));
        if (tarn__strategy(region) == TARN_REGION_TLSF ? tarn__tlsf_list(granules) != list
                                                       : block->next && block->next <= block)
            return most + 1;
    }
    return count;
}

static bool lists_right(struct tarn_region *region, size_t expected)
{
    const struct tarn__tlsf *tlsf = &region->tlsf;
    size_t count = 0;
    for (size_t list = 0; list < tlsf->lists && count <= expected; list++) {
        bool marked = tlsf->second[list >> TARN__LISTS_SHIFT] >> (list & (TARN__LISTS - 1)) & 1;
        if (marked != (tlsf->heads[list] != NULL))
            return false; /* the second bitmap tells which lists have blocks */
        count += count_list(region, &tlsf->heads[list], list, expected);
    }
    for (size_t level = 0; level < tlsf->lists >> TARN__LISTS_SHIFT; level++)
        if ((tlsf->filled >> level & 1) != (tlsf->second[level] != 0))
            return false; /* the first bitmap tells which levels have lists */
    return count == expected;
}

/* How many are in a tree, or more than `most`. */
static size_t count_tree(const struct tarn__tree_node *node, size_t most)
{
    size_t count = node != NULL;
    for (int side = 0; node && side < 2 && count <= most; side++)
        count += count_tree(tarn__tree_child(node, side), most - count);
    return count;
}

/* Each free block was found where it belongs already. What is left is that there are no others, and that the tree is balanced. */
static bool structure_right(struct tarn_region *region, size_t expected)
{
    if (tarn__strategy(region) == TARN_REGION_TLSF)
        return lists_right(region, expected);
    if (tarn__strategy(region) == TARN_REGION_FIRST_FIT)
        return count_list(region, &region->order.lowest, 0, expected) == expected;
    return count_tree(tarn__tree_at(region->tree), expected) == expected && tarn__best_balanced(region);
}

int tarn_region_check(struct tarn_region *region)
{
    struct tarn__range *range = NULL;
    struct tally tally = {0, 0, 0};
    bool right = true;
    int error = tarn__guard_enter(&region->guard);
    if (error)
        return error;
    for (uintptr_t above = 0; right && (range = tarn__range_above(region, above)); above = range->span.base)
        right = range_right(region, range, &tally);
    right = right && structure_right(region, tally.free) && tally.live == tarn__region_live(region) &&
            tally.bytes == region->live_bytes;
    tarn__guard_drop(&region->guard);
    return right ? 0 : tarn__watch_wrong(region, TARN_POOL_CORRUPT, "tarn_region_check", region);
}
