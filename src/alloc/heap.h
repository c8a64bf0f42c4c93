/*
 * The process's own heap: one zone over the window, one object cache for each size class; and requests of whole pages.
 *
 * A class's cache is made at its first use: most programs use few, and 72 of them would be ten pages written at each program's start.
 */
#ifndef TARN_ALLOC_HEAP_H
#define TARN_ALLOC_HEAP_H

#include "alloc/classes.h"
#include "slab/local.h"

enum { TARN__LARGE_TALLIES = 16 };

/* Requests of whole pages, as far as some threads made them; only their sums over all threads mean something. */
struct tarn__large_tally {
    _Alignas(TARN__CACHE_LINE) _Atomic uint64_t allocs;
    _Atomic uint64_t frees, pages;       /* pages: of the live ones */
    _Atomic uint64_t requested, rounded; /* bytes, ever */
};

struct tarn__heap {
    struct tarn_zone zone;
    struct tarn_source_count source; /* what the zone took from the window */
    _Atomic uint32_t classes_made, ready;
    uint32_t quick[TARN__CLASSES +
                   1]; /* bytes of a class's objects, if realloc may leave them where they are and tell nobody; else 0 */

    struct tarn__large_tally large[TARN__LARGE_TALLIES]; /* by thread */
    _Atomic uint64_t failures;
    _Atomic uint64_t reallocs_in_place, reallocs_moved, reallocs_remapped;

    struct tarn_cache cache[TARN__CLASSES + 1]; /* by class; zeros: nobody has used it yet, and 0 is unused */
};

extern TARN__HIDDEN struct tarn__heap tarn__heap;

/* Makes the heap usable; called by whoever comes first, any number of times, from any threads. */
void tarn__heap_ready(void);

/* Writes its name, "malloc-" and the size, to room for TARN_CACHE_NAME_MOST + 1 bytes. */
void tarn__class_name(char *name, unsigned number);

/* Makes the cache of a class, if another thread has not done so meanwhile. Needs no memory. */
struct tarn_cache *tarn__heap_make_class(unsigned number);

/* The cache of a class, or NULL: nobody has used it yet. The acquire pairs with the release in tarn__cache_enter. */
static inline struct tarn_cache *tarn__heap_class_made(unsigned number)
{
    return atomic_load_explicit(&tarn__cache_table[number], memory_order_acquire);
}

static inline struct tarn_cache *tarn__heap_class(unsigned number)
{
    struct tarn_cache *cache = tarn__heap_class_made(number);
    return cache ? cache : tarn__heap_make_class(number);
}

/* Set before threads by a floor above that has locks of lower ranks: acts on each of them. NULL: there are none. */
extern void (*tarn__locks_above)(void (*act)(struct tarn__lock *));

/* Takes all of tarn's locks and lets go of them: for the fork hooks. */
void tarn__heap_fork_prepare(void);
void tarn__heap_fork_parent(void);
void tarn__heap_fork_child(void);

/* Gives back what can be: the calling thread's magazines, the depots, free pages down to `keep` bytes. Returns the bytes unmapped or purged. */
size_t tarn__heap_trim(size_t keep);

#endif
