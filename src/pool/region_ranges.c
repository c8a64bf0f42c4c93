/*
 * Regions: the ranges of memory that they stand on.
 *
 * TLSF's lists suffice for a range of a certain size. A range that needs more levels than the first one has brings a table with it; the largest table
 * is the one in use, and lists move to another by being copied. So lists take room in proportion, whatever memory comes later, and no table is in a
 * range while it is needed for another.
 */
#include "pool/region_ranges.h"

#include "base/bits.h"
#include "pool/bytes.h"

enum { PAGE = 4096 };

/*
 * How many of so many granules the tags of the others take, with those at both ends: a (G + 1)-th of them, for granules of G bytes. That is
 * 1/G - 1/G² + 1/G³, rounded up, without a division.
 */
static size_t tag_granules(size_t units)
{
    size_t tags = units >> TARN__GRANULE_SHIFT;
    return tags - (tags >> TARN__GRANULE_SHIFT) + (tags >> (2 * TARN__GRANULE_SHIFT)) + 3;
}

struct tarn__range *tarn__range_make(struct tarn_region *region, char *memory, size_t size, size_t skip,
                                     enum tarn__range_kind kind)
{
    uintptr_t base = (uintptr_t)memory, at = tarn__align_up(base + skip, TARN__GRANULE), end = base + size;
    if (end < base || skip > size || size - skip < sizeof(struct tarn__range) + 8 * TARN__GRANULE)
        return NULL;
    struct tarn__range *range = (struct tarn__range *)at;
    at = tarn__align_up(at + sizeof *range, TARN__GRANULE);
    *range = (struct tarn__range){.span = {.base = base, .end = end}, .kind = kind};
    unsigned levels = tarn__tlsf_levels((end - at) >> TARN__GRANULE_SHIFT);
    if (tarn__strategy(region) == TARN_REGION_TLSF && levels > region->first_levels) {
        if (end - at < tarn__tlsf_bytes(levels))
            return NULL;
        range->levels = levels;
        range->heads = (struct tarn__free **)at;
        at = tarn__align_up(at + tarn__tlsf_bytes(levels), TARN__GRANULE);
    }
    size_t units = at < end ? (end - at) >> TARN__GRANULE_SHIFT : 0, tags = tag_granules(units);
    if (units <= tags)
        return NULL;
    range->tags = (unsigned char *)at + 1;
    range->first = (char *)at + (tags << TARN__GRANULE_SHIFT);
    range->granules = units - tags;
    range->bytes = range->granules << TARN__GRANULE_SHIFT;
    return range;
}

void tarn__range_clear(struct tarn__range *range)
{
    tarn__bytes_fill(range->tags - 1, TARN__INSIDE, range->granules + 1);
    range->tags[0] = TARN__LONG;
    range->tags[range->granules] = TARN__SENTINEL;
}

void tarn__range_open(struct tarn_region *region, struct tarn__range *range)
{
    if (region->flags & TARN_POOL_POISON)
        tarn__bytes_fill(range->first, TARN__FREED, range->bytes);
    tarn__region_keep_any(region, range, 0, range->granules);
}

/* Lists move to the table of this range. Those that it does not have are empty. */
static void use_table(struct tarn_region *region, struct tarn__range *range)
{
    struct tarn__tlsf was = region->tlsf, *tlsf = &region->tlsf;
    tlsf->heads = range->heads;
    tlsf->lists = (size_t)range->levels << TARN__LISTS_SHIFT;
    tlsf->bytes = tlsf->lists * sizeof *tlsf->heads;
    tlsf->second = (uint32_t *)(void *)(tlsf->heads + tlsf->lists);
    tarn__bytes_fill(tlsf->heads, 0, tarn__tlsf_bytes(range->levels));
    for (size_t level = 0; level < tarn__min(was.lists, tlsf->lists) >> TARN__LISTS_SHIFT; level++)
        tlsf->second[level] = was.second[level];
    for (size_t list = 0; list < tarn__min(was.lists, tlsf->lists); list++)
        if (was.heads[list] && (!TARN_POOL_CHECK || tarn__is_free_start(region, was.heads[list]))) {
            tlsf->heads[list] = was.heads[list];
            tlsf->heads[list]->at = &tlsf->heads[list];
        }
}

void tarn__range_attach(struct tarn_region *region, struct tarn__range *range)
{
    tarn__range_clear(range);
    tarn__spans_insert(&region->ranges, &range->span);
    if (tarn__strategy(region) == TARN_REGION_TLSF && (size_t)range->levels << TARN__LISTS_SHIFT > region->tlsf.lists)
        use_table(region, range);
    tarn__range_open(region, range);
}

