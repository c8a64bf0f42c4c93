/*
 * Regions: movable blocks.
 *
 * A handle is a place in a table, and a generation, so that old handles are known to be that. The table is a block of the region itself, which nobody
 * is shown; it is made with the first handle, moves as others do, and goes with the last one. A movable block's header names its place, which knows
 * where the block is.
 *
 *     handle = generation | number of the place, from 1        table | where, generation, locks | ···
 */
#include "pool/bytes.h"
#include "pool/region_care.h"
#include "pool/region_ranges.h"

struct tarn__handle {
    uintptr_t where; /* the payload; of a vacant place the number of the next one */
    uint16_t generation, locks;
    uint16_t used;
};

enum {
    GENERATION_BITS = sizeof(size_t) == 8 ? 16 : 8,
    NUMBER_BITS = (int)sizeof(size_t) * 8 - GENERATION_BITS,
    FIRST_PLACES = 16,
    STAY_MOST = 256, /* blocks that a compaction passes by after it has moved some */
};

/* The number in the table's own mark: it is movable too. */
#define TABLE (((size_t)1 << NUMBER_BITS) - 1)

static size_t number_of(tarn_region_handle handle) { return handle & (((size_t)1 << NUMBER_BITS) - 1); }

static struct tarn__handle *place_of(struct tarn_region *region, tarn_region_handle handle)
{
    size_t number = number_of(handle);
    if (number == 0 || number > region->handles.count)
        return NULL;
    struct tarn__handle *place = &region->handles.table[number - 1];
    return place->used && place->generation == handle >> NUMBER_BITS ? place : NULL;
}

bool tarn__handle_names(struct tarn_region *region, size_t number, const struct tarn__head *head)
{
    if (number == TABLE)
        return (const void *)(head + 1) == region->handles.table;
    if (number > region->handles.count)
        return false;
    const struct tarn__handle *place = &region->handles.table[number - 1];
    return place->used && place->where == (uintptr_t)(head + 1);
}

/* Frees a table without a trace in the counters. One that is not sound, or lies beside what is not, stays as it is. */
static void drop_table(struct tarn_region *region, struct tarn__handle *table)
{
    struct tarn__block block;
    struct tarn__handle *other = region->handles.table;
    if (!table || tarn__region_locate(region, table, 0, &block))
        return;
    region->handles.table = table; /* its header names the one in use */
    bool sound = !tarn__block_error(region, &block) && !tarn__region_prepare(region, block.range, block.at, block.granules);
    region->handles.table = other;
    if (!sound)
        return;
    block.range->tags[block.at + 1] = TARN__INSIDE;
    tarn__region_free_granules(region, block.range, block.at, block.granules);
}

/* Makes room for another handle. The guard is let go of while the source is asked; others may make room, and use it, meanwhile. */
static bool make_place(struct tarn_region *region)
{
    struct tarn__handles *handles = &region->handles;
    size_t count = handles->count ? 2 * handles->count : FIRST_PLACES;
    if (count >> (NUMBER_BITS - 1))
        return false;
    struct tarn__ask ask = tarn__ask_for(region, count * sizeof *handles->table, 1, false, TABLE);
    ask.hidden = true;
    struct tarn__handle *table = (struct tarn__handle *)(void *)tarn__region_serve(region, &ask), *old = handles->table;
    if (!table)
        return false;
    if (handles->vacant || handles->count >= count) { /* others made it meanwhile */
        drop_table(region, table);
        return true;
    }
    if (old)
        tarn__bytes_copy(table, old, handles->count * sizeof *old);
    for (size_t number = count; number > handles->count; number--) {
        table[number - 1] = (struct tarn__handle){.where = handles->vacant};
        handles->vacant = number;
    }
    handles->table = table;
    handles->count = count;
    drop_table(region, old);
    return true;
}

static void leave_place(struct tarn_region *region, size_t number)
{
    struct tarn__handles *handles = &region->handles;
    handles->table[number - 1] = (struct tarn__handle){.where = handles->vacant};
    handles->vacant = number;
    if (--handles->live)
        return;
    struct tarn__handle *table = handles->table;
    *handles = (struct tarn__handles){.generation = handles->generation, .cursor = handles->cursor};
    drop_table(region, table);
}

