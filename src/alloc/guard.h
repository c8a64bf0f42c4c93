/*
 * Guard pages (TARN_DEBUG=G) and sampling (TARN_SAMPLE=n): an object at the end of pages of its own, so that the processor finds the first wrong access.
 *
 *     … unmapped | pages:  slack | object | rest | unmapped …          rest: less than the alignment, checked at the free
 *
 * A place of 8 TiB is decided at random. In it lie, for each length of 2^k pages, slots of 2^k + 1 pages, of which the last is never mapped. A live object has
 * mapped just the pages it needs; a freed one none, until its slot is used again: the slot freed first comes first, after at least 32768 others of its length. So
 * what is freed costs addresses only, neither memory nor one of the 65530 mappings that a process may have; where these run out, requests are served
 * unguarded, and counted. What is known of slots lies out of line.
 *
 * A handler of SIGSEGV and SIGBUS is installed when the first object is guarded. It tells what the fault was to an object, and leaves all other faults to
 * the handler that there was.
 *
 * Sampling (sample.h) takes a small set of such slots for one request in about n: 16 of one page.
 */
#ifndef TARN_ALLOC_GUARD_H
#define TARN_ALLOC_GUARD_H

#include "os/lock.h"

#include <stdbool.h>
#include <stddef.h>

/* Has faults told from now on, as the first guarded object does. */
void tarn__guard_begin(void);

/* A guarded object for the pool of this name, which must stay. Zeroed. NULL: none can be had; the caller serves it otherwise. Sets nothing else. */
void *tarn__guard_alloc(size_t size, size_t align, const char *pool);

/*
 * A live object belongs to `owner`, which is told when it is freed, by whichever function: `gone(owner, size)`, with no lock held. Who owns the live object that begins at
 * `p`, if that is told so; NULL: nobody.
 */
void tarn__guard_own(void *p, void *owner, void (*gone)(void *owner, size_t size));
void *tarn__guard_owner(const void *p, void (*gone)(void *owner, size_t size));

/* A live object that belongs to `owner`; NULL: none does. They belong to nobody from now on. */
void *tarn__guard_first(const void *owner);
void tarn__guard_disown(const void *owner);

/* Frees it. False: the address is none of a guarded place. Misuse is reported. `size` as for tarn__hard_free. */
bool tarn__guard_free(void *p, size_t size, const char *where);

/* Bytes asked for of the live object that begins at `p`. False: the address is none of a guarded place. */
bool tarn__guard_size(const void *p, const char *where, size_t *size);

/* Whether a live object begins at `p`, which lies in a guarded place. */
bool tarn__guard_is_live(const void *p);

/* As tarn__hard_describe. */
struct tarn__suspect;
bool tarn__guard_describe(const void *p, struct tarn__suspect *suspect);

/* Serves a request whose turn it is (sample.h). NULL: larger than a page, or all slots are in use. */
void *tarn__sample_alloc(size_t size, size_t align, const char *pool);

/* Checks what lies behind each live object. Reports; returns how many. */
size_t tarn__guard_check(void);

struct tarn__guard_stats {
    size_t live, freed; /* objects, and slots of freed ones that are not used again yet */
    size_t guarded;     /* requests served so */
    size_t unguarded;   /* requests that could not be */
    size_t sampled;     /* of `guarded` */
    size_t unsampled;   /* requests whose turn it was, when all slots were in use */
};
void tarn__guard_stats(struct tarn__guard_stats *stats);

void tarn__guard_each_lock(void (*act)(struct tarn__lock *));

#endif
