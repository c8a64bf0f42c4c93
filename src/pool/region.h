/*
 * Regions, inside: ranges of memory, cut into blocks, of which two bits a granule tell all.
 *
 *     memory                              first                                                              end
 *     | [region] | range | [heads] | bits | granule | granule | granule | ···                    | unused |
 *
 * A granule is two words. The bits lie in pairs of words, WORD_BITS granules to a pair, with one pair in front that is zero:
 *
 *     start  flag
 *       1     0    a live block begins here; behind the last granule too (the sentinel)
 *       1     1    a free block begins here
 *       0     1    behind the start of a live block: that is a header, and the payload begins here;
 *                  else the last granule of a free block, of two at least
 *       0     0    inside of a block
 *
 * So the size of a block of up to WORD_BITS granules is the distance to the next start: one look at two words. Longer ones say it themselves:
 *
 *     live     | granules, tag | payload ···                  |
 *     headless | payload ···                                  |     of alloc_sized: its user says it
 *     free     | link, link | granules, · | ···   | ·, granules |     of WORD_BITS at least
 *
 * A live block that is short may have a header too: movable ones (the tag names the handle), those of regions with red zones, and long ones that shrank.
 * But no block with header has less than three granules; so a flag right in front of a start is always that of a free block's end.
 * Two free blocks never lie side by side. All of this is under the region's guard.
 */
#ifndef TARN_POOL_REGION_H
#define TARN_POOL_REGION_H

#include "base/scan.h"
#include "base/tree.h"
#include "pool/host.h"
#include "pool/spans.h"
#include "tarn/region.h"

/* What the short paths of region.c are made of. */
#ifdef __OPTIMIZE_SIZE__
#define TARN__SHORT static inline
#else
#define TARN__SHORT static inline __attribute__((always_inline))
#endif

enum {
    TARN__GRANULE = 2 * (int)sizeof(void *),
    TARN__GRANULE_SHIFT = sizeof(void *) == 8 ? 4 : 3,
    TARN__PAIR_SHIFT = sizeof(void *) == 8 ? 6 : 5, /* log2 of the granules to a pair */
};

struct tarn__pair {
    unsigned long start, flag;
};

enum tarn__range_kind { TARN__RANGE_FIRST, TARN__RANGE_ADDED, TARN__RANGE_OF_SOURCE };

struct tarn__range {
    struct tarn__span span; /* all of the memory */
    char *first;
    size_t bytes, granules; /* from `first` on */
    struct tarn__pair *pairs;
    struct tarn__free **heads; /* room for the lists of TLSF, if this range needs more than the first: of so many levels */
    unsigned levels;
    enum tarn__range_kind kind;
};

/* The beginning of a free block. With best fit the links are `node`'s, marked if there is no second granule. */
struct tarn__free {
    union {
        struct {
            struct tarn__free *next, **at; /* at: what points here, a list's head or the `next` of the one before */
        };
        struct tarn__tree_node node;
    };
    size_t granules; /* only in long ones, and in those of a tree */
};

struct tarn__head {
    size_t granules; /* of the block, this one included */
    size_t tag; /* the number of its handle or 0, and how much its payload is shorter than its granules: see tarn__tag_… */
};

enum { TARN__TAG_SHIFT = 6, TARN__ZONE_FILL = 0xcc, TARN__HEADED_LEAST = 3 };

struct tarn__tlsf {
    unsigned long filled; /* levels that have a list that is not empty */
    size_t lists;         /* how many there are */
    uint32_t *second;     /* of each level: which lists are not empty */
    struct tarn__free **heads;
};

struct tarn__address_order {
    struct tarn__free *lowest, **end; /* end: the last link, which is NULL */
};

struct tarn__handles {
    struct tarn__handle *table; /* a block of the region that nobody is shown */
    size_t count, live;         /* places; of which in use */
    size_t vacant;              /* the first place that is free, plus 1 */
    size_t generation;
    uintptr_t cursor; /* where the last compaction stopped */
};

