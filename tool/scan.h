/*
 * The conservative scan: which objects of a process that is held still can be reached.
 *
 *     roots     writable memory that is not tarn's, stacks from their stack pointer on, registers, pages that the program took as pages
 *     reached   from a root, or from another that is reached, by the address where it begins
 *     possible  by an address inside it, or from one that is only possible
 *     lost      by none: definite those that no other lost one leads to, indirect the others; of a circle one is definite
 *
 * An aligned word counts as an address, whatever it was meant to be; so a leak may go unseen, and what is called lost is lost, but for a program that
 * hides its addresses (adds to them, keeps them in files, in 32 bits of an index).
 *
 * Some addresses inside an object are as good as its beginning: behind a length or a count that fits the object (arrays of C++ with destructors, and
 * allocators that note the length), behind the head of a shared string, and where a base class of a C++ object has its table of functions.
 */
#ifndef TARN_TOOL_SCAN_H
#define TARN_TOOL_SCAN_H

#include "freeze.h"
#include "scan_heap.h"

/* A definite leak, and what is lost with it. */
struct tool_leader {
    struct tool_object object;
    uint64_t indirect_bytes, indirect_objects;
};

struct tool_scan {
    const struct tool_live *live;
    const struct tool_mappings *mappings;
    struct tool_heap *heap;
    bool strict;                 /* only beginnings count */
    struct tool_leader *leaders; /* by address of the extent they were found in */
    size_t leader_count, leader_room;

    /* at work */
    struct tool_object *stack, *possible;
    size_t stack_count, stack_room, possible_count, possible_room;
    struct tool_object leader;
    int pagemap;
    char *buffer;
    uint64_t copy_bytes, copy_most;
    bool failed;
};

/*
 * Sets the state of each object of `scan->heap`, and the leaders. `live`, `mappings`, `heap` and `strict` are set, the rest is zero. False: the process's
 * memory cannot be read. Time: that of reading all resident memory once, and one look-up for each word that looks like an address of the heap.
 */
bool tool_scan(struct tool_scan *scan, const struct tool_frozen *frozen);
void tool_scan_free(struct tool_scan *scan);

/* One word that was found; `root`: not in an object. For scan_roots.c. */
void tool_scan_word(struct tool_scan *scan, uintptr_t word);

/* Many of them, whoever is to act on each; those that are none of an object are left out. */
void tool_scan_words(struct tool_scan *scan, const uintptr_t *words, uint64_t count,
                     void (*act)(struct tool_scan *scan, uintptr_t word));

/* The object around an address is reached. */
void tool_scan_keep(struct tool_scan *scan, uintptr_t at);

/* Words of resident pages from `begin` to `end`, of those pages whose entry is `page` (scan_heap.h); `act` looks at each. */
void tool_scan_range(struct tool_scan *scan, uintptr_t begin, uintptr_t end, uint32_t page, bool written,
                     void (*act)(struct tool_scan *scan, uintptr_t word));

/* Looks at all roots. */
void tool_scan_roots(struct tool_scan *scan, const struct tool_frozen *frozen);

#endif
