/*
 * Where the pools of a running process lie; see maps_pools.h.
 *
 * A section's page descriptors are copied in one call and gone through from the first page: each block says how long it is. What does not add up (a block that is just being split or merged) is told as changing, page by
 * page, until a block begins again.
 *
 * Zones lie in each other: the buffer under one may be a block of another, from malloc. Each page is told of the innermost.
 */
#include "maps_pools.h"

#include "common.h"
#include "live_sections.h"

#include <stdlib.h>
#include <string.h>

#define MOST_NESTED 16

struct walk {
    const struct tool_live *live;
    const struct tarn_live *root;
    struct tool_pools *pools;
    uintptr_t *caches; /* of the slabs of the section, by unit */
    uintptr_t run_end; /* of the last run that went beyond its section */
    uint32_t run_use;
};

static void add_span(struct tool_pools *pools, struct tool_span span)
{
    struct tool_span *last = pools->span_count > 0 ? &pools->spans[pools->span_count - 1] : NULL;

    if (span.begin >= span.end)
        return;
    if (last && last->end == span.begin && last->zone == span.zone && last->use == span.use && last->depth == span.depth) {
        last->end = span.end;
        last->count += span.count;
        return;
    }
    if (!pools->spans || pools->span_count == pools->span_room) {
        pools->span_room = pools->span_room ? 2 * pools->span_room : 256;
        pools->spans = tool_grow(pools->spans, pools->span_room * sizeof *pools->spans);
    }
    pools->spans[pools->span_count++] = span;
}

/* Zones and caches */

static bool read_zones(const struct tool_live *live, unsigned root, struct tool_pools *pools)
{
    const struct tarn_live_zone *fields = &live->roots[root].root.zone;
    char *copy = tool_grow(NULL, fields->set.bytes);
    uintptr_t *at;
    size_t count;
    bool done = tool_live_elements(live, &fields->set, &at, &count);

    pools->zones = tool_grow(pools->zones, (pools->zone_count + count) * sizeof *pools->zones);
    for (size_t i = 0; done && i < count; i++) {
        struct tool_pool_zone *zone = &pools->zones[pools->zone_count];
        done = tool_live_read(live, at[i], copy, fields->set.bytes);
        if (!done)
            break;
        *zone = (struct tool_pool_zone){.at = at[i], .root = root};
        tool_live_name(live, copy, fields->name, zone->name);
        pools->zone_count++;
    }
    free(at);
    free(copy);
    return done;
}

static bool read_caches(const struct tool_live *live, unsigned root, struct tool_pools *pools)
{
    const struct tarn_live_cache *fields = &live->roots[root].root.cache;
    char *copy = tool_grow(NULL, fields->set.bytes);
    uintptr_t *at;
    size_t count;
    bool done = tool_live_elements(live, &fields->set, &at, &count);

    pools->caches = tool_grow(pools->caches, (pools->cache_count + count) * sizeof *pools->caches);
    for (size_t i = 0; done && i < count; i++) {
        struct tool_pool_cache *cache = &pools->caches[pools->cache_count];
        done = tool_live_read(live, at[i], copy, fields->set.bytes);
        if (!done)
            break;
        cache->at = at[i];
        tool_live_name(live, copy, fields->name, cache->name);
        pools->cache_count++;
    }
    free(at);
    free(copy);
    return done;
}

static size_t zone_index(const struct tool_pools *pools, uintptr_t at)
{
    size_t i = 0;
    while (i < pools->zone_count && pools->zones[i].at != at)
        i++;
    return i;
}

/* Slabs of one cache come in rows: the last answer is mostly the next. */
static uint32_t use_of(const struct tool_pools *pools, uintptr_t cache)
{
    static size_t last;

    if (last < pools->cache_count && pools->caches[last].at == cache)
        return TOOL_POOL_SLABS + (uint32_t)last;
    for (size_t i = 0; i < pools->cache_count; i++)
        if (pools->caches[i].at == cache) {
            last = i;
            return TOOL_POOL_SLABS + (uint32_t)i;
        }
    return TOOL_POOL_CHANGING;
}

/* Sections */

static const char *page_copy(const struct tarn_live_section *s, const struct tool_section *section, size_t i)
{
    return section->copy + s->page.offset + i * s->page.size;
}

