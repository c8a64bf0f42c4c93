/* The slabs of users' heaps, and their large objects: heaps.h has the picture. */
#include "alloc/fast.h"
#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "base/fail.h"
#include "page/zone.h"

enum { MOST_PAGES = 16, WASTE = 8 };

/* Pages of a class's first slab: as few as lose at most an eighth; the next ones double. */
static size_t pages_for(size_t size, size_t slabs)
{
    size_t pages = 1;
    while (pages < MOST_PAGES &&
           (pages * TARN__PAGE_SIZE < size || pages * TARN__PAGE_SIZE % size * WASTE > pages * TARN__PAGE_SIZE))
        pages *= 2;
    while (pages < MOST_PAGES && slabs-- > 0)
        pages *= 2;
    return pages;
}

/* Pages lead to `piece`, or are the run's again. The states of a run's pages change under its zone's lock, as neighbours look at them. */
static void lead(struct tarn_page *run, size_t pages, struct tarn__piece *piece)
{
    struct tarn_zone *zone = tarn__page_section(run)->zone;
    tarn__lock(&zone->lock);
    for (size_t i = 0; i < pages; i++) {
        run[i].lru.next = piece;
        tarn__page_set_state(&run[i], piece ? TARN__PAGE_HEAP : i == 0 ? TARN__PAGE_RUN : TARN__PAGE_INSIDE);
    }
    tarn__unlock(&zone->lock);
}

/* How many pages of a piece lead to it: a large object is found by its beginning only. */
static size_t leading(const struct tarn__piece *piece) { return piece->objects ? piece->run->count : 1; }

static void give_up(struct tarn__piece *piece)
{
    lead(piece->run, leading(piece), NULL);
    tarn__pages_free(piece->run);
    tarn__free(piece);
}

static struct tarn__piece *make_piece(struct tarn_heap *heap, size_t pages, size_t align, size_t objects)
{
    size_t words = (objects + 63) / 64;
    struct tarn__piece *piece = tarn__alloc(sizeof *piece + words * sizeof piece->map[0]);
    struct tarn_page *run = piece ? tarn__pages_alloc(&tarn__heap.zone, pages, align, NULL) : NULL;
    if (!run) {
        tarn__free(piece);
        return NULL;
    }
    *piece = (struct tarn__piece){.heap = heap, .run = run, .base = tarn__page_address(run), .objects = (uint16_t)objects};
    for (size_t w = 0; w < words; w++)
        piece->map[w] = 0;
    return piece;
}

/* A slab for one more of the class, all free; not yet the heap's. NULL: no memory. */
static struct tarn__piece *make_slab(struct tarn_heap *heap, unsigned class, size_t slabs)
{
    size_t size = tarn__class_size(class), pages = pages_for(size, slabs), objects = pages * TARN__PAGE_SIZE / size;
    struct tarn__piece *slab = make_piece(heap, pages, TARN__PAGE_SIZE, objects);
    if (!slab)
        return NULL;
    slab->size = (uint32_t)size;
    slab->inverse = (uint32_t)(((UINT64_C(1) << 32) + size - 1) / size);
    slab->class = (uint16_t) class;
    slab->free = (uint16_t)objects;
    tarn__bits_set(slab->map, 0, objects);
    lead(slab->run, pages, slab);
    return slab;
}

/* The lowest free object of a slab that has one. The heap's lock is held, as in the next three. */
static void *pop(struct tarn_heap *heap, struct tarn__piece *slab)
{
    while (!slab->map[slab->hint])
        slab->hint++;
    size_t index = slab->hint * 64u + (size_t)__builtin_ctzll(slab->map[slab->hint]);
    slab->map[slab->hint] &= slab->map[slab->hint] - 1;
    if (--slab->free == 0) {
        tarn__list_remove(&slab->link);
        tarn__list_push_front(&heap->full, &slab->link);
    }
    heap->allocations++;
    heap->own_bytes += slab->size;
    return slab->base + index * slab->size;
}

static void *pop_any(struct tarn_heap *heap, unsigned class)
{
    struct tarn__list *partial = &heap->partial[class - 1];
    return tarn__list_empty(partial) ? NULL : pop(heap, TARN__CONTAINER(partial->next, struct tarn__piece, link));
}

static void enter(struct tarn_heap *heap, struct tarn__piece *piece)
{
    tarn__list_push_front(piece->objects ? &heap->partial[piece->class - 1] : &heap->large, &piece->link);
    if (piece->objects)
        heap->slabs[piece->class - 1]++;
    heap->held += piece->run->count;
}

static void leave(struct tarn_heap *heap, struct tarn__piece *piece)
{
    tarn__list_remove(&piece->link);
    if (piece->objects)
        heap->slabs[piece->class - 1]--;
    heap->held -= piece->run->count;
}

static void *take_small(struct tarn_heap *heap, unsigned class)
{
    tarn__lock(&heap->lock);
    void *object = pop_any(heap, class);
    size_t slabs = heap->slabs[class - 1];
    tarn__unlock(&heap->lock);
    if (object)
        return object;
    struct tarn__piece *slab = make_slab(heap, class, slabs);
    if (!slab)
        return NULL;
    tarn__lock(&heap->lock);
    enter(heap, slab);
    object = pop_any(heap, class);
    tarn__unlock(&heap->lock);
    return object;
}

static void *take_large(struct tarn_heap *heap, size_t pages, size_t align)
{
    struct tarn__piece *piece = make_piece(heap, pages, align, 0);
    if (!piece)
        return NULL;
    lead(piece->run, 1, piece);
    tarn__lock(&heap->lock);
    enter(heap, piece);
    heap->allocations++;
    heap->own_bytes += pages * TARN__PAGE_SIZE;
    tarn__unlock(&heap->lock);
    return piece->base;
}

