/*
 * Figures derived from a snapshot: the arithmetic that the text and the JSON report share.
 * Each is defined in words in the help of `tarn run`; the two must agree.
 */
#ifndef TARN_TOOL_FIGURES_H
#define TARN_TOOL_FIGURES_H

#include "format/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

struct tool_figures {
    uint64_t requests; /* allocations + frees + reallocs in place */
    uint64_t calls;    /* system calls of every kind */
    uint64_t samples;  /* requests whose exact size was recorded */
    bool has_internal;
    bool has_internal_live;
    bool has_external;
    double internal;      /* 0 to 1, weighted by all bytes ever given */
    double internal_live; /* the same, weighted by the bytes live now */
    double external;      /* 0 to 1 */
    uint64_t idle_bytes;  /* used_bytes - live_bytes: the numerator of `external` */
    double external_peak; /* the same of the peaks of both */
};

void tool_figure_out(const struct tarn_snapshot *snapshot, struct tool_figures *figures);

uint64_t tool_class_objects(const struct tarn_snapshot_class *class); /* room for so many */
uint64_t tool_class_active(const struct tarn_snapshot_class *class);
uint64_t tool_class_bytes(const struct tarn_snapshot_class *class); /* of its slabs, in whole pages */

/* Short names of the kinds of system calls: for people, and for machines. */
extern const char *const tool_call_titles[TARN_SNAPSHOT_CALLS];
extern const char *const tool_call_keys[TARN_SNAPSHOT_CALLS];

#endif
