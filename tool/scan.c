/*
 * Reaching objects; see scan.h.
 *
 * First all that is definitely reached, so that what is only possible is known to be no more; then that; then each object that is left leads those that it
 * reaches, as in valgrind's report. Objects wait on a stack of our own. The slabs they lie in are read whole and kept, as long as there is
 * room; then each object is read for itself.
 */
#define _GNU_SOURCE 1
#include "scan.h"

#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER ((size_t)1 << 20)
#define COPIED ((uint64_t)1 << 16) /* longer extents are read piece by piece, once */
#define AHEAD 8u                   /* objects, and words in a block, that are fetched before they are looked at */
#define BLOCK 16u
#define COPIES_MOST ((uint64_t)1 << 30)

static void push(struct tool_object **stack, size_t *count, size_t *room, struct tool_object object)
{
    if (*count == *room) {
        *room = *room ? 2 * *room : 4096;
        *stack = tool_grow(*stack, *room * sizeof **stack);
    }
    (*stack)[(*count)++] = object;
}

static uint8_t *state_of(const struct tool_scan *scan, struct tool_object object)
{
    return &scan->heap->extents[object.extent].states[object.index];
}

static void wait_for(struct tool_scan *scan, struct tool_object object, enum tool_object_state state)
{
    *state_of(scan, object) = (uint8_t)state;
    if (state == TOOL_OBJECT_POSSIBLE)
        push(&scan->possible, &scan->possible_count, &scan->possible_room, object);
    else
        push(&scan->stack, &scan->stack_count, &scan->stack_room, object);
}

/* Words of the process */

static bool read_words(const struct tool_scan *scan, struct tool_object object, uint64_t offset, uintptr_t *words, size_t count)
{
    const struct tool_extent *extent = &scan->heap->extents[object.extent];
    uint64_t at = object.index * extent->slot + extent->start + offset;

    if (extent->copy) {
        memcpy(words, extent->copy + at, count * sizeof *words);
        return true;
    }
    return tool_live_read(scan->live, extent->begin + (uintptr_t)at, words, count * sizeof *words);
}

/* Whether a word leads to constants of a file, as the address of a table of functions does. */
static bool is_table(const struct tool_scan *scan, uintptr_t word)
{
    const struct tool_mapping *mapping = word % sizeof word == 0 ? tool_mapping_at(scan->mappings, word) : NULL;
    return mapping && mapping->inode != 0 && mapping->mode[0] == 'r' && mapping->mode[1] != 'w';
}

/* Whether so many elements of one length fill an object from `head` on: but for what its slot is longer than what was asked for. */
static bool fills(const struct tool_extent *extent, uint64_t size, uint64_t head, uint64_t count)
{
    uint64_t room = size - head;
    return count > 0 && count <= room && (room % count == 0 || (!extent->exact && room - room % count > size - size / 4));
}

/* Whether an address inside an object is as good as its beginning; scan.h says which are. */
static bool is_as_good(const struct tool_scan *scan, struct tool_object object, uint64_t offset)
{
    const struct tool_extent *extent = &scan->heap->extents[object.extent];
    uint64_t size = tool_object_size(extent, object.index), word = sizeof(uintptr_t);
    uintptr_t head[3], there;

    if (offset % word != 0 || size < 4 * word || offset > size - word || !read_words(scan, object, 0, head, 3))
        return false;
    if (offset == word && ((head[0] <= size - word && head[0] + word > size - size / 4) || fills(extent, size, word, head[0])))
        return true;
    if (offset == 2 * word && fills(extent, size, 2 * word, head[1]))
        return true;
    if (offset == 3 * word && head[0] <= head[1] && head[1] < size - 3 * word && head[1] + 3 * word + 1 > size - size / 4)
        return true;
    return is_table(scan, head[0]) && read_words(scan, object, offset, &there, 1) && is_table(scan, there);
}

void tool_scan_word(struct tool_scan *scan, uintptr_t word)
{
    struct tool_object object;
    uint64_t offset;
    uint8_t state;

    if (!tool_heap_find(scan->heap, word, &object, &offset))
        return;
    state = *state_of(scan, object);
    if (state != TOOL_OBJECT_LOST && state != TOOL_OBJECT_POSSIBLE)
        return;
    if (offset == 0 || (!scan->strict && is_as_good(scan, object, offset)))
        wait_for(scan, object, TOOL_OBJECT_REACHED);
    else if (state == TOOL_OBJECT_LOST)
        wait_for(scan, object, TOOL_OBJECT_POSSIBLE);
}

