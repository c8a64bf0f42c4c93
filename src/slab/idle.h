/* Giving back pages inside slabs. */
#ifndef TARN_SLAB_IDLE_H
#define TARN_SLAB_IDLE_H

#include "page/zone.h"

/* Gives back up to so many idle pages in slabs of the zone, and what else is idle in the same slabs. Returns how many. With no lock held. */
size_t tarn__slabs_purge(struct tarn_zone *zone, size_t pages);

#endif