/* The class that serves such a request, as in tarn_aligned_alloc; 0: whole pages do. */
static unsigned class_for(size_t size, size_t align)
{
    size_t rounded = tarn__align_up(tarn__max(size, 1), align);
    return align <= TARN__PAGE_SIZE && rounded <= TARN__SMALL_MOST ? tarn__class_of(rounded) : 0;
}

size_t tarn__heap_rounded(size_t size, size_t align)
{
    unsigned class = class_for(size, align);
    return class ? tarn__class_size(class) : tarn__align_up(tarn__max(size, 1), TARN__PAGE_SIZE);
}

void *tarn__heap_take(struct tarn_heap *heap, size_t size, size_t align)
{
    unsigned class = class_for(size, align);
    return class ? take_small(heap, class)
                 : take_large(heap, tarn__heap_rounded(size, align) / TARN__PAGE_SIZE, tarn__max(align, TARN__PAGE_SIZE));
}

/* Free */

/* The number of the object that begins at `p`; `objects`: none does. */
static size_t index_of(const struct tarn__piece *slab, const void *p)
{
    size_t offset = (size_t)((const char *)p - slab->base);
    size_t index = (size_t)((uint64_t)offset * slab->inverse >> 32);
    return index < slab->objects && index * slab->size == offset ? index : slab->objects;
}

size_t tarn__piece_size(struct tarn__piece *piece, const void *p, bool *free)
{
    *free = false;
    if (!piece->objects)
        return p == piece->base ? piece->run->count * TARN__PAGE_SIZE : 0;
    size_t index = index_of(piece, p);
    if (index == piece->objects)
        return 0;
    *free = __atomic_load_n(&piece->map[index / 64], __ATOMIC_RELAXED) >> index % 64 & 1;
    return *free ? 0 : piece->size;
}

/* An empty slab goes when its class has another with free objects: so an object that comes and goes costs no pages. The lock is held. */
static bool goes(struct tarn_heap *heap, struct tarn__piece *slab)
{
    struct tarn__list *partial = &heap->partial[slab->class - 1];
    return slab->free == slab->objects && (partial->next != &slab->link || partial->prev != &slab->link);
}

static size_t put_small(struct tarn__piece *slab, void *p, const char *where)
{
    struct tarn_heap *heap = slab->heap;
    size_t size = slab->size, index = index_of(slab, p);
    if (index == slab->objects)
        tarn__fail(TARN__INVALID_FREE, where, p);
    tarn__lock(&heap->lock);
    if (tarn__bit_test(slab->map, index)) {
        tarn__unlock(&heap->lock);
        tarn__fail(TARN__DOUBLE_FREE, where, p);
    }
    __atomic_store_n(&slab->map[index / 64], slab->map[index / 64] | UINT64_C(1) << index % 64, __ATOMIC_RELAXED);
    if (index / 64 < slab->hint)
        slab->hint = (uint16_t)(index / 64);
    if (slab->free++ == 0) {
        tarn__list_remove(&slab->link);
        tarn__list_push_back(&heap->partial[slab->class - 1], &slab->link);
    }
    heap->frees++;
    heap->own_bytes -= size;
    bool empty = goes(heap, slab);
    if (empty)
        leave(heap, slab);
    tarn__unlock(&heap->lock);
    if (empty)
        give_up(slab);
    return size;
}

size_t tarn__heap_put(struct tarn__piece *piece, void *p, const char *where)
{
    if (piece->objects)
        return put_small(piece, p, where);
    struct tarn_heap *heap = piece->heap;
    size_t bytes = piece->run->count * TARN__PAGE_SIZE;
    if (p != piece->base)
        tarn__fail(TARN__INVALID_FREE, where, p);
    tarn__lock(&heap->lock);
    leave(heap, piece);
    heap->frees++;
    heap->own_bytes -= bytes;
    tarn__unlock(&heap->lock);
    give_up(piece);
    return bytes;
}

/* Only the object's owner calls this, so its length is read without the lock. */
bool tarn__heap_resize(struct tarn__piece *piece, size_t size)
{
    struct tarn_heap *heap = piece->heap;
    size_t had = piece->run->count, pages = tarn__align_up(size, TARN__PAGE_SIZE) / TARN__PAGE_SIZE;
    if (pages > had && !tarn__pages_extend(piece->run, pages))
        return false;
    if (pages < had)
        tarn__pages_shrink(piece->run, pages);
    size_t has = piece->run->count;
    tarn__lock(&heap->lock);
    heap->held += has - had;
    heap->own_bytes += (has - had) * TARN__PAGE_SIZE;
    tarn__unlock(&heap->lock);
    return true;
}

/* Nobody else is at work on the heap. */
static size_t clear_list(struct tarn__list *list)
{
    size_t objects = 0;
    while (!tarn__list_empty(list)) {
        struct tarn__piece *piece = TARN__CONTAINER(list->next, struct tarn__piece, link);
        objects += piece->objects ? (size_t)(piece->objects - piece->free) : 1;
        leave(piece->heap, piece);
        give_up(piece);
    }
    return objects;
}

size_t tarn__heap_clear(struct tarn_heap *heap, uint64_t *bytes)
{
    size_t objects = clear_list(&heap->full) + clear_list(&heap->large);
    for (size_t i = 0; i < TARN__CLASSES; i++)
        objects += clear_list(&heap->partial[i]);
    *bytes = heap->own_bytes;
    heap->frees += objects;
    heap->own_bytes = 0;
    return objects;
}
