/*
 * Two-level segregated fit (Masmano, Ripoll, Crespo, Real 2004, "TLSF: a new dynamic memory allocator for real-time systems").
 *
 * Free blocks are in lists by size. With L lists to a level, sizes below 2 L granules have a list each; above, each power of two is divided into
 * L lists. Which of all lists, numbered through, is arithmetic without a branch:
 *
 *     s = log2(n | L) - log2(L)      list = s * L + (n >> s)
 *
 * A request is rounded up to where a list begins, so that whatever is in that one or a later one will do, and two bitmaps find the first that is not
 * empty. If there is none, the list that the size itself belongs to is asked for its first block only: still O(1).
 */
#ifndef TARN_POOL_REGION_TLSF_H
#define TARN_POOL_REGION_TLSF_H

#include "pool/region.h"

enum { TARN__LISTS_SHIFT = sizeof(void *) == 8 ? 5 : 4, TARN__LISTS = 1 << TARN__LISTS_SHIFT };

static inline unsigned tarn__tlsf_shift(size_t granules)
{
    return tarn__scan_high(granules | TARN__LISTS) - (unsigned)TARN__LISTS_SHIFT;
}

static inline size_t tarn__tlsf_list(size_t granules)
{
    unsigned shift = tarn__tlsf_shift(granules);
    return ((size_t)shift << TARN__LISTS_SHIFT) + (granules >> shift);
}

/* How many levels a range of so many granules needs. */
static inline unsigned tarn__tlsf_levels(size_t granules) { return tarn__tlsf_shift(granules) + 2; }

static inline size_t tarn__tlsf_bytes(unsigned levels)
{
    return levels * (TARN__LISTS * sizeof(struct tarn__free *) + sizeof(uint32_t));
}

static inline void tarn__tlsf_insert(struct tarn_region *region, struct tarn__free *block, size_t granules)
{
    struct tarn__tlsf *tlsf = &region->tlsf;
    size_t list = tarn__tlsf_list(granules), level = list >> TARN__LISTS_SHIFT;
    struct tarn__free **head = &tlsf->heads[list], *next = *head;
    block->next = next;
    block->at = head;
    *head = block;
    if (next)
        next->at = &block->next;
    tlsf->second[level] |= (uint32_t)1 << (list & (TARN__LISTS - 1));
    tlsf->filled |= 1ul << level;
}

/* A block without a next one was the last of its list, if it was a head that pointed to it. */
static inline void tarn__tlsf_remove(struct tarn_region *region, struct tarn__free *block)
{
    struct tarn__tlsf *tlsf = &region->tlsf;
    struct tarn__free *next = block->next, **at = block->at;
    *at = next;
    if (next) {
        next->at = at;
        return;
    }
    size_t offset = (size_t)((char *)at - (char *)tlsf->heads);
    if (offset >= tlsf->lists * sizeof *at)
        return;
    size_t list = offset / sizeof *at, level = list >> TARN__LISTS_SHIFT;
    uint32_t rest = tlsf->second[level] & ~((uint32_t)1 << (list & (TARN__LISTS - 1)));
    tlsf->second[level] = rest;
    if (!rest)
        tlsf->filled &= ~(1ul << level);
}

/* The first of the lists that the size itself belongs to, if that will do. Nearly always this is the answer that there is no room. */
static inline struct tarn__free *tarn__tlsf_exact(struct tarn_region *region, size_t list, size_t granules)
{
    struct tarn__free *block = list < region->tlsf.lists ? region->tlsf.heads[list] : NULL;
    struct tarn__range *range = block ? tarn__range_of(region, block) : NULL;
    return range && tarn__free_granules(range, tarn__index_in(range, block)) >= granules ? block : NULL;
}

/* A free block of at least that many granules, or NULL. */
static inline struct tarn__free *tarn__tlsf_find(struct tarn_region *region, size_t granules)
{
    const struct tarn__tlsf *tlsf = &region->tlsf;
    unsigned shift = tarn__tlsf_shift(granules);
    size_t base = (size_t)shift << TARN__LISTS_SHIFT;
    size_t list = base + ((granules + ((size_t)1 << shift) - 1) >> shift);
    if (list < tlsf->lists) {
        size_t level = list >> TARN__LISTS_SHIFT;
        uint32_t lists = tlsf->second[level] & (~(uint32_t)0 << (list & (TARN__LISTS - 1)));
        if (!lists) {
            unsigned long levels = tlsf->filled & (~0ul << level << 1);
            if (!levels)
                return tarn__tlsf_exact(region, base + (granules >> shift), granules);
            level = tarn__scan_low(levels);
            lists = tlsf->second[level];
        }
        return tlsf->heads[(level << TARN__LISTS_SHIFT) + tarn__scan_low(lists)];
    }
    return tarn__tlsf_exact(region, base + (granules >> shift), granules);
}

#endif
