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
 * page fault. How many of them are kept: decay.h.
 *
 * Zones are of two kinds. One that *grows* takes sections from its source as it needs them and gives them back: the process's heap. A
 * *fixed* one is made over memory of one size, all taken at the beginning; it keeps its pages whatever they hold.
 *
 * Pages are grouped by mobility (mobility.h): each pageblock of 2 MiB belongs to a group, and each group has lists of its own.
 *
 * A zone is *bounded* when it is fixed or has a limit: then pages can be short, and watermarks count (marks.h).
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

enum { TARN__CLEAN, TARN__DIRTY, TARN__FREE_LISTS };

struct tarn_zone {
    struct tarn_zone *made_before; /* the chain of all descriptors there ever were (zones.c); never changes */

    /* read by each request, seldom written */
    _Atomic uint8_t lists;      /* the number of its lists in each thread (lists.h); 0: it has none, or pages are short now */
    _Atomic uint8_t group_mask; /* a request's group is taken through this: 0 when pages are not grouped */
    uint8_t number;             /* what `lists` is when pages are not short; 0: none */
    bool fixed, bounded;
    _Atomic bool below_high; /* reclaim has work here */
    uint16_t list_most;      /* pages that a thread's list holds at most */
    const char *name;
    struct tarn_source *source;
    struct tarn__shelves *shelves; /* shelf.h; NULL: it has none */

    _Alignas(TARN__CACHE_LINE) struct tarn__lock lock;
    struct tarn__list free[TARN_MOBILITIES][TARN__FREE_LISTS][TARN__ORDERS];
    uint32_t filled[TARN_MOBILITIES][TARN__FREE_LISTS]; /* bit k: free[…][…][k] is not empty */
    size_t blocks[TARN__ORDERS];                        /* free blocks of each order */
    size_t group_blocks[TARN_MOBILITIES][TARN__ORDERS];
    struct tarn__list sections; /* ordinary ones, by address */
    char *span_from
        [2][TARN__ORDERS]; /* [d][k]: sections below this have no span of 2^k free pages, with d: dirty ones; NULL: not known */
    struct tarn__list purging;      /* free pages that are out of reach while they are purged (purge.c) */
    struct tarn__list stuck;        /* mapped blocks, free and clean, that the system refused to unmap */
    size_t pages;                   /* of all sections */
    size_t free_pages, dirty_pages; /* of those; dirty ones are free ones */
    size_t grown_from;              /* pages in use when tarn__zone_grew last said yes; follows the use down */
    size_t peak_pages;              /* most pages in use, ever */
    _Atomic long idle_pages;        /* in slabs: resident, and all that is in them free (decay.h) */
    _Atomic long absent_pages;      /* in slabs: not resident */
    size_t learned, given_back;     /* pages kept beyond the rest; pages given back lately */
    size_t whole_seen;              /* sections that were wholly free when they were last looked at */
    uint64_t faded;                 /* when both faded last, in ticks */
    size_t limit;                   /* pages that may be in use; 0: no limit */
    size_t min, low, high;          /* watermarks */
    uint64_t allocations, frees;    /* of requests, but for those that threads' lists and shelves served */
    uint64_t fallbacks, conversions;

    /* in zones.c and lists.c */
    _Atomic uint64_t failures;
    _Atomic uint64_t past_allocations, past_frees; /* by the lists of threads that have ended */
    struct tarn__list link;                        /* among all zones, or among spare descriptors */
    char *memory;                                  /* fixed: what the source gave */
    char name_room[32];
};

