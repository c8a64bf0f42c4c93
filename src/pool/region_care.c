/*
 * Regions: requests in general, and what flags ask for.
 *
 *     | granules, mark | payload as asked | 0xcc … to the end of the last granule, a word at least |     with TARN_POOL_RED_ZONE
 *
 * The mark is the word in front: its mask makes it no likely value, and it names the slack, so an overwritten one shows.
 */
#include "pool/region_care.h"

#include "base/bits.h"
#include "pool/bytes.h"
#include "pool/region_ranges.h"

enum { WORD = sizeof(size_t) };

struct tarn__ask tarn__ask_for(const struct tarn_region *region, size_t size, size_t align, bool sized, size_t handle)
{
    bool zones = region->flags & TARN_POOL_RED_ZONE;
    size_t granules = tarn__granules_of(zones ? size + tarn__min(WORD, SIZE_MAX - size) : size);
    bool header = zones || handle || (granules >= TARN__LONG && !sized);
    struct tarn__ask ask = {.granules = granules, .align = 1, .size = size, .handle = handle};
    if (header)
        tarn__ask_header(&ask);
    if (align > TARN__GRANULE)
        ask.align = align >> TARN__GRANULE_SHIFT;
    return ask;
}

static bool is_head(const struct tarn_region *region, struct tarn__free **at)
{
    if (tarn__strategy(region) == TARN_REGION_FIRST_FIT)
        return at == &region->order.lowest;
    uintptr_t offset = (uintptr_t)at - (uintptr_t)region->tlsf.heads;
    return offset < region->tlsf.lists * sizeof *at && offset % sizeof *at == 0;
}

bool tarn__links_sound(struct tarn_region *region, const struct tarn__free *block, size_t granules)
{
    if (tarn__strategy(region) == TARN_REGION_BEST_FIT)
        return tarn__best_sound(region, block, granules, true);
    struct tarn__free *next = block->next, **at = block->at;
    if (next && (!tarn__is_free_start(region, next) || next->at != &block->next))
        return false;
    if (!next && tarn__strategy(region) == TARN_REGION_FIRST_FIT && region->order.end != &block->next)
        return false;
    return (is_head(region, at) || tarn__is_free_start(region, at)) && *at == block;
}

bool tarn__free_sound(struct tarn_region *region, struct tarn__range *range, size_t at)
{
    struct tarn__free *block = tarn__free_at(range, at);
    if (!tarn__is_free_start(region, block))
        return false;
    size_t granules = tarn__free_granules(range, at);
    if (granules == 0 || granules > range->granules - at || !tarn__starts(range, at + granules) ||
        tarn__free_before(range, at + granules) != granules)
        return false;
    if (granules >= TARN__LONG && ((size_t *)(void *)tarn__granule_address(range, at + granules))[-1] != granules)
        return false;
    return tarn__links_sound(region, block, granules);
}

bool tarn__place_sound(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    struct tarn__free *next;
    if (tarn__strategy(region) == TARN_REGION_BEST_FIT)
        return tarn__best_sound(region, tarn__free_at(range, at), granules, false);
    if (tarn__strategy(region) == TARN_REGION_TLSF) {
        size_t list = tarn__tlsf_list(granules);
        next = region->tlsf.heads[list];
        return !next || (tarn__is_free_start(region, next) && next->at == &region->tlsf.heads[list]);
    }
    next = tarn__first_next(region, range, at + granules);
    if (next ? !tarn__links_sound(region, next, 0) : *region->order.end != NULL)
        return false;
    region->order.finger = next ? next->at : region->order.end; /* no other links are followed then */
    return true;
}

/* Poison */

void tarn__poison_freed(struct tarn__range *range, size_t at, size_t granules)
{
    tarn__bytes_fill(tarn__granule_address(range, at), TARN__FREED, granules << TARN__GRANULE_SHIFT);
}

