/*
 * Regions: the ranges of memory that they stand on.
 */
#ifndef TARN_POOL_REGION_RANGES_H
#define TARN_POOL_REGION_RANGES_H

#include "pool/region_blocks.h"

/* Lays out a range in memory, of which the first `skip` bytes are not its own. @return NULL: there is no room for a block */
struct tarn__range *tarn__range_make(struct tarn_region *region, char *memory, size_t size, size_t skip,
                                     enum tarn__range_kind kind);

/* Makes it part of the region, all of it free; takes it out again, when it is that. */
void tarn__range_attach(struct tarn_region *region, struct tarn__range *range);
void tarn__range_detach(struct tarn_region *region, struct tarn__range *range);

/* Makes all of it one live block; then that free. First fit must not find free blocks in ranges above that are not in its list. */
void tarn__range_clear(struct tarn__range *range);
void tarn__range_open(struct tarn_region *region, struct tarn__range *range);

static inline bool tarn__range_empty(const struct tarn__range *range)
{
    return tarn__starts_free(range, 0) && tarn__free_granules(range, 0) == range->granules;
}

/* The first range above an address, by order of address; NULL: none. */
static inline struct tarn__range *tarn__range_above(const struct tarn_region *region, uintptr_t address)
{
    return (struct tarn__range *)(void *)tarn__spans_above(&region->ranges, address);
}

/* Of a range that has become empty: takes it out if it is to go back to its source. @return it, for tarn__range_return; NULL: it stays */
struct tarn__range *tarn__range_retire(struct tarn_region *region, struct tarn__range *range);

/* Gives it back to the source; not under the guard. @return bytes; 0: the source did not take it, so it is the region's again */
size_t tarn__range_return(struct tarn_region *region, struct tarn__range *range);

/* Gets memory from the source for a block of so many granules; not under the guard. NULL: there is none. */
struct tarn__range *tarn__range_acquire(struct tarn_region *region, size_t granules);

#endif
