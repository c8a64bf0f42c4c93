/*
 * What `tarn run --compare` has measured.
 */
#ifndef TARN_TOOL_COMPARISON_H
#define TARN_TOOL_COMPARISON_H

#include "allocators.h"

#include <stdbool.h>
#include <stdint.h>

struct tool_spread {
    uint64_t median, least, most;
};

struct tool_contender {
    struct tool_allocator allocator;
    struct tool_run {
        uint64_t wall_ns, user_ns, system_ns, peak_resident_bytes;
    } * runs;
    unsigned count; /* runs made */
    struct tool_spread wall_ns, user_ns, system_ns, peak_resident_bytes;
    int exit_status; /* of the first run that differed from the system's, else as the system's */
    bool differs;    /* some run ended otherwise than under the system's malloc: its figures are no measure */
};

struct tool_comparison {
    struct tool_contender *contenders; /* the first is the system's malloc */
    unsigned count;
    unsigned rounds;      /* asked for */
    unsigned rounds_done; /* made in full */
    int interrupted;      /* by this signal, or 0 */
    int exit_status;      /* of the first run, under the system's malloc */
};

#endif
