/*
 * Users' heaps (tarn/heap.h): objects that are counted, limited and ended together.
 *
 *     heap       lists of slabs by class: those with a free object; one of full slabs; one of large objects
 *     piece      a slab's descriptor, apart from its pages, an object of tarn_malloc:
 *                   | list link, heap, pages, size, free objects | bit i: object i is free |
 *     pages      a run of 1, 2, 4, 8 or 16 pages of objects of one class; or of one large object. Each page's descriptor leads to the piece.
 *
 * Slabs begin with as few pages as waste at most an eighth, and double with each that a class gets, so a small heap takes a page for each class it uses
 * and a large one returns its memory in lots of 64 KiB. There are no magazines: a heap's counts are exact and its limits are kept at each request, which costs an
 * atomic addition for the heap and one for each above it; and what is kept back for a thread would be kept for each of ten thousand heaps.
 *
 * Charging: a request adds its bytes to `live` of its heap, then of each heap above, and gives way where a hard limit would be passed; so
 * threads together cannot pass one. What is free again is subtracted in the same order. `own_…` are kept under the heap's lock, and after a fork the child makes
 * `live` anew from them.
 *
 * Locks: `tarn__heaps_lock`, the tree; each heap's own, its slabs and counts. No system call is made and nothing is called under either.
 */
#ifndef TARN_ALLOC_HEAPS_H
#define TARN_ALLOC_HEAPS_H

#include "alloc/classes.h"
#include "os/lock.h"
#include "page/section.h"
#include "tarn/heap.h"

struct tarn__piece {
    struct tarn__list link; /* in its heap's list for its class, or of full slabs, or of large objects */
    struct tarn_heap *heap;
    struct tarn_page *run;
    char *base;
    uint32_t size;    /* bytes of an object */
    uint32_t inverse; /* ceil(2^32 / size), as in slab/cache.h */
    uint16_t objects; /* 0: one large object, of all pages of the run */
    uint16_t free;
    uint16_t hint; /* no word of `map` below this one has a bit */
    uint16_t class;
    uint64_t map[];
};

struct tarn_heap {
    _Atomic uint64_t live, peak; /* bytes, of this heap and those below */
    _Atomic uint64_t hard_limit, soft_limit;
    struct tarn_heap *parent;
    void (*over_hard)(void *context, struct tarn_heap *heap, size_t size);
    void (*over_soft)(void *context, struct tarn_heap *heap, size_t size);
    void *context;

    struct tarn__lock lock;
    uint64_t own_bytes, allocations, frees, failures;
    size_t held; /* pages */
    struct tarn__list partial[TARN__CLASSES];
    struct tarn__list full, large;
    uint16_t slabs[TARN__CLASSES];

    /* under tarn__heaps_lock */
    struct tarn__list children, siblings, all;
    size_t count; /* of children */
    char name[TARN_HEAP_NAME_MOST + 1];
};

extern struct tarn__lock tarn__heaps_lock;
extern struct tarn__list tarn__heaps; /* by `all` */

/* The piece that `p` lies in, or NULL: `p` is not in a heap of a user's. Of a large object only the first page counts. */
static inline struct tarn__piece *tarn__piece_of(const void *p)
{
    struct tarn__section *section = tarn__section_of(p);
    if (!section)
        return NULL;
    size_t index = (size_t)((const char *)p - section->base) >> TARN__PAGE_BITS;
    if (index >= TARN__SECTION_PAGES || tarn__page_state(&section->page[index]) != TARN__PAGE_HEAP)
        return NULL;
    return (struct tarn__piece *)section->page[index].lru.next;
}

/* Bytes of the live object that begins at `p`, which lies in the piece; 0: none does. `*free` tells that one begins there that is free. */
size_t tarn__piece_size(struct tarn__piece *piece, const void *p, bool *free);

/* Allocation and free within a heap, without charging. NULL: no memory. `align` is at most a page for a size up to TARN__SMALL_MOST. */
void *tarn__heap_take(struct tarn_heap *heap, size_t size, size_t align);

/* What tarn__heap_take would charge. */
size_t tarn__heap_rounded(size_t size, size_t align);

/* Frees an object; ends the process when `p` is none. Returns the bytes to be uncharged. */
size_t tarn__heap_put(struct tarn__piece *piece, void *p, const char *where);

/* Changes a large object's length where it is: false: it cannot. Nothing is charged. */
bool tarn__heap_resize(struct tarn__piece *piece, size_t size);

/* Gives up all slabs and large objects; returns how many objects were live, their bytes in *bytes. */
size_t tarn__heap_clear(struct tarn_heap *heap, uint64_t *bytes);

/* For the malloc family (alloc.c, realloc.c). */
void tarn__heap_free(struct tarn__piece *piece, void *p);
void *tarn__heap_realloc(struct tarn__piece *piece, void *p, size_t size);

/* For fork hooks. */
void tarn__heaps_each_lock(void (*act)(struct tarn__lock *));
void tarn__heaps_child(void);

#endif
