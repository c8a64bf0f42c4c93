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
void tarn__first_insert(struct tarn_region *region, struct tarn__range *range, size_t at);
void tarn__first_remove(struct tarn_region *region, struct tarn__free *block);
/* The free block in front of which a new one at `at` belongs, found by bits; NULL: at the end. */
struct tarn__free *tarn__first_next(struct tarn_region *region, struct tarn__range *range, size_t at);
struct tarn__free *tarn__first_find(struct tarn_region *region, size_t granules);

/* The other two strategies, together. */
void tarn__region_keep_otherwise(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__region_take_otherwise(struct tarn_region *region, struct tarn__free *block);

/* With TARN_POOL_POISON: fills what becomes free; fills what a free block had of its own. */
void tarn__poison_freed(struct tarn__range *range, size_t at, size_t granules);
void tarn__poison_links(struct tarn__range *range, size_t at, size_t granules);

/* What follows is whole in region.c's short paths, where `plain` is true, and elsewhere for all strategies and flags. */

/* Makes a free block known whose bits are right. */
TARN__SHORT void tarn__region_keep(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules,
                                   bool plain)
{
    struct tarn__free *block = tarn__free_at(range, at);
    if (granules >= TARN__WORD_BITS) {
        block->granules = granules;
        ((size_t *)(void *)tarn__granule_address(range, at + granules))[-1] = granules;
    }
    if (plain || tarn__strategy(region) == TARN_REGION_TLSF)
        tarn__tlsf_insert(region, block, granules);
    else
        tarn__region_keep_otherwise(region, range, at, granules);
}

/* Takes a free block out, whose bits stay. */
TARN__SHORT void tarn__region_unkeep(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules,
                                     bool plain)
{
    if (plain || tarn__strategy(region) == TARN_REGION_TLSF)
        tarn__tlsf_remove(region, tarn__free_at(range, at));
    else
        tarn__region_take_otherwise(region, tarn__free_at(range, at));
    if (!plain && (region->flags & TARN_POOL_POISON))
        tarn__poison_links(range, at, granules);
}

/* Makes the beginning of a free block, which was taken out, a live one: what is left of it is free. Of `had` granules it keeps `granules`. */
TARN__SHORT void tarn__region_cut(struct tarn_region *region, struct tarn__range *range, size_t at, size_t had, size_t granules,
                                  bool plain)
{
    tarn__flag_clear(range, at);
    if (had == granules) {
        tarn__flag_clear(range, at + had - 1);
        return;
    }
    size_t rest = at + granules;
    struct tarn__pair *pair = tarn__pair_of(range, rest);
    unsigned long bit = 1ul << tarn__bit_of(rest);
    pair->start |= bit;
    tarn__region_keep(region, range, rest, had - granules, plain);
    pair->flag |= bit;
}

/* Makes granules free that were a live block, or the end of one, and merges them with their neighbours. @return how many they are together */
TARN__SHORT size_t tarn__region_merge(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules,
                                      bool plain)
{
    size_t end = at + granules, before = tarn__free_before(range, at);
    struct tarn__pair *pair = tarn__pair_of(range, end), *own = tarn__pair_of(range, at);
    unsigned long bit = 1ul << tarn__bit_of(end), own_bit = 1ul << tarn__bit_of(at);
    if (!plain && (region->flags & TARN_POOL_POISON))
        tarn__poison_freed(range, at, granules);
    if (pair->flag & bit) {
        size_t behind = tarn__free_granules(range, end);
        pair->start &= ~bit;
        if (behind > 1)
            pair->flag &= ~bit;
        tarn__region_unkeep(region, range, end, behind, plain);
        granules += behind;
    } else {
        tarn__flag_set(range, end - 1);
    }
    if (before) {
        own->start &= ~own_bit;
        if (before > 1)
            tarn__flag_clear(range, at - 1);
        at -= before;
        granules += before;
        tarn__region_unkeep(region, range, at, before, plain);
    } else {
        own->start |= own_bit;
        own->flag |= own_bit;
    }
    tarn__region_keep(region, range, at, granules, plain);
    return granules;
}

/* The same for who is in no hurry. */
size_t tarn__region_free_granules(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__region_keep_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__region_unkeep_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);
void tarn__region_cut_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t had, size_t granules);
/* A free block of at least that many granules, which stays where it is; or NULL. */
struct tarn__free *tarn__region_find(struct tarn_region *region, size_t granules);

/* The start of the block that a granule is in. O(size of the block / WORD_BITS). */
size_t tarn__start_of(const struct tarn__range *range, size_t at);

/* What is wrong with an address that is not the beginning of a live block's payload. */
int tarn__region_misplaced(struct tarn_region *region, const void *p);

/*
 * Finds the live block whose payload begins at `p`. `named` is its number of granules, for blocks that may have no header at any size; 0: such a long one is
 * refused. What a header says is believed only if a block ends there.
 * @return 0 or an enum tarn_pool_error;
 */
TARN__SHORT int tarn__region_locate(struct tarn_region *region, const void *p, size_t named, struct tarn__block *block)
{
    struct tarn__range *range = tarn__range_of(region, p);
    *block = (struct tarn__block){.range = range};
    if (__builtin_expect(!range || ((uintptr_t)p & (TARN__GRANULE - 1)), 0))
        return tarn__region_misplaced(region, p);
    size_t at = tarn__index_in(range, p), granules;
    const struct tarn__pair *pair = tarn__pair_of(range, at);
    unsigned bit = tarn__bit_of(at);
    if (pair->start >> bit & 1) {
        unsigned long behind = tarn__starts_behind(pair, bit);
        if (__builtin_expect((pair->flag >> bit & 1) || (tarn__flag_behind(pair, bit) && !(behind & 1)), 0))
            return tarn__region_misplaced(region, p);
        granules = behind ? tarn__scan_low(behind) + 1u : named;
        if (__builtin_expect(
                !behind && (named <= TARN__WORD_BITS || named > range->granules - at || !tarn__start_is(range, at + named)), 0))
            return TARN_POOL_WRONG_SIZE;
    } else {
        if (__builtin_expect(!(pair->flag >> bit & 1) || !(tarn__starts_before(pair, bit) >> (TARN__WORD_BITS - 1)) ||
                                 tarn__flag_is(range, at - 1),
                             0))
            return tarn__region_misplaced(region, p);
        at--;
        block->head = (struct tarn__head *)(void *)tarn__granule_address(range, at);
        granules = block->head->granules;
        if (__builtin_expect(
                granules < TARN__HEADED_LEAST || granules > range->granules - at || !tarn__start_is(range, at + granules), 0))
            return TARN_POOL_CORRUPT;
    }
    block->at = at;
    block->granules = granules;
    return 0;
}

#endif
