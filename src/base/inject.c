/* Failures on demand: probability 0 or 100, and how often. */
#include "base/inject.h"

#include <errno.h>

_Atomic bool tarn__injecting[TARN_FAIL_POINTS];
void (*tarn__inject_changed)(bool on);

static struct tarn_fail_attributes rules[TARN_FAIL_POINTS];
static _Atomic uint64_t counts[TARN_FAIL_POINTS];

int tarn_fail_set(enum tarn_fail_point point, const struct tarn_fail_attributes *attributes)
{
    if ((unsigned)point >= TARN_FAIL_POINTS)
        return -EINVAL;
    rules[point] = attributes ? *attributes : (struct tarn_fail_attributes){0};
    atomic_store(&counts[point], 0);
    atomic_store(&tarn__injecting[point], attributes && attributes->probability > 0);
    if (point == TARN_FAIL_SLAB && tarn__inject_changed)
        tarn__inject_changed(attributes && attributes->probability > 0);
    return 0;
}

uint64_t tarn_fail_count(enum tarn_fail_point point) { return atomic_load(&counts[point]); }

bool tarn__inject_slow(enum tarn_fail_point point, tarn_gfp_t flags, unsigned order, const void *which)
{
    const struct tarn_fail_attributes *rule = &rules[point];
    (void)order;
    if ((rule->only && rule->only != which) || (rule->ignore_gfp_wait && (flags & TARN_GFP_DIRECT_RECLAIM)))
        return false;
    if (rule->times >= 0 && atomic_load(&counts[point]) >= (uint64_t)rule->times)
        return false;
    atomic_fetch_add(&counts[point], 1);
    return true;
}
