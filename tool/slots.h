/*
 * The command's side of format/snapshot.h: makes the file, and reads what processes left in it.
 */
#ifndef TARN_TOOL_SLOTS_H
#define TARN_TOOL_SLOTS_H

#include "format/snapshot.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tool_slots {
    int fd;
    char path[64]; /* for TARN_SNAPSHOT: by the number of this process, so valid in every process of the tree */
};

/* How a process image came to its end, as far as can be known. */
enum tool_end {
    TOOL_END_EXITED,   /* published its last figures itself */
    TOOL_END_KILLED,   /* the launched program only: wait says so */
    TOOL_END_RUNNING,  /* still there */
    TOOL_END_UNSEEN,   /* gone without last figures: killed, _exit, or exec of something not on tarn */
    TOOL_END_REPLACED, /* exec: a later image of the same process has taken another slot */
};

struct tool_process {
    struct tarn_snapshot figures;
    enum tool_end end;
    bool launched;   /* an image of the launched program's process, not of a descendant */
    bool torn;       /* the owner stopped in the middle of an update */
    uint64_t age_ns; /* from the last update to the end of the launched program */
};

struct tool_processes {
    struct tool_process *all; /* in the order in which slots were taken */
    size_t count;
    uint64_t without_slot; /* processes that came when all slots were taken */
};

void tool_slots_open(struct tool_slots *slots);
void tool_slots_close(struct tool_slots *slots);

/* `launched`: process number of the launched program, ended at `end_ns`; `killed` if by a signal. */
void tool_slots_read(const struct tool_slots *slots, pid_t launched, uint64_t end_ns, bool killed,
                     struct tool_processes *processes);
void tool_processes_free(struct tool_processes *processes);

/* The last image of the launched program, NULL if it has taken no slot. */
const struct tool_process *tool_launched(const struct tool_processes *processes);

#endif
