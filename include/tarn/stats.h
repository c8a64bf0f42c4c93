/**
 * @file stats.h
 * What tarn's heap holds, as counters that are exact.
 *
 * Objects and requests are counted by each thread for itself and added up on reading; so a reading beside running threads
 * is a moment's sum, and exact once they pause. Any thread may read, and the child of a fork; none of the functions is async-signal-safe.
 */
#ifndef TARN_STATS_H
#define TARN_STATS_H

#include "api.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The whole process: requests are those of tarn_malloc and kmalloc, of all object caches and users' heaps (tarn/heap.h) there are or were, and large
 * ones. Pages that users take themselves (tarn/pages.h) count in used_bytes only. Bytes unless a name says otherwise.
 */
struct tarn_stats {
    uint64_t allocations; /**< requests served; a realloc that moved is one, and one free */
    uint64_t frees;
    uint64_t failures;     /**< requests that got NULL */
    uint64_t live_objects; /**< allocations - frees */
    uint64_t live_bytes;   /**< of the live objects, as classes and pages round them */
    uint64_t peak_bytes;   /**< most live bytes, to within what threads' magazines and heaps' slabs held or had room for then */
    uint64_t large_allocations, large_frees; /**< of those above 32768 bytes, other than in users' heaps */
    uint64_t large_live_bytes;
    uint64_t large_requested_bytes, large_rounded_bytes; /**< ever: asked for, and in whole pages */
    uint64_t reallocs_in_place, reallocs_moved, reallocs_remapped;
    uint64_t system_bytes;    /**< obtained from the system, ever */
    uint64_t returned_bytes;  /**< unmapped again, ever */
    uint64_t purged_bytes;    /**< given back in place, ever */
    uint64_t held_bytes;      /**< mapped for objects now */
    uint64_t used_bytes;      /**< of those: in slabs and large blocks */
    uint64_t peak_used_bytes; /**< most of those, ever */
    uint64_t dirty_bytes;     /**< of those: free and resident, kept for reuse */
    uint64_t metadata_bytes;  /**< mapped for descriptors and thread caches */
    uint64_t threads;         /**< that have a cache */
    uint64_t system_calls;    /**< made by tarn, of all kinds */
};

/** One size class of tarn_malloc. What other caches hold is told by tarn_cache_stats. */
struct tarn_class_stats {
    uint32_t size;                   /**< bytes of an object */
    uint32_t slab_objects;           /**< objects in a slab */
    uint64_t allocations, frees;     /**< active objects are the difference */
    uint64_t slabs;                  /**< held; each is 65536 bytes of addresses, resident as far as it was touched */
    uint64_t cached;                 /**< free objects in magazines and the depot */
    uint64_t sampled, sampled_bytes; /**< requests whose exact size was recorded, and the sum of those sizes */
};

#define TARN_CLASSES 72u

/** Fills in the heap's counters. Takes short locks; O(threads * caches + heaps). */
TARN_API void tarn_stats(struct tarn_stats *stats);

/** Fills in those of class `index`, 0 … TARN_CLASSES - 1. @return 0, or -EINVAL for another index. */
TARN_API int tarn_class_stats(unsigned index, struct tarn_class_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
