/*
 * The sections of a running process's zones; see live_sections.h and format/live.h.
 */
#include "live_sections.h"

#include "common.h"

#include <stdlib.h>

#define MOST_SLOTS ((uint64_t)1 << 22) /* of one section */
#define MOST_CHAINED 4096

struct walk {
    const struct tool_live *live;
    const struct tarn_live_section *s;
    const struct tool_section_visitor *visitor;
    char *copy;
    uintptr_t previous; /* what the last slot led to: a section of several slots is entered in each */
};

/* Returns the next of the chain, or 0. */
static uintptr_t visit(const struct walk *walk, uintptr_t slot, uintptr_t at)
{
    const struct tarn_live_section *s = walk->s;
    struct tool_section section = {.at = at, .copy = walk->copy};
    uint64_t slots, first, end;

    if (!tool_live_read(walk->live, at, walk->copy, walk->visitor->bytes))
        return 0;
    slots = tool_live_value(walk->copy, s->slots, 0);
    first = tool_live_value(walk->copy, s->first, 0);
    end = s->end.count ? tool_live_value(walk->copy, s->end, 0) : s->page.count;
    section.base = (uintptr_t)tool_live_value(walk->copy, s->base, 0);
    if (section.base >> s->section_bits == slot && slots > 0 && slots <= MOST_SLOTS && first < end && end <= s->page.count &&
        section.base + (slots << s->section_bits) > section.base) {
        section.slots = (size_t)slots;
        section.first = (size_t)first;
        section.end = (size_t)end;
        walk->visitor->section(&section, walk->visitor->context);
    }
    return (uintptr_t)tool_live_value(walk->copy, s->neighbour, 0);
}

static void visit_slot(struct walk *walk, uintptr_t slot, uintptr_t entry)
{
    uintptr_t at = entry & ~(uintptr_t)1;

    if (!entry || entry == walk->previous)
        return;
    walk->previous = entry;
    for (int i = 0; at && i < MOST_CHAINED; i++) {
        uintptr_t next = visit(walk, slot, at);
        at = entry & 1 ? next : 0;
    }
}

static bool visit_leaf(struct walk *walk, uintptr_t number, uintptr_t leaf, uintptr_t *slots)
{
    size_t count = (size_t)1 << walk->s->leaf_bits;

    if (!tool_live_read(walk->live, leaf, slots, count * sizeof *slots))
        return false;
    if (walk->visitor->table)
        walk->visitor->table(leaf, count * sizeof *slots, walk->visitor->context);
    for (size_t i = 0; i < count; i++)
        visit_slot(walk, (number << walk->s->leaf_bits) + i, slots[i]);
    return true;
}

bool tool_sections_each(const struct tool_live *live, const struct tarn_live *root, const struct tool_section_visitor *visitor)
{
    const struct tarn_live_section *s = &root->section;
    struct walk walk = {.live = live, .s = s, .visitor = visitor, .copy = tool_grow(NULL, s->bytes)};
    size_t leaves = (size_t)1 << s->root_bits;
    uintptr_t *leaf = tool_grow(NULL, leaves * sizeof *leaf);
    uintptr_t *slots = tool_grow(NULL, ((size_t)1 << s->leaf_bits) * sizeof *slots);
    bool done = tool_live_read(live, s->root, leaf, leaves * sizeof *leaf);

    for (size_t i = 0; done && i < leaves; i++)
        if (leaf[i])
            done = visit_leaf(&walk, i, leaf[i], slots);
    free(walk.copy);
    free(leaf);
    free(slots);
    return done;
}
