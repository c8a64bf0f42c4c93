/* The tree of users' heaps: their life, what is told about them, their verification, and forks (tarn/heap.h). */
#include "alloc/heaps.h"

#include "alloc/ended.h"
#include "alloc/fast.h"
#include "alloc/heap.h"
#include "base/fail.h"
#include "base/modes.h"
#include "tarn/alloc.h"

#include <string.h>

struct tarn__lock tarn__heaps_lock = TARN__LOCK_INIT(TARN__RANK_HEAPS);
struct tarn__list tarn__heaps = {&tarn__heaps, &tarn__heaps};
static struct tarn__list roots = {&roots, &roots};
static struct tarn__heaps_sums ended; /* of heaps that are gone; under the tree's lock */

static const unsigned known_flags = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO;

/* As flags: what TARN_DEBUG says of a heap's name. */
static unsigned letters(const char *name)
{
    unsigned letters = tarn__letters_for(name ? name : "");
    if (letters & TARN__LETTER_G)
        return TARN__HEAP_GUARDED; /* of a guarded object all else is known anyway */
    return (letters & TARN__LETTER_Z ? TARN_POOL_RED_ZONE : 0) | (letters & TARN__LETTER_P ? TARN_POOL_POISON : 0) |
           (letters & TARN__LETTER_U ? TARN__HEAP_USERS : 0) | (letters & TARN__LETTER_Q ? TARN__HEAP_QUARANTINE : 0);
}

bool tarn__heap_has_ended(const struct tarn_heap *heap, const char *where)
{
    bool has = heap && TARN__UNLIKELY(heap->flags & TARN__HEAP_ENDED);
    if (has)
        tarn__report(TARN__DESTROYED_POOL, where, heap, &(struct tarn__suspect){.pool = heap->name});
    return has;
}

static uint64_t load(_Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_relaxed); }

/* Life */

/* The tree's lock is held. A heap that gets its first child is charged by others from then on, and one that loses its last by none. */
static void count_children(struct tarn_heap *heap, size_t count)
{
    tarn__lock(&heap->lock);
    heap->count = count;
    heap->leaf = count == 0;
    tarn__unlock(&heap->lock);
}

static void enrol(struct tarn_heap *heap)
{
    struct tarn_heap *parent = heap->parent;
    tarn__lock(&tarn__heaps_lock);
    tarn__list_push_back(parent ? &parent->children : &roots, &heap->siblings);
    tarn__list_push_back(&tarn__heaps, &heap->all);
    if (parent)
        count_children(parent, parent->count + 1);
    tarn__unlock(&tarn__heaps_lock);
}

static void withdraw(struct tarn_heap *heap)
{
    struct tarn_heap *parent = heap->parent;
    tarn__lock(&tarn__heaps_lock);
    tarn__list_remove(&heap->siblings);
    tarn__list_remove(&heap->all);
    if (parent)
        count_children(parent, parent->count - 1);
    ended.allocations += heap->allocations;
    ended.frees += heap->frees;
    ended.failures += heap->failures;
    tarn__unlock(&tarn__heaps_lock);
}

