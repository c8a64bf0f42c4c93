/*
 * Users' heaps (tarn/heap.h): objects that are counted, limited and ended together.
 *
 *     heap       lists of slabs by class: those with a free object; one of full slabs; one of large objects
 *     piece      a slab's descriptor, apart from its pages, an object of tarn_malloc:
 *                   | list link, heap, pages, size, free objects | bit i: object i is free |
 *     pages      a run of 1, 2, 4, 8 or 16 pages of objects of one class; or of one large object. Each page's descriptor leads to the piece.
 *
 * Slabs begin with as few pages as waste at most an eighth, and double with each that a class gets, so a small heap takes a page for each class it
 * uses and a large one returns its memory in lots of 64 KiB. There are no magazines: a heap's counts are exact and its limits are kept at each
 * request, and what is kept back for a thread would be kept for each of ten thousand heaps.
 *
 * Charging (heap_objects.c): first there is memory, then the request's bytes are added to `live` of its heap and of each heap above, each by a
 * comparison with its limit and the addition in one, so neither a reader nor threads together ever see one passed; the first that has no room has
 * those below it take back what they added. Only then the object is taken and peaks rise: what fails leaves no trace. All this happens under the
 * lock of the request's own heap alone. A heap without children is charged by nobody else, so plain arithmetic under its lock does, and one without
 * parent needs nothing but that lock. What is freed is subtracted in the same order. `own_…` are kept under the heap's lock, and after a fork the
 * child makes `live` anew from them.
 *
 * Locks: `tarn__heaps_lock`, the tree; each heap's own, its slabs and counts. No system call is made and nothing is called under either.
 *
 * Wrong if: requests of many threads in one heap wait for its lock; each thread should then have a child of its own.
 */
#ifndef TARN_ALLOC_HEAPS_H
#define TARN_ALLOC_HEAPS_H

#include "alloc/classes.h"
#include "os/lock.h"
#include "page/section.h"
#include "slab/local.h"
#include "tarn/heap.h"

struct tarn__piece {
    struct tarn__list link; /* in its heap's list for its class, or of full slabs, or of large objects */
    struct tarn_heap *heap;
    struct tarn_page *run; /* NULL: a guarded object (guard.h), which lies elsewhere */
    char *base;
    size_t guarded;   /* bytes of a guarded object */
    uint32_t size;    /* bytes of an object */
    uint32_t inverse; /* ceil(2^32 / size), as in slab/cache.h */
    uint16_t objects; /* 0: one large object, of all pages of the run */
    uint16_t free;
    uint16_t hint; /* no word of `map` below this one has a bit */
    uint16_t class;
    uint16_t waiting; /* objects in quarantine; a large one: 1 */
    uint64_t map[];   /* with Q a second one behind it: bit i: object i is in quarantine, and not free for others */
};

struct tarn_heap {
    struct tarn__lock lock;
    bool leaf;      /* no children: `live` and `peak` change under the lock only. Under both locks */
    uint16_t depth; /* heaps above it */
    unsigned flags; /* of enum tarn_pool_flags */
    struct tarn_zone *zone;
    _Atomic uint64_t live, peak; /* bytes, of this heap and those below */
    _Atomic uint64_t hard_limit, soft_limit;
    struct tarn_heap *parent;

    /* under the lock */
    uint64_t own_bytes, allocations, frees, failures;
    uint64_t noted; /* of own_bytes: already in the ledger (slab/local.h) */
    size_t held;    /* pages */
    struct tarn__list full, large;
    struct tarn__list partial[TARN__CLASSES];
    uint32_t slabs[TARN__CLASSES];

    void (*over_hard)(void *context, struct tarn_heap *heap, size_t size);
    void (*over_soft)(void *context, struct tarn_heap *heap, size_t size);
    void *context;
    struct tarn__heap_wait *wait; /* with Q */

    /* under tarn__heaps_lock */
    struct tarn__list children, siblings, all;
    size_t count; /* of children */
    char name[TARN_HEAP_NAME_MOST + 1];
};

/* Among a heap's flags, too: what letters ask for beside what a program can. */
#define TARN__HEAP_USERS (1u << 28)      /* U */
#define TARN__HEAP_QUARANTINE (1u << 27) /* Q */
#define TARN__HEAP_GUARDED (1u << 26)    /* G */