struct tarn_region {
    struct tarn__guard guard;
    struct tarn__spans ranges;
    bool plain;     /* TLSF without flags: the short paths of region.c */
    unsigned flags; /* enum tarn_pool_flags */
    enum tarn_region_strategy strategy;
    union {
        struct tarn__tlsf tlsf;
        struct tarn__address_order order;
        uintptr_t tree; /* by size, then address */
    };
    size_t live_bytes, peak_bytes;
    uint64_t allocations, frees, failures; /* the difference of the first two is what is live */
    size_t tag_mask;                       /* tags are kept xored with it */
    unsigned first_levels;                 /* of TLSF's lists, in the first range */
    bool owns_first;                       /* the first range is the source's too */
    struct tarn_source *source;
    size_t increment;
    struct tarn__range *spare; /* of the source, and empty when it was last looked at; or NULL */
    struct tarn__handles handles;
};

/* A live block, as it was found. */
struct tarn__block {
    struct tarn__range *range;
    size_t at, granules;
    struct tarn__head *head; /* NULL: it has none */
};

/* At least one. */
TARN__SHORT size_t tarn__granules_of(size_t bytes) { return ((bytes - (bytes != 0)) >> TARN__GRANULE_SHIFT) + 1; }

TARN__SHORT char *tarn__granule_address(const struct tarn__range *range, size_t at)
{
    return range->first + (at << TARN__GRANULE_SHIFT);
}

TARN__SHORT struct tarn__free *tarn__free_at(const struct tarn__range *range, size_t at)
{
    return (struct tarn__free *)(void *)tarn__granule_address(range, at);
}

TARN__SHORT struct tarn__pair *tarn__pair_of(const struct tarn__range *range, size_t at)
{
    return &range->pairs[at >> TARN__PAIR_SHIFT];
}

TARN__SHORT unsigned tarn__bit_of(size_t at) { return (unsigned)at & (TARN__WORD_BITS - 1); }

TARN__SHORT bool tarn__start_is(const struct tarn__range *range, size_t at)
{
    return tarn__pair_of(range, at)->start >> tarn__bit_of(at) & 1;
}

TARN__SHORT bool tarn__flag_is(const struct tarn__range *range, size_t at)
{
    return tarn__pair_of(range, at)->flag >> tarn__bit_of(at) & 1;
}

TARN__SHORT void tarn__flag_set(const struct tarn__range *range, size_t at)
{
    tarn__pair_of(range, at)->flag |= 1ul << tarn__bit_of(at);
}

TARN__SHORT void tarn__flag_clear(const struct tarn__range *range, size_t at)
{
    tarn__pair_of(range, at)->flag &= ~(1ul << tarn__bit_of(at));
}

/* Bit j: the one of granule at + 1 + j. */
TARN__SHORT unsigned long tarn__starts_behind(const struct tarn__pair *pair, unsigned bit)
{
    return pair[0].start >> bit >> 1 | pair[1].start << (TARN__WORD_BITS - 1 - bit);
}

/* Bit WORD_BITS - j: the one of granule at - j. */
TARN__SHORT unsigned long tarn__starts_before(const struct tarn__pair *pair, unsigned bit)
{
    return pair[0].start << (TARN__WORD_BITS - 1 - bit) << 1 | pair[-1].start >> bit;
}

/* Whether the granule behind has its flag. */
TARN__SHORT bool tarn__flag_behind(const struct tarn__pair *pair, unsigned bit)
{
    return (pair[0].flag >> bit >> 1 | pair[1].flag << (TARN__WORD_BITS - 1 - bit)) & 1;
}

/* The number of granules of the free block that begins at `at`. */
TARN__SHORT size_t tarn__free_granules(const struct tarn__range *range, size_t at)
{
    unsigned long behind = tarn__starts_behind(tarn__pair_of(range, at), tarn__bit_of(at));
    if (behind)
        return tarn__scan_low(behind) + 1u;
    return tarn__free_at(range, at)->granules;
}

