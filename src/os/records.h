/*
 * What is known of objects by their address, where letters ask for it (base/modes.h) and the pool itself keeps nothing: who allocated it and who freed it, and
 * whether it is in use. For pages, heaps and mempools; watched pools, debugged caches and guarded objects know such things themselves.
 *
 * One table, in memory of its own; linear probing. A record stays when its object is freed, for the reports of what comes later, until the table must grow. One
 * lock, held together with no other, and taken after any. Nothing here touches an object.
 */
#ifndef TARN_OS_RECORDS_H
#define TARN_OS_RECORDS_H

#include "base/fail.h"
#include "os/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tarn__record_state { TARN__RECORD_NONE, TARN__RECORD_LIVE, TARN__RECORD_WAITING, TARN__RECORD_FREED };

struct tarn__record {
    uintptr_t hidden; /* the address, inverted: leak searches take what looks like one for a reference */
    const void *owner;
    void *extra; /* the owner's */
    size_t size; /* bytes */
    uint32_t alloc_stack, free_stack, alloc_thread, free_thread;
    uint8_t state;
};

static inline char *tarn__record_start(const struct tarn__record *record) { return (char *)~record->hidden; }

/* An object is in use from now on; `stack`: os/stack.h, or 0. False: there is no memory to know it by. */
bool tarn__record_live(const void *owner, void *p, size_t size, void *extra, uint32_t stack);

/*
 * If the object that begins at `p` is in use: it is not any more, but in `state`. Returns what is known of it as it was; with state NONE: nothing. `owner` NULL:
 * anybody's; one of another is left as it is.
 */
struct tarn__record tarn__record_free(const void *owner, const void *p, enum tarn__record_state state, uint32_t stack);

/* One that waits is freed, or is in use again. */
void tarn__record_set(const void *p, enum tarn__record_state state);

/* What is known of the object that begins at `p`; that `p` lies in, or less than `beyond` bytes behind, found by a look at all. */
struct tarn__record tarn__record_of(const void *p);
struct tarn__record tarn__record_around(const void *p, size_t beyond);

/* One that is in use, of an owner. */
struct tarn__record tarn__record_first(const void *owner);

/* Those of an owner are not in use any more. */
void tarn__records_end(const void *owner);

/* Adds to `suspect` what is known of its object. */
void tarn__record_tell(struct tarn__suspect *suspect);

extern struct tarn__lock tarn__records_lock;

#endif
