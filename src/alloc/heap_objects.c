/*
 * Objects of users' heaps: allocation, charging and limits, free and reallocation (tarn/heap.h; heaps.h says how they are charged).
 */
#include "alloc/fast.h"
#include "alloc/guard.h"
#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "base/fail.h"
#include "base/modes.h"
#include "os/records.h"
#include "page/decay.h"
#include "page/zone.h"
#include "tarn/alloc.h"

#include <string.h>

/* What a callback allocates is told to none. */
static TARN__TLS bool telling;

static inline uint64_t load(_Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_relaxed); }

static inline void store(_Atomic uint64_t *word, uint64_t value) { atomic_store_explicit(word, value, memory_order_relaxed); }

/* Charging */

/* A request on its way up the tree: for an object of a class, for a large one, or for more pages at a large one's end. */
struct request {
    struct tarn_heap *heap;
    size_t size, align;
    size_t bytes;              /* to be charged */
    unsigned class;            /* 0: a large object */
    bool quiet;                /* a failure is neither told nor counted */
    bool zeroed;               /* answer: its memory reads as zero */
    struct tarn__piece *piece; /* of new pages, or of the large object */
    struct tarn_heap *over;    /* answer: the heap whose hard limit forbade it */
    uint64_t live;             /* of the request's own heap, with it */
};

static inline bool fits(struct tarn_heap *heap, uint64_t live, uint64_t bytes)
{
    uint64_t hard = load(&heap->hard_limit);
    return hard == 0 || (live <= hard && bytes <= hard - live);
}

/* Adds to what others change as well. Returns what is live then; 0: the hard limit forbids it. */
static uint64_t add_shared(struct tarn_heap *heap, uint64_t bytes)
{
    uint64_t live = load(&heap->live);
    do
        if (!fits(heap, live, bytes))
            return 0;
    while (
        !atomic_compare_exchange_weak_explicit(&heap->live, &live, live + bytes, memory_order_relaxed, memory_order_relaxed));
    return live + bytes;
}

static void raise_shared(struct tarn_heap *heap, uint64_t live)
{
    uint64_t peak = load(&heap->peak);
    while (live > peak &&
           !atomic_compare_exchange_weak_explicit(&heap->peak, &peak, live, memory_order_relaxed, memory_order_relaxed))
        ;
}

/* The same for the heap whose lock is held. */
static inline uint64_t add_own(struct tarn_heap *heap, uint64_t bytes)
{
    uint64_t live = load(&heap->live);
    if (!heap->leaf)
        return add_shared(heap, bytes);
    if (!fits(heap, live, bytes))
        return 0;
    store(&heap->live, live + bytes);
    return live + bytes;
}

static inline void raise_own(struct tarn_heap *heap, uint64_t live)
{
    if (!heap->leaf)
        raise_shared(heap, live);
    else if (live > load(&heap->peak))
        store(&heap->peak, live);
}

static inline void sub_own(struct tarn_heap *heap, uint64_t bytes)
{
    if (heap->leaf)
        store(&heap->live, load(&heap->live) - bytes);
    else
        atomic_fetch_sub_explicit(&heap->live, bytes, memory_order_relaxed);
}

static inline void sub_above(struct tarn_heap *heap, uint64_t bytes)
{
    for (struct tarn_heap *at = heap->parent; at; at = at->parent)
        atomic_fetch_sub_explicit(&at->live, bytes, memory_order_relaxed);
}

static void tell(void (*callback)(void *, struct tarn_heap *, size_t), struct tarn_heap *heap, size_t size)
{
    if (!callback || telling)
        return;
    telling = true;
    callback(heap->context, heap, size);
    telling = false;
}

static inline void tell_soft(struct tarn_heap *heap, uint64_t live, const struct request *request)
{
    uint64_t soft = load(&heap->soft_limit);
    if (soft > 0 && live > soft && live - request->bytes <= soft)
        tell(heap->over_soft, heap, request->size);
}