tarn_region_handle tarn_region_handle_alloc(struct tarn_region *region, size_t size)
{
    struct tarn__handles *handles = &region->handles;
    tarn_region_handle handle = 0;
    if (tarn__guard_enter(&region->guard))
        return 0;
    while (!handles->vacant && make_place(region))
        ;
    if (handles->vacant - 1 < handles->count) { /* an overwritten table may name any place */
        size_t number = handles->vacant;
        handles->vacant = handles->table[number - 1].where;
        handles->live++;
        struct tarn__ask ask = tarn__ask_for(region, size, 1, false, number);
        char *p = tarn__region_serve(region, &ask);
        struct tarn__handle *place = &handles->table[number - 1];
        if (p) {
            *place = (struct tarn__handle){.where = (uintptr_t)p, .used = true};
            place->generation = (uint16_t)(++handles->generation & (((size_t)1 << GENERATION_BITS) - 1));
            handle = (size_t)place->generation << NUMBER_BITS | number;
        } else {
            leave_place(region, number);
        }
    }
    tarn__guard_drop(&region->guard);
    return handle;
}

/* Finds a block that has a handle, or is the table. */
static int find_movable(struct tarn_region *region, const void *p, struct tarn__block *block)
{
    int error = tarn__region_locate(region, p, 0, block);
    return error || !block->head || tarn__block_error(region, block) ? TARN_POOL_CORRUPT : 0;
}

/* With TARN_POOL_CHECK: whether the table leads to a block whose header leads back. */
static bool where_sound(struct tarn_region *region, tarn_region_handle handle, const struct tarn__handle *place)
{
    struct tarn__block block;
    return !(region->flags & TARN_POOL_CHECK) ||
           (!find_movable(region, (void *)place->where, &block) && tarn__mark_handle(region, block.head) == number_of(handle));
}

void *tarn_region_handle_lock(struct tarn_region *region, tarn_region_handle handle)
{
    void *p = NULL;
    if (tarn__guard_enter(&region->guard))
        return NULL;
    struct tarn__handle *place = place_of(region, handle);
    if (place && place->locks < UINT16_MAX && where_sound(region, handle, place)) {
        place->locks++;
        p = (void *)place->where;
    }
    tarn__guard_drop(&region->guard);
    return p;
}

int tarn_region_handle_unlock(struct tarn_region *region, tarn_region_handle handle)
{
    int error = tarn__guard_enter(&region->guard);
    if (error)
        return error;
    struct tarn__handle *place = place_of(region, handle);
    error = place && place->locks ? 0 : TARN_POOL_INVALID;
    if (!error)
        place->locks--;
    tarn__guard_drop(&region->guard);
    return error;
}

int tarn_region_handle_free(struct tarn_region *region, tarn_region_handle handle)
{
    struct tarn__block block;
    struct tarn__range *empty = NULL;
    int error = tarn__guard_enter(&region->guard);
    if (error)
        return error;
    struct tarn__handle *place = place_of(region, handle);
    error = !place ? TARN_POOL_INVALID : place->locks ? TARN_POOL_BUSY : find_movable(region, (void *)place->where, &block);
    if (!error && !where_sound(region, handle, place))
        error = TARN_POOL_CORRUPT;
    if (!error)
        error = tarn__region_prepare(region, block.range, block.at, block.granules);
    if (!error) {
        tarn__region_count_free(region, tarn__block_bytes(region, &block));
        block.range->tags[block.at + 1] = TARN__INSIDE;
        tarn__region_free_granules(region, block.range, block.at, block.granules);
        leave_place(region, number_of(handle));
        if (tarn__range_empty(block.range))
            empty = tarn__range_retire(region, block.range);
    }
    tarn__guard_drop(&region->guard);
    if (empty)
        tarn__range_return(region, empty);
    return error;
}

/* Compaction */

