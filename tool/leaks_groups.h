/*
 * Leaks by where they were allocated; or, where that was not noted, by what they are: size class, cache, length.
 */
#ifndef TARN_TOOL_LEAKS_GROUPS_H
#define TARN_TOOL_LEAKS_GROUPS_H

#include "scan.h"
#include "suppress.h"

enum tool_leak_kind { TOOL_LEAK_DEFINITE, TOOL_LEAK_INDIRECT, TOOL_LEAK_POSSIBLE, TOOL_LEAK_REACHABLE, TOOL_LEAK_KINDS };

#define TOOL_LEAK_EXAMPLES 3u
#define TOOL_LEAK_BYTES 16u
#define TOOL_LEAK_FRAMES 64u

struct tool_leak_example {
    uintptr_t address;
    unsigned char bytes[TOOL_LEAK_BYTES];
    unsigned length;
};

struct tool_leak_group {
    enum tool_leak_kind kind;
    uint32_t stack; /* number, of copy `root` of the library; 0: not noted */
    unsigned root;
    uint32_t cache; /* without a stack: as in scan_heap.h */
    uint64_t size;  /* the same: of each object */
    uint64_t bytes, objects, indirect_bytes, indirect_objects;
    struct tool_leak_example examples[TOOL_LEAK_EXAMPLES]; /* those of the lowest extents */
    struct tool_frame *frames;                             /* innermost first */
    size_t frame_count;
    const struct tool_suppression *suppressed; /* by which; NULL: it is told */
};

struct tool_leak_sum {
    uint64_t bytes, objects;
};

struct tool_leaks {
    struct tool_leak_group *groups; /* the largest first */
    size_t count;
    struct tool_leak_sum sums[TOOL_LEAK_KINDS], suppressed;
    bool stacks; /* of some it is known where they were allocated */
    bool exact;  /* as of struct tool_heap */
    uint64_t stopped_ns, threads;
};

/* "definite", "indirect", … */
const char *tool_leak_kind_name(unsigned kind);

/* Groups what a scan has found; `kinds`: bits of those that are wanted as groups, sums are made of all. Frames are addresses yet. */
void tool_leaks_group(const struct tool_scan *scan, unsigned kinds, struct tool_leaks *leaks);

/* Makes one of groups whose frames turned out to be the same: their stacks differ within the library only. */
void tool_leaks_merge(struct tool_leaks *leaks);

/* Applies suppressions, once frames have names; the sums are without what they fit. */
void tool_leaks_suppress(struct tool_leaks *leaks, const struct tool_suppressions *suppressions);

void tool_leaks_free(struct tool_leaks *leaks);

#endif
