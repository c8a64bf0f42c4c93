/*
 * Where a scan begins: see scan.h.
 *
 * Only resident and swapped pages are read: a page that was never touched holds nothing, and some programs reserve terabytes.
 */
#define _GNU_SOURCE 1
#include "scan.h"

#include <string.h>
#include <unistd.h>

#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define FILE_OR_SHARED (UINT64_C(1) << 61)
#define ENTRIES 4096u
#define CHUNK ((size_t)1 << 20)
#define RED_ZONE 128u /* below the stack pointer, that functions without calls may use */
#define MOST_STACK ((uintptr_t)1 << 30)

static void look_at(struct tool_scan *scan, uintptr_t begin, uintptr_t end, void (*act)(struct tool_scan *, uintptr_t))
{
    for (uintptr_t at = begin; at < end && !scan->failed; at += CHUNK) {
        size_t bytes = end - at < CHUNK ? end - at : CHUNK;
        const uintptr_t *words = (const uintptr_t *)(void *)scan->buffer;

        if (!tool_live_read(scan->live, at, scan->buffer, bytes)) /* of a device, or of a file that became shorter */
            continue;
        tool_scan_words(scan, words, bytes / sizeof *words, act);
    }
}

void tool_scan_range(struct tool_scan *scan, uintptr_t begin, uintptr_t end, uint32_t page, bool written,
                     void (*act)(struct tool_scan *scan, uintptr_t word))
{
    static uint64_t entries[ENTRIES];
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), from = 0, to = 0; /* what is to be read next */

    begin = (begin + sizeof(uintptr_t) - 1) & ~(sizeof(uintptr_t) - 1);
    for (uintptr_t first = begin / size, last = (end + size - 1) / size; first < last && !scan->failed; first += ENTRIES) {
        size_t count = last - first < ENTRIES ? last - first : ENTRIES;
        ssize_t got = pread(scan->pagemap, entries, count * sizeof *entries, (off_t)(first * sizeof *entries));

        if (got != (ssize_t)(count * sizeof *entries)) /* then all of them are read */
            memset(entries, 0xff, sizeof entries);
        for (size_t i = 0; i < count; i++) {
            uintptr_t at = (first + i) * size, stop = at + size;
            bool there = (entries[i] & (PRESENT | SWAPPED)) && (!written || !(entries[i] & FILE_OR_SHARED));

            at = at > begin ? at : begin;
            stop = stop < end ? stop : end;
            if (!there || tool_heap_page(scan->heap, at) != page)
                continue;
            if (at != to) {
                look_at(scan, from, to, act);
                from = at;
            }
            to = stop;
        }
    }
    look_at(scan, from, to, act);
}

/* Where a mapping that a thread has its stack in begins to be in use; else its beginning. */
static uintptr_t stack_begin(const struct tool_scan *scan, const struct tool_frozen *frozen, const struct tool_mapping *mapping)
{
    uintptr_t lowest = UINTPTR_MAX, page = (uintptr_t)1 << TOOL_PAGE_BITS;

    for (size_t i = 0; i < frozen->count; i++) {
        uintptr_t stack = frozen->threads[i].stack;
        if (stack >= mapping->begin && stack < mapping->end && stack < lowest)
            lowest = stack;
    }
    if (lowest == UINTPTR_MAX || lowest - mapping->begin > MOST_STACK)
        return mapping->begin;
    for (uintptr_t at = mapping->begin; at < lowest;
         at += page) /* a stack among what is the heap's tells nothing of the pages below */
        if (tool_heap_page(scan->heap, at) != TOOL_PAGE_FOREIGN)
            return mapping->begin;
    return lowest - mapping->begin > RED_ZONE ? lowest - RED_ZONE : mapping->begin;
}

/* Its registers; a stack in an object; and the table of its variables, to the middle of which the C library points. */
static void look_at_thread(struct tool_scan *scan, const struct tool_thread *thread)
{
    uintptr_t head[2];

    for (size_t i = 0; i < thread->count; i++)
        tool_scan_word(scan, thread->words[i]);
    if (thread->stack)
        tool_scan_keep(scan, thread->stack);
    if (thread->local && tool_live_read(scan->live, thread->local, head, sizeof head)) {
        tool_scan_keep(scan, thread->local);
        tool_scan_keep(scan, head[0]);
        tool_scan_keep(scan, head[1]);
    }
}

/* The roots of a mapping, around what is left out: `next` is the number of the first such range to be looked at. */
static void look_around(struct tool_scan *scan, uintptr_t begin, uintptr_t end, bool constant, size_t next)
{
    for (; next < scan->heap->away_count; next++) {
        const struct tool_away *away = &scan->heap->away[next];
        if (away->end <= begin || away->begin >= end)
            continue;
        if (away->begin > begin)
            look_around(scan, begin, away->begin, constant, next + 1);
        if (away->end >= end)
            return;
        begin = away->end;
    }
    if (begin < end)
        tool_scan_range(scan, begin, end, TOOL_PAGE_FOREIGN, constant, tool_scan_word);
}

void tool_scan_roots(struct tool_scan *scan, const struct tool_frozen *frozen)
{
    for (size_t i = 0; i < frozen->count; i++)
        look_at_thread(scan, &frozen->threads[i]);
    for (size_t i = 0; i < scan->mappings->count && !scan->failed; i++) {
        const struct tool_mapping *mapping = &scan->mappings->all[i];
        bool constant = mapping->mode[1] != 'w'; /* what the loader made so once it was written */

        if (mapping->mode[0] != 'r' || (constant && (mapping->mode[3] != 'p' || mapping->inode == 0)))
            continue;
        look_around(scan, stack_begin(scan, frozen, mapping), mapping->end, constant, 0);
    }
}
