/*
 * Regions: their lives, and the paths of requests without flags. Contract: tarn/region.h; layout: pool/region.h.
 *
 * Memory is asked of the source, and given back, with no guard held: who comes back looks again.
 */
#include "base/bits.h"
#include "pool/bytes.h"
#include "pool/region_care.h"
#include "pool/region_ranges.h"
#include "pool/watch.h"

enum {
    PAGE = 4096,
    INCREMENT = 65536,
    FLAGS = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO,
};

static const struct tarn_region_options no_options;
static const struct tarn__watched watched;

/* Nothing is live, and no strategy knows of a block. Ranges stay. */
static void begin(struct tarn_region *region)
{
    if (tarn__strategy(region) == TARN_REGION_TLSF) {
        region->tlsf.filled = 0;
        if (region->tlsf.heads)
            tarn__bytes_fill(region->tlsf.heads, 0, tarn__tlsf_bytes((unsigned)(region->tlsf.lists >> TARN__LISTS_SHIFT)));
    } else if (tarn__strategy(region) == TARN_REGION_FIRST_FIT) {
        region->order = (struct tarn__address_order){.end = &region->order.lowest, .finger = &region->order.lowest};
    } else {
        region->tree = 0;
    }
    region->handles = (struct tarn__handles){.generation = region->handles.generation};
}

static struct tarn_region *make(char *memory, size_t size, const struct tarn_region_options *options, bool own)
{
    struct tarn_region *region = (struct tarn_region *)tarn__align_up((uintptr_t)memory, TARN__GRANULE);
    size_t skip = (size_t)((char *)region - memory) + sizeof *region;
    tarn__bytes_fill(region, 0, sizeof *region + TARN__GRANULE);
    region->flags = options->flags;
    region->strategy = options->strategy;
    region->source = options->source;
    bool plain = options->strategy == TARN_REGION_TLSF && options->flags == 0;
    region->plain = plain ? (uintptr_t)region : 0;
    region->alone = plain && !options->lock && !options->source ? (uintptr_t)region : 0;
    region->increment = options->increment ? options->increment : INCREMENT;
    if (region->flags & TARN_POOL_RED_ZONE)
        region->mark_mask = ~(size_t)0 / 255 * TARN__ZONE_FILL;
    begin(region);
    struct tarn__range *range = tarn__range_make(region, memory, size, skip, TARN__RANGE_FIRST);
    if (!range)
        return NULL;
    region->first_levels = range->levels;
    tarn__range_attach(region, range);
    tarn__guard_init(&region->guard, options->lock);
    region->owns_first = own;
    tarn__guard_arm(&region->guard, region->flags, range + 1);
    return region;
}

struct tarn_region *tarn_region_create(void *memory, size_t size, const struct tarn_region_options *options)
{
    struct tarn_region_options as = options ? *options : no_options;
    if (size < TARN_REGION_LEAST || size > SIZE_MAX / 2 || (unsigned)as.strategy >= TARN__STRATEGIES ||
        (as.flags & ~(unsigned)FLAGS) || size > SIZE_MAX - (uintptr_t)memory)
        return NULL;
    as.flags |= tarn__watch_flags(watched.kind);
    bool own = !memory;
    if (own) {
        size = tarn__align_up(size, PAGE);
        memory = as.source ? as.source->ops->acquire(as.source, size, PAGE) : NULL;
    }
    struct tarn_region *region = memory ? make(memory, size, &as, own) : NULL;
    if (region) {
        if (as.flags & TARN__WATCHED)
            tarn__watch_begin(&watched, region, as.flags | (as.lock ? 0 : TARN__WATCH_ALONE));
    } else if (own && memory) {
        as.source->ops->release(as.source, memory, size);
    }
    return region;
}

/* The first range goes last: the region lies in it. */
int tarn_region_destroy(struct tarn_region *region)
{
    bool seen = region->flags & TARN__WATCHED;
    if (seen)
        tarn__watch_empty(region);
    int error = tarn__guard_enter(&region->guard);
    if (error)
        return error;
    bool busy = tarn__region_live(region) != 0;
    tarn__guard_drop(&region->guard);
    if (busy)
        return seen ? tarn__watch_wrong(region, TARN_POOL_BUSY, "tarn_region_destroy", region) : TARN_POOL_BUSY;
    if (seen)
        tarn__watch_end(region);
    tarn__guard_end(&region->guard);
    struct tarn_source *source = region->source;
    struct tarn__range *first = NULL, *range;
    for (uintptr_t above = 0; (range = tarn__range_above(region, above));) {
        above = range->span.base;
        if (range->kind == TARN__RANGE_FIRST)
            first = range;
        if (range->kind != TARN__RANGE_OF_SOURCE)
            continue;
        tarn__spans_remove(&region->ranges, &range->span);
        source->ops->release(source, (void *)above, range->span.end - above);
    }
    if (region->owns_first && first)
        source->ops->release(source, (void *)first->span.base, first->span.end - first->span.base);
    return 0;
}

