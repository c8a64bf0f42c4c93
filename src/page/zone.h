/*
 * The page allocator: a binary buddy system over sections of 4 MiB, with runs of exact length and huge blocks above it.
 *
 * (Knowlton 1965, "A fast storage allocator"; the arrangement in orders, zones and exact runs is the Linux kernel's.)
 *
 * A free block of order k is 2^k pages at a multiple of 2^k in its section, k = 0 … 10. A request for n pages takes a
 * block of the smallest order that holds it and returns the tail at once, so a run of 9 pages costs 9 pages. Runs above 64 KiB
 * are first looked for as *spans*: pages free side by side, wherever they begin, in order of address, across sections too. From
 * 64 MiB on a block is *mapped*: a section of several slots straight from the source, unmapped when it is freed.
 *
 * Free pages are *dirty* (resident, kept for reuse) or *clean* (they read as zero and cost nothing). Each order has a list of blocks
 * with dirty pages, newest first, and one of clean blocks; dirty blocks of any sufficient order are preferred, as they cost no
 * page fault. Dirty pages are kept up to the largest of 32 MiB, all that is in use, and what makes one and a half times the recent peak
 * together with what is in use; so a load that swings keeps its pages. The peak is forgotten in about a second. Beyond that the
 * oldest large blocks are purged.
 *
 * Wrong if: external fragmentation of page-exact runs exceeds that of 64 KiB granules on mixed loads, or the lock
 * shows in profiles of threads with large blocks.
 *
 * Locks: one per zone; no other lock is taken under it, and no system call is made under it (reading the clock is none on most machines).
 */
#ifndef TARN_PAGE_ZONE_H
#define TARN_PAGE_ZONE_H

#include "os/lock.h"
#include "page/section.h"
#include "tarn/source.h"

#define TARN__ORDERS (TARN__MAX_ORDER + 1)
#define TARN__MAPPED_LEAST (((size_t)64 << 20) / TARN__PAGE_SIZE) /* pages */

enum { TARN__CLEAN, TARN__DIRTY, TARN__LISTS };

struct tarn_zone {
    struct tarn__lock lock;
    const char *name;
    struct tarn_source *source;
    struct tarn__list free[TARN__LISTS][TARN__ORDERS];
    uint32_t filled[TARN__LISTS]; /* bit k: free[…][k] is not empty */
    size_t blocks[TARN__ORDERS];  /* free blocks of each order */
    struct tarn__list sections;   /* ordinary ones, by address */
    char *span_from
        [2][TARN__ORDERS]; /* [d][k]: sections below this have no span of 2^k free pages, with d: dirty ones; NULL: not known */
    struct tarn__list stuck;        /* mapped blocks, free and clean, that the system refused to unmap */
    size_t pages;                   /* of all sections */
    size_t free_pages, dirty_pages; /* of those; dirty ones are free ones */
    size_t grown_from;              /* pages in use when tarn__zone_grew last said yes; follows the use down */
    size_t peak_pages;              /* most pages in use, ever */
    size_t recent_peak;             /* the same, fading */
    uint64_t faded;                 /* when it faded last, in ticks */
};

/* `source` gives memory in multiples of 4 MiB, aligned so. Takes nothing from it yet. */
void tarn__zone_init(struct tarn_zone *zone, const char *name, struct tarn_source *source);

/*
 * A run of `count` pages whose address is a multiple of `align`, a power of two ≥ 4096. NULL: the source is exhausted, even after
 * all wholly free sections were given back. *zeroed tells whether every byte of it reads as zero; may be NULL.
 * Cost: O(orders) list operations under the lock; a system call only when the zone must grow.
 */
struct tarn_page *tarn__pages_alloc(struct tarn_zone *zone, size_t count, size_t align, bool *zeroed);

/* Frees a run in use (state RUN or SLAB), found by tarn__run_at. May purge: system calls, after the lock. */
void tarn__pages_free(struct tarn_page *run);

/* The same for a run whose pages all read as zero. */
void tarn__pages_free_clean(struct tarn_page *run);

/* Makes a run a slab. */
void tarn__pages_mark(struct tarn_page *run, enum tarn__page_state state);

/* Whether a slab's worth of pages would come from clean memory: resident size would grow. */
bool tarn__zone_must_grow(struct tarn_zone *zone);

/* Whether the pages in use have grown by an eighth, and by 256 KiB, since it last said so. */
bool tarn__zone_grew(struct tarn_zone *zone);

/* Gives the tail of a run back: `count` pages remain, at least 1. */
void tarn__pages_shrink(struct tarn_page *run, size_t count);

/*
 * Lengthens a run to `count` pages where it is; false when something else follows it. Pages that are gained may hold anything.
 */
bool tarn__pages_extend(struct tarn_page *run, size_t count);

/* Moves the first `count` pages of one run to another by the page table; they read as zero in `from` afterwards. 0 or -errno. */
int tarn__pages_move(struct tarn_page *from, struct tarn_page *to, size_t count);

/* Unmaps wholly free sections, clean ones all, others as long as `keep` dirty pages remain in the zone. Returns the bytes unmapped. */
size_t tarn__zone_unmap_free(struct tarn_zone *zone, size_t keep);

/* Unmaps wholly free sections and purges pages until at most `keep` dirty ones remain, and not fewer. Returns the bytes given back. */
size_t tarn__zone_trim(struct tarn_zone *zone, size_t keep);

/* Tells which zone tarn_zone_normal is to return. */
void tarn__zone_set_normal(struct tarn_zone *zone);
struct tarn_zone *tarn_zone_normal(void);
struct tarn_zone *tarn_zone_dma(void);

/* Verifies the whole structure, taking the lock. Ends the process with the sentence that does not hold. */
void tarn__zone_check(struct tarn_zone *zone);

#endif
