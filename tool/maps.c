/*
 * The segments of a running process and its pools; see maps.h.
 *
 * Every page that is mapped is told once: each mapping is cut where a segment or a pool begins or ends. What of a cut mapping is resident is
 * counted page by page, and what is left over is the kernel's own sum for the mapping less that. So the rows of an area add up to the area, and
 * the areas to the total, whatever the process does meanwhile.
 */
#include "maps.h"

#include "common.h"
#include "maps_areas.h"
#include "maps_pools.h"
#include "maps_report.h"

#include "help.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sweep {
    struct tool_maps *maps;
    struct tool_pagemap pages;
    const struct tool_mappings *mappings;
    unsigned segment; /* none before it ends behind where the sweep is */
    size_t span;      /* the same */
};

static void add_use(struct tool_use *to, const struct tool_use *use)
{
    to->bytes += use->bytes;
    to->resident += use->resident;
    to->faulted += use->faulted;
    to->swapped += use->swapped;
}

static uint64_t left_of(uint64_t whole, uint64_t part) { return whole > part ? whole - part : 0; }

static void widen(struct tool_row *line, uintptr_t begin, uintptr_t end)
{
    if (line->use.bytes == 0 || begin < line->begin)
        line->begin = begin;
    if (end > line->end)
        line->end = end;
}

/* The line of a pool in an area, made when first asked for. */
static struct tool_row *pool_line(struct tool_maps *maps, enum tool_area area, const struct tool_span *span)
{
    size_t zone = span->zone == TOOL_NO_ZONE ? maps->pools.zone_count : span->zone;
    struct tool_row **lines = &maps->lines[area * (maps->pools.zone_count + 1) + zone];

    if (!*lines) {
        size_t bytes = (TOOL_POOL_SLABS + maps->pools.cache_count) * sizeof **lines;
        *lines = tool_grow(NULL, bytes);
        memset(*lines, 0, bytes);
    }
    return &(*lines)[span->use];
}

/* A part of a mapping that lies in a segment, in a pool, or in both. */
static void add_cut(struct sweep *sweep, enum tool_area area, const struct tool_span *span, uintptr_t begin, uintptr_t end,
                    struct tool_use *cut)
{
    struct tool_maps *maps = sweep->maps;
    struct tool_row *line = span ? pool_line(maps, area, span) : &maps->rest[area];
    struct tool_use use = {.bytes = 0};

    tool_pagemap_add(&sweep->pages, begin, end, &use);
    widen(line, begin, end);
    if (span && begin == span->begin)
        line->count += span->count;
    add_use(&line->use, &use);
    add_use(cut, &use);
}

/* What is left of a mapping. */
static void add_left(struct tool_maps *maps, enum tool_area area, const struct tool_mapping *mapping,
                     const struct tool_use *cut)
{
    struct tool_use use = {
        .bytes = mapping->end - mapping->begin - cut->bytes,
        .resident = left_of(mapping->resident, cut->resident),
        .faulted = left_of(mapping->anonymous + mapping->swapped, cut->faulted),
        .swapped = left_of(mapping->swapped, cut->swapped),
    };

    if (use.bytes == 0)
        return;
    if (use.resident > use.bytes)
        use.resident = use.bytes;
    if (use.faulted > use.bytes)
        use.faulted = use.bytes;
    maps->rest[area].count++;
    add_use(&maps->rest[area].use, &use);
}

static uintptr_t lesser(uintptr_t a, uintptr_t b) { return a < b ? a : b; }

static void sweep_mapping(struct sweep *sweep, size_t i)
{
    const struct tool_segments *segments = &sweep->maps->segments;
    const struct tool_pools *pools = &sweep->maps->pools;
    const struct tool_mapping *mapping = &sweep->mappings->all[i];
    enum tool_area own = tool_area_of(sweep->mappings, i);
    struct tool_use cut = {.bytes = 0};

    for (uintptr_t at = mapping->begin, stop; at < mapping->end; at = stop) {
        const struct tool_segment *segment;
        const struct tool_span *span;

        while (sweep->segment < segments->count && segments->all[sweep->segment].end <= at)
            sweep->segment++;
        while (sweep->span < pools->span_count && pools->spans[sweep->span].end <= at)
            sweep->span++;
        segment = sweep->segment < segments->count ? &segments->all[sweep->segment] : NULL;
        span = sweep->span < pools->span_count ? &pools->spans[sweep->span] : NULL;
        stop = mapping->end;
        if (segment)
            stop = lesser(stop, segment->begin <= at ? segment->end : segment->begin);
        if (span)
            stop = lesser(stop, span->begin <= at ? span->end : span->begin);
        segment = segment && segment->begin <= at ? segment : NULL;
        span = span && span->begin <= at ? span : NULL;
        if (segment || span)
            add_cut(sweep, segment ? segment->area : own == TOOL_AREA_ANONYMOUS ? TOOL_AREA_TARN : own, span, at, stop, &cut);
    }
    add_left(sweep->maps, own, mapping, &cut);
}