void tarn_region_reset(struct tarn_region *region)
{
    struct tarn__range *range = NULL;
    if (region->flags & TARN__WATCHED)
        tarn__watch_reset(region);
    if (tarn__guard_enter(&region->guard))
        return;
    begin(region);
    for (uintptr_t above = 0; (range = tarn__range_above(region, above)); above = range->span.base)
        tarn__range_clear(range);
    for (uintptr_t above = 0; (range = tarn__range_above(region, above)); above = range->span.base)
        tarn__range_open(region, range);
    region->frees = region->allocations;
    region->live_bytes = 0;
    tarn__guard_drop(&region->guard);
}

/* Requests in general. */
static char *serve(struct tarn_region *region, const struct tarn__ask *ask)
{
    if (tarn__guard_enter(&region->guard))
        return NULL;
    char *p = tarn__region_serve(region, ask);
    tarn__guard_drop(&region->guard);
    return p;
}

/* A request without alignment, or one that found nothing on the short path. */
static __attribute__((noinline)) void *alloc_any(struct tarn_region *region, size_t size, bool sized)
{
    struct tarn__ask ask = tarn__ask_for(region, size, 1, sized, 0);
    if (region->flags & TARN__WATCHED)
        return tarn__watch_alloc(region, !sized, size);
    return serve(region, &ask);
}

/* From what there is, on the short path: TLSF, no flags. */
TARN__SHORT char *take(struct tarn_region *region, size_t granules, bool header)
{
    size_t list = tarn__tlsf_find(&region->tlsf, granules), had;
    if (__builtin_expect(list == TARN__NO_LIST, 0)) {
        region->failures += !region->source; /* with one it goes on */
        return NULL;
    }
    struct tarn__free *block = tarn__tlsf_pop(&region->tlsf, list, &had);
    struct tarn__range *range = tarn__range_of(region, block);
    if (!range)
        __builtin_unreachable();                                            /* a block of a list is the region's */
    struct tarn__range here = {.tags = range->tags, .first = range->first}; /* which stores to tags cannot change */
    size_t at = tarn__index_in(&here, block);
    unsigned char *tag = &here.tags[at];
    tarn__region_count_alloc(region, (granules - header) << TARN__GRANULE_SHIFT);
    tarn__region_cut(region, &here, at, had, granules, true);
    if (!header) {
        *tag = (unsigned char)tarn__tag_of(granules);
        return (char *)block;
    }
    tag[0] = TARN__HEAD;
    tag[1] = TARN__PAYLOAD;
    ((struct tarn__head *)block)->granules = granules;
    ((struct tarn__head *)block)->mark = 0;
    return (char *)block + TARN__GRANULE;
}

/* With a lock, or in general. */
static __attribute__((noinline)) void *alloc_guarded(struct tarn_region *region, size_t size)
{
    size_t granules = tarn__granules_of(size);
    bool header = granules >= TARN__LONG;
    if (region->plain != (uintptr_t)region)
        return alloc_any(region, size, false);
    tarn__guard_take(&region->guard);
    char *p = take(region, granules + header, header);
    tarn__guard_drop(&region->guard);
    return p || !region->source ? p : alloc_any(region, size, false);
}

void *tarn_region_alloc(struct tarn_region *region, size_t size)
{
    size_t granules = tarn__granules_of(size);
    bool header = granules >= TARN__LONG;
    if (__builtin_expect(!TARN__ALONE(region), 0))
        return alloc_guarded(region, size);
    return take(region, granules + header, header);
}

void *tarn_region_alloc_sized(struct tarn_region *region, size_t size)
{
    if (__builtin_expect(!TARN__ALONE(region), 0))
        return alloc_any(region, size, true);
    return take(region, tarn__granules_of(size), false);
}

void *tarn_region_alloc_aligned(struct tarn_region *region, size_t align, size_t size)
{
    if (!tarn__is_pow2(align))
        return NULL;
    if (region->flags & TARN__WATCHED)
        return tarn__watch_alloc(region, align, size);
    struct tarn__ask ask = tarn__ask_for(region, size, align, false, 0);
    return serve(region, &ask);
}

/* Whether a block that was found may be freed by its address. */
static int verify(struct tarn_region *region, const struct tarn__block *block)
{
    int error = tarn__block_error(region, block);
    if (!error && tarn__is_movable(region, block))
        error = TARN_POOL_INVALID;
    return error ? error : tarn__region_prepare(region, block->range, block->at, block->granules);
}

/* Lets go of the guard, and of a range that has become empty if it goes back to its source. */
static __attribute__((noinline)) int drop_with_range(struct tarn_region *region, struct tarn__range *range)
{
    range = tarn__range_retire(region, range);
    tarn__guard_drop(&region->guard);
    if (range)
        tarn__range_return(region, range);
    return 0;
}

