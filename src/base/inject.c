/* Failures on demand. */
#include "base/inject.h"

#include <errno.h>

_Atomic bool tarn__injecting[TARN_FAIL_POINTS];
void (*tarn__inject_changed)(bool on);

static struct tarn_fail_attributes points[TARN_FAIL_POINTS];
static uint64_t counts[TARN_FAIL_POINTS];

int tarn_fail_set(enum tarn_fail_point point, const struct tarn_fail_attributes *attributes)
{
    if ((unsigned)point >= TARN_FAIL_POINTS)
        return -EINVAL;
    points[point] = attributes ? *attributes : (struct tarn_fail_attributes){0};
    counts[point] = 0;
    tarn__injecting[point] = attributes && attributes->probability > 0;
    if (point == TARN_FAIL_SLAB && tarn__inject_changed)
        tarn__inject_changed(tarn__injecting[point]);
    return 0;
}

uint64_t tarn_fail_count(enum tarn_fail_point point) { return counts[point]; }

bool tarn__inject_slow(enum tarn_fail_point point, tarn_gfp_t flags, unsigned order, const void *which)
{
    struct tarn_fail_attributes *a = &points[point];
    if ((a->only && a->only != which) || order < a->min_order || a->times == 0 ||
        (a->ignore_gfp_wait && (flags & TARN_GFP_DIRECT_RECLAIM)))
        return false;
    if (a->space > 0)
        return a->space--, false;
    if (a->times > 0)
        a->times--;
    counts[point]++;
    return true;
}
