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

_Static_assert(2 * TARN__LISTS - 1 == TARN__LONG, "blocks that do not say their size are in lists of that size alone");

TARN__SHORT unsigned tarn__tlsf_shift(size_t granules)
{
    return tarn__scan_high(granules | TARN__LISTS) - (unsigned)TARN__LISTS_SHIFT;
}

TARN__SHORT size_t tarn__tlsf_list(size_t granules)
{
    unsigned shift = tarn__tlsf_shift(granules);
    return ((size_t)shift << TARN__LISTS_SHIFT) + (granules >> shift);
}

/* How many levels a range of so many granules needs. */
TARN__SHORT unsigned tarn__tlsf_levels(size_t granules) { return tarn__tlsf_shift(granules) + 2; }

TARN__SHORT size_t tarn__tlsf_bytes(unsigned levels)
{
    return levels * (TARN__LISTS * sizeof(struct tarn__free *) + sizeof(uint32_t));
}

TARN__SHORT void tarn__tlsf_insert(struct tarn_region *region, struct tarn__free *block, size_t granules)
{
    struct tarn__tlsf *tlsf = &region->tlsf;
    size_t list = tarn__tlsf_list(granules), level = list >> TARN__LISTS_SHIFT;
    struct tarn__free **head = &tlsf->heads[list], *next = *head;
    block->at = head;
    *head = block;
    block->next = next;
    if (__builtin_expect(next != NULL, 0)) {
        next->at = &block->next;
        return;
    }
    tlsf->second[level] |= (uint32_t)1 << (list & (TARN__LISTS - 1));
    tlsf->filled |= 1ul << level;
}

/* Notes that a list has become empty. */
TARN__SHORT void tarn__tlsf_emptied(struct tarn__tlsf *tlsf, size_t level, size_t list)
{
    unsigned bit = list & (TARN__LISTS - 1);
    if (__builtin_expect(!(tlsf->second[level] &= ~(uint32_t)1 << bit | ~(uint32_t)1 >> (-bit & 31)), 1))
        tlsf->filled &= ~(1ul << level);
}

/* A block without a next one was the last of its list, if it was a head that pointed to it. */
TARN__SHORT void tarn__tlsf_remove(struct tarn_region *region, struct tarn__free *block)
{
    struct tarn__tlsf *tlsf = &region->tlsf;
    struct tarn__free *next = block->next, **at = block->at;
    *at = next;
    if (__builtin_expect(next != NULL, 0)) {
        next->at = at;
        return;
    }
    size_t offset = (size_t)((char *)at - (char *)tlsf->heads);
    if (__builtin_expect(offset < tlsf->bytes, 1))
        tarn__tlsf_emptied(tlsf, offset / sizeof *at >> TARN__LISTS_SHIFT, offset / sizeof *at);
}

#define TARN__NO_LIST (~(size_t)0)

/* The list that the size itself belongs to, if its first block will do. Nearly always this is the answer that there is no room. */
TARN__SHORT size_t tarn__tlsf_exact(const struct tarn__tlsf *tlsf, size_t granules, unsigned shift)
{
    size_t list = ((size_t)shift << TARN__LISTS_SHIFT) + (granules >> shift);
    if (shift == 0 || list >= tlsf->lists || !tlsf->heads[list] || tlsf->heads[list]->granules < granules)
        return TARN__NO_LIST;
    return list;
}

/* A list of blocks that all have at least that many granules, or TARN__NO_LIST. */
TARN__SHORT size_t tarn__tlsf_above(const struct tarn__tlsf *tlsf, size_t granules)
{
    unsigned shift = tarn__tlsf_shift(granules);
    size_t list = ((size_t)shift << TARN__LISTS_SHIFT) + ((granules + ((size_t)1 << shift) - 1) >> shift);
    if (list >= tlsf->lists)
        return TARN__NO_LIST;
    size_t level = list >> TARN__LISTS_SHIFT;
    uint32_t lists = tlsf->second[level] & (~(uint32_t)0 << (list & (TARN__LISTS - 1)));
    if (!lists) {
        unsigned long levels = tlsf->filled & (~0ul << level << 1);
        if (!levels)
            return TARN__NO_LIST;
        level = tarn__scan_low(levels);
        lists = tlsf->second[level];
    }
    return (level << TARN__LISTS_SHIFT) + tarn__scan_low(lists);
}

/* A list whose first block has at least that many granules, or TARN__NO_LIST. */
TARN__SHORT size_t tarn__tlsf_find(const struct tarn__tlsf *tlsf, size_t granules)
{
    size_t list = tarn__tlsf_above(tlsf, granules);
    return __builtin_expect(list == TARN__NO_LIST, 0) ? tarn__tlsf_exact(tlsf, granules, tarn__tlsf_shift(granules)) : list;
}

/* Takes the first block of a list that is not empty; `*granules`: how many it has, which short ones' lists say. */
TARN__SHORT struct tarn__free *tarn__tlsf_pop(struct tarn__tlsf *tlsf, size_t list, size_t *granules)
{
    struct tarn__free **head = &tlsf->heads[list], *block = *head, *next = block->next;
    *head = next;
    if (__builtin_expect(next != NULL, 0))
        next->at = head;
    else
        tarn__tlsf_emptied(tlsf, list >> TARN__LISTS_SHIFT, list);
    *granules = list < TARN__LONG ? list : block->granules;
    return block;
}

#endif