/* Frees a block that was found, and lets go of the guard. In a region that is `alone` there is none. */
TARN__SHORT int give(struct tarn_region *region, const struct tarn__block *block, bool plain, bool alone)
{
    struct tarn__range *range = block->range, *known = range;
    struct tarn__range here = {.tags = range->tags, .first = range->first}; /* which stores to tags cannot change */
    if (plain)
        known = &here;
    tarn__region_count_free(region, tarn__block_bytes_in(region, block, plain));
    known->tags[block->payload] = TARN__INSIDE;
    size_t merged = tarn__region_merge(region, known, block->at, block->granules, plain);
    if (alone)
        return 0;
    if (region->source && merged == range->granules)
        return drop_with_range(region, range);
    tarn__guard_drop(&region->guard);
    return 0;
}

/* Frees a block in any region. `sized`: it has to have `size` bytes. */
static int free_here(struct tarn_region *region, void *p, bool sized, size_t size)
{
    struct tarn__block block;
    int error = tarn__guard_enter(&region->guard);
    if (error)
        return error;
    error = tarn__region_locate(region, p, sized ? tarn__granules_of(size) : 0, &block);
    if (!error && sized && !tarn__has_size(region, &block, size))
        error = TARN_POOL_WRONG_SIZE;
    if (!error)
        error = verify(region, &block);
    if (!error)
        return give(region, &block, false, false);
    tarn__guard_drop(&region->guard);
    return error;
}

static __attribute__((noinline)) int free_any(struct tarn_region *region, void *p, bool sized, size_t size)
{
    if (!p)
        return 0;
    if (region->flags & TARN__WATCHED)
        return tarn__watch_free(region, p, sized ? size : TARN__ANY_SIZE,
                                sized ? "tarn_region_free_sized" : "tarn_region_free");
    return free_here(region, p, sized, size);
}

static __attribute__((noinline)) int free_guarded(struct tarn_region *region, void *p)
{
    struct tarn__block block;
    if (region->plain != (uintptr_t)region)
        return free_any(region, p, false, 0);
    tarn__guard_take(&region->guard);
    if (!tarn__region_locate(region, p, 0, &block) && !(block.head && block.head->mark))
        return give(region, &block, true, false);
    tarn__guard_drop(&region->guard);
    return free_any(region, p, false, 0);
}

/* What is wrong is looked for again, so that the short path need not keep it. */
int tarn_region_free(struct tarn_region *region, void *p)
{
    struct tarn__block block;
    if (__builtin_expect(!TARN__ALONE(region), 0))
        return free_guarded(region, p);
    if (__builtin_expect(!tarn__region_locate(region, p, 0, &block) && !(block.head && block.head->mark), 1))
        return give(region, &block, true, true);
    return free_any(region, p, false, 0);
}

int tarn_region_free_sized(struct tarn_region *region, void *p, size_t size)
{
    struct tarn__block block;
    if (__builtin_expect(!TARN__ALONE(region), 0))
        return free_any(region, p, true, size);
    size_t granules = tarn__granules_of(size);
    if (__builtin_expect(!tarn__region_locate(region, p, granules, &block) && !block.head && block.granules == granules, 1))
        return give(region, &block, true, true);
    return free_any(region, p, true, size);
}

static size_t usable(struct tarn_region *region, const void *p)
{
    struct tarn__block block;
    if (tarn__guard_enter(&region->guard))
        return 0;
    bool live = !tarn__region_locate(region, p, 0, &block) && tarn__block_sound(region, &block);
    size_t bytes = live ? tarn__block_bytes(region, &block) : 0;
    tarn__guard_drop(&region->guard);
    return bytes;
}

size_t tarn_region_usable_size(struct tarn_region *region, const void *p)
{
    return region->flags & TARN__WATCHED ? tarn__watch_usable(region, p) : usable(region, p);
}

/* What watched regions are asked */

static void *watched_alloc(void *pool, size_t align, size_t size)
{
    struct tarn__ask ask = tarn__ask_for(pool, size, align + !align, !align, 0);
    return serve(pool, &ask);
}

static int watched_free(void *pool, void *p, size_t size) { return free_here(pool, p, size != TARN__ANY_SIZE, size); }

static int watched_look(void *pool, const void *p)
{
    struct tarn_region *region = pool;
    struct tarn__block block;
    int error = tarn__guard_enter(&region->guard);
    if (error)
        return error;
    error = tarn__region_locate(region, p, 0, &block);
    if (!error)
        error = verify(region, &block);
    tarn__guard_drop(&region->guard);
    return error;
}

static size_t watched_usable(void *pool, const void *p) { return usable(pool, p); }

static const struct tarn__watched watched = {"region", watched_alloc, watched_free, watched_look, watched_usable, NULL, false};
