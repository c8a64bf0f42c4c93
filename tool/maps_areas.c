/*
 * Segments, mappings and pages of a running process; see maps_areas.h.
 *
 * /proc/PID/maps does not tell data from bss, nor where either ends within a page: the program's headers do, and they lie in its first page.
 */
#define _GNU_SOURCE 1
#include "maps_areas.h"

#include "common.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MOST_HEADERS 64u
#define ENTRIES ((size_t)1 << 16) /* of one reading */
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define FILE_OR_SHARED (UINT64_C(1) << 61)
#define EXCLUSIVE (UINT64_C(1) << 56) /* mapped here and nowhere else */

/* Segments */

static void add_segment(struct tool_segments *segments, enum tool_area area, uintptr_t begin, uintptr_t end)
{
    unsigned i = segments->count;

    for (unsigned k = 0; k < segments->count; k++) /* what is known already is not taken from */
        if (begin < segments->all[k].end && end > segments->all[k].begin) {
            if (begin >= segments->all[k].begin)
                begin = segments->all[k].end;
            else
                end = segments->all[k].begin;
        }
    if (begin >= end || segments->count == TOOL_SEGMENTS)
        return;
    for (; i > 0 && segments->all[i - 1].begin > begin; i--)
        segments->all[i] = segments->all[i - 1];
    segments->all[i] = (struct tool_segment){begin, end, area};
    segments->count++;
}

static void add_load(struct tool_segments *segments, const ElfW(Phdr) * load, uintptr_t bias, uintptr_t page)
{
    uintptr_t begin = bias + load->p_vaddr, file_end = begin + load->p_filesz, end = begin + load->p_memsz;

    if (!(load->p_flags & PF_W)) {
        segments->exact[TOOL_AREA_TEXT] += load->p_memsz;
        add_segment(segments, TOOL_AREA_TEXT, begin & ~(page - 1), (end + page - 1) & ~(page - 1));
        return;
    }
    segments->exact[TOOL_AREA_DATA] += load->p_filesz;
    segments->exact[TOOL_AREA_BSS] += load->p_memsz - load->p_filesz;
    file_end = load->p_filesz ? (file_end + page - 1) & ~(page - 1) : begin & ~(page - 1);
    add_segment(segments, TOOL_AREA_DATA, begin & ~(page - 1), file_end);
    add_segment(segments, TOOL_AREA_BSS, file_end, (end + page - 1) & ~(page - 1));
}

/* False: what lies at `base` are no program's headers. */
static bool add_loads(const struct tool_live *live, struct tool_segments *segments, uintptr_t base)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), bias = 0;
    ElfW(Phdr) headers[MOST_HEADERS];
    ElfW(Ehdr) header;
    bool first = true;

    if (!tool_live_read(live, base, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_phentsize != sizeof headers[0] || header.e_phnum > MOST_HEADERS ||
        !tool_live_read(live, base + header.e_phoff, headers, header.e_phnum * sizeof headers[0]))
        return false;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        if (headers[i].p_type != PT_LOAD || headers[i].p_memsz < headers[i].p_filesz)
            continue;
        if (first)
            bias = base - (headers[i].p_vaddr & ~(page - 1));
        first = false;
        add_load(segments, &headers[i], bias, page);
    }
    return !first;
}

static void read_program_path(const struct tool_live *live, char *path, size_t size)
{
    ssize_t length = readlinkat(live->directory, "exe", path, size - 1);
    path[length > 0 ? length : 0] = 0;
}

void tool_segments_read(const struct tool_live *live, const struct tool_mappings *mappings, struct tool_segments *segments)
{
    bool known = false;

    *segments = (struct tool_segments){.count = 0};
    read_program_path(live, segments->program, sizeof segments->program);
    for (size_t i = 0; i < mappings->count && !known; i++)
        if (mappings->all[i].offset == 0 && strcmp(mappings->all[i].path, segments->program) == 0)
            known = add_loads(live, segments, mappings->all[i].begin);
    for (size_t i = 0; i < mappings->count; i++) {
        const struct tool_mapping *mapping = &mappings->all[i];
        bool heap = strcmp(mapping->path, "[heap]") == 0, stack = strcmp(mapping->path, "[stack]") == 0;

        if (!known && mapping->inode && strcmp(mapping->path, segments->program) == 0)
            add_segment(segments, mapping->mode[1] == 'w' ? TOOL_AREA_DATA : TOOL_AREA_TEXT, mapping->begin, mapping->end);
        if (heap || stack)
            add_segment(segments, heap ? TOOL_AREA_HEAP : TOOL_AREA_STACK, mapping->begin, mapping->end);
    }
    for (unsigned i = 0; i < segments->count; i++)
        if (segments->all[i].area == TOOL_AREA_HEAP || segments->all[i].area == TOOL_AREA_STACK)
            segments->exact[segments->all[i].area] += segments->all[i].end - segments->all[i].begin;
}

/* Other mappings */

static bool is_executed(const struct tool_mappings *mappings, const struct tool_mapping *mapping)
{
    for (size_t i = 0; i < mappings->count; i++)
        if (mappings->all[i].mode[2] == 'x' && mappings->all[i].inode == mapping->inode &&
            mappings->all[i].device == mapping->device)
            return true;
    return false;
}

