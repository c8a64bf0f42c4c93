/*
 * Finding the library in a running process, and following what its root describes; see live.h and format/live.h.
 *
 * Lists are walked while they change. An element that was taken off a list leads somewhere else, at worst round and round; so each must name the
 * one it was reached from as its predecessor, and the last must be the one that the head names. A walk that does not end so is begun again.
 */
#define _GNU_SOURCE 1
#include "live_root.h"

#include "common.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)1 << 20)
#define TRIES 64
#define MOST_ELEMENTS ((size_t)1 << 22)

/* Trust */

static bool fits(struct tarn_live_field field, uint32_t bytes)
{
    return (uint64_t)field.offset + (uint64_t)field.size * field.count <= bytes;
}

static bool all_fit(const struct tarn_live_field *fields, size_t count, uint32_t bytes)
{
    for (size_t i = 0; i < count; i++)
        if (!fits(fields[i], bytes))
            return false;
    return bytes > 0 && bytes <= TARN_LIVE_MOST_BYTES;
}

static bool set_is_sound(const struct tarn_live_set *set)
{
    return set->shape <= TARN_LIVE_LIST && (set->shape != TARN_LIVE_LIST || set->link + 2 * sizeof(uintptr_t) <= set->bytes) &&
           (set->shape != TARN_LIVE_TABLE || set->count <= MOST_ELEMENTS);
}

static bool section_is_sound(const struct tarn_live_section *s)
{
    const struct tarn_live_field head[] = {s->base, s->zone, s->slots, s->neighbour, s->first, s->end, s->group};
    const struct tarn_live_field whole[] = {s->page, s->room};
    const struct tarn_live_field page[] = {s->state, s->order, s->count, s->page_owner};
    const struct tarn_live_field slab[] = {s->slab_cache, s->slab_map, s->slab_marks};

    return all_fit(head, sizeof head / sizeof *head, s->page.offset) &&
           all_fit(whole, sizeof whole / sizeof *whole, s->bytes) && all_fit(page, sizeof page / sizeof *page, s->page.size) &&
           all_fit(slab, sizeof slab / sizeof *slab, s->slab_bytes) && s->slab_bytes <= s->room.size && s->unit_pages > 0 &&
           s->page_bits >= 12 && s->section_bits > s->page_bits && s->section_bits < 40 && s->root_bits <= 20 &&
           s->leaf_bits <= 20 && s->page.count == 1u << (s->section_bits - s->page_bits) &&
           s->room.count >= s->page.count / s->unit_pages;
}

/* What older libraries have not, or of which nothing is there, has no bytes. */
static bool notes_are_sound(const struct tarn_live *root)
{
    const struct tarn_live_tail *t = &root->tail;
    const struct tarn_live_blocks *b = &root->blocks;
    const struct tarn_live_piece *p = &root->piece;
    const struct tarn_live_field tail[] = {t->asked, t->stack, t->thread};
    const struct tarn_live_field block[] = {b->next, b->base, b->object, b->asked, b->state, b->stack};
    const struct tarn_live_field piece[] = {p->base, p->size, p->objects, p->free};

    return (t->bytes == 0 || all_fit(tail, sizeof tail / sizeof *tail, t->bytes)) &&
           (b->bytes == 0 || all_fit(block, sizeof block / sizeof *block, b->bytes)) &&
           (p->bytes == 0 || all_fit(piece, sizeof piece / sizeof *piece, p->bytes)) && set_is_sound(&root->chunks);
}

/* The same of objects in places of their own, and of notes that lie apart. */
static bool places_are_sound(const struct tarn_live *root)
{
    const struct tarn_live_hard *h = &root->hard;
    const struct tarn_live_guarded *g = &root->guarded;
    const struct tarn_live_notes *n = &root->notes;
    const struct tarn_live_field class[] = {h->slots, h->states, h->size, h->known};
    const struct tarn_live_field group[] = {g->slots, g->used};
    const struct tarn_live_field slot[] = {g->object, g->size, g->map, g->pages, g->state, g->stack};

    return (h->bytes == 0 || (all_fit(class, sizeof class / sizeof *class, h->bytes) && h->count <= MOST_ELEMENTS &&
                              h->place_bits < 48 && h->meta_bits < 48 && h->class_meta_bits < 48)) &&
           (g->bytes == 0 || (all_fit(group, sizeof group / sizeof *group, g->bytes) &&
                              all_fit(slot, sizeof slot / sizeof *slot, g->slot_bytes) && g->count <= MOST_ELEMENTS &&
                              g->place_bits < 48 && g->meta_bits < 32)) &&
           (n->slots == 0 || (n->slot_bits < 48 && n->grain_bits < 16 && n->number_bits < 32 && n->bytes <= UINT32_C(1) << 30));
}

