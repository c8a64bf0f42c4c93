/*
 * Hardened mode (TARN_HARDEN=1): tarn_malloc's objects lie where nobody can tell, are zeroed when they are freed, and what is written beside them or after
 * their end is found.
 *
 *     slot      | object, as asked for | canary: the rest of the slot, at least 8 bytes |       out of line: 16 bits that say live, and how long the rest is
 *     free      | 0 0 0 …                                                                |       or free, or waiting
 *
 *     free ──> the thread's ring of the class: the last ones wait, first in first out ──> the others are ripe, in any order: a request takes the last
 *                                                                                        ↕ half of the ripe ones
 *                                                                                        the class's free slots, and slots never used
 *
 * Where. A place of 2 TiB is decided at random, in it 16 GiB for each of the 72 size classes (classes.h): so an address tells its class and its
 * number by arithmetic. Of it extents are mapped as needed, between which one to sixteen pages stay unmapped. What is known of slots lies in another place of the
 * kind, which nothing but unmapped addresses surrounds. No link and no length lies in or beside an object.
 *
 * What is found. A free of what is not live (free before, inside an object, never allocated) at that free, whatever happened in between. A changed canary, and a changed
 * word in front, at the free, at a realloc, or at exit. A write after the free when the slot is used again, or at exit. Whole pages (hard_large.c) have
 * unmapped addresses on both sides. Each look at a slot in use by others is repeated before anything is said (hard_check.c).
 *
 * Threads. A ring is its thread's; an object that another thread frees goes to that one's ring. Nothing is locked but to exchange slots with the class. Up to 128 slots
 * wait, and up to 64 are ripe: fewer of large ones, so that 8 KiB wait, or two. Requests of up to 256 bytes are served without a call (hard_fast.h).
 *
 * Wrong if: correct programs are reported. What it costs: docs/decisions/0015-hardened.md.
 */
#ifndef TARN_ALLOC_HARD_H
#define TARN_ALLOC_HARD_H

#include "os/lock.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * `size` bytes, all zero, at a multiple of `align`, a power of two. NULL: no memory, or no hardened memory, as on 32-bit machines; then
 * tarn__hard_begun() tells which.
 */
void *tarn__hard_alloc(size_t size, size_t align);

/* Whether the hardened mode has a place; finds one at the first call. */
bool tarn__hard_begun(void);

/*
 * Frees an object; `where` is the public function. False: the address is none of this mode's. What is wrong is reported; if the user's handler says to carry on, the object
 * stays as it is. `size` is what the caller says it has, or TARN__HARD_ANY.
 */
#define TARN__HARD_ANY ((size_t)-1)
bool tarn__hard_free(void *p, size_t size, const char *where);

/* Bytes of the live object that begins at `p`, as asked for; reports what is no live object, and is 0 then. */
bool tarn__hard_size(const void *p, const char *where, size_t *size);

/* Changes an object's size as tarn_realloc does; *moved: where it is now, or NULL. False: it is none of this mode's. */
bool tarn__hard_realloc(void *p, size_t size, void **moved);

/* Looks at all objects, live and free. Reports what it finds; returns how many. Other threads may go on meanwhile. */
size_t tarn__hard_check(void);

/* For reports: what is known of the slot that `p` lies in. False: it is none of this mode's. Takes no lock. */
struct tarn__suspect;
bool tarn__hard_describe(const void *p, struct tarn__suspect *suspect);

struct tarn__hard_stats {
    size_t live, waiting;     /* objects in use, and such as were freed and are in rings or free */
    size_t mapped, metadata;  /* bytes */
    size_t large, large_kept; /* whole pages: live ones, and bytes of freed ones that stay mapped */
    size_t unguarded;         /* objects that had to be served by the ordinary way */
};
void tarn__hard_stats(struct tarn__hard_stats *stats);

/* For the fork hooks. */
void tarn__hard_each_lock(void (*act)(struct tarn__lock *));

#endif
