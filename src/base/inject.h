/*
 * Failures on demand (tarn/fail.h), asked for at the head of each slow path. Off, it is one relaxed load and a branch not
 * taken.
 */
#ifndef TARN_BASE_INJECT_H
#define TARN_BASE_INJECT_H

#include "base/atomic.h"
#include "tarn/fail.h"

extern _Atomic bool tarn__injecting[TARN_FAIL_POINTS];

/* Whether this call is to fail, as the point's attributes say; counts. `which`: the cache or pool, for the attribute `only`. */
bool tarn__inject_slow(enum tarn_fail_point point, tarn_gfp_t flags, unsigned order, const void *which);

static inline bool tarn__inject(enum tarn_fail_point point, tarn_gfp_t flags, unsigned order, const void *which)
{
    return TARN__UNLIKELY(atomic_load_explicit(&tarn__injecting[point], memory_order_relaxed)) &&
           tarn__inject_slow(point, flags, order, which);
}

/* Called, with no lock held, whenever TARN_FAIL_SLAB is set or cleared: caches then leave, or take up, their fast paths. */
extern void (*tarn__inject_changed)(bool on);

#endif
