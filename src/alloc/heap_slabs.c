/* The slabs of users' heaps, and their large objects: heaps.h has the picture. */
#include "alloc/fast.h"
#include "alloc/guard.h"
#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "page/zone.h"

enum { MOST_PAGES = 16, WASTE = 8 };

_Static_assert(MOST_PAGES <= TARN__UNIT_PAGES, "a slab lies in one section, and the page allocator unleads all its pages");

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

/* The first `pages` of a run lead to the piece. States change under the zone's lock, as neighbours look at them. */
static void lead(struct tarn__piece *piece, size_t pages)
{
    struct tarn_zone *zone = tarn__page_section(piece->run)->zone;
    tarn__lock(&zone->lock);
    for (size_t i = 0; i < pages; i++) {
        piece->run[i].lru.next = piece;
        tarn__page_set_state(&piece->run[i], TARN__PAGE_HEAP);
    }
    tarn__unlock(&zone->lock);
}

static struct tarn__piece *make_piece(struct tarn_heap *heap, size_t pages, size_t align, size_t objects, bool *zeroed)
{
    size_t words = (objects + 63) / 64 * (heap->flags & TARN__HEAP_QUARANTINE ? 2 : 1);
    struct tarn__piece *piece = tarn__alloc(sizeof *piece + words * sizeof piece->map[0]);
    struct tarn_page *run = piece ? tarn__pages_alloc(heap->zone, pages, align, zeroed) : NULL;
    if (!run) {
        tarn__free(piece);
        return NULL;
    }
    *piece = (struct tarn__piece){.heap = heap, .run = run, .base = tarn__page_address(run), .objects = (uint16_t)objects};
    for (size_t w = 0; w < words; w++)
        piece->map[w] = 0;
    return piece;
}

struct tarn__piece *tarn__slab_make(struct tarn_heap *heap, unsigned class, size_t slabs)
{
    size_t size = tarn__class_size(class), pages = pages_for(size, slabs), objects = pages * TARN__PAGE_SIZE / size;
    struct tarn__piece *slab = make_piece(heap, pages, TARN__PAGE_SIZE, objects, NULL);
    if (!slab) /* a small one may find room */
        return slabs > 0 ? tarn__slab_make(heap, class, 0) : NULL;
    slab->size = (uint32_t)size;
    slab->inverse = (uint32_t)(((UINT64_C(1) << 32) + size - 1) / size);
    slab->class = (uint16_t) class;
    slab->free = (uint16_t)objects;
    tarn__bits_set(slab->map, 0, objects);
    if (heap->flags)
        tarn__heap_prepare(slab);
    lead(slab, pages);
    return slab;
}

struct tarn__piece *tarn__large_make(struct tarn_heap *heap, size_t pages, size_t align, bool *zeroed)
{
    struct tarn__piece *piece = make_piece(heap, pages, align, 0, zeroed);
    if (piece)
        lead(piece, 1);
    return piece;
}

struct tarn__piece *tarn__guarded_make(struct tarn_heap *heap, size_t size, size_t align)
{
    struct tarn__piece *piece = tarn__alloc(sizeof *piece);
    char *p = piece ? tarn__guard_alloc(size, tarn__max(align, 16), heap->name[0] ? heap->name : "heap") : NULL;
    if (!p) {
        tarn__free(piece);
        return NULL;
    }
    *piece = (struct tarn__piece){.heap = heap, .base = p, .guarded = tarn__align_up(tarn__max(size, 1), 16)};
    return piece;
}

void tarn__piece_end(struct tarn__piece *piece)
{
    if (piece->run) {
        tarn__pages_free(piece->run);
    } else { /* nobody is to be told */
        tarn__guard_own(piece->base, NULL, NULL);
        tarn__guard_free(piece->base, SIZE_MAX, "heap_destroy");
    }
    tarn__free(piece);
}

void tarn__piece_enter(struct tarn_heap *heap, struct tarn__piece *piece)
{
    tarn__list_push_front(piece->objects ? &heap->partial[piece->class - 1] : &heap->large, &piece->link);
    if (piece->objects)
        heap->slabs[piece->class - 1]++;
    heap->held += tarn__piece_pages(piece);
}

void tarn__piece_leave(struct tarn_heap *heap, struct tarn__piece *piece)
{
    tarn__list_remove(&piece->link);
    if (piece->objects)
        heap->slabs[piece->class - 1]--;
    heap->held -= tarn__piece_pages(piece);
}

size_t tarn__piece_size(struct tarn__piece *piece, const void *p, bool *free)
{
    *free = false;
    if (!piece->objects) {
        *free = p == piece->base && piece->waiting;
        return p == piece->base && !piece->waiting ? tarn__piece_bytes(piece) : 0;
    }
    size_t index = tarn__piece_index(piece, p);
    if (index == piece->objects)
        return 0;
    *free =
        (__atomic_load_n(&piece->map[index / 64], __ATOMIC_RELAXED) >> index % 64 & 1) || tarn__piece_has_waiting(piece, index);
    return *free ? 0 : piece->size;
}

static void take_list(struct tarn__list *from, struct tarn__list *to)
{
    if (tarn__list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    tarn__list_init(from);
}

void tarn__pieces_take(struct tarn_heap *heap, struct tarn__list *pieces)
{
    if (heap->wait)
        heap->wait->count = heap->wait->bytes = 0;
    if (heap->held == 0 && tarn__list_empty(&heap->large))
        return;
    take_list(&heap->full, pieces);
    take_list(&heap->large, pieces);
    for (size_t i = 0; i < TARN__CLASSES; i++) {
        take_list(&heap->partial[i], pieces);
        heap->slabs[i] = 0;
    }
    heap->held = 0;
}
