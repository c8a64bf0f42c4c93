/*
 * Splitting and merging, the same for all strategies, and which strategy keeps the free blocks.
 */
#ifndef TARN_POOL_REGION_BLOCKS_H
#define TARN_POOL_REGION_BLOCKS_H

#include "pool/region_tlsf.h"

/* Best fit: a tree by size and address. */
void tarn__best_insert(struct tarn_region *region, struct tarn__free *block, size_t granules);
void tarn__best_remove(struct tarn_region *region, struct tarn__free *block);
struct tarn__free *tarn__best_find(struct tarn_region *region, size_t granules);
/* Whether the way down the tree to where a block is, or would be, may be followed, and whether one that is `known` is there. */
bool tarn__best_sound(struct tarn_region *region, const struct tarn__free *block, size_t granules, bool known);
/* Whether its balance and order are right. Follows all links. */
bool tarn__best_balanced(struct tarn_region *region);

/* First fit: a list in order of address. */
void tarn__first_insert(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__first_remove(struct tarn_region *region, struct tarn__free *block);
/* The next free block at or behind a granule, found by tags alone; NULL: there is none. */
struct tarn__free *tarn__first_next(struct tarn_region *region, struct tarn__range *range, size_t at);
struct tarn__free *tarn__first_find(struct tarn_region *region, size_t granules);

/*
 * Puts a free block into its strategy's structure, and takes it out. With TARN_POOL_CHECK nothing is written to what is not sound: one that cannot be put in
 * stays outside, and one that cannot be taken out is still pointed to, but no longer followed, as its tags change.
 */
void tarn__region_link(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__region_unlink(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);

/* With TARN_POOL_POISON: fills what becomes free; fills what a free block had of its own. */
void tarn__poison_freed(struct tarn__range *range, size_t at, size_t granules);
void tarn__poison_links(struct tarn__range *range, size_t at, size_t granules);

/* What follows is whole in region.c's short paths, where `plain` is true, and elsewhere for all strategies and flags. */

/* Whether there is no other structure than TLSF's, which is believed. */
enum { TARN__TLSF_ALONE = (int)TARN__STRATEGIES == 1 && !TARN_POOL_CHECK };

/* Makes granules a free block, and known. */
TARN__SHORT void tarn__region_keep(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules,
                                   bool plain)
{
    struct tarn__free *block = tarn__free_at(range, at);
    if (__builtin_expect(granules >= TARN__LONG, 1)) {
        block->granules = granules;
        ((size_t *)(void *)tarn__granule_address(range, at + granules))[-1] = granules;
        range->tags[at + granules - 1] = TARN__LAST | TARN__LONG;
        range->tags[at] = TARN__FREE | TARN__LONG;
    } else {
        range->tags[at + granules - 1] = (unsigned char)(TARN__LAST | granules);
        range->tags[at] = (unsigned char)(TARN__FREE | granules);
    }
    if (plain || TARN__TLSF_ALONE)
        tarn__tlsf_insert(region, block, granules);
    else
        tarn__region_link(region, range, at, granules);
}

/* Takes a free block out, whose tags stay. */
TARN__SHORT void tarn__region_unkeep(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules,
                                     bool plain)
{
    if (plain || TARN__TLSF_ALONE)
        tarn__tlsf_remove(region, tarn__free_at(range, at));
    else
        tarn__region_unlink(region, range, at, granules);
    if (!plain && (region->flags & TARN_POOL_POISON))
        tarn__poison_links(range, at, granules);
}

/* Takes the beginning of a free block, which was taken out itself: what is left is free. Of `had` granules that is all but `granules`. */
TARN__SHORT void tarn__region_cut(struct tarn_region *region, struct tarn__range *range, size_t at, size_t had, size_t granules,
                                  bool plain)
{
    if (had == granules) {
        range->tags[at + had - 1] = TARN__INSIDE;
        return;
    }
    tarn__region_keep(region, range, at + granules, had - granules, plain);
}

/* Makes granules free that were a live block, or the end of one, and merges them with their neighbours. @return how many they are together */
TARN__SHORT size_t tarn__region_merge(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules,
                                      bool plain)
{
    unsigned char *tags = range->tags;
    size_t end = at + granules, before = tarn__free_before(range, at);
    if (!plain && (region->flags & TARN_POOL_POISON))
        tarn__poison_freed(range, at, granules);
    if (tags[end] & TARN__FREE) {
        size_t behind = tarn__free_granules(range, end);
        granules += behind;
        tarn__region_unkeep(region, range, end, behind, plain);
        tags[end] = TARN__INSIDE;
    }
    if (__builtin_expect(before != 0, 1)) {
        tarn__region_unkeep(region, range, at - before, before, plain);
        tags[at] = TARN__INSIDE;
        tags[at - 1] = TARN__INSIDE;
        at -= before;
        granules += before;
    }
    tarn__region_keep(region, range, at, granules, plain);
    return granules;
}

/* The same for who is in no hurry. */
size_t tarn__region_free_granules(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__region_keep_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__region_unkeep_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__region_cut_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t had, size_t granules);
/* A free block, which stays where it is, of at least that many granules, if there is one; or NULL. */
struct tarn__free *tarn__region_find(struct tarn_region *region, size_t granules);

/* Whether a free block begins at an address that was read where users may write. */
bool tarn__is_free_start(struct tarn_region *region, const void *p);

/* The start of the block that a granule is in. O(size of the block / WORD_BITS). */
size_t tarn__start_of(const struct tarn__range *range, size_t at);

/* tarn__range_of, for when it is not the range that was found last. */
struct tarn__range *tarn__region_range_of(struct tarn_region *region, const void *p);

/* What is wrong with an address that is not the beginning of a live block's payload. */
int tarn__region_reason(struct tarn_region *region, const void *p);

/* The same. That it is never 0 is said to the compiler, and to what reads the code beside it. */
static inline int tarn__region_misplaced(struct tarn_region *region, const void *p)
{
    int error = tarn__region_reason(region, p);
    if (!error)
        __builtin_unreachable();
    return error;
}

/*
 * Finds the live block whose payload begins at `p`. `named` is its number of granules, for blocks that may have no header at any size; 0: such a long
 * one is refused. What a header says is believed only if a block ends there.
 * @return 0 or an enum tarn_pool_error;
 */
TARN__SHORT int tarn__region_locate(struct tarn_region *region, const void *p, size_t named, struct tarn__block *block)
{
    struct tarn__range *range = (struct tarn__range *)(void *)region->ranges.latest;
    size_t at = tarn__index_of(range, p);
    if (__builtin_expect(at >= range->granules, 0)) {
        *block = (struct tarn__block){.range = NULL};
        range = tarn__region_range_of(region, p);
        if (!range || (at = tarn__index_of(range, p)) >= range->granules)
            return tarn__region_misplaced(region, p);
    }
    *block = (struct tarn__block){.range = range, .payload = at};
    unsigned tag = range->tags[at];
    if (__builtin_expect(tag - 1 < TARN__LONG - 1, 1)) {
        block->at = at;
        block->granules = tag;
        return 0;
    }
    if (__builtin_expect(tag == TARN__PAYLOAD, 1)) {
        struct tarn__head *head = (struct tarn__head *)(void *)tarn__granule_address(range, --at);
        size_t granules = head->granules;
        block->at = at;
        block->head = head;
        block->granules = granules;
        if (__builtin_expect(granules - 1 < range->granules - at && tarn__starts(range, at + granules), 1))
            return 0;
        return TARN_POOL_CORRUPT;
    }
    if (tag != TARN__LONG)
        return tarn__region_misplaced(region, p);
    block->at = at;
    block->granules = named;
    return named >= TARN__LONG && named <= range->granules - at && tarn__starts(range, at + named) ? 0 : TARN_POOL_WRONG_SIZE;
}

#endif
