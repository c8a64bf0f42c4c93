/*
 * Grouping; see leaks_groups.h.
 */
#include "leaks_groups.h"

#include "common.h"

#include <stdlib.h>
#include <string.h>

struct grouping {
    const struct tool_scan *scan;
    struct tool_leaks *leaks;
    size_t room;
    size_t *slots; /* a hash table of numbers of groups, plus one */
    size_t mask;
    size_t leader; /* the next */
};

const char *tool_leak_kind_name(unsigned kind)
{
    static const char *const names[TOOL_LEAK_KINDS] = {"definite", "indirect", "possible", "reachable"};
    return names[kind];
}

static uint64_t hash_of(const struct tool_leak_group *group)
{
    uint64_t hash = (uint64_t)group->kind << 32 | group->stack;

    hash = (hash ^ (uint64_t)group->root << 40) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 29 ^ group->cache) * UINT64_C(0x9e3779b97f4a7c15);
    return (hash ^ hash >> 29 ^ group->size) * UINT64_C(0x9e3779b97f4a7c15) >> 20;
}

static bool same(const struct tool_leak_group *a, const struct tool_leak_group *b)
{
    return a->kind == b->kind && a->stack == b->stack && a->root == b->root && a->cache == b->cache && a->size == b->size;
}

static void widen(struct grouping *g)
{
    size_t slots = g->mask ? 2 * (g->mask + 1) : 1024;

    g->slots = tool_grow(g->slots, slots * sizeof *g->slots);
    memset(g->slots, 0, slots * sizeof *g->slots);
    g->mask = slots - 1;
    for (size_t i = 0; i < g->leaks->count; i++) {
        size_t at = (size_t)hash_of(&g->leaks->groups[i]) & g->mask;
        while (g->slots[at])
            at = (at + 1) & g->mask;
        g->slots[at] = i + 1;
    }
}

static struct tool_leak_group *group_of(struct grouping *g, const struct tool_leak_group *key)
{
    struct tool_leaks *leaks = g->leaks;
    size_t at;

    if (2 * leaks->count >= g->mask)
        widen(g);
    for (at = (size_t)hash_of(key) & g->mask; g->slots[at]; at = (at + 1) & g->mask)
        if (same(&leaks->groups[g->slots[at] - 1], key))
            return &leaks->groups[g->slots[at] - 1];
    if (leaks->count == g->room) {
        g->room = g->room ? 2 * g->room : 256;
        leaks->groups = tool_grow(leaks->groups, g->room * sizeof *leaks->groups);
    }
    leaks->groups[leaks->count] = *key;
    g->slots[at] = ++leaks->count;
    return &leaks->groups[leaks->count - 1];
}

static void add_example(const struct tool_scan *scan, struct tool_leak_group *group, const struct tool_extent *extent,
                        uint32_t index)
{
    struct tool_leak_example *example = &group->examples[group->objects - 1];
    uint64_t size = tool_object_size(extent, index);

    *example = (struct tool_leak_example){.address = tool_object_address(extent, index)};
    example->length = size < TOOL_LEAK_BYTES ? (unsigned)size : TOOL_LEAK_BYTES;
    if (!tool_live_read(scan->live, example->address, example->bytes, example->length))
        example->length = 0;
}

static void add_object(struct grouping *g, size_t number, uint32_t index, enum tool_leak_kind kind, unsigned kinds)
{
    const struct tool_extent *extent = &g->scan->heap->extents[number];
    struct tool_leak_group key = {.kind = kind, .root = extent->root}, *group;
    uint64_t bytes = tool_object_size(extent, index);

    g->leaks->sums[kind].bytes += bytes;
    g->leaks->sums[kind].objects++;
    if (!(kinds & 1u << kind))
        return;
    key.stack = extent->stacks ? extent->stacks[index] : 0;
    if (!key.stack) {
        key.cache = extent->cache;
        key.size = bytes;
    } else {
        g->leaks->stacks = true;
    }
    group = group_of(g, &key);
    group->bytes += bytes;
    if (++group->objects <= TOOL_LEAK_EXAMPLES)
        add_example(g->scan, group, extent, index);
    if (kind != TOOL_LEAK_DEFINITE)
        return;
    group->indirect_bytes += g->scan->leaders[g->leader].indirect_bytes;
    group->indirect_objects += g->scan->leaders[g->leader].indirect_objects;
}

