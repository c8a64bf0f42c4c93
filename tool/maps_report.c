/*
 * The report of `tarn maps`; see maps_report.h. Text is in KiB, JSON in bytes.
 */
#include "maps_report.h"

#include "common.h"
#include "emit.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const area_titles[TOOL_AREAS] = {
    [TOOL_AREA_TEXT] = "text",
    [TOOL_AREA_DATA] = "data",
    [TOOL_AREA_BSS] = "bss",
    [TOOL_AREA_HEAP] = "heap (brk)",
    [TOOL_AREA_STACK] = "stack",
    [TOOL_AREA_TARN] = "pools' own memory",
    [TOOL_AREA_LIBRARY_TEXT] = "libraries, text",
    [TOOL_AREA_LIBRARY_DATA] = "libraries, data",
    [TOOL_AREA_FILES] = "files",
    [TOOL_AREA_SHARED] = "shared memory",
    [TOOL_AREA_ANONYMOUS] = "other anonymous",
    [TOOL_AREA_SPECIAL] = "the kernel's",
};

static const char *const area_keys[TOOL_AREAS] = {
    [TOOL_AREA_TEXT] = "text",
    [TOOL_AREA_DATA] = "data",
    [TOOL_AREA_BSS] = "bss",
    [TOOL_AREA_HEAP] = "heap",
    [TOOL_AREA_STACK] = "stack",
    [TOOL_AREA_TARN] = "pools",
    [TOOL_AREA_LIBRARY_TEXT] = "libraries_text",
    [TOOL_AREA_LIBRARY_DATA] = "libraries_data",
    [TOOL_AREA_FILES] = "files",
    [TOOL_AREA_SHARED] = "shared",
    [TOOL_AREA_ANONYMOUS] = "anonymous",
    [TOOL_AREA_SPECIAL] = "special",
};

static const char *const use_titles[TOOL_POOL_SLABS] = {
    [TOOL_POOL_HEAPS] = "users' heaps", [TOOL_POOL_LARGE] = "large blocks",           [TOOL_POOL_PAGES] = "pages in use",
    [TOOL_POOL_FREE] = "free pages",    [TOOL_POOL_CHANGING] = "changing while read", [TOOL_POOL_DESCRIPTORS] = "descriptors",
};

static const char *const use_keys[TOOL_POOL_SLABS] = {
    [TOOL_POOL_LARGE] = "large", [TOOL_POOL_HEAPS] = "heaps",       [TOOL_POOL_PAGES] = "pages",
    [TOOL_POOL_FREE] = "free",   [TOOL_POOL_CHANGING] = "changing", [TOOL_POOL_DESCRIPTORS] = "descriptors",
};

static size_t uses_of(const struct tool_maps *maps) { return TOOL_POOL_SLABS + maps->pools.cache_count; }

static const struct tool_row *lines_of(const struct tool_maps *maps, unsigned area, size_t zone)
{
    return maps->lines[area * (maps->pools.zone_count + 1) + zone];
}

/* A zone's part of an area: the sum of its lines. */
static struct tool_row zone_line(const struct tool_maps *maps, const struct tool_row *lines)
{
    struct tool_row sum = {.count = 0};

    for (size_t use = 0; use < uses_of(maps); use++) {
        const struct tool_row *line = &lines[use];
        if (line->use.bytes == 0)
            continue;
        if (sum.use.bytes == 0 || line->begin < sum.begin)
            sum.begin = line->begin;
        if (line->end > sum.end)
            sum.end = line->end;
        sum.use.bytes += line->use.bytes;
        sum.use.resident += line->use.resident;
        sum.use.faulted += line->use.faulted;
        sum.use.swapped += line->use.swapped;
    }
    return sum;
}

static bool has_pools(const struct tool_maps *maps, unsigned area)
{
    for (size_t zone = 0; zone <= maps->pools.zone_count; zone++)
        if (lines_of(maps, area, zone))
            return true;
    return false;
}

/* Text */

