/*
 * Preloading: where libtarn-malloc.so is, and whether a program can be given it.
 */
#ifndef TARN_TOOL_PRELOAD_H
#define TARN_TOOL_PRELOAD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum tool_obstacle {
    TOOL_FREE,         /* nothing known stands in the way */
    TOOL_STATIC,       /* no dynamic loader */
    TOOL_SET_ID,       /* set-user-ID or set-group-ID: the loader ignores LD_PRELOAD */
    TOOL_CAPABILITIES, /* file capabilities: likewise */
    TOOL_FOREIGN,      /* for another kind of processor */
    TOOL_OTHER_LOADER, /* started by another C library's loader */
};

/* What a program name on the command line stands for. */
struct tool_program {
    char path[PATH_MAX];        /* the file found; empty if none */
    bool refused;               /* none was found that may be run, but one that may not */
    char interpreter[PATH_MAX]; /* of a script: what runs it; empty otherwise */
    char loader[PATH_MAX];
    enum tool_obstacle obstacle;
};

/*
 * Finds libtarn-malloc.so: TARN_LIBRARY, else beside this command, else in ../lib and ../lib/<multiarch>
 * from there, else in TARN_LIBDIR as compiled in. Returns 0; or -1 after one line on standard error.
 */
int tool_find_library(char path[PATH_MAX]);

/* Looks the program up as execvp does and at its file, following `#!`. */
void tool_inspect(const char *name, struct tool_program *program);

/* Whether LD_PRELOAD would make the program's loader fail or complain, not just be ignored. */
bool tool_preload_harms(const struct tool_program *program);

/* A sentence for people: why nothing can be preloaded. Empty if TOOL_FREE. */
void tool_explain(const struct tool_program *program, char *buffer, size_t size);

/* A word for machines: "static", "set_id", …; NULL if TOOL_FREE. */
const char *tool_obstacle_name(enum tool_obstacle obstacle);

#endif
