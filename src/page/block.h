/*
 * Users' blocks: what include/tarn/pages.h hands out, on top of the zone's pages.
 *
 *     free block --take--> BLOCK, `order`, `count` references --last reference--> free block
 *                               |  ^
 *                       to a list  from a list: `count` 0 (lists.h); order 0 only
 *
 * A block in use is not taken for a run of malloc's, as its state is another. The state does not change when a page travels through
 * a thread's list: its count of references does, which no other thread looks at. What a block was asked for and where it came from is in `bits`.
 *
 * Wrong if: anything but a block with its own order, or one with no reference left, can be freed.
 */
#ifndef TARN_PAGE_BLOCK_H
#define TARN_PAGE_BLOCK_H

#include "page/zone.h"

static inline uint32_t tarn__block_references(const struct tarn_page *page)
{
    return __atomic_load_n(&page->count, __ATOMIC_ACQUIRE); /* pairs with the release in tarn__block_drop */
}

/* For a page that no other thread knows. */
static inline void tarn__block_set_references(struct tarn_page *page, uint32_t references)
{
    __atomic_store_n(&page->count, references, __ATOMIC_RELAXED);
}

static inline void tarn__block_set_bits(struct tarn_page *page, unsigned bits)
{
    __atomic_store_n(&page->bits, (uint16_t)bits, __ATOMIC_RELAXED);
}

/* Drops one reference. Whether it was the last: the block is the caller's then. */
static inline bool tarn__block_drop(struct tarn_page *page)
{
    return __atomic_fetch_sub(&page->count, 1, __ATOMIC_ACQ_REL) ==
           1; /* pairs with itself: the last one sees what the others did */
}

/* Makes pages that were taken for `want` a block, or, for `singles`, blocks of one page. Under the zone's lock. */
void tarn__block_make(struct tarn_page *page, const struct tarn__want *want);

/* Whether `page` is a block of `order` with a reference. Reports if it is not: `where` is the public function, for the message. */
bool tarn__block_verify(const struct tarn_page *page, unsigned order, const char *where);

/* Frees a block without references. May purge: system calls, after the lock. */
void tarn__block_free(struct tarn_page *page);

/* Makes two of a block, each half as large and with one reference. Returns the second. */
struct tarn_page *tarn__block_halve(struct tarn_page *page);

/* Makes single pages of a block, each with one reference. */
void tarn__block_split(struct tarn_page *page);

/*
 * Takes up to `most` single pages, of what is free, under one taking of the lock; never below the low mark. They are chained through
 * `lru.next`, and have `references` each. Returns how many.
 */
size_t tarn__block_batch(struct tarn_zone *zone, tarn_gfp_t flags, size_t most, uint32_t references, struct tarn_page **chain);

/* Frees a chain of single pages of one zone, none with a reference, under one taking of the lock. */
void tarn__block_free_chain(struct tarn_page *chain);

#endif