/* Of a heap that is charged, with those above it. Its lock is held; there is memory, unless a large object is to grow. */
static inline void *take(struct request *request)
{
    struct tarn_heap *heap = request->heap;
    void *p;
    if (request->class) {
        p = tarn__piece_pop(heap, tarn__link_piece(heap->partial[request->class - 1].next));
        heap->allocations++;
    } else if (request->align) {
        p = request->piece->base;
        heap->allocations++;
    } else {
        size_t pages = request->bytes / TARN__PAGE_SIZE;
        if (!tarn__pages_extend(request->piece->run, request->piece->run->count + pages))
            return NULL;
        p = request->piece->base;
        heap->held += pages;
    }
    heap->own_bytes += request->bytes;
    raise_own(heap, request->live);
    if (request->piece)
        tarn__heap_note(heap);
    return p;
}

/*
 * Charges `at` and those above it, takes, and lets go of the lock: so what fails leaves no trace, not even in peaks, and no lock is held by who is
 * told.
 */
static void *serve_above(struct request *request, struct tarn_heap *at)
{
    if (!at) {
        void *p = take(request);
        if (p)
            tarn__unlock(&request->heap->lock);
        return p;
    }
    uint64_t live = add_shared(at, request->bytes);
    if (live == 0) {
        request->over = at;
        return NULL;
    }
    void *p = serve_above(request, at->parent);
    if (!p) {
        atomic_fetch_sub_explicit(&at->live, request->bytes, memory_order_relaxed);
        return NULL;
    }
    raise_shared(at, live);
    tell_soft(at, live, request);
    return p;
}

/* Under the heap's lock, which is held still only when the answer is NULL. */
static inline void *serve(struct request *request)
{
    struct tarn_heap *heap = request->heap;
    request->live = add_own(heap, request->bytes);
    if (request->live == 0) {
        request->over = heap;
        return NULL;
    }
    void *p = serve_above(request, heap->parent);
    if (p)
        tell_soft(heap, request->live, request);
    else
        sub_own(heap, request->bytes);
    return p;
}

/* Whether a limit forbids the request as things are; nothing is charged. */
static bool is_over(struct request *request)
{
    for (struct tarn_heap *at = request->heap; at; at = at->parent)
        if (!fits(at, load(&at->live), request->bytes)) {
            request->over = at;
            return true;
        }
    return false;
}

static struct tarn__piece *make(struct request *request, size_t slabs)
{
    struct tarn_heap *heap = request->heap;
    if (TARN__UNLIKELY(heap->flags & TARN__HEAP_GUARDED)) {
        struct tarn__piece *guarded = tarn__guarded_make(heap, request->size, request->align);
        if (guarded)
            return guarded;
        request->bytes = tarn__align_up(request->bytes, TARN__PAGE_SIZE);
        request->align = tarn__max(request->align, TARN__PAGE_SIZE);
    }
    return request->class ? tarn__slab_make(heap, request->class, slabs)
                          : tarn__large_make(heap, request->bytes / TARN__PAGE_SIZE, request->align, &request->zeroed);
}

/* With new pages. The heap's lock is not held. */
static TARN__NOINLINE void *serve_new(struct request *request, size_t slabs)
{
    struct tarn_heap *heap = request->heap;
    struct tarn__piece *piece = is_over(request) ? NULL : make(request, slabs);
    if (!piece)
        return NULL;
    request->piece = piece;
    tarn__lock(&heap->lock);
    tarn__piece_enter(heap, piece);
    void *p = serve(request);
    if (p)
        return p;
    tarn__piece_leave(heap, piece);
    tarn__unlock(&heap->lock);
    tarn__piece_end(piece);
    return NULL;
}

static inline void *attempt(struct request *request)
{
    struct tarn_heap *heap = request->heap;
    request->over = NULL;
    if (!request->class)
        return serve_new(request, 0);
    tarn__lock(&heap->lock);
    if (tarn__list_empty(&heap->partial[request->class - 1])) {
        size_t slabs = heap->slabs[request->class - 1];
        tarn__unlock(&heap->lock);
        return serve_new(request, slabs);
    }
    void *p = serve(request);
    if (!p)
        tarn__unlock(&heap->lock);
    return p;
}

