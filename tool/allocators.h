/*
 * Allocators to compare with: which are known, which are installed.
 */
#ifndef TARN_TOOL_ALLOCATORS_H
#define TARN_TOOL_ALLOCATORS_H

#include <limits.h>
#include <stdbool.h>

#define TOOL_SYSTEM "system"
#define TOOL_TARN "tarn"
#define TOOL_ALLOCATORS_MOST 64u

struct tool_allocator {
    char name[64];
    char path[PATH_MAX]; /* empty: the system's own, nothing is preloaded */
};

struct tool_allocators {
    struct tool_allocator all[TOOL_ALLOCATORS_MOST];
    unsigned count;
};

/* The system's malloc, tarn (its library at `tarn`), and every other that is found installed. */
void tool_allocators_find(struct tool_allocators *allocators, const char *tarn);

/*
 * The ones in `names`, separated by commas: names, or paths of shared objects. The system's comes first,
 * named or not. Returns 0; or -1 after one line on standard error, if one is unknown or not installed.
 */
int tool_allocators_choose(struct tool_allocators *allocators, const char *names, const char *tarn);

/* Whether the loader accepts the library into a process: it is tried. Needs tool_hold_signals before. */
bool tool_allocator_loads(const struct tool_allocator *allocator);

/* The trial itself, in the process that the library was preloaded into: the exit status. */
int tool_allocator_probe(const char *path);

#endif
