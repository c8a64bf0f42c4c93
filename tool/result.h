/*
 * What one run of a program has brought to light: the input of every report.
 */
#ifndef TARN_TOOL_RESULT_H
#define TARN_TOOL_RESULT_H

#include "launch.h"
#include "preload.h"
#include "slots.h"

struct tool_result {
    char **argv;
    const char *library; /* what was preloaded; NULL if nothing */
    struct tool_program program;
    struct tool_outcome outcome;
    struct tool_processes processes;
};

#endif
