/*
 * Hardened and guarded objects; see scan_walk.h, and format/live.h for what is followed.
 *
 * Their places are the library's alone: no root lies there. Of a class of hardened slots there is one extent, however long.
 */
#include "common.h"
#include "scan_walk.h"

#include <stdlib.h>

#define MOST_SLOTS (UINT32_C(1) << 28)
#define MOST_STEPS ((size_t)1 << 20)
#define BATCH 256u

static uintptr_t word_at(const struct walk *walk, uintptr_t at)
{
    uintptr_t word = 0;
    return at && tool_live_read(walk->heap->live, at, &word, sizeof word) ? word : 0;
}

/* Hardened slots */

static void add_class(struct walk *walk, const char *class)
{
    const struct tarn_live_hard *h = &walk->root->hard;
    uintptr_t slots = (uintptr_t)tool_live_value(class, h->slots, 0), states = (uintptr_t)tool_live_value(class, h->states, 0);
    uint64_t size = tool_live_value(class, h->size, 0), known = tool_live_value(class, h->known, 0);
    uint16_t *copy = known > 0 && known < MOST_SLOTS ? tool_grow(NULL, known * sizeof *copy) : NULL;
    struct tool_extent *extent = copy && tool_live_read(walk->heap->live, states, copy, known * sizeof *copy)
                                     ? tool_walk_add(walk,
                                                     (struct tool_extent){.begin = slots,
                                                                          .slot = size,
                                                                          .size = size,
                                                                          .count = (uint32_t)known,
                                                                          .cache = TOOL_CACHE_LARGE,
                                                                          .wide = true},
                                                     known * size)
                                     : NULL;

    if (extent)
        tool_walk_make_notes(&walk->heap->notes, extent);
    for (uint32_t i = 0; extent && i < known; i++) {
        uint64_t less = copy[i] - h->live;
        bool live = copy[i] >= h->live && less <= size;
        tool_walk_note(extent, i, live ? size - less : size, 0);
        extent->states[i] = live ? TOOL_OBJECT_LOST : TOOL_OBJECT_FREE;
    }
    free(copy);
}

/* One whole object, in pages of its own. */
static void add_pages(struct walk *walk, uintptr_t map, uint64_t bytes, uintptr_t object, uint64_t asked, uint32_t stack,
                      bool live)
{
    struct tool_extent *extent = object >= map && object - map < bytes && object - map <= UINT32_MAX
                                     ? tool_walk_add(walk,
                                                     (struct tool_extent){.begin = map,
                                                                          .slot = bytes,
                                                                          .size = asked,
                                                                          .start = (uint32_t)(object - map),
                                                                          .count = 1,
                                                                          .cache = TOOL_CACHE_LARGE},
                                                     bytes)
                                     : NULL;

    if (!extent)
        return;
    tool_walk_make_notes(&walk->heap->notes, extent);
    tool_walk_note(extent, 0, asked, stack);
    extent->states[0] = live ? TOOL_OBJECT_LOST : TOOL_OBJECT_FREE;
}

/* What is known of a block; returns the address of what is known of the next. */
static uintptr_t add_block(struct walk *walk, const struct tarn_live_hard_blocks *b, uintptr_t at, char *copy)
{
    const struct tarn_live_field word = {0, sizeof(uintptr_t), 1}, number = {0, 4, 1};

    if (!tool_live_read(walk->heap->live, at, copy, b->bytes))
        return 0;
    add_pages(walk, (uintptr_t)tool_live_value(copy + b->map, word, 0),
              tool_live_value(copy + b->pages, word, 0) << walk->root->section.page_bits,
              (uintptr_t)tool_live_value(copy + b->object, word, 0), tool_live_value(copy + b->asked, word, 0), 0,
              tool_live_value(copy + b->state, number, 0) == b->live);
    return (uintptr_t)tool_live_value(copy + b->next, word, 0);
}

