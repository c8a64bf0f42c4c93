/*
 * Every object of tarn's in a process that is held still: where it begins, how long it is, whether it is in use; and which object any address
 * lies in, in two loads.
 *
 * Objects lie in extents: slots of one length side by side, of a slab, or one large object. Pages lead to their extent by a table; where pools lie in one
 * another the innermost has the page. Pages that the program took as pages count as its own memory, not as objects.
 */
#ifndef TARN_TOOL_SCAN_HEAP_H
#define TARN_TOOL_SCAN_HEAP_H

#include "arena.h"
#include "live.h"

#define TOOL_PAGE_BITS 12u
#define TOOL_LEAF_BITS 18u /* pages of a leaf of the table: 1 GiB */
#define TOOL_LEAVES ((size_t)1 << (sizeof(uintptr_t) == 8 ? 48 - TOOL_PAGE_BITS - TOOL_LEAF_BITS : 2))

/* What a page's entry says; from TOOL_PAGE_EXTENT on, the number of its extent. */
enum { TOOL_PAGE_FOREIGN, TOOL_PAGE_OWN, TOOL_PAGE_EXTENT };

enum tool_object_state {
    TOOL_OBJECT_FREE, /* or tarn's own */
    TOOL_OBJECT_LOST, /* in use; nothing that leads to it was found yet */
    TOOL_OBJECT_REACHED,
    TOOL_OBJECT_POSSIBLE, /* only by an address inside it, or inside one on the way */
    TOOL_OBJECT_INDIRECT, /* from one that is lost */
    TOOL_OBJECT_LEADER,   /* lost, and from no other: a definite leak */
};

struct tool_extent {
    uintptr_t begin;
    uint64_t slot; /* bytes */
    uint64_t size; /* bytes of an object; less than a slot's by `start`, red zones, and what was not asked for */
    uint32_t start, count;
    uint32_t inverse; /* ceil(2^32 / slot) where there are several, and the extent is no longer than 64 KiB; else 0 */
    bool wide;        /* it is longer */
    uint32_t cache;   /* index of its cache; TOOL_CACHE_LARGE, TOOL_CACHE_HEAP */
    unsigned root;    /* of which copy of the library */
    uint8_t *states;
    uint32_t *asked;  /* bytes that were asked for of each object; NULL: `size` of all */
    uint32_t *stacks; /* numbers of the stacks that allocated; NULL: not noted */
    bool exact;       /* sizes are what was asked for */
    char *copy;       /* of the process's memory, or NULL */
};

#define TOOL_CACHE_LARGE UINT32_MAX
#define TOOL_CACHE_HEAP (UINT32_MAX - 1)

struct tool_scan_cache {
    uintptr_t at;
    uint64_t slot, size, start, count;
    uint64_t tail; /* offset in the slot of what is noted of an object; 0: nothing */
    uint64_t flags;
    char name[TOOL_LIVE_NAME];
};

/* Addresses where nothing is the program's. */
struct tool_away {
    uintptr_t begin, end;
};

struct tool_heap {
    const struct tool_live *live;
    struct tool_extent *extents;
    size_t count, room;
    struct tool_scan_cache *caches;
    size_t cache_count;
    uint32_t **leaves;
    uintptr_t low, high;                     /* all extents lie between */
    struct tool_arena states, notes, copies; /* of all extents */
    struct tool_away *away;
    size_t away_count;
    bool exact; /* false: of some objects it is not known whether they are in use; they count as if */
};

/* An object. `extent` SIZE_MAX: none. */
struct tool_object {
    size_t extent;
    uint32_t index;
};

/* False: it cannot be read. */
bool tool_heap_read(const struct tool_live *live, struct tool_heap *heap);
void tool_heap_free(struct tool_heap *heap);

static inline uint32_t tool_heap_page(const struct tool_heap *heap, uintptr_t at)
{
    const uint32_t *leaf =
        at >> TOOL_PAGE_BITS >> TOOL_LEAF_BITS < TOOL_LEAVES ? heap->leaves[at >> TOOL_PAGE_BITS >> TOOL_LEAF_BITS] : NULL;
    return leaf ? leaf[at >> TOOL_PAGE_BITS & (((uintptr_t)1 << TOOL_LEAF_BITS) - 1)] : TOOL_PAGE_FOREIGN;
}

static inline uint64_t tool_object_size(const struct tool_extent *extent, uint32_t index)
{
    return extent->asked ? extent->asked[index] : extent->size;
}

/* The object that an address lies in, whether it is in use or not; *offset from where it begins. False: it lies in none. */
static inline bool tool_heap_find(const struct tool_heap *heap, uintptr_t at, struct tool_object *object, uint64_t *offset)
{
    const struct tool_extent *extent;
    uint32_t page;
    uint64_t index, within, size;

    if (at < heap->low || at >= heap->high || (page = tool_heap_page(heap, at)) < TOOL_PAGE_EXTENT)
        return false;
    extent = &heap->extents[page - TOOL_PAGE_EXTENT];
    within = at - extent->begin;
    index = extent->inverse ? within * extent->inverse >> 32 : extent->wide ? within / extent->slot : 0;
    if (at < extent->begin || index >= extent->count)
        return false;
    within -= index * extent->slot + extent->start;                    /* before its start it wraps */
    size = within > 0 ? tool_object_size(extent, (uint32_t)index) : 1; /* what was asked for is mostly not needed */
    if (within >= size)
        return false;
    *object = (struct tool_object){page - TOOL_PAGE_EXTENT, (uint32_t)index};
    *offset = within;
    return true;
}

static inline uintptr_t tool_object_address(const struct tool_extent *extent, uint32_t index)
{
    return extent->begin + index * extent->slot + extent->start;
}

#endif
