/*
 * What every part of the command needs: failing with one line, memory that is there, the clock, files.
 */
#ifndef TARN_TOOL_COMMON_H
#define TARN_TOOL_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef TARN_VERSION
#define TARN_VERSION "0.1.0"
#endif

/* Exit statuses of the command itself; documented in its help. */
enum {
    TOOL_STATUS_USAGE = 2,            /* the command line is wrong: nothing was run */
    TOOL_STATUS_TROUBLE = 125,        /* tarn could not do its part: nothing was run */
    TOOL_STATUS_NOT_EXECUTABLE = 126, /* the program is there and cannot be run */
    TOOL_STATUS_NOT_FOUND = 127,      /* the program is not there */
};

/* One line "tarn: …" on standard error. */
void tool_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and the end of the command with TOOL_STATUS_TROUBLE. */
_Noreturn void tool_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* realloc that does not fail. `memory` may be NULL. */
void *tool_grow(void *memory, size_t bytes);

/* Nanoseconds of CLOCK_MONOTONIC, the clock of the snapshots. */
uint64_t tool_now(void);

/* Writes everything. Returns 0 or -errno. */
int tool_write(int fd, const void *data, size_t bytes);

/* The part of a path after its last slash. */
const char *tool_base_name(const char *path);

#endif
