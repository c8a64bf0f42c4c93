/*
 * Sections: page descriptors, and how they are found from an address.
 *
 * The heap is divided into sections of 4 MiB, the largest block of the buddy system, as the kernel's sparse memory model divides
 * physical memory. A section's descriptors lie together, out of line, in one piece of 64 KiB:
 *
 *     struct tarn__section     base address, zone, dirty bits
 *       page[1024]             24 bytes for each page: state, length, list links
 *       room[64]               592 bytes for whoever holds a unit of 64 KiB: the slab layer's descriptor
 *
 * Only what is used of it is ever touched: one page of descriptors serves the first 160 pages.
 * A two-level table leads from any address to its section in two loads, so a foreign pointer is recognised as one.
 * Blocks from 64 MiB on ("mapped") are sections of several slots: all their slots lead to one descriptor.
 *
 * The memory of a zone that was made over a buffer begins and ends anywhere. Its first and last section are then partial: only pages
 * [first, end) are there. Several zones may have pages in one slot, side by side, or one within memory that it was given by the other. The
 * slot's entry is then tagged (its lowest bit), and leads to a chain, the latest first: so the first that has the page is the innermost.
 * Searching it takes the descriptors' lock. Wrong if: an outer zone looks for a section of its own by an address that it has given
 * away; it must say that it means its own.
 */
#ifndef TARN_PAGE_SECTION_H
#define TARN_PAGE_SECTION_H

#include "base/atomic.h"
#include "base/list.h"
#include "tarn/pages.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define TARN__PAGE_BITS 12
#define TARN__PAGE_SIZE ((size_t)1 << TARN__PAGE_BITS)
#define TARN__UNIT_BITS 16
#define TARN__UNIT_SIZE ((size_t)1 << TARN__UNIT_BITS)
#define TARN__SECTION_BITS 22
#define TARN__SECTION_SIZE ((size_t)1 << TARN__SECTION_BITS)
#define TARN__MAX_ORDER 10
#define TARN__SECTION_PAGES ((size_t)1 << TARN__MAX_ORDER)
#define TARN__SECTION_UNITS (TARN__SECTION_SIZE >> TARN__UNIT_BITS)
#define TARN__UNIT_PAGES (TARN__UNIT_SIZE >> TARN__PAGE_BITS)
#define TARN__PAGEBLOCKS (TARN__SECTION_PAGES >> TARN_PAGEBLOCK_ORDER)
#define TARN__ROOM_SIZE 592

struct tarn_zone;

enum tarn__page_state {
    TARN__PAGE_INSIDE,   /* not the first page of anything; or taken off the lists for a moment */
    TARN__PAGE_FREE,     /* first page of a free block of 2^order pages, on its zone's list */
    TARN__PAGE_RUN,      /* first page of a run of `count` pages that is in use */
    TARN__PAGE_SLAB,     /* the same, and the run is a slab: its room holds the slab's descriptor */
    TARN__PAGE_BLOCK,    /* first page of a user's block of 2^order pages; `count` references, 0: it lies in a thread's list */
    TARN__PAGE_USER_RUN, /* first page of a user's run of `count` pages */
    TARN__PAGE_SHELVED,  /* first page of a run that is free and kept whole for the next request (shelf.h) */
    TARN__PAGE_HEAP, /* a page of a slab of a user's heap, or the first of a large object there; its `lru.next` leads to who knows */
};

/* `bits` of a block: the mobility that was asked for, that of its pageblock when it was taken, and, of a page in a list: it reads as zero. */
#define TARN__PAGE_ASKED 0x03u
#define TARN__PAGE_HOME_SHIFT 2
#define TARN__PAGE_CLEAN 0x10u

_Static_assert(sizeof(struct tarn_page) == 2 * sizeof(void *) + 8 && offsetof(struct tarn_page, lru) == 0,
               "descriptors are as small as planned, and begin with their links");

/* A free block's links, at the descriptor's beginning. While a page is allocated its user has them. */
static inline struct tarn__list *tarn__page_link(struct tarn_page *page) { return (struct tarn__list *)(void *)page; }

static inline struct tarn_page *tarn__link_page(struct tarn__list *link) { return (struct tarn_page *)(void *)link; }

struct tarn__section {
    char *base;
    struct tarn_zone *zone;
    size_t slots;                    /* 1; more when the section is one mapped block */
    struct tarn__section *neighbour; /* the next with pages in the same slot; under the descriptors' lock */
    uint16_t first, end;             /* its pages; the others are absent: neither free nor in use */
    uint8_t group[TARN__PAGEBLOCKS]; /* enum tarn_mobility of its pageblocks; under the zone's lock */
    uint16_t free_pages;
    uint16_t longest[2];    /* no span of free pages, or of dirty ones, within the section is longer; often less is */
    struct tarn__list link; /* its zone's sections by address, or stuck blocks, or spare descriptors */
    uint64_t free[TARN__SECTION_PAGES / 64];
    uint64_t dirty[TARN__SECTION_PAGES / 64]; /* free pages that may hold something; clean ones read as zero */
    struct tarn_page page[TARN__SECTION_PAGES];
    _Alignas(16) unsigned char room[TARN__SECTION_UNITS][TARN__ROOM_SIZE];
};

#define TARN__SECTION_META_SIZE ((size_t)65536)
_Static_assert(sizeof(struct tarn__section) <= TARN__SECTION_META_SIZE, "a section's descriptors fit 64 KiB");