static struct tarn_live_state state_at(const struct tarn_live_section *s, const struct tool_section *section, size_t i)
{
    uint64_t state = tool_live_value(page_copy(s, section, i), s->state, 0);
    return state < TARN_LIVE_STATES ? s->states[state] : (struct tarn_live_state){TARN_LIVE_INSIDE, 0};
}

/* Which cache the slab in each unit is of. */
static bool read_slabs(const struct walk *walk, const struct tool_section *section)
{
    const struct tarn_live_section *s = &walk->root->section;
    struct tool_piece *pieces = tool_grow(NULL, s->room.count * sizeof *pieces);
    size_t count = 0;
    bool done;

    memset(walk->caches, 0, s->room.count * sizeof *walk->caches);
    for (size_t i = 0; i < s->page.count; i += s->unit_pages)
        if (state_at(s, section, i).use == TARN_LIVE_SLAB) {
            size_t unit = i / s->unit_pages;
            pieces[count++] = (struct tool_piece){section->at + s->room.offset + unit * s->room.size + s->slab_cache.offset,
                                                  &walk->caches[unit], sizeof walk->caches[unit]};
        }
    done = tool_live_read_many(walk->live, pieces, count);
    free(pieces);
    return done;
}

/* Pages of the block that begins at page `i`, and its use; 1 and changing where none does. Runs may go beyond the section. */
static uint64_t block_at(const struct walk *walk, const struct tool_section *section, size_t i, uint32_t *use)
{
    const struct tarn_live_section *s = &walk->root->section;
    const char *page = page_copy(s, section, i);
    struct tarn_live_state state = state_at(s, section, i);
    uint64_t order = tool_live_value(page, s->order, 0), count = tool_live_value(page, s->count, 0);
    uint64_t length = !state.by_order ? count : order < TARN_LIVE_ORDERS ? UINT64_C(1) << order : 0;

    *use = TOOL_POOL_CHANGING;
    if (length == 0 || (length > section->end - i && state.by_order))
        return 1;
    switch (state.use) {
    case TARN_LIVE_FREE:
        *use = TOOL_POOL_FREE;
        break;
    case TARN_LIVE_LARGE:
        *use = TOOL_POOL_LARGE;
        break;
    case TARN_LIVE_HEAP:
        *use = TOOL_POOL_HEAPS;
        break;
    case TARN_LIVE_PAGES:
        *use = state.by_order && count == 0 ? TOOL_POOL_FREE : TOOL_POOL_PAGES;
        break;
    case TARN_LIVE_SLAB:
        *use = i % s->unit_pages == 0 ? use_of(walk->pools, walk->caches[i / s->unit_pages]) : TOOL_POOL_CHANGING;
        break;
    default:
        return 1;
    }
    return length;
}

/* A run may go on in the next sections: no block begins in its part there. */
static void add_section(struct walk *walk, const struct tool_section *section, uint32_t zone)
{
    const struct tarn_live_section *s = &walk->root->section;
    bool partial = section->first > 0 || section->end < s->page.count;

    for (size_t i = section->first, count; i < section->end; i += count) {
        uintptr_t at = section->base + ((uintptr_t)i << s->page_bits);
        uint32_t use;
        uint64_t length = block_at(walk, section, i, &use);
        bool goes_on = at < walk->run_end && state_at(s, section, i).use == TARN_LIVE_INSIDE;

        count = length < section->end - i ? (size_t)length : section->end - i;
        if (length > section->end - i) {
            walk->run_end = at + (uintptr_t)(length << s->page_bits);
            walk->run_use = use;
        }
        add_span(walk->pools, (struct tool_span){at, at + ((uintptr_t)count << s->page_bits), zone,
                                                 goes_on ? walk->run_use : use, !goes_on, partial});
    }
}

/* A section of several slots is one block; its last pages are nobody's, and go with it. */
static void add_mapped(const struct walk *walk, const struct tool_section *section, uint32_t zone)
{
    const struct tarn_live_section *s = &walk->root->section;
    uint8_t state = state_at(s, section, 0).use;
    uint32_t use = state == TARN_LIVE_LARGE   ? TOOL_POOL_LARGE
                   : state == TARN_LIVE_HEAP  ? TOOL_POOL_HEAPS
                   : state == TARN_LIVE_PAGES ? TOOL_POOL_PAGES
                                              : TOOL_POOL_FREE;

    add_span(walk->pools, (struct tool_span){section->base, section->base + ((uintptr_t)section->slots << s->section_bits),
                                             zone, use, 1, 0});
}

