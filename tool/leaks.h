/*
 * The verb `leaks`, and what `run --leaks` has in common with it.
 */
#ifndef TARN_TOOL_LEAKS_H
#define TARN_TOOL_LEAKS_H

#include "leaks_groups.h"

#include <stdio.h>

#define TOOL_SUPPRESSION_FILES 16u

struct tool_leaks_options {
    bool json, reachable, indirect, generate, strict;
    const char *files[TOOL_SUPPRESSION_FILES]; /* of suppressions */
    unsigned file_count;
    const char *status_text;
    int status; /* to end with where there are leaks; 0: none of its own */
    struct tool_suppressions suppressions;
};

/* Takes one of these options, its value from the same word or the next. Returns 1; 0: another option; -1, after a line about it: it is wrong. */
int tool_leaks_option(char ***at, const char *verb, struct tool_leaks_options *options);

/* After the last option: reads what they name. False, after a line about it: that cannot be done. */
bool tool_leaks_prepare(struct tool_leaks_options *options, const char *verb);
void tool_leaks_done(struct tool_leaks_options *options);

/*
 * Stops the process, scans it, lets it go on, and finds names for what was found. Returns 0; or the exit status, after a line that says why it cannot be
 * done. The process is stopped for as long as its memory is read.
 */
int tool_leaks_find(const struct tool_live *live, const struct tool_leaks_options *options, struct tool_leaks *leaks);

/* Whether there are leaks that are told of and count: definite and possible ones. */
bool tool_leaks_count(const struct tool_leaks *leaks);

/* Writes what was found. `asleep`: the process has ended, in all but name. */
void tool_leaks_print(FILE *out, const struct tool_live *live, const struct tool_leaks_options *options,
                      const struct tool_leaks *leaks);
void tool_leaks_emit(FILE *out, const struct tool_live *live, const struct tool_leaks_options *options,
                     const struct tool_leaks *leaks);

/* Names the suppressions that fitted nothing in any process. */
void tool_leaks_print_unused(FILE *out, const struct tool_leaks_options *options);

int tool_leaks(char **argv);

#endif
