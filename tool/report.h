/*
 * The report that `tarn run` prints for a person: read in ten seconds, most important first.
 */
#ifndef TARN_TOOL_REPORT_H
#define TARN_TOOL_REPORT_H

#include "result.h"
#include "text.h"

void tool_report(const struct tool_text *text, const struct tool_result *result);

#endif
