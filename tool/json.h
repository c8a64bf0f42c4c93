/*
 * The report as one JSON document, for programs. Its fields are described in the help of `tarn run`;
 * names are stable: fields are added, not renamed.
 */
#ifndef TARN_TOOL_JSON_H
#define TARN_TOOL_JSON_H

#include "comparison.h"
#include "result.h"

#include <stdio.h>

/*
 * `comparison` is NULL without --compare. A result without a process (outcome.pid 0: nothing ran on
 * tarn, because it was not among the allocators compared) gives "run": null.
 */
void tool_json(FILE *out, const struct tool_result *result, const struct tool_comparison *comparison, int exit_status);

#endif
