/**
 * @file heap.h
 * Heaps: objects that are counted, limited and ended together.
 *
 * A heap has a name, counters that are exact, limits, and perhaps a parent: what a child uses counts against all heaps above it. Its objects are
 * ordinary ones: tarn_free, tarn_realloc and tarn_usable_size take them, from any thread, and the heap of any object can be asked. The end of a heap
 * frees whatever is left of it, and its children. tarn_stats counts them, too.
 *
 * All functions may be called from any thread at any time, except that nobody may use a heap, its children or their objects while it is destroyed or
 * reset; heaps above it may be used. They may be called in the child of a fork, none in a signal handler. Callbacks are called with no lock held.
 *
 * Cost: a heap that holds nothing takes less than 2 KiB; each size class that it uses at least a page. Making and ending one that is empty: below a
 * microsecond. An allocation or a free takes the heap's lock, and one atomic operation for each heap above it; threads that allocate much at once
 * should have a child each.
 */
#ifndef TARN_HEAP_H
#define TARN_HEAP_H

#include "pages.h"
#include "pool.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_heap;

#define TARN_HEAP_NAME_MOST 31
#define TARN_HEAP_DEPTH_MOST 64 /**< heaps above each other */

/** All zeros: no name, no parent, no limits. Limits are in bytes of objects as they are rounded; 0: none. */
struct tarn_heap_options {
    const char *name; /**< at most TARN_HEAP_NAME_MOST bytes of it are kept; need not be unique */
    struct tarn_heap *parent;
    struct tarn_zone
        *zone;      /**< where its pages come from: a user's zone (pages.h), over any source; NULL: the program's own memory */
    unsigned flags; /**< enum tarn_pool_flags; an overwritten red zone or poison is reported (report.h) when it is found */
    size_t hard_limit; /**< a request that would pass it is told to `over_hard`, tried once more, and then gets NULL */
    size_t soft_limit; /**< a request that passes it is served, and told to `over_soft` */
    /**
     * A limit is reached by a request for `size` bytes in `heap` or a heap below it. May free, allocate, and change limits; not destroy heaps. What a
     * callback allocates is told to none.
     */
    void (*over_hard)(void *context, struct tarn_heap *heap, size_t size);
    void (*over_soft)(void *context, struct tarn_heap *heap,
                      size_t size); /**< once each time that the limit is passed from below */
    void *context;
};

/** @param options  NULL: all zeros. @return NULL: no memory, an unknown flag, or TARN_HEAP_DEPTH_MOST - 1 heaps above the parent */
TARN_API struct tarn_heap *tarn_heap_create(const struct tarn_heap_options *options);

/**
 * Ends a heap and its children, and frees all objects in them. NULL is allowed. @return the number of objects that were live.
 * Cost: that of returning their pages; objects are not touched.
 */
TARN_API size_t tarn_heap_destroy(struct tarn_heap *heap);

/** Frees all objects of a heap and its children, which stay. @return the number of objects that were live */
TARN_API size_t tarn_heap_reset(struct tarn_heap *heap);

/**
 * Allocates `size` bytes, aligned as tarn_malloc's. @param heap  NULL: the program's common heap, as tarn_malloc
 * @return NULL: no memory, or a hard limit of the heap or one above
 */
TARN_API void *tarn_heap_alloc(struct tarn_heap *heap, size_t size);
TARN_API void *tarn_heap_calloc(struct tarn_heap *heap, size_t count, size_t size);
TARN_API void *tarn_heap_aligned_alloc(struct tarn_heap *heap, size_t align, size_t size);

/**
 * As tarn_realloc: a block stays in its heap. NULL is allocated in `heap`; a size of 0 frees. NULL, and nothing changed, when `p` is of another heap.
 * A block that must move counts twice while it does. One that is to shrink never fails: without room for a smaller one it stays as it is.
 */
TARN_API void *tarn_heap_realloc(struct tarn_heap *heap, void *p, size_t size);

/** As tarn_free. */
TARN_API void tarn_heap_free(void *p);

/** The heap of a live object; NULL: the common heap, or no object of tarn. */
TARN_API struct tarn_heap *tarn_heap_of(const void *p);

TARN_API const char *tarn_heap_name(const struct tarn_heap *heap);
TARN_API struct tarn_heap *tarn_heap_parent(const struct tarn_heap *heap);

/** Sets a limit; 0: none. What is above it already stays. */
TARN_API void tarn_heap_set_hard_limit(struct tarn_heap *heap, size_t bytes);
TARN_API void tarn_heap_set_soft_limit(struct tarn_heap *heap, size_t bytes);

/** Exact whenever no call on the heap is under way. Bytes are of objects as they are rounded. */
struct tarn_heap_stats {
    uint64_t live_bytes, live_objects; /**< of this heap and those below it */
    uint64_t peak_bytes; /**< most live_bytes ever; of requests that fail nothing, but for what others find charged meanwhile */
    uint64_t own_bytes, own_objects; /**< of this heap alone */
    uint64_t allocations, frees;     /**< of this heap alone; a reset counts as a free of each object */
    uint64_t failures;               /**< requests that got NULL, of this heap alone */
    uint64_t held_bytes;             /**< pages that this heap alone has for its objects */
    uint64_t hard_limit, soft_limit;
    uint64_t children;
};

TARN_API void tarn_heap_stats(struct tarn_heap *heap, struct tarn_heap_stats *stats);

/** Calls `visit` for each live object of this heap alone. The heap must be at rest; `visit` may not use it. */
TARN_API void tarn_heap_each(struct tarn_heap *heap, void (*visit)(void *context, void *object, size_t size), void *context);

/** Calls `visit` for each child of a heap, of none (NULL): those without parent. Heaps may not come and go meanwhile. */
TARN_API void tarn_heap_each_child(struct tarn_heap *heap, void (*visit)(void *context, struct tarn_heap *child),
                                   void *context);

/** Verifies a heap's whole structure; ends the process with the sentence that does not hold; reports the first overwritten red zone or poison. */
TARN_API void tarn_heap_verify(struct tarn_heap *heap);

#ifdef __cplusplus
}
#endif

#endif
