/* The tree of users' heaps: their life, charging and limits, and the interface (tarn/heap.h). */
#include "alloc/heaps.h"

#include "alloc/fast.h"
#include "alloc/heap.h"
#include "base/fail.h"
#include "tarn/alloc.h"

#include <string.h>

struct tarn__lock tarn__heaps_lock = TARN__LOCK_INIT(TARN__RANK_HEAPS);
struct tarn__list tarn__heaps = {&tarn__heaps, &tarn__heaps};
static struct tarn__list roots = {&roots, &roots};

/* What a callback allocates is told to none. */
static TARN__TLS bool telling;

static uint64_t load(_Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_relaxed); }

/* Life */

struct tarn_heap *tarn_heap_create(const struct tarn_heap_options *options)
{
    static const struct tarn_heap_options none;
    const struct tarn_heap_options *wanted = options ? options : &none;
    struct tarn_heap *heap = tarn__alloc(sizeof *heap);
    if (!heap)
        return NULL;
    memset(heap, 0, sizeof *heap);
    heap->parent = wanted->parent;
    heap->hard_limit = wanted->hard_limit;
    heap->soft_limit = wanted->soft_limit;
    heap->over_hard = wanted->over_hard;
    heap->over_soft = wanted->over_soft;
    heap->context = wanted->context;
    if (wanted->name)
        strncpy(heap->name, wanted->name, sizeof heap->name - 1);
    tarn__lock_init(&heap->lock, TARN__RANK_HEAP);
    for (size_t i = 0; i < TARN__CLASSES; i++)
        tarn__list_init(&heap->partial[i]);
    tarn__list_init(&heap->full);
    tarn__list_init(&heap->large);
    tarn__list_init(&heap->children);
    tarn__lock(&tarn__heaps_lock);
    tarn__list_push_back(heap->parent ? &heap->parent->children : &roots, &heap->siblings);
    if (heap->parent)
        heap->parent->count++;
    tarn__list_push_back(&tarn__heaps, &heap->all);
    tarn__unlock(&tarn__heaps_lock);
    return heap;
}

static void uncharge(struct tarn_heap *heap, uint64_t bytes)
{
    for (; heap; heap = heap->parent)
        atomic_fetch_sub_explicit(&heap->live, bytes, memory_order_relaxed);
}

static size_t clear(struct tarn_heap *heap)
{
    uint64_t bytes;
    size_t objects = tarn__heap_clear(heap, &bytes);
    uncharge(heap, bytes);
    return objects;
}

/* The next heap of a tree, parents after their children: from a heap that is done. `top` is the last. */
static struct tarn_heap *lowest(struct tarn_heap *heap)
{
    while (!tarn__list_empty(&heap->children))
        heap = TARN__CONTAINER(heap->children.next, struct tarn_heap, siblings);
    return heap;
}

static struct tarn_heap *after(struct tarn_heap *heap)
{
    struct tarn__list *next = heap->siblings.next;
    return next == &heap->parent->children ? heap->parent : lowest(TARN__CONTAINER(next, struct tarn_heap, siblings));
}

/* The tree may be walked without its lock: nobody else may use it, but its siblings' links are others' too. */
static struct tarn_heap *locked_after(struct tarn_heap *heap)
{
    tarn__lock(&tarn__heaps_lock);
    struct tarn_heap *next = after(heap);
    tarn__unlock(&tarn__heaps_lock);
    return next;
}

static void withdraw(struct tarn_heap *heap)
{
    tarn__lock(&tarn__heaps_lock);
    tarn__list_remove(&heap->siblings);
    tarn__list_remove(&heap->all);
    if (heap->parent)
        heap->parent->count--;
    tarn__unlock(&tarn__heaps_lock);
}

size_t tarn_heap_destroy(struct tarn_heap *heap)
{
    size_t objects = 0;
    for (struct tarn_heap *next = heap ? lowest(heap) : NULL, *this; (this = next);) {
        next = this == heap ? NULL : locked_after(this);
        objects += clear(this);
        withdraw(this);
        tarn__free(this);
    }
    return objects;
}

size_t tarn_heap_reset(struct tarn_heap *heap)
{
    size_t objects = 0;
    for (struct tarn_heap *this = lowest(heap); this; this = this == heap ? NULL : locked_after(this))
        objects += clear(this);
    return objects;
}

/* Charging */

