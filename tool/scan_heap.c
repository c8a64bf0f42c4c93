/*
 * Reading all objects; see scan_heap.h, and format/live.h for what is followed.
 */
#include "scan_heap.h"

#include "common.h"
#include "live_sections.h"
#include "scan_walk.h"

#include <stdlib.h>
#include <string.h>

#define MOST_OBJECTS 65536u /* of an extent */
#define MOST_BLOCKS ((size_t)1 << 24)

static uint64_t inverse_of(uint64_t slot) { return ((UINT64_C(1) << 32) + slot - 1) / slot; }

/* The table */

static void paint(struct tool_heap *heap, uintptr_t begin, uintptr_t end, uint32_t entry)
{
    for (uintptr_t page = begin >> TOOL_PAGE_BITS; page < (end + (1u << TOOL_PAGE_BITS) - 1) >> TOOL_PAGE_BITS; page++) {
        size_t leaf = page >> TOOL_LEAF_BITS;
        if (leaf >= TOOL_LEAVES)
            return;
        if (!heap->leaves[leaf] && !(heap->leaves[leaf] = calloc((size_t)1 << TOOL_LEAF_BITS, sizeof **heap->leaves)))
            tool_die("out of memory");
        heap->leaves[leaf][page & (((uintptr_t)1 << TOOL_LEAF_BITS) - 1)] = entry;
    }
}

static void add_range(struct walk *walk, uintptr_t begin, uintptr_t end, uint32_t entry)
{
    if (walk->range_count == walk->range_room) {
        walk->range_room = walk->range_room ? 2 * walk->range_room : 1024;
        walk->ranges = tool_grow(walk->ranges, walk->range_room * sizeof *walk->ranges);
    }
    walk->ranges[walk->range_count++] = (struct range){begin, end, entry};
}

static int longest_first(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    uintptr_t one = x->end - x->begin, other = y->end - y->begin;
    return one != other ? (one > other ? -1 : 1) : x->begin < y->begin ? -1 : x->begin > y->begin;
}

static void paint_all(struct walk *walk)
{
    struct tool_heap *heap = walk->heap;

    if (walk->range_count > 0)
        qsort(walk->ranges, walk->range_count, sizeof *walk->ranges, longest_first);
    for (size_t i = 0; i < walk->range_count; i++)
        paint(heap, walk->ranges[i].begin, walk->ranges[i].end, walk->ranges[i].entry);
    heap->low = UINTPTR_MAX;
    for (size_t i = 0; i < heap->count; i++) {
        uintptr_t begin = heap->extents[i].begin, end = begin + heap->extents[i].count * heap->extents[i].slot;
        heap->low = begin < heap->low ? begin : heap->low;
        heap->high = end > heap->high ? end : heap->high;
    }
}

/* Extents */

struct tool_extent *tool_walk_add(struct walk *walk, struct tool_extent extent, uint64_t bytes)
{
    struct tool_heap *heap = walk->heap;

    if (extent.count == 0 || extent.slot == 0 || extent.slot > bytes / extent.count || extent.start > extent.slot ||
        extent.size > extent.slot - extent.start || extent.begin > UINTPTR_MAX - bytes ||
        (extent.count > 1 && !extent.wide && extent.count * extent.slot > 1u << 16))
        return NULL;
    if (heap->count == heap->room) {
        heap->room = heap->room ? 2 * heap->room : 1024;
        heap->extents = tool_grow(heap->extents, heap->room * sizeof *heap->extents);
    }
    extent.inverse = extent.count > 1 && !extent.wide ? (uint32_t)inverse_of(extent.slot) : 0;
    extent.root = walk->number;
    extent.states = tool_arena_take(&heap->states, extent.count);
    memset(extent.states, TOOL_OBJECT_FREE, extent.count);
    add_range(walk, extent.begin, extent.begin + bytes, (uint32_t)heap->count + TOOL_PAGE_EXTENT);
    heap->extents[heap->count] = extent;
    return &heap->extents[heap->count++];
}

/* Those whose bit is not set are in use. */
static void take_map(struct tool_extent *extent, const char *map, size_t bytes)
{
    for (size_t i = 0; i < extent->count; i++) {
        uint64_t word = ~UINT64_C(0);
        if (i / 64 * 8 + 8 <= bytes)
            memcpy(&word, map + i / 64 * 8, sizeof word);
        extent->states[i] = word >> i % 64 & 1 ? TOOL_OBJECT_FREE : TOOL_OBJECT_LOST;
    }
}