/* Among a heap's flags: it has ended. So the fast path, which looks at flags, knows it without a look more. */
#define TARN__HEAP_ENDED (1u << 31)

/* Whether it has, which was reported. NULL: no. */
bool tarn__heap_has_ended(const struct tarn_heap *heap, const char *where);

#define TARN__HEAP_RED_ROOM ((size_t)16) /* that a request is larger by, where there are red zones */

extern struct tarn__lock tarn__heaps_lock;
extern struct tarn__list tarn__heaps; /* by `all` */

/* With Q: what was freed waits here, first in first out, until it is looked at and free for others. Under the heap's lock. */
enum { TARN__HEAP_WAITING = 256, TARN__HEAP_WAITING_BYTES = 1 << 20 };

struct tarn__heap_wait {
    size_t first, count, bytes;
    struct {
        struct tarn__piece *piece;
        char *p;
    } entry[TARN__HEAP_WAITING];
};

static inline uint64_t *tarn__piece_waits(const struct tarn__piece *piece)
{
    return (uint64_t *)&piece->map[((size_t)piece->objects + 63) / 64];
}

/* Pages of a piece; bytes of a large object. */
static inline size_t tarn__piece_pages(const struct tarn__piece *piece) { return piece->run ? piece->run->count : 0; }
static inline size_t tarn__piece_bytes(const struct tarn__piece *piece)
{
    return piece->run ? piece->run->count * TARN__PAGE_SIZE : piece->guarded;
}

static inline bool tarn__piece_has_waiting(const struct tarn__piece *piece, size_t index)
{
    return piece->waiting && tarn__bit_test(tarn__piece_waits(piece), index);
}

/* What of a page's descriptor, if it has one, leads to: NULL: not to a piece. */
static inline struct tarn__piece *tarn__page_piece(const struct tarn_page *page)
{
    return page && tarn__page_state(page) == TARN__PAGE_HEAP ? (struct tarn__piece *)page->lru.next : NULL;
}

/* The piece that `p` lies in, or NULL: `p` is not in a heap of a user's. Of a large object only the first page counts. */
static inline struct tarn__piece *tarn__piece_of(const void *p) { return tarn__page_piece(tarn__page_of(p)); }

/* The number of the object that begins at `p`; `objects`: none does. */
static inline size_t tarn__piece_index(const struct tarn__piece *slab, const void *p)
{
    size_t offset = (size_t)((const char *)p - slab->base);
    size_t index = (size_t)((uint64_t)offset * slab->inverse >> 32);
    return index < slab->objects && index * slab->size == offset ? index : slab->objects;
}

static inline struct tarn__piece *tarn__link_piece(struct tarn__list *link)
{
    return TARN__CONTAINER(link, struct tarn__piece, link);
}

/* A word of a slab's map: changed under the heap's lock, and looked at without by who asks about an object of his. */
static inline void tarn__piece_set_word(struct tarn__piece *slab, size_t w, uint64_t word)
{
    __atomic_store_n(&slab->map[w], word, __ATOMIC_RELAXED);
}

/* Takes the lowest free object of a slab that has one. The lock of its heap is held, as in the next. */
static inline void *tarn__piece_pop(struct tarn_heap *heap, struct tarn__piece *slab)
{
    while (!slab->map[slab->hint])
        slab->hint++;
    size_t w = slab->hint, index = w * 64 + (size_t)__builtin_ctzll(slab->map[w]);
    tarn__piece_set_word(slab, w, slab->map[w] & (slab->map[w] - 1));
    if (--slab->free == 0) {
        tarn__list_remove(&slab->link);
        tarn__list_push_front(&heap->full, &slab->link);
    }
    return slab->base + index * slab->size;
}

/* Puts an object back that is not free. Whether the slab is now to go: an empty one stays if it is its class's only one with room. */
static inline bool tarn__piece_push(struct tarn_heap *heap, struct tarn__piece *slab, size_t index)
{
    size_t w = index / 64;
    struct tarn__list *partial = &heap->partial[slab->class - 1];
    tarn__piece_set_word(slab, w, slab->map[w] | UINT64_C(1) << index % 64);
    if (w < slab->hint)
        slab->hint = (uint16_t)w;
    if (slab->free++ == 0) {
        tarn__list_remove(&slab->link);
        tarn__list_push_back(partial, &slab->link);
    }
    return slab->free == slab->objects && (partial->next != &slab->link || partial->prev != &slab->link);
}