/* Moves the block behind a free one to its beginning, if it may go. @return granules that were moved */
static size_t slide(struct tarn_region *region, struct tarn__range *range, size_t at, size_t most)
{
    struct tarn__block block;
    unsigned char *tags = range->tags;
    if ((region->flags & TARN_POOL_CHECK) && !tarn__free_sound(region, range, at))
        return 0;
    size_t gap = tarn__free_granules(range, at), from = at + gap;
    if (tags[from] != TARN__HEAD)
        return 0;
    struct tarn__head *head = (struct tarn__head *)(void *)tarn__granule_address(range, from);
    size_t number = tarn__mark_handle(region, head);
    if (!number || !tarn__handle_names(region, number, head))
        return 0;
    struct tarn__handle *place = number == TABLE ? NULL : &region->handles.table[number - 1];
    if ((place && place->locks) || find_movable(region, (void *)(head + 1), &block) || block.granules > most ||
        tarn__region_prepare(region, range, from, block.granules))
        return 0;
    tarn__region_unkeep_any(region, range, at, gap);
    tags[from - 1] = tags[from] = tags[from + 1] = TARN__INSIDE;
    tarn__bytes_move(tarn__granule_address(range, at), head, block.granules << TARN__GRANULE_SHIFT);
    tags[at + block.granules - 1] = TARN__INSIDE; /* unless it is the next one: what was written there is no neighbour */
    tags[at] = TARN__HEAD;
    tags[at + 1] = TARN__PAYLOAD;
    char *payload = tarn__granule_address(range, at + 1);
    if (place)
        place->where = (uintptr_t)payload;
    else
        region->handles.table = (struct tarn__handle *)(void *)payload;
    tarn__region_free_granules(region, range, at + block.granules, gap);
    return block.granules;
}

/* With TARN_POOL_CHECK nothing that a free block says itself is believed. */
static size_t length_of(const struct tarn_region *region, const struct tarn__range *range, size_t at)
{
    return tarn__starts_free(range, at) && !(region->flags & TARN_POOL_CHECK) ? tarn__free_granules(range, at)
                                                                              : tarn__next_start(range, at) - at;
}

struct pass {
    size_t most, moved, stayed; /* granules that may be moved; that were; blocks passed since */
    bool over;
};

/* From one granule of a range to another. @return where it stopped */
static size_t compact_range(struct tarn_region *region, struct tarn__range *range, size_t at, size_t end, struct pass *pass)
{
    while (at < end && !pass->over) {
        if (tarn__starts_free(range, at)) {
            size_t moved = slide(region, range, at, pass->moved ? pass->most - pass->moved : ~(size_t)0);
            pass->moved += moved;
            pass->over = pass->moved >= pass->most;
            if (moved) {
                at += moved;
                continue;
            }
        }
        at += length_of(region, range, at);
        pass->over |= pass->moved && ++pass->stayed >= STAY_MOST;
    }
    return at;
}

size_t tarn_region_compact(struct tarn_region *region, size_t max_bytes)
{
    struct pass pass = {.most = tarn__granules_of(max_bytes), .over = max_bytes == 0};
    if (tarn__guard_enter(&region->guard))
        return 0;
    uintptr_t cursor = region->handles.cursor;
    struct tarn__range *range = (struct tarn__range *)(void *)tarn__spans_search(&region->ranges, cursor);
    size_t begin = 0;
    if (range && cursor - (uintptr_t)range->first < range->bytes)
        begin = tarn__start_of(range, tarn__index_in(range, (void *)cursor));
    else if (!range && !(range = tarn__range_above(region, cursor)))
        range = tarn__range_above(region, 0);
    size_t at = begin;
    for (size_t rest = region->handles.live ? region->ranges.count + 1 : 0; rest && !pass.over; rest--) {
        at = compact_range(region, range, at, range->granules, &pass);
        region->handles.cursor = (uintptr_t)tarn__granule_address(range, at);
        if (pass.over)
            break;
        range = tarn__range_above(region, range->span.base);
        range = range ? range : tarn__range_above(region, 0);
        at = 0;
        region->handles.cursor = (uintptr_t)range->first;
    }
    tarn__guard_drop(&region->guard);
    return pass.moved << TARN__GRANULE_SHIFT;
}