static size_t cache_index(const struct tool_heap *heap, uintptr_t at)
{
    static size_t last; /* slabs of one cache come in rows */

    if (last < heap->cache_count && heap->caches[last].at == at)
        return last;
    for (size_t i = 0; i < heap->cache_count; i++)
        if (heap->caches[i].at == at)
            return last = i;
    return heap->cache_count;
}

void tool_walk_make_notes(struct tool_arena *notes, struct tool_extent *extent)
{
    extent->asked = extent->count > 1 ? tool_arena_take(notes, extent->count * sizeof *extent->asked) : NULL;
    extent->stacks = tool_arena_take(notes, extent->count * sizeof *extent->stacks);
    extent->exact = true;
}

void tool_walk_note(struct tool_extent *extent, uint32_t index, uint64_t asked, uint32_t stack)
{
    if (extent->asked)
        extent->asked[index] = (uint32_t)asked;
    else
        extent->size = asked;
    extent->stacks[index] = stack;
}

#define ASKED_NOT_LIVE UINT32_C(0x80000000)

/* What is noted behind the objects of a slab, whose states are known. Those that their tails say the program does not have may lie in magazines, or in quarantine. */
static void read_tails(const struct walk *walk, struct tool_extent *extent)
{
    const struct tarn_live_tail *t = &walk->root->tail;
    const struct tool_scan_cache *cache = &walk->heap->caches[extent->cache];
    uint64_t bytes = extent->count * extent->slot, users = t->bytes && (cache->flags & t->users);
    uint64_t needed = users ? t->bytes : t->asked.offset + t->asked.size;
    char *copy;

    if (!cache->tail || !t->bytes || cache->tail + needed > extent->slot)
        return;
    copy = tool_grow(NULL, bytes);
    if (tool_live_read(walk->heap->live, extent->begin, copy, bytes)) {
        tool_walk_make_notes(&walk->heap->notes, extent);
        for (uint32_t i = 0; i < extent->count; i++) {
            const char *tail = copy + i * extent->slot + cache->tail;
            uint64_t asked = t->asked.count ? tool_live_value(tail, t->asked, 0) : extent->size;
            if (asked & ASKED_NOT_LIVE)
                extent->states[i] = TOOL_OBJECT_FREE;
            tool_walk_note(extent, i, asked < extent->size ? asked : extent->size,
                           users ? (uint32_t)tool_live_value(tail, t->stack, 0) : 0);
        }
    }
    free(copy);
}

/* What is noted of one large block; the extent of its pages is known already. Returns the address of what is noted of the next. */
static uintptr_t read_block(const struct walk *walk, uintptr_t at, char *copy)
{
    const struct tarn_live_blocks *b = &walk->root->blocks;
    struct tool_heap *heap = walk->heap;
    uint64_t base, object, asked;
    struct tool_extent *extent;
    uint32_t page;

    if (!tool_live_read(heap->live, at, copy, b->bytes))
        return 0;
    base = tool_live_value(copy, b->base, 0);
    object = tool_live_value(copy, b->object, 0);
    asked = tool_live_value(copy, b->asked, 0);
    page = tool_heap_page(heap, (uintptr_t)base);
    extent = page >= TOOL_PAGE_EXTENT ? &heap->extents[page - TOOL_PAGE_EXTENT] : NULL;
    if (extent && extent->begin == base && extent->count == 1 && object >= base && object - base < extent->slot &&
        object - base <= UINT32_MAX && asked <= extent->slot - (object - base)) {
        if (!extent->stacks)
            tool_walk_make_notes(&walk->heap->notes, extent);
        extent->start = (uint32_t)(object - base);
        tool_walk_note(extent, 0, asked, (uint32_t)tool_live_value(copy, b->stack, 0));
        extent->states[0] = tool_live_value(copy, b->state, 0) == b->live ? TOOL_OBJECT_LOST : TOOL_OBJECT_FREE;
    }
    return (uintptr_t)tool_live_value(copy, b->next, 0);
}

static void read_blocks(const struct walk *walk)
{
    const struct tarn_live_blocks *b = &walk->root->blocks;
    uintptr_t *heads = tool_grow(NULL, ((size_t)b->count + 1) * sizeof *heads);
    char *copy = tool_grow(NULL, b->bytes);
    size_t steps = 0;

    if (b->count > 0 && b->count <= MOST_OBJECTS && tool_live_read(walk->heap->live, b->at, heads, b->count * sizeof *heads))
        for (uint32_t i = 0; i < b->count; i++)
            for (uintptr_t at = heads[i]; at && steps < MOST_BLOCKS; steps++)
                at = read_block(walk, at, copy);
    free(copy);
    free(heads);
}

