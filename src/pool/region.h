/*
 * Regions, inside: ranges of memory, cut into blocks, of which one byte a granule tells all.
 *
 *     memory                                 first                                                         end
 *     | [region] | range | [lists] | 0 tags… | granule | granule | granule | ···                | unused |
 *
 * A granule is two words. Its tag says:
 *
 *     0           inside of a block
 *     1 … 62      a live block of so many granules begins here (… 30)
 *     LONG        a longer one without header begins: its user knows how long it is (alloc_sized)
 *     HEAD        one with a header begins, which has a granule of its own
 *     PAYLOAD     behind it: what its user has begins here
 *     FREE + n    a free block of n granules begins; LONG for n: of more, as it says itself
 *     LAST + n    the last granule of a free block of n, if that is not its first too
 *     SENTINEL    behind the last granule; in front of the first is a 0
 *
 * So a free looks at three tags: that of the block, and those on either side. Nothing of this is among what users write to, but for headers, and for
 * what is in free blocks:
 *
 *     with header | granules, mark | payload ···       |     long; movable ones: the mark names the handle; all in regions with red zones
 *     free        | link, link | granules, · | ··· | ·, granules |     the sizes only in long ones
 *
 * Two free blocks never lie side by side. All of this is under the region's guard.
 *
 * With 32 bits granules of 16 bytes would halve the tags, and round more. Of each byte that was asked for, tags, headers and rounding make, for sizes
 * of 8 to 64 bytes, 1.23 with granules of 8 and 1.27 of 16; of 12 to 200, small ones more often, 1.18 and 1.18; of 32 to 1024 1.15 and 1.10.
 *
 * Tags take a 16th (8th) of the memory, and headers would take a granule of each block. Two bits a granule are enough to tell starts and free ones,
 * and were tried: to find neighbours and sizes by shifting words took twice the instructions of a free.
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
#define TARN__ALONE(region) false /* the shortest paths are another copy, which takes room */
#else
#define TARN__ALONE(region) ((region)->alone == (uintptr_t)(region))
#define TARN__SHORT static inline __attribute__((always_inline))
#endif

enum {
    TARN__GRANULE = 2 * (int)sizeof(void *),
    TARN__GRANULE_SHIFT = sizeof(void *) == 8 ? 4 : 3,
};

enum tarn__tag {
    TARN__INSIDE = 0,
    TARN__SHORTEST = 1,
    TARN__LONG = sizeof(void *) == 8 ? 63 : 31, /* and the number of granules from which on a block is that */
    TARN__HEAD = 0x40,
    TARN__SENTINEL = 0x7f,
    TARN__FREE = 0x80,
    TARN__LAST = 0xc0,
    TARN__PAYLOAD =
        0xc0, /* as if it were the last granule of a free block of 0: in front of a block that means the same as a live one */
};

enum tarn__range_kind { TARN__RANGE_FIRST, TARN__RANGE_ADDED, TARN__RANGE_OF_SOURCE };

struct tarn__range {
    struct tarn__span span; /* all of the memory */
    char *first;
    size_t bytes, granules; /* from `first` on */
    unsigned char *tags;
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
    size_t mark;     /* the number of its handle or 0, and below MARK_SHIFT how much its payload is shorter than its granules */
};

enum { TARN__MARK_SHIFT = 6, TARN__ZONE_FILL = 0xcc };

struct tarn__tlsf {
    unsigned long filled; /* levels that have a list that is not empty */
    size_t lists, bytes;  /* how many there are; of all heads */
    uint32_t *second;     /* of each level: which lists are not empty */
    struct tarn__free **heads;
};

struct tarn__address_order {
    struct tarn__free *lowest, **end; /* end: the last link, which is NULL */
    struct tarn__free **finger;       /* the link where one was put in or taken out last */
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
    uintptr_t plain; /* its own address: TLSF without flags, the short paths of region.c. No accident writes that */
    uintptr_t alone; /* the same, and without lock and source: the shortest */
    unsigned flags;  /* enum tarn_pool_flags */
    enum tarn_region_strategy strategy;
    union {
        struct tarn__tlsf tlsf;
        struct tarn__address_order order;
        uintptr_t tree; /* by size, then address */
    };
    size_t live_bytes, peak_bytes;
    uint64_t allocations, frees, failures; /* the difference of the first two is what is live */
    size_t mark_mask;                      /* marks are kept xored with it */
    unsigned first_levels;                 /* of TLSF's lists, in the first range */
    unsigned owns_first;                   /* 0 or 1: the first range is the source's too */
    struct tarn_source *source;
    size_t increment;
    struct tarn__range *spare; /* of the source, and empty when it was last looked at; or NULL */
    struct tarn__handles handles;
};

