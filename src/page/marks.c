/* The arithmetic of marks.h: who may go how far. */
#include "page/marks.h"

size_t tarn__marks_for(const struct tarn_zone *zone, tarn_gfp_t flags, bool ample)
{
    size_t mark = zone->min;
    if (ample)
        return zone->low;
    if ((flags & TARN_GFP_MEMALLOC) && !(flags & TARN_GFP_NOMEMALLOC))
        return 0;
    if (flags & TARN_GFP_HIGH) {
        mark -= mark / 2;
        if (!(flags & TARN_GFP_DIRECT_RECLAIM))
            mark -= mark / 4;
    }
    return mark;
}