/* A request on its way up the tree. */
struct request {
    struct tarn_heap *heap;
    size_t size, align, bytes;
    struct tarn_heap *over; /* answer: the heap whose hard limit forbade it */
};

static void raise_peak(struct tarn_heap *heap, uint64_t live)
{
    uint64_t peak = load(&heap->peak);
    while (live > peak &&
           !atomic_compare_exchange_weak_explicit(&heap->peak, &peak, live, memory_order_relaxed, memory_order_relaxed))
        ;
}

static void tell(void (*callback)(void *, struct tarn_heap *, size_t), struct tarn_heap *heap, size_t size)
{
    if (!callback || telling)
        return;
    telling = true;
    callback(heap->context, heap, size);
    telling = false;
}

/* Charges `heap` and those above it, and takes the memory when all have agreed: so what fails leaves no trace, not even in the peaks. */
static void *serve(struct request *request, struct tarn_heap *heap)
{
    if (!heap)
        return tarn__heap_take(request->heap, request->size, request->align);
    uint64_t live = atomic_fetch_add_explicit(&heap->live, request->bytes, memory_order_relaxed) + request->bytes;
    uint64_t hard = load(&heap->hard_limit), soft = load(&heap->soft_limit);
    bool over = hard > 0 && live > hard;
    void *p = over ? NULL : serve(request, heap->parent);
    if (!p) {
        atomic_fetch_sub_explicit(&heap->live, request->bytes, memory_order_relaxed);
        request->over = over ? heap : request->over;
        return NULL;
    }
    raise_peak(heap, live);
    if (soft > 0 && live > soft && live - request->bytes <= soft)
        tell(heap->over_soft, heap, request->size);
    return p;
}

static void *refuse(struct tarn_heap *heap)
{
    tarn__lock(&heap->lock);
    heap->failures++;
    tarn__unlock(&heap->lock);
    return NULL;
}

static void *allocate(struct tarn_heap *heap, size_t size, size_t align)
{
    if (size > PTRDIFF_MAX || align > PTRDIFF_MAX)
        return refuse(heap);
    struct request request = {.heap = heap, .size = size, .align = align, .bytes = tarn__heap_rounded(size, align)};
    void *p = serve(&request, heap);
    if (!p && request.over && request.over->over_hard && !telling) {
        tell(request.over->over_hard, request.over, size);
        p = serve(&request, heap);
    }
    return p ? p : refuse(heap);
}

/* Objects */

void *tarn_heap_alloc(struct tarn_heap *heap, size_t size) { return heap ? allocate(heap, size, 1) : tarn__alloc(size); }

void *tarn_heap_calloc(struct tarn_heap *heap, size_t count, size_t size)
{
    size_t bytes;
    if (!heap)
        return tarn_calloc(count, size);
    if (__builtin_mul_overflow(count, size, &bytes))
        return refuse(heap);
    void *p = allocate(heap, bytes, 1);
    return p ? memset(p, 0, bytes) : NULL;
}

void *tarn_heap_aligned_alloc(struct tarn_heap *heap, size_t align, size_t size)
{
    if (!heap)
        return tarn_aligned_alloc(align, size);
    return tarn__is_pow2(align) ? allocate(heap, size, align) : refuse(heap);
}

void tarn__heap_free(struct tarn__piece *piece, void *p)
{
    struct tarn_heap *heap = piece->heap;
    uncharge(heap, tarn__heap_put(piece, p, "free"));
}

void tarn_heap_free(void *p)
{
    struct tarn__piece *piece = p ? tarn__piece_of(p) : NULL;
    if (piece)
        tarn__heap_free(piece, p);
    else
        tarn__free(p);
}

/* Charges `bytes` more; false: a hard limit forbids. */
static bool charge(struct tarn_heap *heap, uint64_t bytes)
{
    for (struct tarn_heap *at = heap; at; at = at->parent) {
        uint64_t live = atomic_fetch_add_explicit(&at->live, bytes, memory_order_relaxed) + bytes, hard = load(&at->hard_limit);
        if (hard == 0 || live <= hard)
            continue;
        for (struct tarn_heap *below = heap; below != at; below = below->parent)
            atomic_fetch_sub_explicit(&below->live, bytes, memory_order_relaxed);
        atomic_fetch_sub_explicit(&at->live, bytes, memory_order_relaxed);
        return false;
    }
    return true;
}