static TARN__NOINLINE void *refuse(struct tarn_heap *heap)
{
    tarn__lock(&heap->lock);
    heap->failures++;
    tarn__unlock(&heap->lock);
    return NULL;
}

/* Objects */

static TARN__NOINLINE void *again(struct request *request)
{
    struct tarn_heap *over = request->over;
    if (request->quiet)
        return NULL;
    void *p = NULL;
    if (over && over->over_hard && !telling) {
        tell(over->over_hard, over, request->size);
        p = attempt(request);
    }
    return p ? p : refuse(request->heap);
}

static inline void *allocate(struct request *request)
{
    void *p = attempt(request);
    return TARN__LIKELY(p) ? p : again(request);
}

/* Of any size and alignment; the class as in tarn_aligned_alloc. */
static void *allocate_guarded(struct request *request)
{
    request->bytes = tarn__align_up(tarn__max(request->size, 1), 16);
    void *p = allocate(request);
    if (p && !request->piece->run)
        tarn__guard_own(p, request->piece, tarn__heap_guarded_gone);
    return p;
}

void tarn__heap_guarded_gone(void *owner, size_t size)
{
    struct tarn__piece *piece = owner;
    struct tarn_heap *heap = piece->heap;
    uint64_t bytes = piece->guarded;
    (void)size;
    tarn__lock(&heap->lock);
    tarn__piece_leave(heap, piece);
    heap->frees++;
    heap->own_bytes -= bytes;
    sub_own(heap, bytes);
    tarn__heap_note(heap);
    tarn__unlock(&heap->lock);
    sub_above(heap, bytes);
    tarn__free(piece);
}

static TARN__NOINLINE void *allocate_any(struct request *request)
{
    size_t size = request->size, align = request->align;
    if (tarn__heap_has_ended(request->heap, "heap_alloc"))
        return NULL;
    if (size > PTRDIFF_MAX || align > PTRDIFF_MAX)
        return request->quiet ? NULL : refuse(request->heap);
    if (request->heap->flags & TARN__HEAP_GUARDED)
        return allocate_guarded(request);
    if (request->heap->flags & TARN_POOL_RED_ZONE)
        size += TARN__HEAP_RED_ROOM;
    size_t rounded = tarn__align_up(tarn__max(size, 1), align);
    request->class = align <= TARN__PAGE_SIZE && rounded <= TARN__SMALL_MOST ? tarn__class_of(rounded) : 0;
    request->bytes = request->class ? tarn__class_size(request->class) : tarn__align_up(tarn__max(size, 1), TARN__PAGE_SIZE);
    request->align = tarn__max(align, TARN__PAGE_SIZE);
    void *p = allocate(request);
    return p && request->heap->flags ? tarn__heap_dress(p, request->size) : p;
}

void *tarn_heap_alloc(struct tarn_heap *heap, size_t size)
{
    if (!heap)
        return tarn__alloc(size);
    struct request request = {.heap = heap, .size = size, .align = 1};
    if (TARN__UNLIKELY(size > TARN__TABLE_MOST || heap->flags))
        return allocate_any(&request);
    request.class = tarn__class_table[(size + 15) / 16];
    request.bytes = tarn__class_size(request.class);
    return allocate(&request);
}

void *tarn_heap_calloc(struct tarn_heap *heap, size_t count, size_t size)
{
    if (!heap)
        return tarn_calloc(count, size);
    struct request request = {.heap = heap, .align = 1};
    if (__builtin_mul_overflow(count, size, &request.size))
        return tarn__heap_has_ended(heap, "heap_calloc") ? NULL : refuse(heap);
    void *p = allocate_any(&request);
    return !p || (request.zeroed && !heap->flags) ? p : memset(p, 0, request.size);
}

void *tarn_heap_aligned_alloc(struct tarn_heap *heap, size_t align, size_t size)
{
    if (!heap)
        return tarn_aligned_alloc(align, size);
    struct request request = {.heap = heap, .size = size, .align = align};
    if (!tarn__is_pow2(align))
        return tarn__heap_has_ended(heap, "heap_aligned_alloc") ? NULL : refuse(heap);
    return allocate_any(&request);
}