/* The same of the free block in front of `at`; 0: what lies there is live. As blocks with header have three granules, the flag means only that. */
TARN__SHORT size_t tarn__free_before(const struct tarn__range *range, size_t at)
{
    const struct tarn__pair *pair = tarn__pair_of(range, at);
    unsigned bit = tarn__bit_of(at);
    if (!((pair[0].flag << (TARN__WORD_BITS - 1 - bit) << 1 | pair[-1].flag >> bit) >> (TARN__WORD_BITS - 1)))
        return 0;
    unsigned long before = tarn__starts_before(pair, bit);
    if (before)
        return TARN__WORD_BITS - tarn__scan_high(before);
    return ((size_t *)(void *)tarn__granule_address(range, at))[-1];
}

/* Where the next block behind begins: at the end of the bits there is the sentinel. O(size of this one / WORD_BITS). */
static inline size_t tarn__next_start(const struct tarn__range *range, size_t at)
{
    const struct tarn__pair *pair = tarn__pair_of(range, ++at);
    unsigned long starts = pair->start >> tarn__bit_of(at);
    if (starts)
        return at + tarn__scan_low(starts);
    at &= ~(size_t)(TARN__WORD_BITS - 1);
    do
        at += TARN__WORD_BITS;
    while (!(++pair)->start);
    return at + tarn__scan_low(pair->start);
}

/* The range that has an address among its granules, or NULL. */
TARN__SHORT struct tarn__range *tarn__range_of(struct tarn_region *region, const void *p)
{
    struct tarn__range *range = (struct tarn__range *)(void *)region->ranges.latest;
    if (__builtin_expect((uintptr_t)p - (uintptr_t)range->first < range->bytes, 1))
        return range;
    range = (struct tarn__range *)(void *)tarn__spans_find(&region->ranges, p);
    return range && (uintptr_t)p - (uintptr_t)range->first < range->bytes ? range : NULL;
}

TARN__SHORT size_t tarn__index_in(const struct tarn__range *range, const void *p)
{
    return (size_t)((const char *)p - range->first) >> TARN__GRANULE_SHIFT;
}

TARN__SHORT size_t tarn__tag_handle(const struct tarn_region *region, const struct tarn__head *head)
{
    return (head->tag ^ region->tag_mask) >> TARN__TAG_SHIFT;
}

static inline bool tarn__is_movable(const struct tarn_region *region, const struct tarn__block *block)
{
    return block->head && tarn__tag_handle(region, block->head) != 0;
}

/* Bytes that its user may use of a block. */
TARN__SHORT size_t tarn__block_bytes(const struct tarn_region *region, const struct tarn__block *block)
{
    if (!block->head)
        return block->granules << TARN__GRANULE_SHIFT;
    size_t slack = (block->head->tag ^ region->tag_mask) & ((1u << TARN__TAG_SHIFT) - 1);
    return ((block->granules - 1) << TARN__GRANULE_SHIFT) - slack;
}

static inline bool tarn__has_size(const struct tarn_region *region, const struct tarn__block *block, size_t size)
{
    size_t exact = region->flags & TARN_POOL_RED_ZONE ? size : tarn__granules_of(size) << TARN__GRANULE_SHIFT;
    return tarn__block_bytes(region, block) == exact;
}

static inline char *tarn__block_payload(const struct tarn__block *block)
{
    return tarn__granule_address(block->range, block->at + (block->head != NULL));
}

static inline size_t tarn__region_live(const struct tarn_region *region)
{
    return (size_t)(region->allocations - region->frees);
}

TARN__SHORT void tarn__region_count_alloc(struct tarn_region *region, size_t bytes)
{
    region->allocations++;
    region->live_bytes += bytes;
    if (region->live_bytes > region->peak_bytes)
        region->peak_bytes = region->live_bytes;
}

TARN__SHORT void tarn__region_count_free(struct tarn_region *region, size_t bytes)
{
    region->frees++;
    region->live_bytes -= bytes;
}

#endif