static void add_row(struct tool_table *table, enum tool_style style, unsigned depth, const char *what, const char *name,
                    const struct tool_row *line, bool place)
{
    tool_table_add(table, style, "%*s%s%s%s", (int)(2 * depth), "", what, *name ? " " : "", name);
    if (line->count)
        tool_table_add(table, TOOL_PLAIN, "%" PRIu64, line->count);
    else
        tool_table_add(table, TOOL_PLAIN, "%s", "");
    if (place && line->end) {
        tool_table_add(table, TOOL_PLAIN, "%012" PRIxPTR, line->begin);
        tool_table_add(table, TOOL_PLAIN, "%012" PRIxPTR, line->end);
    } else {
        tool_table_add(table, TOOL_PLAIN, "%s", "-");
        tool_table_add(table, TOOL_PLAIN, "%s", "-");
    }
    tool_table_add(table, style, "%" PRIu64, line->use.bytes / 1024);
    tool_table_add(table, style, "%" PRIu64, line->use.resident / 1024);
    tool_table_add(table, style, "%" PRIu64, line->use.faulted / 1024);
}

static void add_pools(struct tool_table *table, const struct tool_maps *maps, unsigned area)
{
    for (size_t zone = 0; zone <= maps->pools.zone_count; zone++) {
        const struct tool_row *lines = lines_of(maps, area, zone);
        bool in_zone = zone < maps->pools.zone_count;
        struct tool_row sum;

        if (!lines)
            continue;
        sum = zone_line(maps, lines);
        if (in_zone)
            add_row(table, TOOL_PLAIN, 1, "zone", maps->pools.zones[zone].name, &sum, true);
        for (size_t i = 0; i < uses_of(maps); i++) {
            /* slabs come first, in the order of their caches */
            size_t use = (i + TOOL_POOL_SLABS) % uses_of(maps);
            bool slabs = use >= TOOL_POOL_SLABS;

            if (lines[use].use.bytes > 0)
                add_row(table, TOOL_PLAIN, in_zone ? 2 : 1, slabs ? "slabs" : use_titles[use],
                        slabs ? maps->pools.caches[use - TOOL_POOL_SLABS].name : "", &lines[use], false);
        }
    }
}

static void fill_table(struct tool_table *table, const struct tool_maps *maps)
{
    for (unsigned area = 0; area < TOOL_AREAS; area++) {
        struct tool_row line = maps->areas[area];
        bool segment = area <= TOOL_AREA_STACK, pools = has_pools(maps, area);

        if (!segment && line.use.bytes == 0)
            continue;
        line.count = pools || segment ? 0 : maps->rest[area].count;
        add_row(table, TOOL_BOLD, 0, area_titles[area], "", &line, segment);
        if (!pools)
            continue;
        add_pools(table, maps, area);
        line = maps->rest[area];
        if (line.use.bytes > 0)
            add_row(table, TOOL_PLAIN, 1, "the rest", "", &line, false);
    }
    add_row(table, TOOL_BOLD, 0, "total", "", &maps->total, false);
}

static void print_head(const struct tool_text *text, const struct tool_live *live, const struct tool_maps *maps)
{
    char path[512];

    tool_clean(text, path, sizeof path, maps->segments.program, 100);
    fprintf(text->out, "process %d (%s); sizes in KiB\n", (int)live->pid, path);
    for (unsigned i = 0; i < live->count; i++) {
        const struct tool_live_root *root = &live->roots[i];
        char version[sizeof root->root.library * 4];

        tool_clean(text, path, sizeof path, root->path, 100);
        tool_clean(text, version, sizeof version, root->root.library, sizeof root->root.library);
        fprintf(text->out, "tarn %s in %s", version, path);
        if (maps->windows[i])
            fprintf(text->out, "; its heap's window is 2^%u bytes from %012" PRIxPTR, root->root.window_bits, maps->windows[i]);
        fputc('\n', text->out);
    }
    fputc('\n', text->out);
}

void tool_maps_print(const struct tool_live *live, const struct tool_maps *maps)
{
    static const struct tool_column columns[] = {
        {"WHAT", true},  {"COUNT", false},    {"BEGIN", false},   {"END", false},
        {"SIZE", false}, {"RESIDENT", false}, {"FAULTED", false},
    };
    const uint64_t *exact = maps->segments.exact;
    struct tool_table table;
    struct tool_text text;

    tool_text_open(&text, stdout, STDOUT_FILENO);
    print_head(&text, live, maps);
    tool_table_open(&table, columns, sizeof columns / sizeof columns[0]);
    fill_table(&table, maps);
    tool_table_print(&table, &text);
    tool_table_close(&table);
    printf("\nby the program's headers, in bytes: text %" PRIu64 ", data %" PRIu64 ", bss %" PRIu64 "\n", exact[TOOL_AREA_TEXT],
           exact[TOOL_AREA_DATA], exact[TOOL_AREA_BSS]);
    printf("page faults of the process so far: %" PRIu64 " minor, %" PRIu64 " major\n", maps->minor_faults, maps->major_faults);
}

