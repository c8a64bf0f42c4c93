/*
 * The walk through a process that finds all objects (scan_heap.h): what its parts share.
 */
#ifndef TARN_TOOL_SCAN_WALK_H
#define TARN_TOOL_SCAN_WALK_H

#include "scan_heap.h"

/* What is to be entered in the table: the longest first, so that what lies in another comes after it. */
struct range {
    uintptr_t begin, end;
    uint32_t entry;
};

struct walk {
    struct tool_heap *heap;
    const struct tarn_live *root;
    unsigned number; /* of that copy of the library */
    struct range *ranges;
    size_t range_count, range_room;
    uintptr_t *pieces; /* of heaps of the program's */
    size_t piece_count, piece_room;
    uintptr_t piece; /* the last that was met */
    char *piece_copy;
    uintptr_t window, table; /* where the window begins; its table of notes, 0: there is none */
    uint64_t slot;           /* of the window, whose notes were asked for last */
    uintptr_t slot_notes;
};

/*
 * Adds an extent, which takes `bytes` from its beginning on, and all of whose objects are free. NULL: what is told of it cannot be. Until the next one
 * is added.
 */
struct tool_extent *tool_walk_add(struct walk *walk, struct tool_extent extent, uint64_t bytes);

/* Makes room for what is noted of each object; then it is of one. */
void tool_walk_make_notes(struct tool_arena *notes, struct tool_extent *extent);
void tool_walk_note(struct tool_extent *extent, uint32_t index, uint64_t asked, uint32_t stack);

/* Between these addresses there are objects, and what is known of them, but nothing of the program's. */
void tool_walk_leave_out(struct walk *walk, uintptr_t begin, uintptr_t end);

/* Hardened and guarded objects. */
void tool_walk_hard(struct walk *walk);

#endif
