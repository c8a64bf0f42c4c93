/**
 * @file pages.h
 * Pages: blocks of 2^order pages of 4096 bytes from zones, with watermarks and mobility groups, as the kernel's page allocator.
 *
 * A zone is a supply of pages over a source. Two are always there: NORMAL, which is the process's heap and grows from the system as
 * needed, and DMA, 16 MiB below 4 GiB. Others are made over any source: a buffer, a limit, a file.
 *
 * Unless a function says otherwise: any thread may call it at any time, and the child of a fork; none is async-signal-safe; a `zone` that is NULL
 * is the one that the flags name (NORMAL, or DMA for TARN_GFP_DMA and TARN_GFP_DMA32). A request with TARN_GFP_DIRECT_RECLAIM may run
 * shrinkers in the caller, with no lock held; one without never waits for anything but a short lock.
 *
 * Misuse that is proved (a block freed twice, with the wrong order, or never allocated) is reported (report.h), and nothing is changed. A pointer that is
 * no descriptor of a page at all is not always one that can be looked at: addresses are checked whatever they are, descriptors are not.
 *
 * Single pages pass through lists of the calling thread's: up to 64 for each zone and group, in zones of 8 MiB and more, the first 15 of
 * them. What another thread's lists hold is free, but not to be had until that thread exchanges with the zone; near the marks and limits of
 * a zone nothing is kept in lists.
 */
#ifndef TARN_PAGES_H
#define TARN_PAGES_H

#include "gfp.h"
#include "source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_MAX_PAGE_ORDER 10 /**< the largest block: 4 MiB */
#define TARN_PAGEBLOCK_ORDER 9 /**< mobility is a property of 2 MiB */

/** Mobility groups: pages that stay, pages that their owner can move, pages that a shrinker can free. */
enum tarn_mobility { TARN_UNMOVABLE, TARN_MOVABLE, TARN_RECLAIMABLE, TARN_MOBILITIES };

struct tarn_zone;

/** A page's link in a list of its user's. */
struct tarn_page_links {
    void *next, *prev;
};

/** What else a page's user may note. */
struct tarn_page_notes {
    uintptr_t index, private_data;
};

/** The descriptor of a page. `lru`, or `user`, is the user's while the page is allocated; the rest is tarn's. Of the pages of a block or run each has
 * its own. */
struct tarn_page {
    union {
        struct tarn_page_links lru;
        struct tarn_page_notes user;
    };
    uint32_t count;
    uint8_t state, order;
    uint16_t bits;
};

/* Zones */

enum tarn_zone_flags {
    TARN_ZONE_NO_GROUPING = 1, /**< one mobility group for all: for comparison, and for zones under 32 MiB it is so anyway */
};

/**
 * Makes a zone of `size` bytes of a source, taken at once, given back by tarn_zone_destroy.
 * @param name   1 to 31 characters, as reports show it; copied
 * @param size   bytes, a multiple of 4096, at least 4096
 * @param flags  enum tarn_zone_flags
 * @return the zone, or NULL: no memory, a size or name that is none, a name that is in use. Its watermarks are 0 at first.
 * The source must give memory that reads as zero. It is asked for 4 MiB alignment first, then for less: blocks of 2^k pages lie at multiples of
 * their size, so of a buffer that begins anywhere the ends make smaller ones. Descriptors cost 64 KiB of addresses for each 4 MiB, and 24 bytes a page.
 */
TARN_API struct tarn_zone *tarn_zone_create(const char *name, struct tarn_source *source, size_t size, unsigned flags);

/**
 * Ends a zone, whose caches must have been destroyed. No other thread may use it meanwhile; what idle threads' lists hold of it does not matter.
 * @return 0; -EBUSY when some of its pages are in use: nothing has changed; -EINVAL for NORMAL and DMA
 */
TARN_API int tarn_zone_destroy(struct tarn_zone *zone);

/** The two that are always there. DMA takes its memory at the first use; NULL when there is none below 4 GiB. */
TARN_API struct tarn_zone *tarn_zone_normal(void);
TARN_API struct tarn_zone *tarn_zone_dma(void);

/**
 * Sets the marks, in pages. A request fails when no more than `min` pages are free, the pages that a larger block has beyond the first not
 * counted; HIGH may go to half of that, ATOMIC to three eighths, MEMALLOC to the last page. When no more than `low` are free, the
 * background reclaimer is woken; it works until `high` are. For NORMAL the marks count only under a limit (tarn_zone_limit), and what is free
 * is what the limit leaves.
 * @return 0; -EINVAL unless min <= low <= high <= the zone's pages
 */
TARN_API int tarn_zone_set_watermarks(struct tarn_zone *zone, size_t min, size_t low, size_t high);

/** Lets at most `pages` pages of a zone be in use, those in threads' lists included; 0: no limit but what there is. Takes nothing away. @return 0 */
TARN_API int tarn_zone_limit(struct tarn_zone *zone, size_t pages);