/* A request for pages. */
struct tarn__want {
    struct tarn_zone *zone;
    size_t count, align; /* pages; bytes, a power of two >= 4096 */
    tarn_gfp_t flags;    /* for the mark below which it may not go, and for the group */
    bool ample;          /* the low mark is to be kept too */
    bool singles;        /* BLOCK: each page becomes a block of its own */
    uint8_t state;       /* what they become: TARN__PAGE_RUN, TARN__PAGE_BLOCK or TARN__PAGE_USER_RUN */
    bool keeps_clean;    /* nothing is wanted that is not resident, as long as shelves hold something */
    bool zeroed;         /* answer: every byte reads as zero */
    bool was_short;      /* answer: it was a mark or a limit that forbade it */
    bool kept_clean;     /* answer: there is something that is not resident */
};

/* `source` gives memory in multiples of 4 MiB, aligned so. Takes nothing from it yet. Leaves `made_before` as it is. */
void tarn__zone_init(struct tarn_zone *zone, const char *name, struct tarn_source *source);

/* Makes a zone that has not begun to be used a fixed one: `size` bytes from `base` on. -ENOMEM: no memory for descriptors. */
int tarn__zone_fill(struct tarn_zone *zone, char *base, size_t size);

/* The reverse: of a fixed zone whose pages are all free. */
void tarn__zone_empty(struct tarn_zone *zone);

/* One attempt: of what is free, or what the source gives. NULL when there is nothing within what the flags allow. Reclaims nothing. */
struct tarn_page *tarn__zone_take(struct tarn__want *want);

/* Frees `count` pages from page `first` of a section on. Under the zone's lock. Whether the zone now keeps too many dirty ones. */
bool tarn__zone_put(struct tarn__section *section, size_t first, size_t count, bool dirty);

/* `count` pages are free no more: whether they were dirty does not matter any longer. Returns how many were. Under the zone's lock. */
size_t tarn__forget_dirty(struct tarn__section *section, size_t first, size_t count);

/*
 * A run of `count` pages whose address is a multiple of `align`, a power of two ≥ 4096. NULL: the source is exhausted, even after
 * all wholly free sections were given back. *zeroed tells whether every byte of it reads as zero; may be NULL.
 * Cost: O(orders) list operations under the lock; a system call only when the zone must grow.
 */
struct tarn_page *tarn__pages_alloc(struct tarn_zone *zone, size_t count, size_t align, bool *zeroed);

/* Frees a run in use (state RUN, SLAB or HEAP), found by tarn__run_at. May purge: system calls, after the lock. */
void tarn__pages_free(struct tarn_page *run);

/* The same for a run whose pages all read as zero; and for one of at most 64 pages, of which only those of the mask may hold anything. */
void tarn__pages_free_clean(struct tarn_page *run);
void tarn__pages_free_partly(struct tarn_page *run, uint64_t dirty);

/* Whether `p` lies in a page that is free, or begins a run on a shelf. Any address may be asked for. Takes its zone's lock. */
bool tarn__page_is_free(const void *p);

/* Makes a run a slab. */
void tarn__pages_mark(struct tarn_page *run, enum tarn__page_state state);

/* Whether a slab's worth of pages would come from clean memory: resident size would grow. */
bool tarn__zone_must_grow(struct tarn_zone *zone);

/* Whether the pages in use have grown by an eighth, and by 256 KiB, since it last said so. */
bool tarn__zone_grew(struct tarn_zone *zone);

/* Gives the tail of a run back: `count` pages remain, at least 1. */
void tarn__pages_shrink(struct tarn_page *run, size_t count);

/*
 * The same in steps, for who keeps an account of pages under a lock. `count` is at least 1 and less than the run has. First the system's, without
 * the lock; false: it refuses, and nothing has changed. Then the cut, under the lock; true: tarn__purge_excess (decay.h) is due, without it again.
 */
bool tarn__pages_uncommit(struct tarn_page *run, size_t count);
bool tarn__pages_cut(struct tarn_page *run, size_t count);

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

static inline size_t tarn__zone_used(const struct tarn_zone *zone) { return zone->pages - zone->free_pages; }

/* Verifies the whole structure, taking the lock. Ends the process with the sentence that does not hold. */
void tarn__zone_check(struct tarn_zone *zone);

#endif
