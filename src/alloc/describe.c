/*
 * What is known of an address: of whose object it is a part, how large that is, whether it is in use, and what lies in front of it.
 *
 * No lock is taken, so what other threads change meanwhile may be told as it was; and nothing in objects is believed, only what is out of line. What a pointer
 * of a descriptor leads to is looked at as tarn__free itself would.
 */
#include "alloc/describe.h"

#include "alloc/care_large.h"
#include "alloc/guard.h"
#include "alloc/hard.h"
#include "alloc/heaps.h"
#include "base/bits.h"
#include "base/fail.h"
#include "os/records.h"
#include "page/section.h"
#include "slab/debug.h"
#include "slab/slabs.h"

static bool slab_has(const struct tarn__slab *slab, size_t index)
{
    return slab->marks ? __atomic_load_n(&slab->marks[index], __ATOMIC_RELAXED) : !tarn__bit_test(slab->map, index);
}

static void describe_slab(const struct tarn__slab *slab, const void *address, struct tarn__suspect *suspect)
{
    const struct tarn_cache *cache = slab->cache;
    size_t index = tarn__object_index(cache, (size_t)((const char *)address - slab->base));
    suspect->pool = cache->name;
    if (index >= cache->objects)
        return;
    suspect->object = tarn__object_at(slab, index);
    suspect->size = tarn__object_size(cache);
    suspect->live = slab_has(slab, index);
    if (index == 0)
        return;
    suspect->neighbour = tarn__object_at(slab, index - 1);
    suspect->neighbour_size = suspect->size;
    suspect->neighbour_live = slab_has(slab, index - 1);
}

static void describe_piece(const struct tarn__piece *piece, const void *address, struct tarn__suspect *suspect)
{
    size_t offset = (size_t)((const char *)address - piece->base);
    size_t index = (size_t)((uint64_t)offset * piece->inverse >> 32);
    suspect->pool = piece->heap->name;
    if (!piece->objects) {
        suspect->object = piece->base;
        suspect->size = tarn__piece_bytes(piece);
        suspect->live = !piece->waiting;
    } else if (index < piece->objects) {
        suspect->object = piece->base + index * piece->size;
        suspect->size = piece->size;
        suspect->live = !tarn__bit_test(piece->map, index) && !tarn__piece_has_waiting(piece, index);
        if (index > 0) {
            suspect->neighbour = piece->base + (index - 1) * piece->size;
            suspect->neighbour_size = piece->size;
            suspect->neighbour_live = !tarn__bit_test(piece->map, index - 1);
        }
    }
}

/* Pages that a page's descriptor says begin with it. */
static size_t pages_from(const struct tarn_page *page)
{
    unsigned state = tarn__page_state(page);
    if (state == TARN__PAGE_FREE || state == TARN__PAGE_BLOCK)
        return page->order <= TARN__MAX_ORDER ? (size_t)1 << page->order : 1;
    return state == TARN__PAGE_INSIDE ? 0 : page->count;
}

static void describe_pages(const struct tarn_page *page, struct tarn__suspect *suspect)
{
    const struct tarn_page *first = tarn__page_section(page)->page, *head = page;
    while (head > first && tarn__page_state(head) == TARN__PAGE_INSIDE)
        head--;
    unsigned state = tarn__page_state(head);
    size_t pages = pages_from(head);
    if (state == TARN__PAGE_SLAB || state == TARN__PAGE_HEAP)
        return;
    if (state == TARN__PAGE_FREE || (size_t)(page - head) >= pages) {
        suspect->pool = "free pages of tarn";
        return;
    }
    suspect->object = tarn__page_address(head);
    suspect->size = pages * TARN__PAGE_SIZE;
    suspect->pool = state == TARN__PAGE_RUN || state == TARN__PAGE_SHELVED ? "large" : "pages";
    suspect->live = state == TARN__PAGE_RUN || state == TARN__PAGE_USER_RUN || (state == TARN__PAGE_BLOCK && head->count > 0);
}

void tarn__describe(const void *address, struct tarn__suspect *suspect)
{
    const struct tarn_page *page = tarn__page_of(address);
    const struct tarn__piece *piece = tarn__page_piece(page);
    const struct tarn__slab *slab = page && !piece ? tarn__slab_around(address) : NULL;
    if (tarn__guard_describe(address, suspect) || tarn__hard_describe(address, suspect))
        return;
    if ((slab && tarn__debug_suspect(address, suspect)) || tarn__care_large_suspect(address, suspect))
        return;
    if (piece)
        describe_piece(piece, address, suspect);
    else if (slab)
        describe_slab(slab, address, suspect);
    else if (page)
        describe_pages(page, suspect);
    tarn__record_tell(suspect);
}