/* An area's line is the sum of those in it. */
static void sum_up(struct tool_maps *maps)
{
    size_t uses = TOOL_POOL_SLABS + maps->pools.cache_count;

    for (unsigned area = 0; area < TOOL_AREAS; area++) {
        add_use(&maps->areas[area].use, &maps->rest[area].use);
        for (size_t zone = 0; zone <= maps->pools.zone_count; zone++) {
            const struct tool_row *lines = maps->lines[area * (maps->pools.zone_count + 1) + zone];
            for (size_t use = 0; lines && use < uses; use++)
                add_use(&maps->areas[area].use, &lines[use].use);
        }
        add_use(&maps->total.use, &maps->areas[area].use);
    }
    for (unsigned i = 0; i < maps->segments.count; i++) {
        const struct tool_segment *segment = &maps->segments.all[i];
        struct tool_row *line = &maps->areas[segment->area];
        if (line->end == 0 || segment->begin < line->begin)
            line->begin = segment->begin;
        if (segment->end > line->end)
            line->end = segment->end;
    }
}

static void read_faults(const struct tool_live *live, struct tool_maps *maps)
{
    char line[1024];
    int fd = tool_live_file(live, "stat");
    ssize_t length = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;
    const char *name_end;

    line[length > 0 ? length : 0] = 0;
    name_end = strrchr(line, ')');
    if (!name_end || sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64, &maps->minor_faults,
                            &maps->major_faults) != 2)
        maps->minor_faults = maps->major_faults = 0;
    if (fd >= 0)
        close(fd);
}

static void read_windows(const struct tool_live *live, struct tool_maps *maps)
{
    for (unsigned i = 0; i < live->count; i++)
        if (!tool_live_read(live, live->roots[i].root.window, &maps->windows[i], sizeof maps->windows[i]))
            maps->windows[i] = 0;
}

static bool read_all(const struct tool_live *live, struct tool_maps *maps)
{
    struct tool_mappings mappings = {.all = NULL};
    struct sweep sweep = {.maps = maps, .mappings = &mappings, .pages = {.fd = -1}};
    bool done = tool_pools_read(live, &maps->pools) && tool_pagemap_open(&sweep.pages, live) &&
                tool_mappings_read(live, true, &mappings) && mappings.count > 0;

    if (done) {
        tool_segments_read(live, &mappings, &maps->segments);
        maps->lines = tool_grow(NULL, TOOL_AREAS * (maps->pools.zone_count + 1) * sizeof *maps->lines);
        memset(maps->lines, 0, TOOL_AREAS * (maps->pools.zone_count + 1) * sizeof *maps->lines);
        for (size_t i = 0; i < mappings.count; i++)
            sweep_mapping(&sweep, i);
        sum_up(maps);
        read_faults(live, maps);
        read_windows(live, maps);
    }
    tool_mappings_free(&mappings);
    tool_pagemap_close(&sweep.pages);
    return done;
}

static void forget(struct tool_maps *maps)
{
    for (size_t i = 0; maps->lines && i < TOOL_AREAS * (maps->pools.zone_count + 1); i++)
        free(maps->lines[i]);
    free(maps->lines);
    tool_pools_free(&maps->pools);
}

int tool_maps(char **argv)
{
    static struct tool_maps maps;
    struct tool_live_options options;
    struct tool_live live;
    int status;

    if (!tool_live_arguments("maps", argv, false, &options))
        return TOOL_STATUS_USAGE;
    if (options.help)
        return tool_help_maps();
    status = tool_live_open(&live, options.pid);
    if (status != 0)
        return status;
    if (!read_all(&live, &maps)) {
        status = tool_live_failed(&live);
    } else {
        (options.json ? tool_maps_emit : tool_maps_print)(&live, &maps);
        status = tool_live_finish();
    }
    forget(&maps);
    tool_live_close(&live);
    return status;
}
