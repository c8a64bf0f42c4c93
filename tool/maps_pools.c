/*
 * Where the pools of a running process lie; see maps_pools.h.
 *
 * All sections are found from the table that leads to them by address. A section's page descriptors are copied in one call and gone through from the
 * first page: each block says how long it is. What does not add up (a block that is just being split or merged) is told as changing, page by
 * page, until a block begins again.
 *
 * Zones lie in each other: the buffer under one may be a block of another, from malloc. Each page is told of the innermost.
 */
#include "maps_pools.h"

#include "common.h"

#include <stdlib.h>
#include <string.h>

#define MOST_SECTIONS ((size_t)1 << 22)
#define MOST_CHAINED 4096
#define MOST_NESTED 16

struct walk {
    const struct tool_live *live;
    const struct tarn_live *root;
    struct tool_pools *pools;
    char *copy;         /* of a section, up to the end of its page descriptors */
    uintptr_t *caches;  /* of the slabs of the section, by unit */
    uintptr_t previous; /* what the last slot led to */
    uintptr_t run_end;  /* of the last run that went beyond its section */
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
    if (pools->span_count == pools->span_room) {
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

static const char *page_copy(const struct walk *walk, size_t i)
{
    return walk->copy + walk->root->section.page.offset + i * walk->root->section.page.size;
}

static struct tarn_live_state state_at(const struct walk *walk, size_t i)
{
    uint64_t state = tool_live_value(page_copy(walk, i), walk->root->section.state, 0);
    return state < TARN_LIVE_STATES ? walk->root->section.states[state] : (struct tarn_live_state){TARN_LIVE_INSIDE, 0};
}

/* Which cache the slab in each unit is of. */
static bool read_slabs(const struct walk *walk, uintptr_t section)
{
    const struct tarn_live_section *s = &walk->root->section;
    struct tool_piece *pieces = tool_grow(NULL, s->room.count * sizeof *pieces);
    size_t count = 0;
    bool done;

    memset(walk->caches, 0, s->room.count * sizeof *walk->caches);
    for (size_t i = 0; i < s->page.count; i += s->unit_pages)
        if (state_at(walk, i).use == TARN_LIVE_SLAB) {
            size_t unit = i / s->unit_pages;
            pieces[count++] = (struct tool_piece){section + s->room.offset + unit * s->room.size + s->slab_cache.offset,
                                                  &walk->caches[unit], sizeof walk->caches[unit]};
        }
    done = tool_live_read_many(walk->live, pieces, count);
    free(pieces);
    return done;
}

/* Pages of the block that begins at page `i`, of `pages` that there are, and its use; 1 and changing where none does. */
static uint64_t block_at(const struct walk *walk, size_t i, size_t pages, uint32_t *use)
{
    const struct tarn_live_section *s = &walk->root->section;
    struct tarn_live_state state = state_at(walk, i);
    uint64_t order = tool_live_value(page_copy(walk, i), s->order, 0), count = tool_live_value(page_copy(walk, i), s->count, 0);
    uint64_t length = !state.by_order ? count : order < TARN_LIVE_ORDERS ? UINT64_C(1) << order : 0;

    *use = TOOL_POOL_CHANGING;
    if (length == 0 || (length > pages - i && (state.by_order || state.use == TARN_LIVE_SLAB)))
        return 1;
    switch (state.use) {
    case TARN_LIVE_FREE:
        *use = TOOL_POOL_FREE;
        break;
    case TARN_LIVE_LARGE:
        *use = TOOL_POOL_LARGE;
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
static void add_section(struct walk *walk, uintptr_t base, size_t zone)
{
    const struct tarn_live_section *s = &walk->root->section;
    size_t first = (size_t)tool_live_value(walk->copy, s->first, 0);
    size_t end = s->end.count ? (size_t)tool_live_value(walk->copy, s->end, 0) : s->page.count;
    bool partial;

    end = end < s->page.count ? end : s->page.count;
    partial = first > 0 || end < s->page.count;
    for (size_t i = first, count; i < end; i += count) {
        uintptr_t at = base + ((uintptr_t)i << s->page_bits);
        uint32_t use;
        uint64_t length = block_at(walk, i, end, &use);
        bool goes_on = at < walk->run_end && state_at(walk, i).use == TARN_LIVE_INSIDE;

        count = length < end - i ? (size_t)length : end - i;
        if (length > end - i) {
            walk->run_end = at + (uintptr_t)(length << s->page_bits);
            walk->run_use = use;
        }
        add_span(walk->pools, (struct tool_span){at, at + ((uintptr_t)count << s->page_bits), (uint32_t)zone,
                                                 goes_on ? walk->run_use : use, !goes_on, partial});
    }
}

/* A section of several slots is one block; its last pages are nobody's, and go with it. */
static void add_mapped(const struct walk *walk, uintptr_t base, size_t zone, uint64_t slots)
{
    uint8_t use = state_at(walk, 0).use;

    add_span(walk->pools,
             (struct tool_span){base, base + (uintptr_t)(slots << walk->root->section.section_bits), (uint32_t)zone,
                                use == TARN_LIVE_LARGE   ? TOOL_POOL_LARGE
                                : use == TARN_LIVE_PAGES ? TOOL_POOL_PAGES
                                                         : TOOL_POOL_FREE,
                                1, 0});
}

/* Memory of the library's own, as far as it fills pages. */
static void add_descriptors(const struct walk *walk, uintptr_t at, uint64_t bytes)
{
    uintptr_t page = (uintptr_t)1 << walk->root->section.page_bits;

    if (at <= UINTPTR_MAX - bytes - page)
        add_span(walk->pools, (struct tool_span){(at + page - 1) & ~(page - 1), (uintptr_t)(at + bytes) & ~(page - 1),
                                                 TOOL_NO_ZONE, TOOL_POOL_DESCRIPTORS, 1, 0});
}

/* A section that a slot leads to, and a copy of it. What has gone meanwhile is left out. Returns the next of its chain, or 0. */
static uintptr_t visit_section(struct walk *walk, uintptr_t slot, uintptr_t section)
{
    const struct tarn_live_section *s = &walk->root->section;
    uintptr_t base;
    size_t zone;
    uint64_t slots;

    if (!tool_live_read(walk->live, section, walk->copy, s->page.offset + (size_t)s->page.size * s->page.count))
        return 0;
    base = (uintptr_t)tool_live_value(walk->copy, s->base, 0);
    zone = zone_index(walk->pools, (uintptr_t)tool_live_value(walk->copy, s->zone, 0));
    slots = tool_live_value(walk->copy, s->slots, 0);
    if (base >> s->section_bits != slot || zone == walk->pools->zone_count || slots == 0 || slots > MOST_SECTIONS ||
        base + (slots << s->section_bits) < base)
        return 0;
    add_descriptors(walk, section, s->bytes);
    if (slots > 1)
        add_mapped(walk, base, zone, slots);
    else if (read_slabs(walk, section))
        add_section(walk, base, zone);
    return (uintptr_t)tool_live_value(walk->copy, s->neighbour, 0);
}

static void visit_slot(struct walk *walk, uintptr_t slot, uintptr_t entry)
{
    uintptr_t section = entry & ~(uintptr_t)1;

    if (!entry || entry == walk->previous)
        return;
    walk->previous = entry;
    for (int i = 0; section && i < MOST_CHAINED; i++) {
        uintptr_t next = visit_section(walk, slot, section);
        section = entry & 1 ? next : 0;
    }
}

static bool visit_leaf(struct walk *walk, uintptr_t number, uintptr_t leaf, uintptr_t *slots)
{
    const struct tarn_live_section *s = &walk->root->section;
    size_t count = (size_t)1 << s->leaf_bits;

    if (!tool_live_read(walk->live, leaf, slots, count * sizeof *slots))
        return false;
    add_descriptors(walk, leaf, count * sizeof *slots);
    for (size_t i = 0; i < count; i++)
        visit_slot(walk, (number << s->leaf_bits) + i, slots[i]);
    return true;
}

static bool visit_sections(struct walk *walk)
{
    const struct tarn_live_section *s = &walk->root->section;
    size_t leaves = (size_t)1 << s->root_bits;
    uintptr_t *leaf = tool_grow(NULL, leaves * sizeof *leaf);
    uintptr_t *slots = tool_grow(NULL, ((size_t)1 << s->leaf_bits) * sizeof *slots);
    bool done = tool_live_read(walk->live, s->root, leaf, leaves * sizeof *leaf);

    for (size_t i = 0; done && i < leaves; i++)
        if (leaf[i])
            done = visit_leaf(walk, i, leaf[i], slots);
    free(leaf);
    free(slots);
    return done;
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

static void add_threads(const struct walk *walk)
{
    const struct tarn_live_set *set = &walk->root->thread.set;
    uintptr_t *threads;
    size_t count;

    if (tool_live_elements(walk->live, set, &threads, &count))
        for (size_t i = 0; i < count; i++)
            add_descriptors(walk, threads[i], set->bytes);
    free(threads);
}

static bool read_root(const struct tool_live *live, unsigned root, struct tool_pools *pools)
{
    struct walk walk = {.live = live, .root = &live->roots[root].root, .pools = pools};
    const struct tarn_live_section *s = &walk.root->section;
    bool done = read_zones(live, root, pools) && read_caches(live, root, pools);

    walk.copy = tool_grow(NULL, s->page.offset + (size_t)s->page.size * s->page.count);
    walk.caches = tool_grow(NULL, s->room.count * sizeof *walk.caches);
    done = done && visit_sections(&walk);
    if (done)
        add_threads(&walk);
    free(walk.copy);
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
