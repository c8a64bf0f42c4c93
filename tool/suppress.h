/*
 * Suppressions: leaks that are known and not to be told of, by where they were allocated.
 *
 *     # what follows is not read
 *     suppress NAME
 *         only definite possible
 *         at FUNCTION in MODULE from FILE
 *         ...
 *         at main
 *
 * Each `at` stands for one frame, from the innermost on; `...` for any number of frames, none too. What is behind the last line may be anything.
 * FUNCTION, MODULE and FILE are patterns as the shell's (*, ?, [...]); `in` and `from` may be left out. A module or a file without a slash is compared with
 * the last part of its path. `only` names kinds: definite, indirect, possible, reachable; without it, all. An empty suppression fits nothing.
 */
#ifndef TARN_TOOL_SUPPRESS_H
#define TARN_TOOL_SUPPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct tool_frame {
    uintptr_t address;
    char *function; /* NULL: not known; so the next */
    char *file;
    unsigned line;
    char *module;
    uintptr_t offset; /* in the module */
};

struct tool_pattern {
    bool any; /* `...` */
    char *function, *module, *file;
};

struct tool_suppression {
    char *name;
    unsigned kinds; /* bits, as in leaks_groups.h; 0: all */
    struct tool_pattern *patterns;
    size_t count;
    uint64_t bytes, objects; /* that it kept from being told, of the process that was looked at last */
    bool used;               /* it fitted something, in any process */
};

struct tool_suppressions {
    struct tool_suppression *all;
    size_t count;
};

/* Adds those of a file. False, after a line about it: it cannot be read, or a line of it is wrong. */
bool tool_suppressions_read(struct tool_suppressions *suppressions, const char *path);
void tool_suppressions_free(struct tool_suppressions *suppressions);

/* The first that fits a stack, or NULL. `kind`: one bit. */
struct tool_suppression *tool_suppression_of(const struct tool_suppressions *suppressions, unsigned kind,
                                             const struct tool_frame *frames, size_t count);

/* Writes one that fits just this stack. */
void tool_suppression_write(FILE *out, const char *name, const char *kind, const struct tool_frame *frames, size_t count);

#endif