/* The address of the notes of an address, which are `*bytes` up to the end of its slot. 0: there are none. */
static uintptr_t notes_of(struct walk *walk, uintptr_t at, uint64_t *bytes)
{
    const struct tarn_live_notes *n = &walk->root->notes;
    uint64_t slot = (uint64_t)(at - walk->window) >> n->slot_bits, offset;

    if (!walk->table || slot >= n->slots)
        return 0;
    if (slot != walk->slot && !tool_live_read(walk->heap->live, walk->table + (uintptr_t)slot * sizeof(uintptr_t),
                                              &walk->slot_notes, sizeof walk->slot_notes))
        return 0;
    if (slot != walk->slot && walk->slot_notes)
        paint(walk->heap, walk->slot_notes, walk->slot_notes + n->bytes, TOOL_PAGE_OWN);
    walk->slot = slot;
    offset = ((at - walk->window) & ((UINT64_C(1) << n->slot_bits) - 1)) >> n->grain_bits << 2;
    *bytes = n->bytes - offset;
    return walk->slot_notes && offset < n->bytes ? walk->slot_notes + (uintptr_t)offset : 0;
}

/* What is noted of an object from these words on, of which it has so many. False: nothing. */
static bool take_note(const struct walk *walk, struct tool_extent *extent, uint32_t index, const uint32_t *words,
                      uint64_t count)
{
    const uint32_t bits = walk->root->notes.number_bits, number = words[0] & (uint32_t)((UINT64_C(1) << bits) - 1);
    uint64_t asked = count == 1                        ? extent->size - (words[0] >> bits)
                     : count > 2 && extent->count == 1 ? words[1] | (uint64_t)words[2] << 32
                                                       : words[1];

    tool_walk_note(extent, index, number && asked <= extent->size ? asked : extent->size, number);
    return number != 0;
}

/* What is noted of the objects of a slab, or of a large one, in a table of their own. */
static void read_notes(struct walk *walk, struct tool_extent *extent)
{
    uint64_t grain = UINT64_C(1) << walk->root->notes.grain_bits, room, own = extent->slot / grain;
    uint64_t bytes = extent->count > 1 ? extent->count * extent->slot / grain * 4 : own < 3 ? own * 4 : 12;
    uintptr_t at = extent->stacks || own == 0 || extent->start ? 0 : notes_of(walk, extent->begin, &room);
    uint32_t *words;

    if (!at || bytes > room)
        return;
    words = tool_grow(NULL, bytes);
    if (tool_live_read(walk->heap->live, at, words, bytes)) {
        tool_walk_make_notes(&walk->heap->notes, extent);
        extent->exact = false;
        for (uint32_t i = 0; i < extent->count; i++)
            extent->exact |= take_note(walk, extent, i, words + i * extent->slot / grain, own);
    }
    free(words);
}

static void add_large(struct walk *walk, uintptr_t begin, uint64_t bytes, uint32_t cache)
{
    struct tool_extent *extent = tool_walk_add(
        walk, (struct tool_extent){.begin = begin, .slot = bytes, .size = bytes, .count = 1, .cache = cache}, bytes);
    if (!extent)
        return;
    extent->states[0] = TOOL_OBJECT_LOST;
    read_notes(walk, extent);
}

static void add_slab(struct walk *walk, const char *slab, uintptr_t begin, uint64_t bytes)
{
    const struct tarn_live_section *s = &walk->root->section;
    size_t index = cache_index(walk->heap, (uintptr_t)tool_live_value(slab, s->slab_cache, 0));
    const struct tool_scan_cache *cache = &walk->heap->caches[index];
    uintptr_t marks = (uintptr_t)tool_live_value(slab, s->slab_marks, 0);
    struct tool_extent *extent;

    if (index == walk->heap->cache_count)
        return;
    extent = tool_walk_add(walk,
                           (struct tool_extent){.begin = begin,
                                                .slot = cache->slot,
                                                .size = cache->size,
                                                .start = (uint32_t)cache->start,
                                                .count = (uint32_t)cache->count,
                                                .cache = (uint32_t)index},
                           bytes);
    if (!extent)
        return;
    bool marked = marks && tool_live_read(walk->heap->live, marks, extent->states, extent->count);
    if (marked)
        for (uint32_t i = 0; i < extent->count; i++)
            extent->states[i] = extent->states[i] ? TOOL_OBJECT_LOST : TOOL_OBJECT_FREE;
    else
        take_map(extent, slab + s->slab_map.offset, (size_t)s->slab_map.size * s->slab_map.count);
    read_tails(walk, extent);
    walk->heap->exact &= marked || extent->exact; /* what of a debugged cache is in magazines its tails tell */
    read_notes(walk, extent);
}