void tarn__poison_links(struct tarn__range *range, size_t at, size_t granules)
{
    char *block = tarn__granule_address(range, at);
    tarn__bytes_fill(block, TARN__FREED, granules > 1 ? sizeof(struct tarn__free) : TARN__GRANULE);
    if (granules >= TARN__LONG)
        tarn__bytes_fill(tarn__granule_address(range, at + granules) - WORD, TARN__FREED, WORD);
}

bool tarn__poison_intact(const struct tarn__range *range, size_t at, size_t from, size_t to)
{
    const char *begin = tarn__granule_address(range, at) + sizeof(struct tarn__free);
    const char *end = tarn__granule_address(range, at + tarn__free_granules(range, at));
    if (tarn__free_granules(range, at) >= TARN__LONG)
        end -= WORD;
    if (begin < tarn__granule_address(range, from))
        begin = tarn__granule_address(range, from);
    if (end > tarn__granule_address(range, to))
        end = tarn__granule_address(range, to);
    return begin >= end || tarn__bytes_are(begin, TARN__FREED, (size_t)(end - begin));
}

/* Zones */

/* Differs with the zone's length: so a mark that says another finds other bytes. */
static unsigned char zone_fill(size_t slack) { return (unsigned char)(TARN__ZONE_FILL ^ slack); }

bool tarn__block_sound(struct tarn_region *region, const struct tarn__block *block)
{
    const struct tarn__range *range = block->range;
    if (!(region->flags & TARN_POOL_CHECK))
        return true;
    if (block->at >= range->granules || tarn__next_start(range, block->at) != block->at + block->granules)
        return false;
    if (!block->head)
        return true;
    size_t slack = (block->head->mark ^ region->mark_mask) & ((1u << TARN__MARK_SHIFT) - 1);
    return range->tags[block->at] == TARN__HEAD && slack <= (block->granules - 1) << TARN__GRANULE_SHIFT &&
           (region->flags & TARN_POOL_RED_ZONE || slack == 0);
}

/* Whether a live block's header and zone are as they were written. */
static bool zone_intact(struct tarn_region *region, const struct tarn__block *block)
{
    if (!block->head || !(region->flags & TARN_POOL_RED_ZONE))
        return true;
    size_t slack = (block->head->mark ^ region->mark_mask) & ((1u << TARN__MARK_SHIFT) - 1);
    if (slack < WORD || slack >= TARN__GRANULE + WORD || slack > (block->granules - 1) << TARN__GRANULE_SHIFT)
        return false;
    size_t handle = tarn__mark_handle(region, block->head);
    if (handle && !tarn__handle_names(region, handle, block->head))
        return false;
    return tarn__bytes_are(tarn__block_payload(block) + tarn__block_bytes(region, block), zone_fill(slack), slack);
}

int tarn__block_error(struct tarn_region *region, const struct tarn__block *block)
{
    if (!tarn__block_sound(region, block))
        return block->head ? TARN_POOL_CORRUPT : TARN_POOL_WRONG_SIZE;
    return zone_intact(region, block) ? 0 : TARN_POOL_CORRUPT;
}

char *tarn__region_dress(struct tarn_region *region, struct tarn__range *range, size_t at, const struct tarn__ask *ask,
                         size_t kept)
{
    struct tarn__block block = {range, at, ask->granules, NULL, at + ask->header};
    size_t slack = 0, room = (ask->granules - ask->header) << TARN__GRANULE_SHIFT;
    if (ask->header) {
        block.head = (struct tarn__head *)(void *)tarn__granule_address(range, at);
        if (region->flags & TARN_POOL_RED_ZONE)
            slack = room - ask->size;
        block.head->granules = ask->granules;
        block.head->mark = (ask->handle << TARN__MARK_SHIFT | slack) ^ region->mark_mask;
        range->tags[at] = TARN__HEAD;
        range->tags[at + 1] = TARN__PAYLOAD;
    } else {
        range->tags[at] = (unsigned char)tarn__tag_of(ask->granules);
    }
    char *payload = tarn__block_payload(&block);
    size_t bytes = room - slack;
    if (bytes > kept && (region->flags & (TARN_POOL_ZERO | TARN_POOL_POISON)))
        tarn__bytes_fill(payload + kept, region->flags & TARN_POOL_ZERO ? 0 : TARN__FRESH, bytes - kept);
    tarn__bytes_fill(payload + bytes, zone_fill(slack), slack);
    return payload;
}

