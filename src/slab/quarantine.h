/*
 * Quarantine: debugged objects that were freed wait here, poisoned, before they can be allocated again. So what is written to one by who still has its address is found
 * when it leaves, and a second free of it is known as that.
 *
 * There are 16 queues, by thread, first in first out, each of at most 1 MiB of slots and 8192 objects. What an object is kept for is its place in a queue, not
 * a link in the object.
 *
 * Lock: one per queue; nothing is called under it.
 */
#ifndef TARN_SLAB_QUARANTINE_H
#define TARN_SLAB_QUARANTINE_H

#include "os/lock.h"

#include <stdbool.h>
#include <stddef.h>

enum { TARN__QUARANTINE_BYTES = 1 << 20, TARN__QUARANTINE_OBJECTS = 8192, TARN__QUARANTINES = 16 };

/* Whether it takes what has slots of so many bytes. */
static inline bool tarn__quarantine_takes(size_t size) { return size <= TARN__QUARANTINE_BYTES / 8; }

/* Takes an object; others leave for it (tarn__debug_release). Without memory for a queue it leaves at once. */
void tarn__quarantine_add(void *object, size_t size);

/* All leave. */
void tarn__quarantine_empty(void);

void tarn__quarantine_each_lock(void (*act)(struct tarn__lock *));

#endif
