/*
 * A process held still: all its threads stopped by ptrace, their registers read, and let go on again.
 *
 * Nothing is left behind in it. Should this command end while it holds a process, however it ends, the system lets the threads go on. A process that was
 * stopped by a signal before stays so afterwards; a signal that arrives meanwhile is delivered when the thread goes on.
 */
#ifndef TARN_TOOL_FREEZE_H
#define TARN_TOOL_FREEZE_H

#include "live.h"

#define TOOL_REGISTER_WORDS 512u

struct tool_thread {
    pid_t tid;
    int signal; /* to be delivered when it goes on; 0: none */
    bool stopped;
    uintptr_t stack;                      /* what its stack pointer holds; 0: not known on this machine */
    uintptr_t local;                      /* its thread pointer; 0: not known */
    uintptr_t words[TOOL_REGISTER_WORDS]; /* of all its registers */
    size_t count;
};

struct tool_frozen {
    struct tool_thread *threads;
    size_t count, room;
};

/* Returns 0 with every thread stopped; or the exit status, after a line that says why not, with the process going on. */
int tool_freeze(const struct tool_live *live, struct tool_frozen *frozen);

/* Lets it go on. Any number of times. */
void tool_thaw(struct tool_frozen *frozen);

#endif
