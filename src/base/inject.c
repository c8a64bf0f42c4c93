/* Failures on demand. */
#include "base/inject.h"

_Atomic bool tarn__injecting[TARN_FAIL_POINTS];
void (*tarn__inject_changed)(bool on);

bool tarn__inject_slow(enum tarn_fail_point point, tarn_gfp_t flags, unsigned order, const void *which)
{
    (void)point, (void)flags, (void)order, (void)which;
    return true;
}

int tarn_fail_set(enum tarn_fail_point point, const struct tarn_fail_attributes *attributes)
{
    atomic_store(&tarn__injecting[point], attributes && attributes->probability);
    if (point == TARN_FAIL_SLAB && tarn__inject_changed)
        tarn__inject_changed(attributes && attributes->probability);
    return 0;
}