/* Where only TLSF is wanted, the compiler knows it everywhere, and leaves out the others. */
#ifdef TARN_REGION_ONLY_TLSF
enum { TARN__STRATEGIES = 1 };
TARN__SHORT enum tarn_region_strategy tarn__strategy(const struct tarn_region *region)
{
    (void)region;
    return TARN_REGION_TLSF;
}
#else
enum { TARN__STRATEGIES = 3 };
TARN__SHORT enum tarn_region_strategy tarn__strategy(const struct tarn_region *region) { return region->strategy; }
#endif

/* A live block, as it was found. */
struct tarn__block {
    struct tarn__range *range;
    size_t at, granules;
    struct tarn__head *head; /* NULL: it has none */
    size_t payload;          /* the granule where that begins: `at`, or the next one */
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

/* What tags say of a number of granules. */
TARN__SHORT unsigned tarn__tag_of(size_t granules) { return granules < TARN__LONG ? (unsigned)granules : TARN__LONG; }

/* A block begins, or the range ends. */
TARN__SHORT bool tarn__tag_starts(unsigned char tag) { return (unsigned char)(tag - 1) < TARN__LAST - 1; }

TARN__SHORT bool tarn__tag_free(unsigned tag) { return (tag & TARN__LAST) == TARN__FREE; }

TARN__SHORT bool tarn__starts(const struct tarn__range *range, size_t at) { return tarn__tag_starts(range->tags[at]); }

TARN__SHORT bool tarn__starts_free(const struct tarn__range *range, size_t at) { return tarn__tag_free(range->tags[at]); }

/* The number of granules of the free block that begins at `at`. */
TARN__SHORT size_t tarn__free_granules(const struct tarn__range *range, size_t at)
{
    unsigned tag = range->tags[at];
    if (__builtin_expect(tag == (TARN__FREE | TARN__LONG), 1))
        return tarn__free_at(range, at)->granules;
    return tag & TARN__LONG;
}

/* The same of the free block in front of `at`; 0: what lies there is live. */
TARN__SHORT size_t tarn__free_before(const struct tarn__range *range, size_t at)
{
    unsigned tag = range->tags[(ptrdiff_t)at - 1];
    if (__builtin_expect(tag == (TARN__LAST | TARN__LONG),
                         1)) /* the longest way is laid out straight, here and in what follows */
        return ((size_t *)(void *)tarn__granule_address(range, at))[-1];
    return tag & TARN__FREE ? tag & TARN__LONG : 0;
}

/* Where the next block behind begins, by tags alone; at the end there is the sentinel, or was. */
static inline size_t tarn__next_start(const struct tarn__range *range, size_t at)
{
    do
        at++;
    while ((!TARN_POOL_CHECK || at < range->granules) && !tarn__starts(range, at));
    return at;
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

/* The same of any address: what is not in the range, or not the beginning of a granule, gets a number that is too high. */
TARN__SHORT size_t tarn__index_of(const struct tarn__range *range, const void *p)
{
    uintptr_t offset = (uintptr_t)p - (uintptr_t)range->first;
    return offset >> TARN__GRANULE_SHIFT | offset << (TARN__WORD_BITS - TARN__GRANULE_SHIFT);
}

TARN__SHORT size_t tarn__mark_handle(const struct tarn_region *region, const struct tarn__head *head)
{
    return (head->mark ^ region->mark_mask) >> TARN__MARK_SHIFT;
}

static inline bool tarn__is_movable(const struct tarn_region *region, const struct tarn__block *block)
{
    return block->head && tarn__mark_handle(region, block->head) != 0;
}

/* Bytes that its user may use of a block. In `plain` regions these are whole granules. */
TARN__SHORT size_t tarn__block_bytes_in(const struct tarn_region *region, const struct tarn__block *block, bool plain)
{
    size_t bytes = (block->granules - (block->head != NULL)) << TARN__GRANULE_SHIFT;
    if (plain || !block->head)
        return bytes;
    return bytes - ((block->head->mark ^ region->mark_mask) & ((1u << TARN__MARK_SHIFT) - 1));
}

static inline size_t tarn__block_bytes(const struct tarn_region *region, const struct tarn__block *block)
{
    return tarn__block_bytes_in(region, block, false);
}

static inline bool tarn__has_size(const struct tarn_region *region, const struct tarn__block *block, size_t size)
{
    size_t exact = region->flags & TARN_POOL_RED_ZONE ? size : tarn__granules_of(size) << TARN__GRANULE_SHIFT;
    return tarn__block_bytes(region, block) == exact;
}

static inline char *tarn__block_payload(const struct tarn__block *block)
{
    return tarn__granule_address(block->range, block->payload);
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
