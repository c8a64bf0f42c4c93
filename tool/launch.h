/*
 * Launching a program and waiting for its end, signals passed through.
 */
#ifndef TARN_TOOL_LAUNCH_H
#define TARN_TOOL_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

struct tool_launch {
    char **argv;
    const char *file;          /* to be run as it is; NULL: execvp finds it, and has a shell run what has no format */
    const char *preload;       /* put in front of LD_PRELOAD; NULL: that stays as it is */
    const char *snapshot;      /* path for TARN_SNAPSHOT; NULL: that stays as it is */
    int in, out, err;          /* standard streams; -1: those of this command */
    const char *leaks, *debug; /* for TARN_LEAKS and TARN_DEBUG; NULL: these stay as they are */
    void (*attend)(void *context, pid_t pid); /* called when SIGIO arrives; NULL: that is the program's, too */
    void *context;
};

struct tool_outcome {
    pid_t pid;
    int error;                    /* errno if the program could not be started; nothing below holds then */
    int status;                   /* as wait4 gives it */
    int interrupted;              /* INT, QUIT, HUP or TERM if this command was sent it meanwhile, else 0 */
    uint64_t begin_ns, end_ns;    /* CLOCK_MONOTONIC */
    uint64_t user_ns, system_ns;  /* of the program and the children it waited for */
    uint64_t peak_resident_bytes; /* of the largest single one among those */
};

/*
 * From here on this command is not ended by a signal that is meant for the program: the signals are held
 * back and dealt with in tool_launch. Once, before the first launch.
 */
void tool_hold_signals(void);

/* Runs the program to its end. Returns 0, or -errno if not even a process could be made. */
int tool_launch(const struct tool_launch *launch, struct tool_outcome *outcome);

/* The exit status that a shell would report. */
int tool_exit_status(const struct tool_outcome *outcome);

#endif
