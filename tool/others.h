/*
 * The short part of the report: the processes that the launched program started.
 */
#ifndef TARN_TOOL_OTHERS_H
#define TARN_TOOL_OTHERS_H

#include "slots.h"
#include "text.h"

void tool_report_others(const struct tool_text *text, const struct tool_processes *processes);

#endif