/* A large object where it is. */
static bool resize(struct tarn__piece *piece, size_t had, size_t size)
{
    struct tarn_heap *heap = piece->heap;
    size_t wanted = tarn__align_up(size, TARN__PAGE_SIZE);
    if (wanted > had && !charge(heap, wanted - had))
        return false;
    if (!tarn__heap_resize(piece, size)) {
        uncharge(heap, wanted - had);
        return false;
    }
    size_t has = piece->run->count * TARN__PAGE_SIZE;
    uncharge(heap, tarn__max(wanted, had) - has);
    for (struct tarn_heap *at = heap; at && has > had; at = at->parent)
        raise_peak(at, load(&at->live));
    return true;
}

void *tarn__heap_realloc(struct tarn__piece *piece, void *p, size_t size)
{
    struct tarn_heap *heap = piece->heap;
    bool free, large = !piece->objects;
    size_t had = tarn__piece_size(piece, p, &free);
    if (had == 0)
        tarn__fail(free ? TARN__DOUBLE_FREE : TARN__INVALID_FREE, "realloc", p);
    if (!large && size <= had && size >= had / 2)
        return p;
    if (large && size > TARN__SMALL_MOST && size <= PTRDIFF_MAX && resize(piece, had, size))
        return p;
    void *to = allocate(heap, size, 1);
    if (!to)
        return size <= had ? p : NULL;
    memcpy(to, p, tarn__min(had, size));
    tarn__heap_free(piece, p);
    return to;
}

void *tarn_heap_realloc(struct tarn_heap *heap, void *p, size_t size)
{
    if (!p)
        return tarn_heap_alloc(heap, size);
    if (tarn_heap_of(p) != heap)
        return NULL;
    return tarn_realloc(p, size);
}

struct tarn_heap *tarn_heap_of(const void *p)
{
    bool free;
    struct tarn__piece *piece = tarn__piece_of(p);
    return piece && tarn__piece_size(piece, p, &free) > 0 ? piece->heap : NULL;
}

/* Looking */

const char *tarn_heap_name(const struct tarn_heap *heap) { return heap->name; }

struct tarn_heap *tarn_heap_parent(const struct tarn_heap *heap) { return heap->parent; }

void tarn_heap_set_hard_limit(struct tarn_heap *heap, size_t bytes)
{
    atomic_store_explicit(&heap->hard_limit, bytes, memory_order_relaxed);
}

void tarn_heap_set_soft_limit(struct tarn_heap *heap, size_t bytes)
{
    atomic_store_explicit(&heap->soft_limit, bytes, memory_order_relaxed);
}

/* Objects of a heap and those below. The tree's lock is held. */
static uint64_t count_objects(struct tarn_heap *top)
{
    uint64_t objects = 0;
    for (struct tarn_heap *heap = lowest(top);; heap = after(heap)) {
        tarn__lock(&heap->lock);
        objects += heap->allocations - heap->frees;
        tarn__unlock(&heap->lock);
        if (heap == top)
            return objects;
    }
}

void tarn_heap_stats(struct tarn_heap *heap, struct tarn_heap_stats *stats)
{
    tarn__lock(&tarn__heaps_lock);
    uint64_t objects = count_objects(heap);
    tarn__lock(&heap->lock);
    *stats = (struct tarn_heap_stats){
        .live_bytes = load(&heap->live),
        .live_objects = objects,
        .peak_bytes = load(&heap->peak),
        .own_bytes = heap->own_bytes,
        .own_objects = heap->allocations - heap->frees,
        .allocations = heap->allocations,
        .frees = heap->frees,
        .failures = heap->failures,
        .held_bytes = heap->held * TARN__PAGE_SIZE,
        .hard_limit = load(&heap->hard_limit),
        .soft_limit = load(&heap->soft_limit),
        .children = heap->count,
    };
    tarn__unlock(&heap->lock);
    tarn__unlock(&tarn__heaps_lock);
}

static void visit_list(struct tarn__list *list, void (*visit)(void *context, void *object, size_t size), void *context)
{
    for (struct tarn__list *link = list->next; link != list; link = link->next) {
        struct tarn__piece *piece = TARN__CONTAINER(link, struct tarn__piece, link);
        if (!piece->objects)
            visit(context, piece->base, piece->run->count * TARN__PAGE_SIZE);
        for (size_t i = 0; i < piece->objects; i++)
            if (!tarn__bit_test(piece->map, i))
                visit(context, piece->base + i * piece->size, piece->size);
    }
}

