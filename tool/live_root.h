/*
 * The library in a running process: finding its root.
 */
#ifndef TARN_TOOL_LIVE_ROOT_H
#define TARN_TOOL_LIVE_ROOT_H

#include "live.h"

enum tool_live_find { TOOL_LIVE_FOUND, TOOL_LIVE_NOTHING, TOOL_LIVE_UNUSABLE };

/* Fills in the roots. Tells of those that cannot be used, and which of several are in use. */
enum tool_live_find tool_live_find(struct tool_live *live, const struct tool_mappings *mappings);

#endif