void tool_scan_words(struct tool_scan *scan, const uintptr_t *words, uint64_t count,
                     void (*act)(struct tool_scan *scan, uintptr_t word))
{
    const uintptr_t low = scan->heap->low, span = scan->heap->high - low;

    for (uint64_t i = 0; i < count; i += BLOCK) {
        uint64_t end = count - i < BLOCK ? count : i + BLOCK;
        unsigned found = 0;
        uintptr_t some[BLOCK];
        for (uint64_t k = i; k < end; k++) {
            some[found] = words[k];
            found += words[k] - low < span;
        }
        for (unsigned k = 0; k < found && found > 1; k++) {
            struct tool_object object;
            uint64_t offset;
            if (tool_heap_find(scan->heap, some[k], &object, &offset))
                __builtin_prefetch(state_of(scan, object));
        }
        for (unsigned k = 0; k < found; k++)
            act(scan, some[k]);
    }
}

void tool_scan_keep(struct tool_scan *scan, uintptr_t at)
{
    struct tool_object object;
    uint64_t offset;

    if (tool_heap_find(scan->heap, at, &object, &offset) && *state_of(scan, object) == TOOL_OBJECT_LOST)
        wait_for(scan, object, TOOL_OBJECT_REACHED);
}

/* In an object that is only possible. */
static void act_on_possible(struct tool_scan *scan, uintptr_t word)
{
    struct tool_object object;
    uint64_t offset;

    if (tool_heap_find(scan->heap, word, &object, &offset) && *state_of(scan, object) == TOOL_OBJECT_LOST)
        wait_for(scan, object, TOOL_OBJECT_POSSIBLE);
}

/* Leaders are found in order of their extents, and in these by index. */
static struct tool_leader *leader_of(const struct tool_scan *scan, struct tool_object object)
{
    size_t low = 0, high = scan->leader_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct tool_object *one = &scan->leaders[middle].object;
        if (one->extent < object.extent || (one->extent == object.extent && one->index < object.index))
            low = middle + 1;
        else
            high = middle;
    }
    return &scan->leaders[low];
}

/* In an object that is lost. */
static void act_on_lost(struct tool_scan *scan, uintptr_t word)
{
    struct tool_leader *mine = &scan->leaders[scan->leader_count - 1];
    struct tool_object object;
    uint64_t offset;
    uint8_t state;

    if (!tool_heap_find(scan->heap, word, &object, &offset))
        return;
    state = *state_of(scan, object);
    if (state != TOOL_OBJECT_LOST &&
        (state != TOOL_OBJECT_LEADER || (object.extent == mine->object.extent && object.index == mine->object.index)))
        return;
    mine->indirect_bytes += tool_object_size(&scan->heap->extents[object.extent], object.index);
    mine->indirect_objects++;
    if (state == TOOL_OBJECT_LOST) {
        wait_for(scan, object, TOOL_OBJECT_INDIRECT);
    } else { /* one that seemed to be led by none: what is lost with it is lost with this one */
        const struct tool_leader *other = leader_of(scan, object);
        mine->indirect_bytes += other->indirect_bytes;
        mine->indirect_objects += other->indirect_objects;
        *state_of(scan, object) = TOOL_OBJECT_INDIRECT;
    }
}

/* Going through objects */

/* A copy of an object's slab, if there is room for it. False: there is none. */
static bool copy_extent(struct tool_scan *scan, struct tool_extent *extent)
{
    uint64_t bytes = extent->count * extent->slot;

    if (extent->copy)
        return true;
    if (extent->wide || scan->copy_bytes + bytes > scan->copy_most)
        return false;
    extent->copy = tool_arena_take(&scan->heap->copies, bytes);
    scan->copy_bytes += bytes;
    scan->failed |= !tool_live_read(scan->live, extent->begin, extent->copy, bytes);
    return true;
}