/* What a page of a heap leads to: its slab is added when its first page is met. */
static void add_piece(struct walk *walk, uintptr_t at, uintptr_t begin, uint64_t bytes)
{
    const struct tarn_live_piece *p = &walk->root->piece;
    const struct tool_live *live = walk->heap->live;
    struct tool_extent *extent;
    uint64_t count;
    size_t words;

    if (at == walk->piece || !at || !tool_live_read(live, at, walk->piece_copy, p->bytes))
        return;
    walk->piece = at;
    if (walk->piece_count == walk->piece_room) {
        walk->piece_room = walk->piece_room ? 2 * walk->piece_room : 256;
        walk->pieces = tool_grow(walk->pieces, walk->piece_room * sizeof *walk->pieces);
    }
    walk->pieces[walk->piece_count++] = at;
    count = tool_live_value(walk->piece_copy, p->objects, 0);
    if (count == 0) {
        add_large(walk, begin, bytes, TOOL_CACHE_HEAP);
        return;
    }
    if (tool_live_value(walk->piece_copy, p->base, 0) != begin)
        return;
    extent = tool_walk_add(walk,
                           (struct tool_extent){.begin = begin,
                                                .slot = tool_live_value(walk->piece_copy, p->size, 0),
                                                .size = tool_live_value(walk->piece_copy, p->size, 0),
                                                .count = count < MOST_OBJECTS ? (uint32_t)count : 0,
                                                .cache = TOOL_CACHE_HEAP},
                           bytes);
    words = (count + 63) / 64;
    if (extent) {
        char *map = tool_grow(NULL, words * 8);
        if (tool_live_read(live, at + p->map_at, map, words * 8))
            take_map(extent, map, words * 8);
        free(map);
    }
}

/* Sections */

static void add_block(struct walk *walk, const struct tool_section *section, size_t i, struct tarn_live_state state,
                      uint64_t pages)
{
    const struct tarn_live_section *s = &walk->root->section;
    const char *page = section->copy + s->page.offset + i * s->page.size;
    uintptr_t begin = section->base + ((uintptr_t)i << s->page_bits);
    uint64_t bytes = pages << s->page_bits;

    switch (state.use) {
    case TARN_LIVE_LARGE:
        add_large(walk, begin, bytes, TOOL_CACHE_LARGE);
        break;
    case TARN_LIVE_SLAB:
        add_slab(walk, section->copy + s->room.offset + i / s->unit_pages * s->room.size, begin, bytes);
        break;
    case TARN_LIVE_HEAP:
        add_piece(walk, (uintptr_t)tool_live_value(page, s->page_owner, 0), begin, bytes);
        break;
    case TARN_LIVE_PAGES:
        if (state.by_order && tool_live_value(page, s->count, 0) == 0)
            break;
        add_range(walk, begin, begin + bytes, TOOL_PAGE_FOREIGN);
        break;
    default:
        break;
    }
}

static void visit_section(const struct tool_section *section, void *context)
{
    struct walk *walk = context;
    const struct tarn_live_section *s = &walk->root->section;
    uintptr_t base = section->base;

    paint(walk->heap, base + ((uintptr_t)section->first << s->page_bits),
          section->slots > 1 ? base + ((uintptr_t)section->slots << s->section_bits)
                             : base + ((uintptr_t)section->end << s->page_bits),
          TOOL_PAGE_OWN);
    for (size_t i = section->first, pages; i < section->end; i += pages) {
        const char *page = section->copy + s->page.offset + i * s->page.size;
        uint64_t state = tool_live_value(page, s->state, 0), order = tool_live_value(page, s->order, 0),
                 count = tool_live_value(page, s->count, 0);
        struct tarn_live_state is = state < TARN_LIVE_STATES ? s->states[state] : (struct tarn_live_state){TARN_LIVE_INSIDE, 0};
        uint64_t length = is.use == TARN_LIVE_INSIDE ? 0
                          : !is.by_order             ? count
                          : order < TARN_LIVE_ORDERS ? UINT64_C(1) << order
                                                     : 0;

        if (length > 0 && length <= UINT64_C(1) << (48 - TOOL_PAGE_BITS))
            add_block(walk, section, i, is, length);
        pages = length == 0 ? 1 : length < section->end - i ? (size_t)length : section->end - i;
    }
}

/* Caches, and tarn's own */