/* Whether all that a root says keeps within bounds. */
static bool is_sound(const struct tarn_live *root)
{
    const struct tarn_live_cache *c = &root->cache;
    const struct tarn_live_thread *t = &root->thread;
    const struct tarn_live_zone *z = &root->zone;
    const struct tarn_live_field cache[] = {c->name,    c->zone,        c->number,     c->size,        c->object_size,
                                            c->objects, c->pages,       c->capacity,   c->depot_depth, c->depot_objects,
                                            c->slabs,   c->past_allocs, c->past_frees, c->flags,       c->references,
                                            c->start,   c->tail};
    const struct tarn_live_field zone[] = {z->name, z->pages, z->free_pages, z->dirty_pages, z->blocks, z->group_blocks};
    const struct tarn_live_field bin[] = {t->allocs, t->frees};

    return set_is_sound(&c->set) && set_is_sound(&t->set) && set_is_sound(&z->set) &&
           all_fit(cache, sizeof cache / sizeof *cache, c->set.bytes) &&
           all_fit(zone, sizeof zone / sizeof *zone, z->set.bytes) && all_fit(bin, 2, t->bin_bytes) && notes_are_sound(root) &&
           places_are_sound(root) && t->set.bytes <= TARN_LIVE_MOST_BYTES &&
           (uint64_t)t->bins_at + (uint64_t)t->bins * t->bin_bytes <= t->set.bytes && section_is_sound(&root->section);
}

/* Values */