void tarn_heap_each(struct tarn_heap *heap, void (*visit)(void *context, void *object, size_t size), void *context)
{
    for (size_t i = 0; i < TARN__CLASSES; i++)
        visit_list(&heap->partial[i], visit, context);
    visit_list(&heap->full, visit, context);
    visit_list(&heap->large, visit, context);
}

void tarn_heap_each_child(struct tarn_heap *heap, void (*visit)(void *context, struct tarn_heap *child), void *context)
{
    struct tarn__list *list = heap ? &heap->children : &roots;
    for (struct tarn__list *link = list->next; link != list; link = link->next)
        visit(context, TARN__CONTAINER(link, struct tarn_heap, siblings));
}

struct sums {
    size_t pages, slabs;
    uint64_t bytes, objects;
};

static void check_list(struct tarn_heap *heap, struct tarn__list *list, unsigned class, struct sums *sums)
{
    for (struct tarn__list *link = list->next; link != list; link = link->next) {
        struct tarn__piece *piece = TARN__CONTAINER(link, struct tarn__piece, link);
        size_t live = piece->objects ? (size_t)(piece->objects - piece->free) : 1;
        size_t size = piece->objects ? piece->size : piece->run->count * TARN__PAGE_SIZE;
        TARN__ASSERT(piece->heap == heap, "a slab on a heap's list is the heap's");
        TARN__ASSERT(tarn__piece_of(piece->base) == piece, "a slab is found from its address");
        TARN__ASSERT(tarn__bits_count(piece->map, 0, piece->objects) == piece->free,
                     "the count of a slab's free objects is right");
        TARN__ASSERT(!piece->objects || tarn__class_size(piece->class) == size, "a slab's objects are of its class's size");
        TARN__ASSERT(class == 0 || (piece->class == class && piece->free > 0),
                     "a class's list has slabs of it with free objects");
        TARN__ASSERT(list != &heap->full || piece->free == 0, "a slab on the list of full ones is full");
        for (size_t w = 0; w < piece->hint; w++)
            TARN__ASSERT(piece->map[w] == 0, "no object below a slab's hint is free");
        sums->pages += piece->run->count;
        sums->slabs += piece->objects > 0;
        sums->bytes += live * size;
        sums->objects += live;
    }
}

void tarn_heap_verify(struct tarn_heap *heap)
{
    struct sums sums = {0, 0, 0, 0};
    size_t slabs = 0;
    tarn__lock(&heap->lock);
    for (unsigned class = 1; class <= TARN__CLASSES; class ++) {
        check_list(heap, &heap->partial[class - 1], class, &sums);
        slabs += heap->slabs[class - 1];
    }
    check_list(heap, &heap->full, 0, &sums);
    check_list(heap, &heap->large, 0, &sums);
    TARN__ASSERT(sums.slabs == slabs, "the counts of a heap's slabs are right");
    TARN__ASSERT(sums.pages == heap->held, "the count of a heap's pages is right");
    TARN__ASSERT(sums.bytes == heap->own_bytes, "the count of a heap's live bytes is right");
    TARN__ASSERT(sums.objects == heap->allocations - heap->frees, "the count of a heap's live objects is right");
    TARN__ASSERT(load(&heap->live) >= heap->own_bytes, "what is live in a heap counts in it");
    tarn__unlock(&heap->lock);
}

/* Forks */

void tarn__heaps_each_lock(void (*act)(struct tarn__lock *))
{
    act(&tarn__heaps_lock);
    for (struct tarn__list *link = tarn__heaps.next; link != &tarn__heaps; link = link->next)
        act(&TARN__CONTAINER(link, struct tarn_heap, all)->lock);
}

/* Threads that are gone may have been between charging and taking. */
void tarn__heaps_child(void)
{
    for (struct tarn__list *link = tarn__heaps.next; link != &tarn__heaps; link = link->next)
        TARN__CONTAINER(link, struct tarn_heap, all)->live = 0;
    for (struct tarn__list *link = tarn__heaps.next; link != &tarn__heaps; link = link->next) {
        struct tarn_heap *from = TARN__CONTAINER(link, struct tarn_heap, all);
        for (struct tarn_heap *heap = from; heap; heap = heap->parent)
            heap->live += from->own_bytes;
    }
}