void tarn__range_detach(struct tarn_region *region, struct tarn__range *range)
{
    struct tarn__range *most = NULL, *other;
    tarn__region_unkeep_any(region, range, 0, range->granules);
    tarn__spans_remove(&region->ranges, &range->span);
    if (region->spare == range)
        region->spare = NULL;
    if (tarn__strategy(region) != TARN_REGION_TLSF || !range->heads || region->tlsf.heads != range->heads)
        return;
    for (other = tarn__range_above(region, 0); other; other = tarn__range_above(region, other->span.base))
        if (!most || other->levels > most->levels)
            most = other;
    if (most)
        use_table(region, most);
}

struct tarn__range *tarn__range_retire(struct tarn_region *region, struct tarn__range *range)
{
    if (range->kind != TARN__RANGE_OF_SOURCE)
        return NULL;
    if (region->spare && region->spare != range && tarn__range_empty(region->spare)) {
        tarn__range_detach(region, range);
        return range;
    }
    region->spare = range;
    return NULL;
}

size_t tarn__range_return(struct tarn_region *region, struct tarn__range *range)
{
    size_t size = range->span.end - range->span.base;
    if (region->source->ops->release(region->source, (void *)range->span.base, size) == 0)
        return size;
    tarn__guard_take(&region->guard);
    tarn__range_attach(region, range);
    tarn__guard_drop(&region->guard);
    return 0;
}

struct tarn__range *tarn__range_acquire(struct tarn_region *region, size_t granules)
{
    if (!region->source || granules > SIZE_MAX >> (TARN__GRANULE_SHIFT + 1))
        return NULL;
    size_t tags = (granules >> TARN__GRANULE_SHIFT) + 8;
    size_t size = ((granules + tags) << TARN__GRANULE_SHIFT) + sizeof(struct tarn__range) + 2 * TARN__GRANULE;
    if (tarn__strategy(region) == TARN_REGION_TLSF)
        size += tarn__tlsf_bytes(tarn__tlsf_levels(granules) + 1);
    size = tarn__align_up(tarn__max(size, region->increment), PAGE);
    char *memory = region->source->ops->acquire(region->source, size, PAGE);
    return memory ? tarn__range_make(region, memory, size, 0, TARN__RANGE_OF_SOURCE) : NULL;
}

/* Adding and removing */

int tarn_region_add(struct tarn_region *region, void *memory, size_t size)
{
    uintptr_t base = (uintptr_t)memory;
    if (!memory || size > SIZE_MAX - base)
        return TARN_POOL_INVALID;
    int error = tarn__guard_enter(&region->guard);
    if (error)
        return error;
    if (tarn__spans_overlap(&region->ranges, base, base + size)) {
        error = TARN_POOL_EXISTS;
    } else {
        struct tarn__range *range = tarn__range_make(region, memory, size, 0, TARN__RANGE_ADDED);
        if (range)
            tarn__range_attach(region, range);
        else
            error = TARN_POOL_INVALID;
    }
    tarn__guard_drop(&region->guard);
    return error;
}

int tarn_region_remove(struct tarn_region *region, void *memory)
{
    int error = tarn__guard_enter(&region->guard);
    if (error)
        return error;
    struct tarn__range *range = (struct tarn__range *)(void *)tarn__spans_search(&region->ranges, (uintptr_t)memory);
    if (!range || range->span.base != (uintptr_t)memory || range->kind != TARN__RANGE_ADDED)
        error = TARN_POOL_FOREIGN;
    else if (!tarn__range_empty(range))
        error = TARN_POOL_BUSY;
    else
        tarn__range_detach(region, range);
    tarn__guard_drop(&region->guard);
    return error;
}

/* Takes out the first empty range of the source above an address, which becomes its own. */
static struct tarn__range *take_empty(struct tarn_region *region, uintptr_t *above)
{
    struct tarn__range *range;
    if (tarn__guard_enter(&region->guard))
        return NULL;
    do
        range = tarn__range_above(region, *above);
    while (range && (*above = range->span.base, range->kind != TARN__RANGE_OF_SOURCE || !tarn__range_empty(range)));
    if (range)
        tarn__range_detach(region, range);
    tarn__guard_drop(&region->guard);
    return range;
}

size_t tarn_region_trim(struct tarn_region *region)
{
    struct tarn__range *range;
    uintptr_t above = 0;
    size_t bytes = 0;
    while ((range = take_empty(region, &above)))
        bytes += tarn__range_return(region, range);
    return bytes;
}
