/*
 * Regions: changing the size of a block.
 *
 * A block keeps its header when it becomes short. One without header that grows beyond what tags can tell gets one: its contents move up by a
 * granule.
 */
#include "base/bits.h"
#include "pool/bytes.h"
#include "pool/region_care.h"
#include "pool/watch.h"

/* Frees the end of a block. @return whether flags found nothing wrong */
static bool shrink(struct tarn_region *region, const struct tarn__block *block, size_t granules)
{
    size_t tail = block->at + granules, rest = block->granules - granules;
    if (!rest)
        return true;
    if (tarn__region_prepare(region, block->range, tail, rest))
        return false;
    tarn__region_free_granules(region, block->range, tail, rest);
    return true;
}

/* Takes what is missing from the free block behind. */
static bool grow(struct tarn_region *region, const struct tarn__block *block, size_t granules)
{
    struct tarn__range *range = block->range;
    size_t end = block->at + block->granules, more = granules - block->granules;
    if (!tarn__starts_free(range, end))
        return false;
    if ((region->flags & TARN_POOL_CHECK) && !tarn__free_sound(region, range, end))
        return false;
    size_t behind = tarn__free_granules(range, end);
    if (behind < more || ((region->flags & TARN_POOL_POISON) && !tarn__poison_intact(range, end, end, end + more)))
        return false;
    if ((region->flags & TARN_POOL_CHECK) && behind > more && !tarn__place_sound(region, range, end + more, behind - more))
        return false;
    tarn__region_unkeep_any(region, range, end, behind);
    tarn__region_cut_any(region, range, end, behind, more);
    range->tags[end] = TARN__INSIDE;
    return true;
}

/* In place, if that can be. @return the payload or NULL; `*old` is how much the block had */
static char *resize(struct tarn_region *region, const struct tarn__block *block, size_t size, size_t old)
{
    struct tarn__ask ask = tarn__ask_for(region, size, 1, false, 0);
    if (block->head && !ask.header)
        tarn__ask_header(&ask);
    if (ask.granules <= block->granules ? !shrink(region, block, ask.granules) : !grow(region, block, ask.granules))
        return NULL;
    char *payload = tarn__block_payload(block);
    if (ask.header && !block->head)
        tarn__bytes_move(payload + TARN__GRANULE, payload, old);
    payload = tarn__region_dress(region, block->range, block->at, &ask, old);
    struct tarn__block now = {block->range, block->at, ask.granules,
                              ask.header ? (struct tarn__head *)(void *)payload - 1 : NULL, block->at + ask.header};
    region->live_bytes += tarn__block_bytes(region, &now) - old;
    if (region->live_bytes > region->peak_bytes)
        region->peak_bytes = region->live_bytes;
    return payload;
}

void *tarn_region_realloc(struct tarn_region *region, void *p, size_t size)
{
    struct tarn__block block;
    char *moved = NULL;
    size_t old = 0;
    if (!p)
        return tarn_region_alloc(region, size);
    if (!size) {
        tarn_region_free(region, p);
        return NULL;
    }
    if (region->flags & TARN__WATCHED)
        return tarn__watch_realloc(region, p, size, "tarn_region_realloc");
    if (tarn__guard_enter(&region->guard))
        return NULL;
    bool valid =
        !tarn__region_locate(region, p, 0, &block) && !tarn__block_error(region, &block) && !tarn__is_movable(region, &block);
    if (valid) {
        old = tarn__block_bytes(region, &block);
        moved = resize(region, &block, size, old);
    }
    region->failures += !valid;
    tarn__guard_drop(&region->guard);
    if (moved || !valid || !(moved = tarn_region_alloc(region, size)))
        return moved;
    tarn__bytes_copy(moved, p, tarn__min(old, size));
    tarn_region_free(region, p);
    return moved;
}