static int largest_first(const void *a, const void *b)
{
    const struct tool_leak_group *x = a, *y = b;
    uint64_t one = x->bytes + x->indirect_bytes, other = y->bytes + y->indirect_bytes;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (one != other)
        return one > other ? -1 : 1;
    return x->examples[0].address < y->examples[0].address ? -1 : 1;
}

/* Return addresses of a stack's number. */
static void read_frames(const struct tool_live *live, struct tool_leak_group *group)
{
    const struct tarn_live_stacks *s = &live->roots[group->root].root.stacks;
    uint32_t chunk_number = group->stack >> s->chunk_bits;
    uintptr_t table = 0, chunk = 0, at, addresses[TOOL_LEAK_FRAMES];
    char head[256];
    uint64_t count;

    if (!s->at || chunk_number >= s->chunks.count || s->count.offset + s->count.size > sizeof head ||
        !tool_live_read(live, s->at, &table, sizeof table) || !table ||
        !tool_live_read(live, table + s->chunks.offset + chunk_number * sizeof chunk, &chunk, sizeof chunk) || !chunk)
        return;
    at = chunk + (group->stack & (((uint32_t)1 << s->chunk_bits) - 1)) * (uintptr_t)s->unit;
    if (!tool_live_read(live, at, head, s->count.offset + s->count.size))
        return;
    count = tool_live_value(head, s->count, 0);
    count = count < TOOL_LEAK_FRAMES ? count : TOOL_LEAK_FRAMES;
    if (!tool_live_read(live, at + s->frames.offset, addresses, count * sizeof *addresses))
        return;
    group->frames = tool_grow(NULL, (count + 1) * sizeof *group->frames);
    group->frame_count = (size_t)count;
    for (size_t i = 0; i < count; i++)
        group->frames[i] = (struct tool_frame){.address = addresses[i]};
}

void tool_leaks_group(const struct tool_scan *scan, unsigned kinds, struct tool_leaks *leaks)
{
    static const int kind_of[] = {[TOOL_OBJECT_FREE] = -1,
                                  [TOOL_OBJECT_LOST] = TOOL_LEAK_DEFINITE,
                                  [TOOL_OBJECT_REACHED] = TOOL_LEAK_REACHABLE,
                                  [TOOL_OBJECT_POSSIBLE] = TOOL_LEAK_POSSIBLE,
                                  [TOOL_OBJECT_INDIRECT] = TOOL_LEAK_INDIRECT,
                                  [TOOL_OBJECT_LEADER] = TOOL_LEAK_DEFINITE};
    struct grouping g = {.scan = scan, .leaks = leaks};

    *leaks = (struct tool_leaks){.exact = scan->heap->exact};
    for (size_t i = 0; i < scan->heap->count; i++)
        for (uint32_t k = 0; k < scan->heap->extents[i].count; k++) {
            uint8_t state = scan->heap->extents[i].states[k];
            if (kind_of[state] < 0)
                continue;
            add_object(&g, i, k, (enum tool_leak_kind)kind_of[state], kinds);
            g.leader += state == TOOL_OBJECT_LEADER;
        }
    if (leaks->count > 0)
        qsort(leaks->groups, leaks->count, sizeof *leaks->groups, largest_first);
    for (size_t i = 0; i < leaks->count; i++)
        if (leaks->groups[i].stack)
            read_frames(scan->live, &leaks->groups[i]);
    free(g.slots);
}