static void free_large(struct tarn__piece *piece, void *p, const char *where)
{
    struct tarn_heap *heap = piece->heap;
    uint64_t bytes = piece->run->count * (uint64_t)TARN__PAGE_SIZE;
    if (piece->waiting && p == piece->base) {
        tarn__report(TARN__DOUBLE_FREE, where, p, NULL);
        return;
    }
    if (p != piece->base) {
        tarn__report(TARN__INVALID_FREE, where, p, NULL);
        return;
    }
    if (heap->flags && !tarn__heap_undress(piece, p))
        return;
    tarn__lock(&heap->lock);
    bool waits = heap->flags && tarn__heap_waits(piece);
    if (waits)
        tarn__heap_wait(piece, p);
    else
        tarn__piece_leave(heap, piece);
    heap->frees++;
    heap->own_bytes -= bytes;
    sub_own(heap, bytes);
    tarn__heap_note(heap);
    tarn__unlock(&heap->lock);
    sub_above(heap, bytes);
    if (waits)
        tarn__heap_wait_less(heap);
    else
        tarn__piece_end(piece);
}

void tarn__heap_free(struct tarn__piece *piece, void *p)
{
    struct tarn_heap *heap = piece->heap;
    if (TARN__UNLIKELY(!piece->objects))
        return free_large(piece, p, "free");
    size_t size = piece->size, index = tarn__piece_index(piece, p);
    if (TARN__UNLIKELY(index == piece->objects)) {
        tarn__report(TARN__INVALID_FREE, "free", p, NULL);
        return;
    }
    if (TARN__UNLIKELY(heap->flags) && !tarn__bit_test(piece->map, index) && !tarn__piece_has_waiting(piece, index) &&
        !tarn__heap_undress(piece, p))
        return;
    tarn__lock(&heap->lock);
    if (TARN__UNLIKELY(tarn__bit_test(piece->map, index) || (heap->flags && tarn__piece_has_waiting(piece, index)))) {
        tarn__unlock(&heap->lock);
        tarn__report(TARN__DOUBLE_FREE, "free", p, NULL);
        return;
    }
    bool waits = TARN__UNLIKELY(heap->flags & TARN__HEAP_QUARANTINE) && tarn__heap_waits(piece), goes = false;
    if (waits)
        tarn__heap_wait(piece, p);
    else
        goes = tarn__piece_push(heap, piece, index);
    heap->frees++;
    heap->own_bytes -= size;
    sub_own(heap, size);
    if (TARN__UNLIKELY(goes)) {
        tarn__piece_leave(heap, piece);
        tarn__heap_note(heap);
    }
    tarn__unlock(&heap->lock);
    sub_above(heap, size);
    if (TARN__UNLIKELY(goes))
        tarn__piece_end(piece);
    if (TARN__UNLIKELY(waits))
        tarn__heap_wait_less(heap);
}

void tarn_heap_free(void *p)
{
    struct tarn__piece *piece = tarn__piece_of(p);
    if (piece)
        tarn__heap_free(piece, p);
    else
        tarn__free(p);
}

/* Others may look at the heap or fork meanwhile, so it is whole at each moment. */
size_t tarn__heap_clear(struct tarn_heap *heap)
{
    struct tarn__list pieces;
    tarn__list_init(&pieces);
    tarn__lock(&heap->lock);
    uint64_t objects = heap->allocations - heap->frees, bytes = heap->own_bytes;
    heap->frees = heap->allocations;
    heap->own_bytes = 0;
    sub_own(heap, bytes);
    tarn__heap_note(heap);
    tarn__pieces_take(heap, &pieces);
    tarn__unlock(&heap->lock);
    if (bytes > 0)
        sub_above(heap, bytes);
    while (!tarn__list_empty(&pieces)) {
        struct tarn__piece *piece = tarn__link_piece(pieces.next);
        tarn__list_remove(&piece->link);
        if (TARN__UNLIKELY(heap->flags)) {
            struct tarn__heap_finding found = tarn__heap_inspect(piece);
            tarn__heap_tell(&found, "heap_destroy");
        }
        tarn__piece_end(piece);
    }
    if (TARN__UNLIKELY(heap->flags & TARN__HEAP_USERS))
        tarn__records_end(heap);
    return (size_t)objects;
}

