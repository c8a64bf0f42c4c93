/* Without shrinkers there is nothing to reclaim. */
#include "page/shrinker.h"

unsigned long tarn__reclaim(tarn_gfp_t flags, int priority)
{
    (void)flags;
    (void)priority;
    return 0;
}

void tarn__reclaim_wake(bool (*still_short)(void)) { (void)still_short; }
