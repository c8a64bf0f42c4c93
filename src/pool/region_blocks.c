/* Regions: the strategies that are not TLSF, and what is wrong with an address. */
#include "pool/region_blocks.h"

void tarn__region_keep_otherwise(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    if (tarn__strategy(region) == TARN_REGION_BEST_FIT)
        tarn__best_insert(region, tarn__free_at(range, at), granules);
    else
        tarn__first_insert(region, range, at, granules);
}

void tarn__region_take_otherwise(struct tarn_region *region, struct tarn__free *block)
{
    if (tarn__strategy(region) == TARN_REGION_BEST_FIT)
        tarn__best_remove(region, block);
    else
        tarn__first_remove(region, block);
}

struct tarn__free *tarn__region_find(struct tarn_region *region, size_t granules)
{
    if (tarn__strategy(region) == TARN_REGION_BEST_FIT)
        return tarn__best_find(region, granules);
    if (tarn__strategy(region) == TARN_REGION_FIRST_FIT)
        return tarn__first_find(region, granules);
    size_t list = tarn__tlsf_find(&region->tlsf, granules);
    return list == TARN__NO_LIST ? NULL : region->tlsf.heads[list];
}

size_t tarn__region_free_granules(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    return tarn__region_merge(region, range, at, granules, false);
}

void tarn__region_keep_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    tarn__region_keep(region, range, at, granules, false);
}

void tarn__region_unkeep_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    tarn__region_unkeep(region, range, at, granules, false);
}

void tarn__region_cut_any(struct tarn_region *region, struct tarn__range *range, size_t at, size_t had, size_t granules)
{
    tarn__region_cut(region, range, at, had, granules, false);
}

size_t tarn__start_of(const struct tarn__range *range, size_t at)
{
    while (!tarn__starts(range, at))
        at--;
    return at;
}

struct tarn__range *tarn__region_range_of(struct tarn_region *region, const void *p) { return tarn__range_of(region, p); }

int tarn__region_reason(struct tarn_region *region, const void *p)
{
    struct tarn__range *range = tarn__range_of(region, p);
    if (!range)
        return TARN_POOL_FOREIGN;
    return tarn__starts_free(range, tarn__start_of(range, tarn__index_in(range, p))) ? TARN_POOL_DOUBLE_FREE : TARN_POOL_INSIDE;
}