/* Memory of the library's own, as far as it fills pages. */
static void add_descriptors(uintptr_t at, uint64_t bytes, void *context)
{
    const struct walk *walk = context;
    uintptr_t page = (uintptr_t)1 << walk->root->section.page_bits;

    if (at <= UINTPTR_MAX - bytes - page)
        add_span(walk->pools, (struct tool_span){(at + page - 1) & ~(page - 1), (uintptr_t)(at + bytes) & ~(page - 1),
                                                 TOOL_NO_ZONE, TOOL_POOL_DESCRIPTORS, 1, 0});
}

static void visit_section(const struct tool_section *section, void *context)
{
    struct walk *walk = context;
    const struct tarn_live_section *s = &walk->root->section;
    size_t zone = zone_index(walk->pools, (uintptr_t)tool_live_value(section->copy, s->zone, 0));

    if (zone == walk->pools->zone_count)
        return;
    add_descriptors(section->at, s->bytes, walk);
    if (section->slots > 1)
        add_mapped(walk, section, (uint32_t)zone);
    else if (read_slabs(walk, section))
        add_section(walk, section, (uint32_t)zone);
}

/* By address; what lies in another after it. */
static int by_address(const void *a, const void *b)
{
    const struct tool_span *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    return x->depth < y->depth ? -1 : x->depth > y->depth;
}

/* Adds what of a span lies from `from` to `to`. Only its first part counts its runs. */
static void add_part(struct tool_pools *pools, struct tool_span *span, uintptr_t from, uintptr_t to)
{
    struct tool_span part = *span;

    part.begin = from > span->begin ? from : span->begin;
    part.end = to < span->end ? to : span->end;
    if (part.begin < part.end)
        span->count = 0;
    add_span(pools, part);
}

/* Sorts, and leaves each page to one span: of several that have it, to the one that begins last, and of those to the shortest. */
static void flatten(struct tool_pools *pools)
{
    struct tool_span *spans = pools->spans, open[MOST_NESTED];
    size_t count = pools->span_count, depth = 0;
    uintptr_t at = 0;

    if (count > 0)
        qsort(spans, count, sizeof *spans, by_address);
    pools->spans = NULL;
    pools->span_count = pools->span_room = 0;
    for (size_t i = 0; i <= count; i++) {
        uintptr_t next = i < count ? spans[i].begin : UINTPTR_MAX;

        for (; depth > 0 && open[depth - 1].end <= next; depth--) {
            add_part(pools, &open[depth - 1], at, next);
            at = at > open[depth - 1].end ? at : open[depth - 1].end;
        }
        if (depth > 0)
            add_part(pools, &open[depth - 1], at, next);
        at = next;
        if (i < count && depth < MOST_NESTED)
            open[depth++] = spans[i];
    }
    free(spans);
}

static void add_threads(struct walk *walk)
{
    const struct tarn_live_set *set = &walk->root->thread.set;
    uintptr_t *threads;
    size_t count;

    if (tool_live_elements(walk->live, set, &threads, &count))
        for (size_t i = 0; i < count; i++)
            add_descriptors(threads[i], set->bytes, walk);
    free(threads);
}

static bool read_root(const struct tool_live *live, unsigned root, struct tool_pools *pools)
{
    struct walk walk = {.live = live, .root = &live->roots[root].root, .pools = pools};
    const struct tarn_live_section *s = &walk.root->section;
    struct tool_section_visitor visitor = {s->page.offset + (uint32_t)s->page.size * s->page.count, visit_section,
                                           add_descriptors, &walk};
    bool done = read_zones(live, root, pools) && read_caches(live, root, pools);

    walk.caches = tool_grow(NULL, s->room.count * sizeof *walk.caches);
    done = done && tool_sections_each(live, walk.root, &visitor);
    if (done)
        add_threads(&walk);
    free(walk.caches);
    return done;
}

bool tool_pools_read(const struct tool_live *live, struct tool_pools *pools)
{
    bool done = true;

    *pools = (struct tool_pools){.zones = NULL};
    for (unsigned i = 0; i < live->count && done; i++)
        done = read_root(live, i, pools);
    flatten(pools);
    return done;
}

void tool_pools_free(struct tool_pools *pools)
{
    free(pools->zones);
    free(pools->caches);
    free(pools->spans);
    *pools = (struct tool_pools){.zones = NULL};
}