/* Requests */

/* How many granules of a free block stay in front of one whose payload is aligned. */
static size_t front_of(const struct tarn__range *range, size_t at, const struct tarn__ask *ask)
{
    uintptr_t payload = (uintptr_t)tarn__granule_address(range, at + ask->header) >> TARN__GRANULE_SHIFT;
    return (~payload + 1) & (ask->align - 1);
}

char *tarn__region_obtain(struct tarn_region *region, const struct tarn__ask *ask)
{
    struct tarn__free *block = tarn__region_find(region, ask->granules + ask->align - 1);
    struct tarn__range *range = block ? tarn__range_of(region, block) : NULL;
    if (!range)
        return NULL;
    size_t at = tarn__index_in(range, block);
    bool checked = region->flags & TARN_POOL_CHECK;
    if (checked && !tarn__free_sound(region, range, at))
        return NULL;
    size_t had = tarn__free_granules(range, at), front = front_of(range, at, ask), rest = had - front - ask->granules;
    if (had < ask->granules + front)
        return NULL;
    if (checked &&
        ((front && !tarn__place_sound(region, range, at, front)) || /* what is linked to is linked to by others too */
         (rest && !tarn__place_sound(region, range, at + had - rest, rest))))
        return NULL;
    if ((region->flags & TARN_POOL_POISON) && !tarn__poison_intact(range, at, at + front, at + front + ask->granules))
        return NULL;
    tarn__region_unkeep_any(region, range, at, had);
    if (front) {
        tarn__region_keep_any(region, range, at, front);
        at += front;
    }
    tarn__region_cut_any(region, range, at, had - front, ask->granules);
    char *payload = tarn__region_dress(region, range, at, ask, 0);
    if (!ask->hidden)
        tarn__region_count_alloc(
            region, region->flags & TARN_POOL_RED_ZONE ? ask->size : (ask->granules - ask->header) << TARN__GRANULE_SHIFT);
    return payload;
}

char *tarn__region_serve(struct tarn_region *region, const struct tarn__ask *ask)
{
    char *p = tarn__region_obtain(region, ask);
    if (!p && region->source) {
        tarn__guard_drop(&region->guard);
        struct tarn__range *range = tarn__range_acquire(region, ask->granules + ask->align);
        tarn__guard_take(&region->guard);
        p = tarn__region_obtain(region, ask);
        if (range && !p) {
            tarn__range_attach(region, range);
            range = NULL;
            p = tarn__region_obtain(region, ask);
        }
        if (range) {
            tarn__guard_drop(&region->guard);
            tarn__range_return(region, range);
            tarn__guard_take(&region->guard);
        }
    }
    region->failures += !p;
    return p;
}

/* With TARN_POOL_CHECK: whether granules may be merged with their neighbours. */
static bool neighbours_sound(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    size_t end = at + granules, before = 0;
    if (tarn__starts_free(range, end)) {
        if (!tarn__free_sound(region, range, end))
            return false;
        granules += tarn__free_granules(range, end);
    }
    if ((range->tags[(ptrdiff_t)at - 1] & TARN__FREE) && range->tags[(ptrdiff_t)at - 1] != TARN__PAYLOAD) {
        before = tarn__free_before(range, at);
        if (before == 0 || before > at || !tarn__free_sound(region, range, at - before) ||
            tarn__free_granules(range, at - before) != before)
            return false;
    }
    return tarn__place_sound(region, range, at - before, granules + before);
}

int tarn__region_prepare(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules)
{
    return (region->flags & TARN_POOL_CHECK) && !neighbours_sound(region, range, at, granules) ? TARN_POOL_CORRUPT : 0;
}
