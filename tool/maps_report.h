/*
 * The report of `tarn maps`: as text, and as JSON.
 */
#ifndef TARN_TOOL_MAPS_REPORT_H
#define TARN_TOOL_MAPS_REPORT_H

#include "maps_areas.h"
#include "maps_pools.h"

struct tool_row {
    uintptr_t begin, end; /* of all its parts together; both 0: they lie anywhere */
    uint64_t count;       /* slabs, blocks; mappings of a rest */
    struct tool_use use;
};

struct tool_maps {
    struct tool_segments segments;
    struct tool_pools pools;
    struct tool_row areas[TOOL_AREAS], rest[TOOL_AREAS], total;
    struct tool_row **lines;            /* [area * (zones + 1) + zone]: by use, or NULL; the last zone is what is in none */
    uintptr_t windows[TOOL_LIVE_ROOTS]; /* of each copy of the library; 0: not yet decided */
    uint64_t minor_faults, major_faults;
};

void tool_maps_print(const struct tool_live *live, const struct tool_maps *maps);
void tool_maps_emit(const struct tool_live *live, const struct tool_maps *maps);

#endif