/** Turns grouping by mobility on or off. Off: everything is taken from wherever there is room. */
TARN_API void tarn_zone_set_grouping(struct tarn_zone *zone, bool on);

/** What a zone holds, in pages. Exact for a moment, except that pages in other threads' lists count as free and are told apart. */
struct tarn_zone_stats {
    const char *name;
    size_t pages, free, dirty, peak_used, limit, min, low, high;
    size_t cached;                                                 /**< of free: in threads' lists of single pages */
    size_t blocks[TARN_MAX_PAGE_ORDER + 1];                        /**< free blocks by order */
    size_t group_blocks[TARN_MOBILITIES][TARN_MAX_PAGE_ORDER + 1]; /**< the same by group */
    size_t pageblocks[TARN_MOBILITIES];                            /**< of 2 MiB, by group */
    uint64_t allocations, frees, failures; /**< requests, ever; each page of a split block is freed by itself */
    uint64_t fallbacks, conversions;       /**< blocks taken from another group; pageblocks that changed group */
};
TARN_API void tarn_zone_stats(struct tarn_zone *zone, struct tarn_zone_stats *stats);

/** The zone after `zone` in the list of all, the first for NULL; NULL at the end. Zones must not be destroyed meanwhile. */
TARN_API struct tarn_zone *tarn_zone_next(struct tarn_zone *zone);

/** Verifies a zone's whole structure; ends the process with the sentence that does not hold. Cost: proportional to its size. */
TARN_API void tarn_zone_verify(struct tarn_zone *zone);

/* Blocks */

/**
 * Allocates 2^order pages, aligned to their size, with one reference.
 * @param order  0 … TARN_MAX_PAGE_ORDER
 * @return the first page's descriptor, or NULL: no memory within what the flags allow, an order too large, MOVABLE with RECLAIMABLE.
 * Cost: order 0 from the thread's list, a few instructions; else O(orders) under the zone's lock.
 */
TARN_API struct tarn_page *tarn_pages_alloc(struct tarn_zone *zone, unsigned order, tarn_gfp_t flags);

/** Drops a reference; the last one frees the block. `order` must be the one it was allocated, or split, with. NULL is allowed. */
TARN_API void tarn_pages_free(struct tarn_page *page, unsigned order);

/** The same for who knows the block by its address. An address at which no block in use begins is reported; NULL is allowed. */
TARN_API void tarn_pages_free_at(void *address, unsigned order);

/** References: a block is freed by the last tarn_page_put or tarn_pages_free. A run has one, and can have no more. */
TARN_API void tarn_page_get(struct tarn_page *page);
TARN_API void tarn_page_put(struct tarn_page *page);
TARN_API unsigned tarn_page_references(const struct tarn_page *page);

/** Makes 2^order single pages of a block, each with one reference, to be freed one by one. */
TARN_API void tarn_page_split(struct tarn_page *page, unsigned order);

/** The memory of a page, and the page of an address in an allocated block (any page of it, for any address in it). NULL: no page of tarn's. */
TARN_API void *tarn_page_address(const struct tarn_page *page);
TARN_API struct tarn_page *tarn_page_of(const void *address);

/** The page `n` pages on, in the same block or run. Descriptors of neighbours lie side by side only within 4 MiB. */
TARN_API struct tarn_page *tarn_page_at(struct tarn_page *page, size_t n);

/** The order a block was allocated with, from its first page. */
TARN_API unsigned tarn_page_order(const struct tarn_page *page);

TARN_API struct tarn_zone *tarn_page_zone(const struct tarn_page *page);

/**
 * Allocates the pages that hold `size` bytes, and no more: the tail of the block goes back. Up to 4 MiB single pages as after tarn_page_split;
 * above, one run. @return their address, or NULL.
 */
TARN_API void *tarn_pages_alloc_exact(struct tarn_zone *zone, size_t size, tarn_gfp_t flags);
TARN_API void tarn_pages_free_exact(void *address, size_t size);

/** Allocates `count` pages side by side, any number: 4 MiB and more too. One reference, freed by tarn_pages_free_run. */
TARN_API struct tarn_page *tarn_pages_alloc_run(struct tarn_zone *zone, size_t count, tarn_gfp_t flags);
TARN_API void tarn_pages_free_run(struct tarn_page *page, size_t count);

/**
 * Fills the empty (NULL) slots of `pages[0 … count - 1]` with single pages, under one taking of the lock.
 * @return how many slots are filled, those that were full before included; they come first only if they did before
 */
TARN_API size_t tarn_pages_alloc_bulk(struct tarn_zone *zone, tarn_gfp_t flags, size_t count, struct tarn_page **pages);

/** Gives back what the calling thread's lists hold, and asks the other threads for theirs, which they give at their next exchange. */
TARN_API void tarn_pages_drain(void);

#ifdef __cplusplus
}
#endif

#endif
