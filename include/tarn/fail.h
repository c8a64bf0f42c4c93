/**
 * @file fail.h
 * Failures on demand, for tests: the kernel's failslab, fail_page_alloc and fail_mempool_alloc; and where warnings go.
 *
 * While nothing is set, no path is slower for it. Any thread may call these functions, and the child of a fork; none is async-signal-safe.
 */
#ifndef TARN_FAIL_H
#define TARN_FAIL_H

#include "gfp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tarn_fail_point {
    TARN_FAIL_SLAB,    /**< allocation from caches and kmalloc */
    TARN_FAIL_PAGES,   /**< allocation of pages, by users and for slabs */
    TARN_FAIL_MEMPOOL, /**< the call to the allocator below a mempool */
    TARN_FAIL_POINTS
};

struct tarn_fail_attributes {
    unsigned probability;   /**< per cent; 0 turns it off, 100 fails always */
    unsigned long interval; /**< only each so-manieth call; 0 and 1: each */
    long times;             /**< how often at most; -1: without end */
    unsigned long space;    /**< calls that are let through first */
    bool ignore_gfp_wait;   /**< requests that may sleep never fail by this */
    unsigned min_order;     /**< pages: only blocks of at least this order */
    const void *only;       /**< slab: only this cache; mempool: only this pool; NULL: all */
    bool this_thread;       /**< only the thread that set it */
};

/**
 * Sets or, with NULL, clears a point's failures; while others allocate, too. Counts start anew. Requests with TARN_GFP_NOFAIL
 * never fail by this.
 * @return 0; -EINVAL for a probability above 100 or times below -1: nothing has changed
 */
TARN_API int tarn_fail_set(enum tarn_fail_point point, const struct tarn_fail_attributes *attributes);

/** How many requests were failed since it was set. */
TARN_API uint64_t tarn_fail_count(enum tarn_fail_point point);

/**
 * Sends warnings (what the kernel would print: live objects of a destroyed cache, flags that do not go together) to `sink`, a
 * line each, without newline. NULL, as at first: nowhere. tarn_warn_stderr is one that prints. `sink` may be called from any
 * thread, with no lock held.
 */
TARN_API void tarn_warn_to(void (*sink)(const char *line));
TARN_API void tarn_warn_stderr(const char *line);

#ifdef __cplusplus
}
#endif

#endif