/* Reallocation */

/*
 * Only the object's owner calls this, so its length is read without the lock; the run and the heap's counts change together under it. What the
 * system refuses to take back stays the object's.
 */
static void shrink(struct tarn__piece *piece, size_t pages)
{
    struct tarn_heap *heap = piece->heap;
    size_t less = piece->run->count - pages;
    uint64_t bytes = less * (uint64_t)TARN__PAGE_SIZE;
    if (!tarn__pages_uncommit(piece->run, pages))
        return;
    tarn__lock(&heap->lock);
    bool too_many = tarn__pages_cut(piece->run, pages);
    heap->held -= less;
    heap->own_bytes -= bytes;
    sub_own(heap, bytes);
    tarn__heap_note(heap);
    tarn__unlock(&heap->lock);
    sub_above(heap, bytes);
    if (too_many)
        tarn__purge_excess(heap->zone);
}

/* A large object where it is; false: it cannot. */
static bool resize(struct tarn__piece *piece, size_t had, size_t size)
{
    size_t wanted = tarn__align_up(size, TARN__PAGE_SIZE);
    struct request request = {.heap = piece->heap, .size = size, .bytes = wanted - had, .piece = piece};
    if (wanted < had)
        shrink(piece, wanted / TARN__PAGE_SIZE);
    if (wanted <= had)
        return true;
    tarn__lock(&piece->heap->lock);
    bool grown = serve(&request) != NULL;
    if (!grown)
        tarn__unlock(&piece->heap->lock);
    return grown;
}

void *tarn__heap_realloc(struct tarn__piece *piece, void *p, size_t size)
{
    bool free, large = !piece->objects;
    bool plain = !piece->heap->flags;
    size_t had = tarn__piece_size(piece, p, &free);
    if (had == 0) {
        tarn__report(free ? TARN__DOUBLE_FREE : TARN__INVALID_FREE, "realloc", p, NULL);
        return NULL;
    }
    if (!plain && (had = tarn__heap_asked(piece, p, "realloc")) == SIZE_MAX)
        return NULL;
    if (plain && !large && size <= had && size >= had / 2)
        return p;
    if (plain && large && size > TARN__SMALL_MOST && size <= PTRDIFF_MAX && resize(piece, had, size))
        return p;
    /* a smaller object is a favour: where there is no room for it the old one does, and nobody is refused anything */
    struct request request = {.heap = piece->heap, .size = size, .align = 1, .quiet = size <= had};
    void *to = allocate_any(&request);
    if (!to)
        return size <= had ? p : NULL;
    memcpy(to, p, tarn__min(had, size));
    tarn__heap_free(piece, p);
    return to;
}

void *tarn__heap_move(struct tarn_heap *heap, void *p, size_t had, size_t size)
{
    void *to = tarn_heap_alloc(heap, size);
    if (to) {
        memcpy(to, p, tarn__min(had, size));
        tarn_heap_free(p);
    }
    return to;
}

void *tarn_heap_realloc(struct tarn_heap *heap, void *p, size_t size)
{
    if (!p)
        return tarn_heap_alloc(heap, size);
    if (tarn__heap_has_ended(heap, "heap_realloc"))
        return NULL;
    return tarn_heap_of(p) == heap ? tarn_realloc(p, size) : NULL;
}

struct tarn_heap *tarn_heap_of(const void *p)
{
    bool free;
    struct tarn__piece *piece = tarn__piece_of(p);
    if (!piece && TARN__UNLIKELY(tarn__modes_any))
        piece = tarn__guard_owner(p, tarn__heap_guarded_gone);
    return piece && tarn__piece_size(piece, p, &free) > 0 ? piece->heap : NULL;
}
