/*
 * Which part of a process an address belongs to: its five segments, or what else is mapped; and how much of a range is resident.
 */
#ifndef TARN_TOOL_MAPS_AREAS_H
#define TARN_TOOL_MAPS_AREAS_H

#include "live.h"

enum tool_area {
    TOOL_AREA_TEXT, /* of the program: code and constants */
    TOOL_AREA_DATA, /* its initialised data; with the page in which they end and the next begin */
    TOOL_AREA_BSS,
    TOOL_AREA_HEAP,  /* by brk */
    TOOL_AREA_STACK, /* of the first thread */
    TOOL_AREA_TARN,  /* anonymous memory that tarn's pools lie in */
    TOOL_AREA_LIBRARY_TEXT,
    TOOL_AREA_LIBRARY_DATA, /* and what follows it without a name: their bss */
    TOOL_AREA_FILES,
    TOOL_AREA_SHARED,
    TOOL_AREA_ANONYMOUS,
    TOOL_AREA_SPECIAL, /* the kernel's: [vdso] and the like */
    TOOL_AREAS,
};

#define TOOL_SEGMENTS 32u

struct tool_segment {
    uintptr_t begin, end; /* whole pages */
    enum tool_area area;
};

struct tool_segments {
    struct tool_segment all[TOOL_SEGMENTS]; /* by address, apart from each other */
    unsigned count;
    uint64_t exact[TOOL_AREA_STACK + 1]; /* bytes by the program's headers, or of the mapping */
    char program[4096];                  /* path */
};

/* Reads the program's headers from its memory. Without them segments are found by their mappings' names alone, and there is no bss. */
void tool_segments_read(const struct tool_live *live, const struct tool_mappings *mappings, struct tool_segments *segments);

/* Of a mapping outside of the segments; index `i`. */
enum tool_area tool_area_of(const struct tool_mappings *mappings, size_t i);

/* Bytes of a range, by what has become of its pages. */
struct tool_use {
    uint64_t bytes;
    uint64_t resident; /* in memory */
    uint64_t faulted;  /* the process's own copies, made by a fault: anonymous and resident, or swapped out */
    uint64_t swapped;
};

/* A reader of /proc/PID/pagemap; keeps what it read last. */
struct tool_pagemap {
    const struct tool_live *live;
    int fd;
    size_t page; /* bytes */
    uint64_t *entries;
    uintptr_t first; /* page number of entries[0] */
    size_t filled;
};

bool tool_pagemap_open(struct tool_pagemap *map, const struct tool_live *live);
void tool_pagemap_close(struct tool_pagemap *map);

/* Adds a range. What cannot be read counts as not resident. */
void tool_pagemap_add(struct tool_pagemap *map, uintptr_t begin, uintptr_t end, struct tool_use *use);

#endif