static bool read_caches(struct tool_heap *heap, const struct tarn_live_cache *fields)
{
    char *copy = tool_grow(NULL, fields->set.bytes);
    uintptr_t *at;
    size_t count;
    bool done = tool_live_elements(heap->live, &fields->set, &at, &count);

    heap->caches = tool_grow(heap->caches, (heap->cache_count + count + 1) * sizeof *heap->caches);
    for (size_t i = 0; done && i < count; i++) {
        struct tool_scan_cache *cache = &heap->caches[heap->cache_count];
        done = tool_live_read(heap->live, at[i], copy, fields->set.bytes);
        if (!done)
            break;
        *cache = (struct tool_scan_cache){.at = at[i],
                                          .slot = tool_live_value(copy, fields->size, 0),
                                          .size = tool_live_value(copy, fields->object_size, 0),
                                          .start = tool_live_value(copy, fields->start, 0),
                                          .count = tool_live_value(copy, fields->objects, 0),
                                          .flags = tool_live_value(copy, fields->flags, 0)};
        cache->tail = tool_live_value(copy, fields->tail, 0);
        cache->tail += cache->tail ? cache->start : 0;
        tool_live_name(heap->live, copy, fields->name, cache->name);
        heap->cache_count++;
    }
    free(at);
    free(copy);
    return done;
}

/* Memory of descriptors, and tables: whole pages of them. */
static void add_own(struct walk *walk)
{
    const struct tarn_live *root = walk->root;
    uintptr_t *chunks;
    size_t count;

    if (tool_live_elements(walk->heap->live, &root->chunks, &chunks, &count))
        for (size_t i = 0; i < count; i++)
            paint(walk->heap, chunks[i], chunks[i] + root->chunks.bytes, TOOL_PAGE_OWN);
    free(chunks);
    for (unsigned i = 0; i < TARN_LIVE_OWN; i++)
        if (root->own[i].bytes > 0)
            tool_walk_leave_out(walk, root->own[i].at, root->own[i].at + root->own[i].bytes);
}

/* What describes slabs of heaps lies among the program's objects and is none. */
static void hide_pieces(const struct walk *walk)
{
    for (size_t i = 0; i < walk->piece_count; i++) {
        struct tool_object object;
        uint64_t offset;
        if (tool_heap_find(walk->heap, walk->pieces[i], &object, &offset))
            walk->heap->extents[object.extent].states[object.index] = TOOL_OBJECT_FREE;
    }
}

void tool_walk_leave_out(struct walk *walk, uintptr_t begin, uintptr_t end)
{
    struct tool_heap *heap = walk->heap;

    heap->away = tool_grow(heap->away, (heap->away_count + 1) * sizeof *heap->away);
    heap->away[heap->away_count++] = (struct tool_away){begin, end};
}

static bool read_root(struct tool_heap *heap, const struct tarn_live *root, unsigned number)
{
    struct walk walk = {.heap = heap, .root = root, .number = number, .slot = UINT64_MAX};
    struct tool_section_visitor visitor = {root->section.bytes, visit_section, NULL, &walk};
    bool done;

    walk.piece_copy = tool_grow(NULL, root->piece.bytes);
    if (root->notes.at && root->notes.slots &&
        (!tool_live_read(heap->live, root->notes.at, &walk.table, sizeof walk.table) ||
         !tool_live_read(heap->live, root->window, &walk.window, sizeof walk.window)))
        walk.table = 0;
    done = read_caches(heap, &root->cache) && tool_sections_each(heap->live, root, &visitor);
    if (done) {
        tool_walk_hard(&walk);
        add_own(&walk);
        paint_all(&walk);
        read_blocks(&walk);
        hide_pieces(&walk);
    }
    free(walk.piece_copy);
    free(walk.pieces);
    free(walk.ranges);
    return done;
}

bool tool_heap_read(const struct tool_live *live, struct tool_heap *heap)
{
    bool done = true;

    *heap = (struct tool_heap){.live = live, .exact = true};
    heap->leaves = calloc(TOOL_LEAVES, sizeof *heap->leaves);
    if (!heap->leaves)
        tool_die("out of memory");
    for (unsigned i = 0; i < live->count && done; i++)
        done = read_root(heap, &live->roots[i].root, i);
    return done;
}

void tool_heap_free(struct tool_heap *heap)
{
    for (size_t i = 0; heap->leaves && i < TOOL_LEAVES; i++)
        free(heap->leaves[i]);
    free(heap->leaves);
    free(heap->away);
    tool_arena_free(&heap->states);
    tool_arena_free(&heap->notes);
    tool_arena_free(&heap->copies);
    free(heap->extents);
    free(heap->caches);
    *heap = (struct tool_heap){.live = NULL};
}
