/* Regions: the strategies that are not TLSF, and what is wrong with an address. */
#include "pool/region_care.h"

static void link_block(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    if (tarn__strategy(region) == TARN_REGION_TLSF)
        tarn__tlsf_insert(region, tarn__free_at(range, at), granules);
    else if (tarn__strategy(region) == TARN_REGION_BEST_FIT)
        tarn__best_insert(region, tarn__free_at(range, at), granules);
    else
        tarn__first_insert(region, range, at, granules);
}

static void unlink_block(struct tarn_region *region, struct tarn__free *block)
{
    if (tarn__strategy(region) == TARN_REGION_TLSF)
        tarn__tlsf_remove(region, block);
    else if (tarn__strategy(region) == TARN_REGION_BEST_FIT)
        tarn__best_remove(region, block);
    else
        tarn__first_remove(region, block);
}

static __attribute__((noinline)) void link_checked(struct tarn_region *region, struct tarn__range *range, size_t at,
                                                   size_t granules)
{
    if (tarn__place_sound(region, range, at, granules))
        link_block(region, range, at, granules);
}

static __attribute__((noinline)) void unlink_checked(struct tarn_region *region, struct tarn__free *block, size_t granules)
{
    if (tarn__links_sound(region, block, granules))
        unlink_block(region, block);
}

void tarn__region_link(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    if (region->flags & TARN_POOL_CHECK)
        link_checked(region, range, at, granules);
    else
        link_block(region, range, at, granules);
}

void tarn__region_unlink(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    if (region->flags & TARN_POOL_CHECK)
        unlink_checked(region, tarn__free_at(range, at), granules);
    else
        unlink_block(region, tarn__free_at(range, at));
}

bool tarn__is_free_start(struct tarn_region *region, const void *p)
{
    struct tarn__range *range = tarn__range_of(region, p);
    if (!range || (uintptr_t)p % TARN__GRANULE != 0)
        return false;
    size_t at = tarn__index_in(range, p);
    unsigned tag = range->tags[at];
    return tarn__tag_free(tag) && (tag & TARN__LONG) <= range->granules - at;
}

/* Whether the first bitmap tells which levels have lists. */
static bool levels_sound(const struct tarn__tlsf *tlsf)
{
    for (size_t level = 0; level < tlsf->lists >> TARN__LISTS_SHIFT; level++)
        if ((tlsf->filled >> level & 1) != (tlsf->second[level] != 0))
            return false;
    return true;
}

struct tarn__free *tarn__region_find(struct tarn_region *region, size_t granules)
{
    const struct tarn__tlsf *tlsf = &region->tlsf;
    if (tarn__strategy(region) == TARN_REGION_BEST_FIT)
        return tarn__best_find(region, granules);
    if (tarn__strategy(region) == TARN_REGION_FIRST_FIT)
        return tarn__first_find(region, granules);
    if (region->flags & TARN_POOL_CHECK && !levels_sound(tlsf))
        return NULL;
    size_t list = tarn__tlsf_above(tlsf, granules);
    if (list == TARN__NO_LIST)
        list = tarn__tlsf_list(granules);
    return list < tlsf->lists ? tlsf->heads[list] : NULL;
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
    while ((!TARN_POOL_CHECK || at > 0) && !tarn__starts(range, at))
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
