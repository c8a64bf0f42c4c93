/* Giving back all that can be given back. */
#include "alloc/heap.h"
#include "page/shrinker.h"

/*
 * Each round is worth less: a shrinker that others refill meanwhile ends it too, after as many rounds as its number of objects
 * has bits (the kernel's way).
 */
size_t tarn_drop_caches(void)
{
    for (unsigned round = 0; tarn_shrink_all(TARN_GFP_KERNEL, 0) >> round > 0; round++)
        continue;
    return tarn__heap_trim(0);
}