static void add_blocks(struct walk *walk)
{
    struct tarn_live_hard_blocks b;
    size_t steps = 0;

    if (!walk->root->hard.blocks || !tool_live_read(walk->heap->live, walk->root->hard.blocks, &b, sizeof b) ||
        b.count > 65536 || b.bytes > 4096 || b.next > b.bytes - sizeof(uintptr_t) || b.object > b.bytes - sizeof(uintptr_t) ||
        b.map > b.bytes - sizeof(uintptr_t) || b.pages > b.bytes - sizeof(uintptr_t) || b.asked > b.bytes - sizeof(uintptr_t) ||
        b.state > b.bytes - 4)
        return;
    uintptr_t *heads = tool_grow(NULL, (b.count + 1) * sizeof *heads);
    char *copy = tool_grow(NULL, b.bytes + sizeof *heads);
    if (tool_live_read(walk->heap->live, b.at, heads, b.count * sizeof *heads))
        for (uint32_t i = 0; i < b.count; i++)
            for (uintptr_t at = heads[i]; at && steps < MOST_STEPS; steps++)
                at = add_block(walk, &b, at, copy);
    free(copy);
    free(heads);
}

static void add_hardened(struct walk *walk)
{
    const struct tarn_live_hard *h = &walk->root->hard;
    uintptr_t base = word_at(walk, h->base);
    char *copy = base && h->bytes > 0 ? tool_grow(NULL, h->bytes) : NULL;

    if (!copy)
        return;
    tool_walk_leave_out(walk, base, base + ((uintptr_t)1 << h->place_bits));
    for (uint32_t i = 1; i < h->count; i++) {
        if (!tool_live_read(walk->heap->live, h->classes + (uintptr_t)i * h->bytes, copy, h->bytes))
            break;
        if (i == 1) {
            uintptr_t meta = (uintptr_t)tool_live_value(copy, h->states, 0) - ((uintptr_t)1 << h->class_meta_bits);
            tool_walk_leave_out(walk, meta, meta + ((uintptr_t)1 << h->meta_bits));
        }
        add_class(walk, copy);
    }
    free(copy);
    add_blocks(walk);
}

/* Guarded slots */

static void add_group(struct walk *walk, const char *group)
{
    const struct tarn_live_guarded *g = &walk->root->guarded;
    uintptr_t at = (uintptr_t)tool_live_value(group, g->slots, 0);
    uint64_t used = tool_live_value(group, g->used, 0);
    char *slots = tool_grow(NULL, (size_t)BATCH * g->slot_bytes);

    for (uint64_t first = 0; first < used && used <= MOST_SLOTS; first += BATCH) {
        uint64_t count = used - first < BATCH ? used - first : BATCH;
        if (!tool_live_read(walk->heap->live, at + (uintptr_t)(first * g->slot_bytes), slots, count * g->slot_bytes))
            break;
        for (uint64_t i = 0; i < count; i++) {
            const char *slot = slots + i * g->slot_bytes;
            if (tool_live_value(slot, g->state, 0) == g->live)
                add_pages(walk, (uintptr_t)tool_live_value(slot, g->map, 0),
                          tool_live_value(slot, g->pages, 0) << walk->root->section.page_bits,
                          (uintptr_t)tool_live_value(slot, g->object, 0), tool_live_value(slot, g->size, 0),
                          (uint32_t)tool_live_value(slot, g->stack, 0), true);
        }
    }
    free(slots);
}

static void add_guarded(struct walk *walk)
{
    const struct tarn_live_guarded *g = &walk->root->guarded;
    uintptr_t base = word_at(walk, g->base);
    char *copy = base && g->bytes > 0 ? tool_grow(NULL, g->bytes) : NULL;

    if (!copy)
        return;
    tool_walk_leave_out(walk, base, base + ((uintptr_t)1 << g->place_bits));
    for (uint32_t i = 0; i < g->count; i++) {
        if (!tool_live_read(walk->heap->live, g->groups + (uintptr_t)i * g->bytes, copy, g->bytes))
            break;
        if (i == 0) {
            uintptr_t meta = (uintptr_t)tool_live_value(copy, g->slots, 0);
            tool_walk_leave_out(walk, meta, meta + ((uintptr_t)g->count << g->meta_bits));
        }
        add_group(walk, copy);
    }
    free(copy);
}

void tool_walk_hard(struct walk *walk)
{
    add_hardened(walk);
    add_guarded(walk);
}
