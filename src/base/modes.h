/*
 * What the environment asks for in debugging and hardening: TARN_DEBUG, TARN_HARDEN, TARN_SAMPLE. Read once, by start.c (or earlier, by
 * who needs it first); until then, and without them, all is off.
 *
 *     TARN_DEBUG=FZ              letters for all pools
 *     TARN_DEBUG=FZ,malloc-64,region*     for those whose name is listed; a name that ends in * stands for all that begin so
 *     TARN_DEBUG=FZ;Q,region     several such lists; for a pool the first counts that names it, or that names none
 *
 * Names: of caches and heaps their own; of mempools "mempool"; of size classes malloc-SIZE and kmalloc-SIZE; "large" for malloc's whole pages; "pages"; of pools that
 * stand alone what they are: region, classpool, levelpool, blockpool, bump, dmapool, genpool.
 */
#ifndef TARN_BASE_MODES_H
#define TARN_BASE_MODES_H

#include <stdbool.h>

enum tarn__letter {
    TARN__LETTER_F = 1 << 0, /* checks: of what is about to be used, and of each free */
    TARN__LETTER_Z = 1 << 1, /* red zones */
    TARN__LETTER_P = 1 << 2, /* poison */
    TARN__LETTER_U = 1 << 3, /* users: stacks of allocation and free */
    TARN__LETTER_Q = 1 << 4, /* quarantine: what is freed is not used again for long */
    TARN__LETTER_G = 1 << 5, /* guard pages: each object at the end of pages of its own */
    TARN__LETTER_ALL = (1 << 6) - 1,
    TARN__LETTER_L = 1 << 6, /* where each object was allocated, and nothing else: for leaks. See tarn__noted_for */
};

/* Changed at the start only, before there are threads. */
extern bool tarn__modes_any;       /* one of the following is set */
extern bool tarn__hardened;        /* TARN_HARDEN=1 */
extern unsigned tarn__sample_rate; /* TARN_SAMPLE=n: one allocation in n is guarded; 0: none */

/* The letters for a pool of this name, but L; 0 at once when there are none at all. */
unsigned tarn__letters_for(const char *name);

/* Whether it has L: malloc's objects are noted (slab/notes.h), those of caches have their tracks, and to others it means nothing. */
bool tarn__noted_for(const char *name);

/* Those that any pool may have, L too. */
unsigned tarn__letters_anywhere(void);

/* Takes in what the environment says; NULL: nothing. -EINVAL: a value was not understood; what was is in force, the rest is left out. */
int tarn__modes_set(const char *debug, const char *harden, const char *sample);

#endif