/* By kind, then by frames; those without any are never the same. */
static int by_frames(const void *a, const void *b)
{
    const struct tool_leak_group *x = *(const struct tool_leak_group *const *)a, *y = *(const struct tool_leak_group *const *)b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->frame_count != y->frame_count)
        return x->frame_count < y->frame_count ? -1 : 1;
    for (size_t i = 0; i < x->frame_count; i++)
        if (x->frames[i].address != y->frames[i].address)
            return x->frames[i].address < y->frames[i].address ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool are_same(const struct tool_leak_group *a, const struct tool_leak_group *b)
{
    if (a->kind != b->kind || a->frame_count != b->frame_count || a->frame_count == 0)
        return false;
    for (size_t i = 0; i < a->frame_count; i++)
        if (a->frames[i].address != b->frames[i].address)
            return false;
    return true;
}

static void free_frames(struct tool_leak_group *group)
{
    for (size_t k = 0; k < group->frame_count; k++) {
        free(group->frames[k].function);
        free(group->frames[k].file);
        free(group->frames[k].module);
    }
    free(group->frames);
    group->frames = NULL;
    group->frame_count = 0;
}

static void absorb(struct tool_leak_group *into, struct tool_leak_group *other)
{
    for (uint64_t i = 0; i < other->objects && i < TOOL_LEAK_EXAMPLES && into->objects + i < TOOL_LEAK_EXAMPLES; i++)
        into->examples[into->objects + i] = other->examples[i];
    into->bytes += other->bytes;
    into->objects += other->objects;
    into->indirect_bytes += other->indirect_bytes;
    into->indirect_objects += other->indirect_objects;
    free_frames(other);
    other->objects = 0;
}

void tool_leaks_merge(struct tool_leaks *leaks)
{
    struct tool_leak_group **order = tool_grow(NULL, (leaks->count + 1) * sizeof *order), *first = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < leaks->count; i++)
        order[i] = &leaks->groups[i];
    if (leaks->count > 0)
        qsort(order, leaks->count, sizeof *order, by_frames);
    for (size_t i = 0; i < leaks->count; i++) {
        if (first && are_same(first, order[i]))
            absorb(first, order[i]);
        else
            first = order[i];
    }
    free(order);
    for (size_t i = 0; i < leaks->count; i++)
        if (leaks->groups[i].objects > 0)
            leaks->groups[kept++] = leaks->groups[i];
    leaks->count = kept;
    if (kept > 0)
        qsort(leaks->groups, kept, sizeof *leaks->groups, largest_first);
}

/* What is lost with a definite leak is suppressed with it. */
void tool_leaks_suppress(struct tool_leaks *leaks, const struct tool_suppressions *suppressions)
{
    for (size_t i = 0; i < suppressions->count; i++)
        suppressions->all[i].bytes = suppressions->all[i].objects = 0;
    for (size_t i = 0; i < leaks->count; i++) {
        struct tool_leak_group *group = &leaks->groups[i];
        struct tool_suppression *by = tool_suppression_of(suppressions, 1u << group->kind, group->frames, group->frame_count);
        if (!by)
            continue;
        group->suppressed = by;
        by->used = true;
        if (group->kind == TOOL_LEAK_INDIRECT) /* counted with what leads to it */
            continue;
        by->bytes += group->bytes + group->indirect_bytes;
        by->objects += group->objects + group->indirect_objects;
        leaks->sums[group->kind].bytes -= group->bytes;
        leaks->sums[group->kind].objects -= group->objects;
        leaks->sums[TOOL_LEAK_INDIRECT].bytes -= group->indirect_bytes;
        leaks->sums[TOOL_LEAK_INDIRECT].objects -= group->indirect_objects;
        leaks->suppressed.bytes += group->bytes + group->indirect_bytes;
        leaks->suppressed.objects += group->objects + group->indirect_objects;
    }
}

void tool_leaks_free(struct tool_leaks *leaks)
{
    for (size_t i = 0; i < leaks->count; i++)
        free_frames(&leaks->groups[i]);
    free(leaks->groups);
    *leaks = (struct tool_leaks){.groups = NULL};
}
