/*
 * Where the pools of a running process lie: each run of pages in tarn's zones, and what it is used for.
 */
#ifndef TARN_TOOL_MAPS_POOLS_H
#define TARN_TOOL_MAPS_POOLS_H

#include "live.h"

/* What a piece is used for; from TOOL_POOL_SLABS on, slabs of cache number use - TOOL_POOL_SLABS. */
enum tool_pool {
    TOOL_POOL_LARGE,       /* malloc's above the size classes */
    TOOL_POOL_HEAPS,       /* slabs and large objects of heaps that the program made */
    TOOL_POOL_PAGES,       /* that the program asked for as pages */
    TOOL_POOL_FREE,        /* free blocks, kept resident or given back, and pages in threads' lists */
    TOOL_POOL_CHANGING,    /* changed while it was read */
    TOOL_POOL_DESCRIPTORS, /* of pages, and threads' bins: in no zone */
    TOOL_POOL_SLABS,
};

#define TOOL_NO_ZONE UINT32_MAX

struct tool_span {
    uintptr_t begin, end;
    uint32_t zone, use;
    uint32_t count; /* runs: slabs, blocks */
    uint32_t depth; /* of two that begin and end together, the deeper lies in the other */
};

struct tool_pool_zone {
    uintptr_t at;
    unsigned root; /* copy of the library */
    char name[TOOL_LIVE_NAME];
};

struct tool_pool_cache {
    uintptr_t at;
    char name[TOOL_LIVE_NAME];
};

struct tool_pools {
    struct tool_pool_zone *zones;
    size_t zone_count;
    struct tool_pool_cache *caches;
    size_t cache_count;
    struct tool_span *spans; /* by address, apart from each other */
    size_t span_count, span_room;
};

/* False: it cannot be read. */
bool tool_pools_read(const struct tool_live *live, struct tool_pools *pools);
void tool_pools_free(struct tool_pools *pools);

#endif
