/**
 * @file shrinker.h
 * Shrinkers: callbacks that free memory when it is short, and the request to give back all that can be.
 *
 * They run in a thread whose request allows it (TARN_GFP_DIRECT_RECLAIM) and in the background reclaimer, with no lock of
 * tarn's held: they may allocate and free. Pressure, batches and deferral are the kernel's.
 *
 * Any thread may call these functions, and the child of a fork; none is async-signal-safe.
 */
#ifndef TARN_SHRINKER_H
#define TARN_SHRINKER_H

#include "gfp.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_SHRINK_STOP (~0ul)      /**< from scan: no progress is possible now */
#define TARN_SHRINK_EMPTY (~0ul - 1) /**< from count: nothing there (0: nothing that can be freed now) */
#define TARN_DEFAULT_SEEKS 2
#define TARN_SHRINK_BATCH 128

struct tarn_shrink_control {
    tarn_gfp_t gfp_mask;      /**< of the request that reclaims: a shrinker that would need IO or FS looks here */
    int nid;                  /**< 0 */
    unsigned long nr_to_scan; /**< how many objects scan shall look at */
    unsigned long nr_scanned; /**< how many it did; set to nr_to_scan before, scan may change it */
    void *memcg;              /**< NULL */
};

struct tarn_shrinker {
    unsigned long (*count_objects)(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control);
    unsigned long (*scan_objects)(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control);
    long batch; /**< objects of one call to scan; 0: TARN_SHRINK_BATCH */
    int seeks;  /**< what an object costs to make again; 0: nothing, half of them go at once */
    unsigned flags;
    void *private_data;
    void *internal[4]; /**< tarn's */
};

/** An unregistered shrinker, zeroed but for seeks = TARN_DEFAULT_SEEKS; NULL: no memory. `name` is copied (31 characters). */
TARN_API struct tarn_shrinker *tarn_shrinker_alloc(unsigned flags, const char *name);

/**
 * From now on it is called.
 * @return 0; -EINVAL unless both callbacks are set, it is from tarn_shrinker_alloc, and not registered yet
 */
TARN_API int tarn_shrinker_register(struct tarn_shrinker *shrinker);

/**
 * Unregisters and frees it, after its calls that run now have returned. From within its own callbacks it only warns. NULL is
 * allowed.
 */
TARN_API void tarn_shrinker_free(struct tarn_shrinker *shrinker);

/**
 * Runs all shrinkers at a priority (12: a 4096th of what they hold, 0: all). Within a shrinker it does nothing.
 * @return objects freed
 */
TARN_API unsigned long tarn_shrink_all(tarn_gfp_t flags, int priority);

/**
 * The kernel's drop_caches, for this process: runs shrinkers until they free nothing more, empties magazines and depots, and
 * gives free pages back to the system. @return bytes given back to the system
 */
TARN_API size_t tarn_drop_caches(void);

#ifdef __cplusplus
}
#endif

#endif
