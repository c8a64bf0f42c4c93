/*
 * Where malloc's requests go when TARN_DEBUG, TARN_HARDEN or TARN_SAMPLE is set.
 *
 *     malloc, slow ──> tarn__modes_any? ──> guarded (G, or picked)     guard.h
 *                                           hardened                   hard.h
 *                                           L alone: as ever, and noted              slab/notes.h
 *                                           letters: a debugged cache  slab/debug.h     up to 32 KiB, aligned up to a page
 *                                                    a debugged block  care_large.c     above
 *                                           none of these: as ever
 *
 * The fast paths know nothing of this. A class that is cared for has no magazines: its bins stay as they begin, at once empty and full, so that each
 * request of it is slow. Its objects lie in caches beside the ordinary one, which has the same name; what was allocated before the environment was read
 * lies in the ordinary one, and goes to its slab when it is freed.
 *
 * A free is told by where the address lies: guarded and hardened pages know theirs, a slab leads to its cache, which says whether it is debugged.
 */
#ifndef TARN_ALLOC_CARE_H
#define TARN_ALLOC_CARE_H

#include "base/atomic.h"
#include "base/modes.h"

#include <stdbool.h>
#include <stddef.h>

/* Hardened, with neither letters nor sampling beside: then hard.h comes first. */
extern TARN__HIDDEN bool tarn__only_hardened;

/* The letter L for all that is malloc's, and nothing else for any of it: then tarn__noted_alloc comes first. */
extern TARN__HIDDEN bool tarn__only_noted;

/* Any size, with a note of who allocated it. NULL: no memory. */
void *tarn__noted_alloc(size_t size);

/* After a reallocation, in place or not: notes that of what is to be noted. NULL is nothing. */
void tarn__care_note(void *p, size_t size);

/* After tarn__modes_set, if any mode is set, and before there are threads. */
void tarn__care_begin(void);

/* These are for when tarn__modes_any. Any size, a power of two. NULL: no memory. `zeroed`, if there is one to tell: whether it reads as zero. */
void *tarn__care_alloc(size_t size, size_t align, bool *zeroed);

/* False: an ordinary object, or none at all: the caller knows what to do. What is wrong with others is reported, and then it is true. `size` is what the
 * caller says that the object has, or TARN__HARD_ANY (hard.h). */
bool tarn__care_free(void *p, size_t size, const char *where);

/* The same for who frees whole pages only. */
bool tarn__care_free_pages(void *p, const char *where);

/* To *size the bytes that may be used, SIZE_MAX or 0 where it was reported. False: an ordinary object, or none at all. */
bool tarn__care_size(const void *p, const char *where, size_t *size);

/* Reallocates what should not stay or grow in the ordinary way: to *moved, NULL if there is no memory. False: all is ordinary. */
bool tarn__care_realloc(void *p, size_t size, void **moved);

/* Looks at all that is debugged. Returns how many reports there were. */
size_t tarn__care_look(const char *where);

/* At the process's normal end: the same, where letters ask for it. */
void tarn__care_end(void);

#endif
