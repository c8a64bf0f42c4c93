/*
 * Functions, files and lines of stacks, looked for by the command `tarn` in a process of its own.
 */
#ifndef TARN_OS_LOOKUP_H
#define TARN_OS_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

enum { TARN__LOOKUP_STACKS = 4 };

struct tarn__lookup_stack {
    const uintptr_t *frames;
    size_t count;
};

/*
 * Has the stacks written as lines into `to`, each stack with an empty line behind it; see tool/symbolize.h. `work` is memory for arguments. Returns how many bytes
 * were written; 0: there is no command, or it could not look.
 *
 * Nothing is allocated, no lock is taken, no signal is left behind; signals must be blocked. Takes ten seconds at most.
 */
size_t tarn__lookup(const struct tarn__lookup_stack *stacks, size_t count, char *to, size_t room, void *work, size_t work_size);

#endif