/* Bytes of the live object that begins at `p`, which lies in the piece; 0: none does. `*free` tells that one begins there that is free. */
size_t tarn__piece_size(struct tarn__piece *piece, const void *p, bool *free);

/*
 * A slab, all free, for a class of which the heap has so many; or, for class 0, a large object's pages, *zeroed if they read as zero. Not yet the
 * heap's. NULL: no memory.
 */
struct tarn__piece *tarn__slab_make(struct tarn_heap *heap, unsigned class, size_t slabs);
struct tarn__piece *tarn__large_make(struct tarn_heap *heap, size_t pages, size_t align, bool *zeroed);

/* A guarded object for a heap that has them; NULL: none can be had. */
struct tarn__piece *tarn__guarded_make(struct tarn_heap *heap, size_t size, size_t align);

/* For guard.h: a guarded object of a heap was freed. */
void tarn__heap_guarded_gone(void *piece, size_t size);

/* Gives the pages back. The piece is no heap's any more. */
void tarn__piece_end(struct tarn__piece *piece);

/* The piece becomes the heap's, and is it no more. Under its lock. */
void tarn__piece_enter(struct tarn_heap *heap, struct tarn__piece *piece);
void tarn__piece_leave(struct tarn_heap *heap, struct tarn__piece *piece);

/* Moves all of a heap's pieces to `pieces`. Under its lock. */
void tarn__pieces_take(struct tarn_heap *heap, struct tarn__list *pieces);

/*
 * Tells the ledger what changed in a heap since it was last told, when pages come and go: so the process's peak is right to within what slabs have room
 * for, and an object costs nothing. Under the heap's lock.
 */
static inline void tarn__heap_note(struct tarn_heap *heap)
{
    int64_t change = (int64_t)(heap->own_bytes - heap->noted);
    heap->noted = heap->own_bytes;
    tarn__ledger_note(change);
}

/* Gives up a heap's objects, and uncharges them. Returns how many there were. */
size_t tarn__heap_clear(struct tarn_heap *heap);

/* What is overwritten of an object; `bad`: the first such byte, NULL: nothing is. */
struct tarn__heap_finding {
    const void *object, *bad;
    enum tarn__crime crime;
    uint16_t expected;
    size_t asked; /* where it is known */
    bool live;
};

/*
 * Of heaps with flags (heap_debug.c): a new slab's objects; an object that is handed out; one that is to be freed and is live; what was asked for of one,
 * which is its size without red zones; the first thing that is overwritten in a piece, for the verification. What was overwritten is reported; where it is
 * to go on then the object stays live, and what was asked for is SIZE_MAX.
 */
void tarn__heap_prepare(const struct tarn__piece *slab);
void *tarn__heap_dress(char *p, size_t asked);
bool tarn__heap_undress(const struct tarn__piece *piece, char *p);
size_t tarn__heap_asked(const struct tarn__piece *piece, const char *p, const char *where);
struct tarn__heap_finding tarn__heap_inspect(const struct tarn__piece *piece);
void tarn__heap_tell(const struct tarn__heap_finding *found, const char *where);

/*
 * With Q: an object that is to be freed waits instead, under the heap's lock; what waits too long leaves, by itself, after it was let go of. A large one waits if it is
 * no longer than that may be.
 */
bool tarn__heap_waits(const struct tarn__piece *piece);
void tarn__heap_wait(struct tarn__piece *piece, char *p);
void tarn__heap_wait_less(struct tarn_heap *heap);

/* Looks at all objects of heaps with flags. Returns how many reports there were. */
size_t tarn__heaps_look(const char *where);

/* To another object of the heap. */
void *tarn__heap_move(struct tarn_heap *heap, void *p, size_t had, size_t size);

/* For the malloc family (alloc.c, realloc.c). */
void tarn__heap_free(struct tarn__piece *piece, void *p);
void *tarn__heap_realloc(struct tarn__piece *piece, void *p, size_t size);

/* All heaps there are or were; those that ended got back what they gave. */
struct tarn__heaps_sums {
    uint64_t allocations, frees, failures, live_bytes;
};
void tarn__heaps_sum(struct tarn__heaps_sums *sums);

/* For fork hooks. */
void tarn__heaps_each_lock(void (*act)(struct tarn__lock *));
void tarn__heaps_child(void);

#endif