#if UINTPTR_MAX > 0xffffffff
#define TARN__ADDRESS_BITS 48
#define TARN__LEAF_BITS 13
#else
#define TARN__ADDRESS_BITS 32
#define TARN__LEAF_BITS 5
#endif
#define TARN__ROOT_BITS (TARN__ADDRESS_BITS - TARN__SECTION_BITS - TARN__LEAF_BITS)

struct tarn__leaf {
    _Atomic(struct tarn__section *) section[1 << TARN__LEAF_BITS];
};

extern TARN__HIDDEN _Atomic(struct tarn__leaf *) tarn__sections[1 << TARN__ROOT_BITS];

/* Of sections that share a slot, the innermost that has the page of `p`, of any zone (NULL) or of this one. NULL: none. */
struct tarn__section *tarn__section_among(const void *p, const struct tarn_zone *zone);

/* Whether `section`, which may be no section at all but can be read, is in the table, if only beneath another. */
bool tarn__section_beneath(const struct tarn__section *section);

/* The section that holds address `p`, or NULL. Any value may be asked for. A partial section that is alone in its slot has all of it. */
static inline struct tarn__section *tarn__section_of(const void *p)
{
    uintptr_t slot = (uintptr_t)p >> TARN__SECTION_BITS;
    if (slot >> (TARN__ROOT_BITS + TARN__LEAF_BITS))
        return NULL;
    struct tarn__leaf *leaf = atomic_load_explicit(&tarn__sections[slot >> TARN__LEAF_BITS], memory_order_acquire);
    if (!leaf) /* pairs with the release in tarn__section_publish */
        return NULL;
    struct tarn__section *section =
        atomic_load_explicit(&leaf->section[slot & ((1 << TARN__LEAF_BITS) - 1)], memory_order_acquire);
    return __builtin_expect((uintptr_t)section & 1, 0) ? tarn__section_among(p, NULL) : section;
}

static inline struct tarn__section *tarn__page_section(const struct tarn_page *page)
{
    return (struct tarn__section *)((uintptr_t)page & ~(TARN__SECTION_META_SIZE - 1));
}

static inline char *tarn__page_address(const struct tarn_page *page)
{
    struct tarn__section *section = tarn__page_section(page);
    return section->base + ((size_t)(page - section->page) << TARN__PAGE_BITS);
}

/* The descriptor of the page that `p` lies in, or NULL: `p` is foreign, or lies in a mapped block, but not in its first 4 MiB. */
static inline struct tarn_page *tarn__page_of(const void *p)
{
    struct tarn__section *section = tarn__section_of(p);
    size_t index = section ? (size_t)((const char *)p - section->base) >> TARN__PAGE_BITS : 0;
    return section && index < TARN__SECTION_PAGES ? &section->page[index] : NULL;
}

/* The descriptor of the run in use that begins at `p`, or NULL: `p` is foreign, free, or inside something. */
static inline struct tarn_page *tarn__run_at(const void *p)
{
    struct tarn__section *section = tarn__section_of(p);
    if (!section || ((uintptr_t)p & (TARN__PAGE_SIZE - 1)))
        return NULL;
    size_t index = (size_t)((const char *)p - section->base) >> TARN__PAGE_BITS;
    if (index >= TARN__SECTION_PAGES || section->page[index].state != TARN__PAGE_RUN)
        return NULL;
    return &section->page[index];
}

/* A page's state: changed under the zone's lock, and looked at without it by who may be wrong about the page. */
static inline unsigned tarn__page_state(const struct tarn_page *page)
{
    return __atomic_load_n(&page->state, __ATOMIC_RELAXED);
}

static inline void tarn__page_set_state(struct tarn_page *page, enum tarn__page_state state)
{
    __atomic_store_n(&page->state, (uint8_t)state, __ATOMIC_RELAXED);
}

/* Whether all pages of its slot are there. */
static inline bool tarn__section_whole(const struct tarn__section *section)
{
    return section->end - section->first == TARN__SECTION_PAGES;
}

/* An address in the section. */
static inline char *tarn__section_start(const struct tarn__section *section)
{
    return section->base + ((size_t)section->first << TARN__PAGE_BITS);
}

/* The section of `zone`, in which address `p` lies, or NULL: it has none there. Another zone may have been made over it. */
static inline struct tarn__section *tarn__zone_section(const struct tarn_zone *zone, const void *p)
{
    struct tarn__section *section = tarn__section_of(p);
    return !section || section->zone == zone ? section : tarn__section_among(p, zone);
}

/* Whether `section` is one that addresses lead to; mostly its first does. */
static inline bool tarn__section_known(const struct tarn__section *section)
{
    return tarn__section_of(tarn__section_start(section)) == section || tarn__section_beneath(section);
}

/*
 * Descriptors for `slots` sections from `base`, all its pages there, none free or in use; not yet to be found. NULL: no memory. Who wants
 * a partial one sets `first` and `end` before it is published.
 */
struct tarn__section *tarn__section_create(struct tarn_zone *zone, char *base, size_t slots);

/* Lets addresses lead to the section. -ENOMEM: no memory for the table; nothing is published then. */
int tarn__section_publish(struct tarn__section *section);

/* Lets no address lead to it any more; what lies beneath is found again. */
void tarn__section_withdraw(struct tarn__section *section);

/* Keeps a withdrawn (or never published) section's descriptors for the next create. */
void tarn__section_destroy(struct tarn__section *section);

#endif