uint64_t tool_live_value(const void *structure, struct tarn_live_field field, unsigned index)
{
    const char *at = (const char *)structure + field.offset + (size_t)index * field.size;
    uint64_t value = 0;

    if (index >= field.count)
        return 0;
    switch (field.size) {
    case 1:
        return *(const uint8_t *)at;
    case 2: {
        uint16_t narrow;
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    case 4: {
        uint32_t narrow;
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    case 8:
        memcpy(&value, at, sizeof value);
    }
    return value;
}

void tool_live_name(const struct tool_live *live, const void *structure, struct tarn_live_field field,
                    char name[TOOL_LIVE_NAME])
{
    memset(name, 0, TOOL_LIVE_NAME);
    if (field.count == 1 && field.size == sizeof(uintptr_t)) {
        uintptr_t at = (uintptr_t)tool_live_value(structure, field, 0);
        size_t to_page_end = 4096 - at % 4096, most = TOOL_LIVE_NAME - 1;
        if (tool_live_read(live, at, name, to_page_end < most ? to_page_end : most) && to_page_end < most &&
            !memchr(name, 0, to_page_end))
            (void)tool_live_read(live, at + to_page_end, name + to_page_end, most - to_page_end);
    } else {
        size_t length = (size_t)field.size * field.count;
        memcpy(name, (const char *)structure + field.offset, length < TOOL_LIVE_NAME ? length : TOOL_LIVE_NAME - 1);
    }
    name[TOOL_LIVE_NAME - 1] = 0;
    for (char *c = name; *c; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
    if (!*name)
        strcpy(name, "?");
}

/* Walks */

static uintptr_t *add(uintptr_t *elements, size_t count, uintptr_t element)
{
    if (count == 0 || (count >= 64 && (count & (count - 1)) == 0))
        elements = tool_grow(elements, (count ? 2 * count : 64) * sizeof *elements);
    elements[count] = element;
    return elements;
}

static bool walk_list(const struct tool_live *live, const struct tarn_live_set *set, uintptr_t **elements, size_t *count)
{
    uintptr_t head[2], links[2], at, before = set->at;

    *count = 0;
    if (!tool_live_read(live, set->at, head, sizeof head))
        return false;
    for (at = head[0]; at != set->at; at = links[0]) {
        if (*count == MOST_ELEMENTS || !tool_live_read(live, at, links, sizeof links) || links[1] != before)
            return false;
        *elements = add(*elements, *count, at - set->link);
        ++*count;
        before = at;
    }
    return tool_live_read(live, set->at, head, sizeof head) && head[1] == before;
}

static bool walk_table(const struct tool_live *live, const struct tarn_live_set *set, uintptr_t **elements, size_t *count)
{
    uintptr_t *table = tool_grow(NULL, (set->count + 1) * sizeof *table);
    bool done = tool_live_read(live, set->at, table, set->count * sizeof *table);

    *count = 0;
    for (uint32_t i = 0; done && i < set->count; i++)
        if (table[i])
            table[(*count)++] = table[i];
    *elements = table;
    return done;
}

bool tool_live_elements(const struct tool_live *live, const struct tarn_live_set *set, uintptr_t **elements, size_t *count)
{
    *elements = NULL;
    *count = 0;
    if (set->shape == TARN_LIVE_ONE) {
        *elements = add(NULL, 0, set->at);
        *count = 1;
    }
    if (set->shape == TARN_LIVE_TABLE)
        return walk_table(live, set, elements, count);
    if (set->shape != TARN_LIVE_LIST)
        return true;
    for (int i = 0; i < TRIES; i++)
        if (walk_list(live, set, elements, count))
            return true;
    return false;
}

/* Finding */

/* Libraries are mapped to be executed, what programs map for themselves mostly is not: only the former are looked through. */
static bool is_of_program(const struct tool_mappings *mappings, const struct tool_mapping *mapping)
{
    if (mapping->mode[1] != 'w' || mapping->mode[3] != 'p' || mapping->inode == 0)
        return false;
    for (size_t i = 0; i < mappings->count; i++)
        if (mappings->all[i].mode[2] == 'x' && mappings->all[i].inode == mapping->inode &&
            mappings->all[i].device == mapping->device)
            return true;
    return false;
}

/* Takes the root at `at`, if it is one. False, after a line about it: it is one that cannot be used. */
static bool add_root(struct tool_live *live, const struct tool_mapping *mapping, uintptr_t at)
{
    struct tool_live_root *found = &live->roots[live->count];
    struct tarn_live *root = &found->root;

    if (live->count == TOOL_LIVE_ROOTS ||
        !tool_live_read(live, at, root, offsetof(struct tarn_live, self) + sizeof root->self) || root->self != at)
        return true;
    if (root->version != TARN_LIVE_VERSION || root->bytes != sizeof *root) {
        tool_complain(
            "%s in process %d has version %u of the live format, and this command reads %u: use the command of that library",
            mapping->path, (int)live->pid, root->version, TARN_LIVE_VERSION);
        return false;
    }
    if (!tool_live_read(live, at, root, sizeof *root)) /* the process is ending, or becoming another program */
        return true;
    if (!is_sound(root)) {
        tool_complain("%s in process %d: its description of itself is damaged", mapping->path, (int)live->pid);
        return false;
    }
    root->library[sizeof root->library - 1] = 0;
    found->path = strdup(mapping->path);
    if (!found->path)
        tool_die("out of memory");
    live->count++;
    return true;
}

static bool scan(struct tool_live *live, const struct tool_mapping *mapping, char *buffer)
{
    bool usable = true;

    for (uintptr_t at = mapping->begin; at < mapping->end; at += CHUNK) {
        size_t bytes = mapping->end - at < CHUNK ? mapping->end - at : CHUNK;
        if (!tool_live_read(live, at, buffer, bytes))
            continue;
        for (size_t i = 0; i + TARN_LIVE_MAGIC_BYTES <= bytes; i += TARN_LIVE_ALIGN)
            if (memcmp(buffer + i, TARN_LIVE_MAGIC, TARN_LIVE_MAGIC_BYTES) == 0)
                usable &= add_root(live, mapping, at + i);
    }
    return usable;
}

static bool has_memory(const struct tool_live *live, const struct tarn_live *root)
{
    char *zone = tool_grow(NULL, root->zone.set.bytes);
    uintptr_t *zones;
    size_t count;
    bool found = false;

    if (!tool_live_elements(live, &root->zone.set, &zones, &count))
        count = 0;
    for (size_t i = 0; i < count && !found; i++)
        found = tool_live_read(live, zones[i], zone, root->zone.set.bytes) && tool_live_value(zone, root->zone.pages, 0) > 0;
    free(zones);
    free(zone);
    return found;
}

/* Those that have memory come first; the others are reported only when none has. */
static void choose(struct tool_live *live)
{
    unsigned in_use = 0;

    for (unsigned i = 0; i < live->count; i++) {
        live->roots[i].in_use = has_memory(live, &live->roots[i].root);
        in_use += live->roots[i].in_use;
    }
    if (live->count > 1)
        for (unsigned i = 0; i < live->count; i++)
            tool_complain("process %d has %u copies of tarn: %s, %s", (int)live->pid, live->count, live->roots[i].path,
                          live->roots[i].in_use ? "reported"
                          : in_use              ? "without memory"
                                                : "without memory yet");
    for (unsigned i = 0, kept = 0; in_use && i < live->count; i++) {
        struct tool_live_root root = live->roots[i];
        if (root.in_use && i != kept) {
            live->roots[i] = live->roots[kept];
            live->roots[kept] = root;
        }
        kept += root.in_use;
    }
    for (unsigned i = in_use; in_use && i < live->count; i++)
        free(live->roots[i].path);
    live->count = in_use ? in_use : live->count;
}

enum tool_live_find tool_live_find(struct tool_live *live, const struct tool_mappings *mappings)
{
    char *buffer = tool_grow(NULL, CHUNK);
    bool usable = true;

    for (size_t i = 0; i < mappings->count; i++)
        if (is_of_program(mappings, &mappings->all[i]))
            usable &= scan(live, &mappings->all[i], buffer);
    free(buffer);
    choose(live);
    return live->count > 0 ? TOOL_LIVE_FOUND : usable ? TOOL_LIVE_NOTHING : TOOL_LIVE_UNUSABLE;
}