/* JSON */

static void emit_use(struct tool_emitter *e, const struct tool_use *use)
{
    tool_emit_count(e, "bytes", use->bytes);
    tool_emit_count(e, "resident_bytes", use->resident);
    tool_emit_count(e, "faulted_bytes", use->faulted);
    tool_emit_count(e, "swapped_bytes", use->swapped);
}

static void emit_place(struct tool_emitter *e, const struct tool_row *line)
{
    tool_emit_count(e, "begin", line->begin);
    tool_emit_count(e, "end", line->end);
}

static void emit_pool(struct tool_emitter *e, const struct tool_maps *maps, size_t zone, const struct tool_row *lines)
{
    struct tool_row sum = zone_line(maps, lines);
    bool in_zone = zone < maps->pools.zone_count;

    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "zone", in_zone ? maps->pools.zones[zone].name : NULL);
    if (in_zone)
        tool_emit_count(e, "copy", maps->pools.zones[zone].root);
    else
        tool_emit_string(e, "copy", NULL);
    emit_place(e, &sum);
    emit_use(e, &sum.use);
    tool_emit_open(e, "uses", '[');
    for (size_t use = 0; use < uses_of(maps); use++) {
        if (lines[use].use.bytes == 0)
            continue;
        tool_emit_open(e, NULL, '{');
        tool_emit_string(e, "use", use < TOOL_POOL_SLABS ? use_keys[use] : "slabs");
        tool_emit_string(e, "cache", use < TOOL_POOL_SLABS ? NULL : maps->pools.caches[use - TOOL_POOL_SLABS].name);
        tool_emit_count(e, "count", lines[use].count);
        emit_use(e, &lines[use].use);
        tool_emit_close(e, '}');
    }
    tool_emit_close(e, ']');
    tool_emit_close(e, '}');
}

static void emit_area(struct tool_emitter *e, const struct tool_maps *maps, unsigned area)
{
    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "name", area_keys[area]);
    if (area <= TOOL_AREA_STACK) {
        emit_place(e, &maps->areas[area]);
        tool_emit_count(e, "exact_bytes", maps->segments.exact[area]);
    }
    emit_use(e, &maps->areas[area].use);
    tool_emit_open(e, "pools", '[');
    for (size_t zone = 0; zone <= maps->pools.zone_count; zone++)
        if (lines_of(maps, area, zone))
            emit_pool(e, maps, zone, lines_of(maps, area, zone));
    tool_emit_close(e, ']');
    tool_emit_open(e, "rest", '{');
    emit_use(e, &maps->rest[area].use);
    tool_emit_close(e, '}');
    tool_emit_close(e, '}');
}

void tool_maps_emit(const struct tool_live *live, const struct tool_maps *maps)
{
    struct tool_emitter e = {.out = stdout};

    tool_live_emit_head(&e, live);
    for (unsigned i = 0; i < live->count; i++) {
        tool_emit_open(&e, NULL, '{');
        tool_emit_string(&e, "path", live->roots[i].path);
        tool_emit_string(&e, "version", live->roots[i].root.library);
        tool_emit_count(&e, "window", maps->windows[i]);
        tool_emit_count(&e, "window_bits", live->roots[i].root.window_bits);
        tool_emit_close(&e, '}');
    }
    tool_emit_close(&e, ']');
    tool_emit_string(&e, "path", maps->segments.program);
    tool_emit_open(&e, "areas", '[');
    for (unsigned area = 0; area < TOOL_AREAS; area++)
        emit_area(&e, maps, area);
    tool_emit_close(&e, ']');
    tool_emit_open(&e, "total", '{');
    emit_use(&e, &maps->total.use);
    tool_emit_close(&e, '}');
    tool_emit_open(&e, "faults", '{');
    tool_emit_count(&e, "minor", maps->minor_faults);
    tool_emit_count(&e, "major", maps->major_faults);
    tool_emit_close(&e, '}');
    tool_emit_close(&e, '}');
}
