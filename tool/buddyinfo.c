/*
 * The free blocks of a running process's zones; see buddyinfo.h.
 *
 * A zone's counts change under its lock, which is not ours to take. They lie together and are read in one call, twice: two equal readings were
 * not cut through by a change that is still going on.
 */
#include "buddyinfo.h"

#include "common.h"
#include "emit.h"
#include "help.h"
#include "live_sections.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 16
#define PAGEBLOCK_ORDER 9

struct zone {
    uintptr_t at;
    char name[TOOL_LIVE_NAME];
    uint64_t pages, free_pages, dirty_pages;
    uint64_t blocks[TARN_LIVE_ORDERS];
    uint64_t group_blocks[TARN_LIVE_GROUPS][TARN_LIVE_ORDERS];
    uint64_t pageblocks[TARN_LIVE_GROUPS];
};

struct zones {
    const struct tool_live *live;
    struct zone *all;
    unsigned root;
    size_t count;
};

static const char *const group_names[TARN_LIVE_GROUPS] = {"Unmovable", "Movable", "Reclaimable"};

/* Reads until two readings in a row are the same, or often enough. */
static bool read_still(const struct tool_live *live, uintptr_t at, char *copy, size_t bytes)
{
    char *before = tool_grow(NULL, bytes);
    bool done = tool_live_read(live, at, copy, bytes), same = false;

    for (int i = 0; done && !same && i < TRIES; i++) {
        memcpy(before, copy, bytes);
        done = tool_live_read(live, at, copy, bytes);
        same = done && memcmp(before, copy, bytes) == 0;
    }
    free(before);
    return done;
}

static void fill(const struct tool_live *live, const struct tarn_live_zone *fields, const char *copy, struct zone *zone)
{
    *zone = (struct zone){
        .pages = tool_live_value(copy, fields->pages, 0),
        .free_pages = tool_live_value(copy, fields->free_pages, 0),
        .dirty_pages = tool_live_value(copy, fields->dirty_pages, 0),
    };
    tool_live_name(live, copy, fields->name, zone->name);
    for (unsigned order = 0; order < TARN_LIVE_ORDERS; order++) {
        zone->blocks[order] = tool_live_value(copy, fields->blocks, order);
        for (unsigned group = 0; group < TARN_LIVE_GROUPS; group++)
            zone->group_blocks[group][order] = tool_live_value(copy, fields->group_blocks, group * TARN_LIVE_ORDERS + order);
    }
}

/* Pageblocks of which the section has a page, each with the zone that the section is of. */
static void count_pageblocks(const struct tool_section *section, void *context)
{
    const struct zones *zones = context;
    const struct tarn_live_section *s = &zones->live->roots[zones->root].root.section;
    uintptr_t at = (uintptr_t)tool_live_value(section->copy, s->zone, 0);
    size_t pages = s->group.count ? s->page.count / s->group.count : 0;
    struct zone *zone = NULL;

    for (size_t i = 0; i < zones->count && !zone; i++)
        zone = zones->all[i].at == at ? &zones->all[i] : NULL;
    for (unsigned i = 0; zone && section->slots == 1 && i < s->group.count; i++) {
        uint64_t group = tool_live_value(section->copy, s->group, i);
        if (section->first < (i + 1) * pages && section->end > i * pages && group < TARN_LIVE_GROUPS)
            zone->pageblocks[group]++;
    }
}

static bool read_zones(const struct tool_live *live, unsigned root, struct zones *zones)
{
    const struct tarn_live_zone *fields = &live->roots[root].root.zone;
    char *copy = tool_grow(NULL, fields->set.bytes);
    struct tool_section_visitor visitor = {live->roots[root].root.section.page.offset, count_pageblocks, NULL, zones};
    uintptr_t *at;
    bool done = tool_live_elements(live, &fields->set, &at, &zones->count);

    zones->live = live;
    zones->root = root;
    zones->all = tool_grow(NULL, zones->count * sizeof *zones->all);
    for (size_t i = 0; done && i < zones->count; i++) {
        done = read_still(live, at[i], copy, fields->set.bytes);
        if (done)
            fill(live, fields, copy, &zones->all[i]);
        zones->all[i].at = at[i];
    }
    if (done)
        done = tool_sections_each(live, &live->roots[root].root, &visitor);
    free(at);
    free(copy);
    return done;
}

/* The two layouts. A copy of the library is a node. */

static void print_buddyinfo(const struct zones *zones, unsigned count)
{
    for (unsigned node = 0; node < count; node++)
        for (size_t i = 0; i < zones[node].count; i++) {
            printf("Node %u, zone %8s ", node, zones[node].all[i].name);
            for (unsigned order = 0; order < TARN_LIVE_ORDERS; order++)
                printf("%6" PRIu64 " ", zones[node].all[i].blocks[order]);
            putchar('\n');
        }
}

