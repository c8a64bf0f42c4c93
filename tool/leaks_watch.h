/*
 * `run --leaks`: processes that wait at their end until they were looked at. The library's side is src/door/leaks.c.
 */
#ifndef TARN_TOOL_LEAKS_WATCH_H
#define TARN_TOOL_LEAKS_WATCH_H

#include "leaks.h"

struct tool_leaks_watch {
    const struct tool_leaks_options *options;
    int socket;
    char name[48]; /* for TARN_LEAKS */
    char *debug;   /* for TARN_DEBUG */
    bool children; /* every process that asks, not only the program */
    int report;    /* file descriptor */
    bool checked;  /* the program was looked at */
    bool leaks;    /* there are definite or possible ones */
};

/* Makes the socket. The signal SIGIO tells when somebody asks. False, after a line about it: it cannot be made. */
bool tool_leaks_watch_open(struct tool_leaks_watch *watch);
void tool_leaks_watch_close(struct tool_leaks_watch *watch);

/* After the program's end: what is to be said of all that was looked at. */
void tool_leaks_watch_end(const struct tool_leaks_watch *watch);

/* Sees to whoever asks: looks at it, writes the report, and lets it go. `context` is the watch, `program` the launched program. */
void tool_leaks_watch_attend(void *context, pid_t program);

#endif
