/*
 * Blocks of whole pages that are debugged: malloc's above 32 KiB, and those aligned to more than a page, where the letters of "large" say so; and those of
 * kmalloc above 8192 bytes, and of vmalloc, by the letters of "kmalloc-large".
 *
 *     run     | left red zone: at least a page | object ... asked | right red zone: to the end of the run |     with Z
 *
 * What is known of a block lies apart from it, in a table by address: what was asked for, its state, and who allocated and freed it. So a block without Z is as it
 * would be without letters. Poison is written to a block's first MiB only.
 *
 * Lock: one, for the table; nothing is called under it, but objects are looked at when all are.
 */
#ifndef TARN_ALLOC_CARE_LARGE_H
#define TARN_ALLOC_CARE_LARGE_H

#include "os/lock.h"
#include "slab/debug.h"

#include <stdbool.h>
#include <stddef.h>

enum { TARN__CARE_BUCKET_BITS = 12 };

enum tarn__care_state { TARN__CARE_FREE, TARN__CARE_LIVE, TARN__CARE_BUSY, TARN__CARE_QUARANTINED };

struct tarn__care_block {
    struct tarn__care_block *next;  /* in its bucket; among unused ones */
    struct tarn__care_block *later; /* in quarantine */
    struct tarn_page *run;
    char *base, *object, *end; /* of the run, of what was asked for */
    const char *pool;
    size_t asked;
    unsigned letters;
    enum tarn__care_state state;
    struct tarn__track track[2];
};

/* By address of their objects; free blocks are in none. Under the lock; others than this file only read it (door/live.c). */
extern struct tarn__care_block *tarn__care_buckets[1 << TARN__CARE_BUCKET_BITS];

struct tarn__care_want {
    const char *pool; /* its name */
    unsigned letters;
    size_t size, align;
    bool fresh;     /* its bytes are anything, so they may be filled */
    unsigned flags; /* for who gives the pages */
};

/* There was such a block, ever. */
extern TARN__HIDDEN bool tarn__care_large_any;

/* NULL: no memory. `zeroed` tells whether it reads as zero. `pages` gives a run, counted as an object of whole pages (realloc.h). */
void *tarn__care_large_alloc(const struct tarn__care_want *want,
                             void *(*pages)(const struct tarn__care_want *want, size_t size, size_t align, bool *zeroed),
                             bool *zeroed);

/* False: no such block, live or in quarantine, begins there. What is wrong with one that does is reported, and then it is true. `size`: as asked for, or
 * SIZE_MAX. */
bool tarn__care_large_free(void *p, size_t size, const char *where);

/* Whether such a block begins there, in whatever state. */
bool tarn__care_large_has(const void *p);

/* Bytes that may be used; SIZE_MAX: it was reported. There is such a block. */
size_t tarn__care_large_size(const void *p, const char *where);

/* Gives a block another size where it is. False: it cannot be, or there is no such block. */
bool tarn__care_large_resize(void *p, size_t size);

/* Looks at all, live and in quarantine. Returns how many reports there were. */
size_t tarn__care_large_look(const char *where);

/* What is in quarantine goes back to the heap. */
void tarn__care_large_empty(void);

/* For reports: of the block whose pages `address` lies in. False: there is none. Takes no lock. */
bool tarn__care_large_suspect(const void *address, struct tarn__suspect *suspect);

extern struct tarn__lock tarn__care_large_lock;

#endif