static void print_free_by_group(unsigned node, const struct zone *zone)
{
    for (unsigned group = 0; group < TARN_LIVE_GROUPS; group++) {
        printf("Node %4u, zone %8s, type %12s ", node, zone->name, group_names[group]);
        for (unsigned order = 0; order < TARN_LIVE_ORDERS; order++)
            printf("%6" PRIu64 " ", zone->group_blocks[group][order]);
        putchar('\n');
    }
}

static void print_blocks_by_group(unsigned node, const struct zone *zone)
{
    printf("Node %u, zone %8s ", node, zone->name);
    for (unsigned group = 0; group < TARN_LIVE_GROUPS; group++)
        printf("%12" PRIu64 " ", zone->pageblocks[group]);
    putchar('\n');
}

static void print_groups(const struct zones *zones, unsigned count)
{
    printf("Page block order: %d\nPages per block:  %d\n\n", PAGEBLOCK_ORDER, 1 << PAGEBLOCK_ORDER);
    printf("%-43s ", "Free pages count per migrate type at order");
    for (unsigned order = 0; order < TARN_LIVE_ORDERS; order++)
        printf("%6u ", order);
    putchar('\n');
    for (unsigned node = 0; node < count; node++)
        for (size_t i = 0; i < zones[node].count; i++)
            print_free_by_group(node, &zones[node].all[i]);
    printf("\n%-23s", "Number of blocks type ");
    for (unsigned group = 0; group < TARN_LIVE_GROUPS; group++)
        printf("%12s ", group_names[group]);
    putchar('\n');
    for (unsigned node = 0; node < count; node++)
        for (size_t i = 0; i < zones[node].count; i++)
            print_blocks_by_group(node, &zones[node].all[i]);
}

static void emit_orders(struct tool_emitter *e, const char *name, const uint64_t *blocks)
{
    tool_emit_open(e, name, '[');
    for (unsigned order = 0; order < TARN_LIVE_ORDERS; order++)
        tool_emit_count(e, NULL, blocks[order]);
    tool_emit_close(e, ']');
}

static void emit_zone(struct tool_emitter *e, const struct zone *zone, bool groups)
{
    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "name", zone->name);
    tool_emit_count(e, "pages", zone->pages);
    tool_emit_count(e, "free_pages", zone->free_pages);
    tool_emit_count(e, "dirty_pages", zone->dirty_pages);
    emit_orders(e, "blocks", zone->blocks);
    tool_emit_open(e, "groups", '[');
    for (unsigned group = 0; groups && group < TARN_LIVE_GROUPS; group++) {
        tool_emit_open(e, NULL, '{');
        tool_emit_string(e, "name", group_names[group]);
        emit_orders(e, "blocks", zone->group_blocks[group]);
        tool_emit_count(e, "pageblocks", zone->pageblocks[group]);
        tool_emit_close(e, '}');
    }
    tool_emit_close(e, ']');
    tool_emit_close(e, '}');
}

static void emit_all(const struct tool_live *live, const struct zones *zones)
{
    struct tool_emitter e = {.out = stdout};

    tool_live_emit_head(&e, live);
    for (unsigned i = 0; i < live->count; i++) {
        tool_emit_open(&e, NULL, '{');
        tool_emit_string(&e, "path", live->roots[i].path);
        tool_emit_string(&e, "version", live->roots[i].root.library);
        tool_emit_open(&e, "zones", '[');
        for (size_t zone = 0; zone < zones[i].count; zone++)
            emit_zone(&e, &zones[i].all[zone], live->roots[i].root.zone.group_blocks.count > 0);
        tool_emit_close(&e, ']');
        tool_emit_close(&e, '}');
    }
    tool_live_emit_tail(&e);
}

static bool has_groups(const struct tool_live *live)
{
    for (unsigned i = 0; i < live->count; i++)
        if (live->roots[i].root.zone.group_blocks.count != TARN_LIVE_GROUPS * TARN_LIVE_ORDERS)
            return false;
    return true;
}

static int report(const struct tool_live *live, const struct tool_live_options *options)
{
    struct zones zones[TOOL_LIVE_ROOTS] = {{.all = NULL}};
    bool done = true;

    if (options->groups && !has_groups(live)) {
        tool_complain("process %d (%s) runs on a tarn whose zones have no mobility groups", (int)live->pid, live->program);
        return TOOL_STATUS_TROUBLE;
    }
    for (unsigned i = 0; i < live->count && done; i++)
        done = read_zones(live, i, &zones[i]);
    if (done && options->json)
        emit_all(live, zones);
    else if (done && options->groups)
        print_groups(zones, live->count);
    else if (done)
        print_buddyinfo(zones, live->count);
    for (unsigned i = 0; i < live->count; i++)
        free(zones[i].all);
    return done ? tool_live_finish() : tool_live_failed(live);
}

int tool_buddyinfo(char **argv)
{
    struct tool_live_options options;
    struct tool_live live;
    int status;

    if (!tool_live_arguments("buddyinfo", argv, true, &options))
        return TOOL_STATUS_USAGE;
    if (options.help)
        return tool_help_buddyinfo();
    status = tool_live_open(&live, options.pid);
    if (status == 0) {
        status = report(&live, &options);
        tool_live_close(&live);
    }
    return status;
}
