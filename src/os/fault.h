/*
 * Memory that must not be touched, and what happens when it is.
 */
#ifndef TARN_OS_FAULT_H
#define TARN_OS_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* No access to a mapped range, whatever it holds, until tarn__os_commit. 0 or -errno. */
int tarn__fault_forbid(void *p, size_t size);

/*
 * Installs a handler of SIGSEGV and SIGBUS, once. `seen` is called with the address of each access that faulted, in the signal handler of the thread that made
 * it. True: the access is to be tried again; false: the fault is someone else's, and goes to the handler that there was before, or ends the process as it
 * would have. 0 or -errno.
 */
int tarn__fault_watch(bool (*seen)(void *address));

#endif