static void go_through(struct tool_scan *scan, struct tool_object object, void (*act)(struct tool_scan *, uintptr_t))
{
    struct tool_extent *extent = &scan->heap->extents[object.extent];
    uintptr_t at = tool_object_address(extent, object.index);
    uint64_t size = tool_object_size(extent, object.index), skip = (0 - at) % sizeof at;
    uint64_t words = size > skip ? (size - skip) / sizeof at : 0;
    const char *from;

    if (extent->slot > COPIED) {
        tool_scan_range(scan, at, at + size, (uint32_t)object.extent + TOOL_PAGE_EXTENT, false, act);
        return;
    }
    if (copy_extent(scan, extent)) {
        from = extent->copy + (at - extent->begin) + skip;
    } else {
        scan->failed |= !tool_live_read(scan->live, at + skip, scan->buffer, words * sizeof at);
        from = scan->buffer;
    }
    tool_scan_words(scan, (const uintptr_t *)(const void *)from, words, act);
}

/* What is looked at soon is to be in the processor's caches by then. */
static void fetch(const struct tool_scan *scan, struct tool_object object)
{
    const struct tool_extent *extent = &scan->heap->extents[object.extent];

    if (extent->copy)
        __builtin_prefetch(extent->copy + object.index * extent->slot + extent->start);
    if (extent->asked)
        __builtin_prefetch(&extent->asked[object.index]);
}

/* The objects on the stack, and those that are found meanwhile; a few are taken off it ahead. */
static void go_on(struct tool_scan *scan, void (*act)(struct tool_scan *, uintptr_t))
{
    struct tool_object ahead[AHEAD];
    size_t first = 0, count = 0;

    while ((scan->stack_count > 0 || count > 0) && !scan->failed) {
        if (scan->stack_count > 0 && count < AHEAD) {
            struct tool_object object = scan->stack[--scan->stack_count];
            ahead[(first + count++) % AHEAD] = object;
            fetch(scan, object);
        } else {
            count--;
            go_through(scan, ahead[first++ % AHEAD], act);
        }
    }
}

static void go_on_possible(struct tool_scan *scan)
{
    while (scan->possible_count > 0 && !scan->failed) {
        struct tool_object object = scan->possible[--scan->possible_count];
        if (*state_of(scan, object) == TOOL_OBJECT_POSSIBLE) /* and was not reached after all */
            go_through(scan, object, act_on_possible);
    }
}

static void lead(struct tool_scan *scan, struct tool_object object)
{
    if (scan->leader_count == scan->leader_room) {
        scan->leader_room = scan->leader_room ? 2 * scan->leader_room : 1024;
        scan->leaders = tool_grow(scan->leaders, scan->leader_room * sizeof *scan->leaders);
    }
    scan->leaders[scan->leader_count++] = (struct tool_leader){.object = object};
    wait_for(scan, object, TOOL_OBJECT_LEADER);
    go_on(scan, act_on_lost);
}

static void lead_all(struct tool_scan *scan)
{
    for (size_t i = 0; i < scan->heap->count && !scan->failed; i++)
        for (uint32_t k = 0; k < scan->heap->extents[i].count && !scan->failed; k++)
            if (scan->heap->extents[i].states[k] == TOOL_OBJECT_LOST)
                lead(scan, (struct tool_object){i, k});
}

/* Those that turned out to be led by another are left out. */
static void keep_leaders(struct tool_scan *scan)
{
    size_t kept = 0;

    for (size_t i = 0; i < scan->leader_count; i++)
        if (*state_of(scan, scan->leaders[i].object) == TOOL_OBJECT_LEADER)
            scan->leaders[kept++] = scan->leaders[i];
    scan->leader_count = kept;
}

bool tool_scan(struct tool_scan *scan, const struct tool_frozen *frozen)
{
    long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    scan->copy_most = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page / 4 : 0;
    if (scan->copy_most > COPIES_MOST)
        scan->copy_most = COPIES_MOST;
    scan->buffer = tool_grow(NULL, BUFFER);
    scan->pagemap = tool_live_file(scan->live, "pagemap");
    tool_scan_roots(scan, frozen);
    go_on(scan, tool_scan_word);
    go_on_possible(scan);
    lead_all(scan);
    keep_leaders(scan);
    return !scan->failed;
}

void tool_scan_free(struct tool_scan *scan)
{
    if (scan->buffer && scan->pagemap >= 0)
        close(scan->pagemap);
    free(scan->buffer);
    free(scan->leaders);
    free(scan->stack);
    free(scan->possible);
    *scan = (struct tool_scan){.live = NULL};
}
