/*
 * `tarn run --compare`: the same command under several allocators, in turn.
 */
#ifndef TARN_TOOL_COMPARE_H
#define TARN_TOOL_COMPARE_H

#include "comparison.h"
#include "result.h"
#include "text.h"

struct tool_compare_plan {
    char **argv;
    const struct tool_allocators *allocators; /* the first is the system's */
    unsigned rounds;
    bool quiet; /* no notes and no progress: standard error is for the document */
};

/*
 * Runs it all. The figures of tarn's last run go to `last`, whose outcome.pid stays 0 if there was none.
 * Returns 0, or the errno with which the program could not be started.
 */
int tool_compare(const struct tool_compare_plan *plan, struct tool_comparison *comparison, struct tool_result *last);
void tool_comparison_free(struct tool_comparison *comparison);

/* The table for a person. */
void tool_comparison_report(const struct tool_text *text, const struct tool_comparison *comparison);

#endif