static bool is_anonymous(const struct tool_mapping *mapping)
{
    return mapping->inode == 0 && (mapping->path[0] == 0 || strncmp(mapping->path, "[anon", 5) == 0);
}

enum tool_area tool_area_of(const struct tool_mappings *mappings, size_t i)
{
    const struct tool_mapping *mapping = &mappings->all[i], *before = i > 0 ? mapping - 1 : NULL;

    if (mapping->inode && mapping->mode[3] == 's')
        return TOOL_AREA_SHARED;
    if (mapping->inode && is_executed(mappings, mapping))
        return mapping->mode[1] == 'w' ? TOOL_AREA_LIBRARY_DATA : TOOL_AREA_LIBRARY_TEXT;
    if (mapping->inode)
        return TOOL_AREA_FILES;
    if (!is_anonymous(mapping))
        return mapping->path[0] == '[' ? TOOL_AREA_SPECIAL : TOOL_AREA_SHARED;
    if (before && before->end == mapping->begin && before->inode && before->mode[1] == 'w' && before->mode[3] == 'p' &&
        is_executed(mappings, before))
        return TOOL_AREA_LIBRARY_DATA;
    return TOOL_AREA_ANONYMOUS;
}

/* Pages */

bool tool_pagemap_open(struct tool_pagemap *map, const struct tool_live *live)
{
    *map = (struct tool_pagemap){.live = live, .fd = tool_live_file(live, "pagemap"), .page = (size_t)sysconf(_SC_PAGESIZE)};
    if (map->fd < 0)
        return false;
    map->entries = tool_grow(NULL, ENTRIES * sizeof *map->entries);
    return true;
}

void tool_pagemap_close(struct tool_pagemap *map)
{
    if (map->fd >= 0)
        close(map->fd);
    free(map->entries);
    *map = (struct tool_pagemap){.fd = -1};
}

/* The entry of page `number`; reads on from there, to `end` at most, when it is not at hand. */
static uint64_t entry_of(struct tool_pagemap *map, uintptr_t number, uintptr_t end)
{
    if (number < map->first || number >= map->first + map->filled) {
        size_t wanted = end - number < ENTRIES ? end - number : ENTRIES;
        ssize_t got = pread(map->fd, map->entries, wanted * sizeof *map->entries, (off_t)(number * sizeof *map->entries));

        map->first = number;
        map->filled = got > 0 ? (size_t)got / sizeof *map->entries : 0;
        if (map->filled == 0)
            return 0;
    }
    return map->entries[number - map->first];
}

/* The system's request that tells pages apart (Linux 6.7); C libraries' headers have it late. */
struct scan_region {
    uint64_t begin, end, categories;
};

struct scan {
    uint64_t size, flags, begin, end, walk_end, regions, room, most_pages;
    uint64_t inverted, wanted, wanted_any, returned;
};

#define SCAN _IOWR('f', 16, struct scan)
#define SCAN_ZERO_PAGE (UINT64_C(1) << 5)

/* Bytes of a range where the page of zeros is mapped, which is nobody's memory; 0 where the system does not tell. */
static uint64_t zero_bytes(const struct tool_pagemap *map, uintptr_t begin, uintptr_t end)
{
    struct scan_region regions[64];
    struct scan scan = {
        .size = sizeof scan,
        .end = end,
        .regions = (uintptr_t)regions,
        .room = sizeof regions / sizeof regions[0],
        .wanted = SCAN_ZERO_PAGE,
        .returned = SCAN_ZERO_PAGE,
    };
    uint64_t bytes = 0;

    for (scan.begin = begin; scan.begin < end; scan.begin = scan.walk_end) {
        int got = ioctl(map->fd, SCAN, &scan);
        for (int i = 0; i < got; i++)
            bytes += regions[i].end - regions[i].begin;
        if (got < 0 || scan.walk_end <= scan.begin)
            break;
    }
    return bytes;
}

static uint64_t less(uint64_t whole, uint64_t part) { return whole > part ? whole - part : 0; }

void tool_pagemap_add(struct tool_pagemap *map, uintptr_t begin, uintptr_t end, struct tool_use *use)
{
    uintptr_t last = (end + map->page - 1) / map->page;
    bool unclear = false; /* pages shared with a relative by fork, or the page of zeros */

    use->bytes += end - begin;
    for (uintptr_t number = begin / map->page; number < last; number++) {
        uintptr_t from = number * map->page, to = from + map->page;
        uint64_t entry = entry_of(map, number, last);
        uint64_t bytes = (to < end ? to : end) - (from > begin ? from : begin);

        if (entry & PRESENT)
            use->resident += bytes;
        if (entry & SWAPPED)
            use->swapped += bytes;
        if ((entry & SWAPPED) || ((entry & PRESENT) && !(entry & FILE_OR_SHARED)))
            use->faulted += bytes;
        unclear |= (entry & PRESENT) && !(entry & (FILE_OR_SHARED | EXCLUSIVE));
    }
    if (unclear && begin % map->page == 0 && end % map->page == 0) {
        uint64_t zero = zero_bytes(map, begin, end);
        use->resident = less(use->resident, zero);
        use->faulted = less(use->faulted, zero);
    }
}