struct tarn_heap *tarn_heap_create(const struct tarn_heap_options *options)
{
    static const struct tarn_heap_options none;
    const struct tarn_heap_options *wanted = options ? options : &none;
    size_t depth = wanted->parent ? wanted->parent->depth + (size_t)1 : 0;
    if (tarn__heap_has_ended(wanted->parent, "heap_create") || depth >= TARN_HEAP_DEPTH_MOST || (wanted->flags & ~known_flags))
        return NULL;
    struct tarn_heap *heap = tarn__alloc(sizeof *heap);
    if (!heap)
        return NULL;
    memset(heap, 0, sizeof *heap);
    heap->leaf = true;
    heap->depth = (uint16_t)depth;
    heap->flags = (wanted->flags & ~(unsigned)TARN_POOL_CHECK) | letters(wanted->name); /* what is left out is always done */
    if (heap->flags & TARN__HEAP_GUARDED)
        heap->flags = TARN__HEAP_GUARDED;
    if (heap->flags & TARN__HEAP_QUARANTINE) {
        heap->wait = tarn_calloc(1, sizeof *heap->wait);
        heap->flags &= heap->wait ? ~0u : ~TARN__HEAP_QUARANTINE;
    }
    heap->zone = wanted->zone ? wanted->zone : &tarn__heap.zone;
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
    enrol(heap);
    return heap;
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

/* What is left of a heap that has ended says just that. */
static void end(struct tarn_heap *heap)
{
    char name[sizeof heap->name];
    tarn__free(heap->wait);
    memcpy(name, heap->name, sizeof name);
    memset(heap, 0, sizeof *heap);
    memcpy(heap->name, name, sizeof name);
    __atomic_store_n(&heap->flags, TARN__HEAP_ENDED, __ATOMIC_RELAXED);
    tarn__ended_keep(heap);
}

size_t tarn_heap_destroy(struct tarn_heap *heap)
{
    size_t objects = 0;
    if (tarn__heap_has_ended(heap, "heap_destroy"))
        return 0;
    for (struct tarn_heap *next = heap ? lowest(heap) : NULL, *this; (this = next);) {
        next = this == heap ? NULL : locked_after(this);
        objects += tarn__heap_clear(this);
        withdraw(this);
        end(this);
    }
    return objects;
}

size_t tarn_heap_reset(struct tarn_heap *heap)
{
    size_t objects = 0;
    if (tarn__heap_has_ended(heap, "heap_reset"))
        return 0;
    for (struct tarn_heap *this = lowest(heap); this; this = this == heap ? NULL : locked_after(this))
        objects += tarn__heap_clear(this);
    return objects;
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

/* One lock after the other: beside running threads a moment's sum, as those of other caches are. */
void tarn__heaps_sum(struct tarn__heaps_sums *sums)
{
    tarn__lock(&tarn__heaps_lock);
    *sums = ended;
    for (struct tarn__list *link = tarn__heaps.next; link != &tarn__heaps; link = link->next) {
        struct tarn_heap *heap = TARN__CONTAINER(link, struct tarn_heap, all);
        tarn__lock(&heap->lock);
        sums->allocations += heap->allocations;
        sums->frees += heap->frees;
        sums->failures += heap->failures;
        sums->live_bytes += heap->own_bytes;
        tarn__unlock(&heap->lock);
    }
    tarn__unlock(&tarn__heaps_lock);
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
    *stats = (struct tarn_heap_stats){0};
    if (tarn__heap_has_ended(heap, "heap_stats"))
        return;
    tarn__lock(&tarn__heaps_lock);
    uint64_t objects = count_objects(heap);
    tarn__lock(&heap->lock);
    uint64_t live = load(&heap->live), peak = load(&heap->peak);
    *stats = (struct tarn_heap_stats){
        .live_bytes = live,
        .live_objects = objects,
        .peak_bytes = peak > live ? peak : live, /* who charges raises the peak after */
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
        if (!piece->objects && !piece->waiting)
            visit(context, piece->base, tarn__piece_bytes(piece));
        for (size_t i = 0; i < piece->objects; i++)
            if (!tarn__bit_test(piece->map, i) && !tarn__piece_has_waiting(piece, i))
                visit(context, piece->base + i * piece->size, piece->size);
    }
}

void tarn_heap_each(struct tarn_heap *heap, void (*visit)(void *context, void *object, size_t size), void *context)
{
    if (tarn__heap_has_ended(heap, "heap_each"))
        return;
    for (size_t i = 0; i < TARN__CLASSES; i++)
        visit_list(&heap->partial[i], visit, context);
    visit_list(&heap->full, visit, context);
    visit_list(&heap->large, visit, context);
}

void tarn_heap_each_child(struct tarn_heap *heap, void (*visit)(void *context, struct tarn_heap *child), void *context)
{
    if (tarn__heap_has_ended(heap, "heap_each_child"))
        return;
    struct tarn__list *list = heap ? &heap->children : &roots;
    for (struct tarn__list *link = list->next; link != list; link = link->next)
        visit(context, TARN__CONTAINER(link, struct tarn_heap, siblings));
}

struct sums {
    size_t pages, slabs;
    uint64_t bytes, objects;
    struct tarn__heap_finding found; /* the first */
};

static void check_list(struct tarn_heap *heap, struct tarn__list *list, unsigned class, struct sums *sums)
{
    for (struct tarn__list *link = list->next; link != list; link = link->next) {
        struct tarn__piece *piece = TARN__CONTAINER(link, struct tarn__piece, link);
        size_t live = (piece->objects ? (size_t)(piece->objects - piece->free) : 1) - piece->waiting;
        size_t size = piece->objects ? piece->size : tarn__piece_bytes(piece);
        TARN__ASSERT(piece->heap == heap, "a slab on a heap's list is the heap's");
        TARN__ASSERT(!piece->run || tarn__piece_of(piece->base) == piece, "a slab is found from its address");
        TARN__ASSERT(tarn__bits_count(piece->map, 0, piece->objects) == piece->free,
                     "the count of a slab's free objects is right");
        TARN__ASSERT(!piece->objects || tarn__class_size(piece->class) == size, "a slab's objects are of its class's size");
        TARN__ASSERT(!piece->objects == (list == &heap->large), "large objects, and no others, are on their list");
        TARN__ASSERT(class == 0 || (piece->class == class && piece->free > 0),
                     "a class's list has slabs of it with free objects");
        TARN__ASSERT(list != &heap->full || piece->free == 0, "a slab on the list of full ones is full");
        for (size_t w = 0; w < piece->hint; w++)
            TARN__ASSERT(piece->map[w] == 0, "no object below a slab's hint is free");
        if (heap->flags && !sums->found.bad)
            sums->found = tarn__heap_inspect(piece);
        sums->pages += tarn__piece_pages(piece);
        sums->slabs += piece->objects > 0;
        sums->bytes += live * size;
        sums->objects += live;
    }
}

void tarn_heap_verify(struct tarn_heap *heap)
{
    struct sums sums = {.found = {.bad = NULL}};
    size_t slabs = 0;
    if (tarn__heap_has_ended(heap, "heap_verify"))
        return;
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
    TARN__ASSERT(heap->leaf == (heap->count == 0), "a leaf is a heap without children");
    TARN__ASSERT(load(&heap->live) >= heap->own_bytes, "what is live in a heap counts in it");
    TARN__ASSERT(!heap->leaf || load(&heap->live) == heap->own_bytes, "in a leaf nothing else counts");
    TARN__ASSERT(heap->leaf ? load(&heap->peak) >= heap->own_bytes : load(&heap->peak) > 0 || heap->own_bytes == 0,
                 "a peak is no lower than what is live");
    tarn__unlock(&heap->lock);
    tarn__heap_tell(&sums.found, "heap_verify");
}

/* The first thing that is overwritten in pieces. The lock of their heap is held. */
static struct tarn__heap_finding first_bad(struct tarn__list *list)
{
    struct tarn__heap_finding found = {.bad = NULL};
    for (struct tarn__list *link = list->next; link != list && !found.bad; link = link->next)
        found = tarn__heap_inspect(TARN__CONTAINER(link, struct tarn__piece, link));
    return found;
}

static struct tarn__heap_finding look_at(struct tarn_heap *heap)
{
    tarn__lock(&heap->lock);
    struct tarn__heap_finding found = first_bad(&heap->full);
    if (!found.bad)
        found = first_bad(&heap->large);
    for (size_t i = 0; i < TARN__CLASSES && !found.bad; i++)
        found = first_bad(&heap->partial[i]);
    tarn__unlock(&heap->lock);
    return found;
}

size_t tarn__heaps_look(const char *where)
{
    struct tarn__heap_finding found[16];
    size_t count = 0;
    tarn__lock(&tarn__heaps_lock);
    for (struct tarn__list *link = tarn__heaps.next; link != &tarn__heaps && count < 16; link = link->next) {
        struct tarn_heap *heap = TARN__CONTAINER(link, struct tarn_heap, all);
        if (heap->flags) {
            found[count] = look_at(heap);
            count += found[count].bad != NULL;
        }
    }
    tarn__unlock(&tarn__heaps_lock);
    for (size_t i = 0; i < count; i++)
        tarn__heap_tell(&found[i], where);
    return count;
}

/* Forks */

/* The list of heaps may be walked only under its lock. */
void tarn__heaps_each_lock(void (*act)(struct tarn__lock *))
{
    bool lets_go = act == tarn__unlock_after_fork;
    if (!lets_go)
        act(&tarn__heaps_lock);
    for (struct tarn__list *link = tarn__heaps.next; link != &tarn__heaps; link = link->next)
        act(&TARN__CONTAINER(link, struct tarn_heap, all)->lock);
    if (lets_go)
        act(&tarn__heaps_lock);
}

/* Threads that are gone may have been between charging and taking, or between that and the peaks. */
void tarn__heaps_child(void)
{
    for (struct tarn__list *link = tarn__heaps.next; link != &tarn__heaps; link = link->next)
        TARN__CONTAINER(link, struct tarn_heap, all)->live = 0;
    for (struct tarn__list *link = tarn__heaps.next; link != &tarn__heaps; link = link->next) {
        struct tarn_heap *from = TARN__CONTAINER(link, struct tarn_heap, all);
        struct tarn_heap *heap = from;
        do {
            heap->live += from->own_bytes;
            heap->peak = heap->live > heap->peak ? heap->live : heap->peak;
        } while ((heap = heap->parent));
    }
}
