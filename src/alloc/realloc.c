/*
 * Reallocation: in place where that can be, by remapping from 4 MiB on, and from 1 MiB on to a place that is clean, by copying otherwise.
 *
 * An object that must move to grow is given room to grow further, as what grows once mostly grows again: an eighth of a block of
 * whole pages, whose untouched pages cost nothing, and a quarter of an object below that.
 */
#include "alloc/realloc.h"

#include "alloc/care.h"
#include "alloc/fast.h"
#include "alloc/hard.h"
#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "base/fail.h"
#include "tarn/alloc.h"

#include <string.h>

/* Pages; below this a copy costs less than the mappings that a move leaves in pieces. */
static const size_t remap_least = ((size_t)4 << 20) / TARN__PAGE_SIZE;
/* The same where each page of the copy would be a page fault, and memory that the process has not had yet. */
static const size_t remap_least_clean = ((size_t)1 << 20) / TARN__PAGE_SIZE;

static void *copy_to(void *to, void *from, size_t bytes)
{
    if (!to)
        return NULL;
    memcpy(to, from, bytes);
    tarn__free(from);
    tarn__atomic_add(&tarn__heap.reallocs_moved, 1);
    return to;
}

/* A smaller object is a favour: without memory for it the old one does. */
static void *shrink_to(void *to, void *from, size_t bytes)
{
    void *moved = copy_to(to, from, bytes);
    if (!moved)
        tarn__atomic_add(&tarn__heap.failures, (uint64_t)-1); /* nobody was refused anything */
    return moved ? moved : from;
}

/* Above 4 MiB the pages move, not the bytes. The old block has left the ledger already. */
static void *move_to(struct tarn_page *run, void *from, void *to, bool clean)
{
    size_t pages = run->count, bytes = pages * TARN__PAGE_SIZE;
    if (pages >= (clean ? remap_least_clean : remap_least) && tarn__pages_move(run, tarn__run_at(to), pages) == 0) {
        tarn__large_free(run, true);
        tarn__atomic_add(&tarn__heap.reallocs_remapped, 1);
    } else {
        memcpy(to, from, bytes);
        tarn__large_free(run, false);
        tarn__atomic_add(&tarn__heap.reallocs_moved, 1);
    }
    tarn__ledger_note((int64_t)bytes);
    return to;
}

/* To another place with room to grow. */
static void *grow_elsewhere(struct tarn_page *run, void *p, size_t size)
{
    size_t pages = run->count, room = size / TARN__PAGE_SIZE / 8;
    tarn__ledger_note(-(int64_t)(pages * TARN__PAGE_SIZE)); /* one of the two blocks is the user's, so the peak counts one */
    bool clean;
    void *to = tarn__large_alloc(size, TARN__PAGE_SIZE, room, &clean);
    tarn__ledger_note((int64_t)(to ? 0 : pages * TARN__PAGE_SIZE));
    return to ? move_to(run, p, to, clean) : NULL;
}

static void *realloc_pages(struct tarn_page *run, void *p, size_t size)
{
    size_t pages = run->count, needed = tarn__align_up(size, TARN__PAGE_SIZE) / TARN__PAGE_SIZE;
    if (size > PTRDIFF_MAX) {
        tarn__atomic_add(&tarn__heap.failures, 1);
        return NULL;
    }
    if (size <= TARN__SMALL_MOST)
        return shrink_to(tarn__alloc(size), p, size);
    if (needed > pages && !tarn__pages_extend(run, needed))
        return grow_elsewhere(run, p, size);
    if (needed < pages - pages / 8)
        tarn__pages_shrink(run, needed);
    tarn__large_resize(pages, run->count);
    tarn__atomic_add(&tarn__heap.reallocs_in_place, 1);
    return p;
}

/* An object keeps its place as long as it fills at least half of it. */
static void *realloc_object(void *p, size_t had, size_t size)
{
    if (size <= had && size >= had / 2) {
        tarn__atomic_add(&tarn__heap.reallocs_in_place, 1);
        return p;
    }
    if (size <= had)
        return shrink_to(tarn__alloc(size), p, size);
    size_t roomy = tarn__max(size, tarn__min(had + had / 4, TARN__SMALL_MOST));
    return copy_to(tarn__alloc(roomy), p, had);
}

/*
 * A reallocation that stays in its place, counted where counting costs nothing: in the thread's part of the class. A thread that has not begun its own
 * has the shared one of zeros there.
 */
static void note_in_place(unsigned number)
{
    struct tarn__rear *rear = &tarn__self->rear[number];
    if (TARN__LIKELY(rear->capacity != 0))
        tarn__counter_add(&rear->reallocs, 1);
    else
        tarn__atomic_add(&tarn__heap.reallocs_in_place, 1);
}

static void *no_memory(void)
{
    tarn__atomic_add(&tarn__heap.failures, 1);
    return NULL;
}

static void *realloc_any(void *p, size_t size)
{
    void *moved;
    if (TARN__UNLIKELY(tarn__only_hardened) && tarn__hard_realloc(p, size, &moved))
        return moved ? moved : no_memory();
    if (TARN__UNLIKELY(tarn__modes_any) && tarn__care_realloc(p, size, &moved))
        return moved ? moved : no_memory();
    struct tarn_page *run = tarn__run_at(p);
    if (run)
        return realloc_pages(run, p, size);
    struct tarn__piece *piece = tarn__piece_of(p);
    if (piece)
        return tarn__heap_realloc(piece, p, size);
    const struct tarn__slab *slab = tarn__slab_of(p);
    if (slab && !tarn__object_is_free(slab, p))
        return realloc_object(p, tarn__object_size(slab->cache), size);
    tarn__misuse(TARN__INVALID_FREE, "realloc", p);
    return NULL;
}

static TARN__NOINLINE void *realloc_slow(void *p, size_t size)
{
    if (!p)
        return tarn__alloc(size);
    if (size == 0) {
        tarn__free(p);
        return NULL;
    }
    void *to = realloc_any(p, size);
    if (TARN__UNLIKELY(tarn__modes_any))
        tarn__care_note(to, size);
    return to;
}

void *tarn_realloc(void *p, size_t size)
{
    unsigned number = tarn__class_at(p);
    size_t had = tarn__heap.quick[number];
    if (TARN__UNLIKELY(size > had || size < had / 2 || size == 0))
        return realloc_slow(p, size);
    note_in_place(number);
    return p;
}
