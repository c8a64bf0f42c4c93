/*
 * The public interface of pages (tarn/pages.h). The paths of single pages through the thread's lists stand at the top, whole; all
 * else goes to the zone.
 */
#include "base/bits.h"
#include "base/fail.h"
#include "base/inject.h"
#include "base/warn.h"
#include "page/block.h"
#include "page/letters.h"
#include "page/lists.h"
#include "page/mobility.h"
#include "page/request.h"
#include "page/zones.h"

#include <string.h>

static size_t index_of(const struct tarn_page *page) { return (size_t)(page - tarn__page_section(page)->page); }

static void clear(struct tarn_page *page, size_t count) { memset(tarn__page_address(page), 0, count * TARN__PAGE_SIZE); }

/* What no zone can fulfil, and says so. */
static bool malformed(size_t order, tarn_gfp_t flags)
{
    bool bad = order > TARN_MAX_PAGE_ORDER || tarn__group_of(flags) == TARN_MOBILITIES;
    if (bad && !(flags & TARN_GFP_NOWARN) && tarn__warns())
        tarn__warn("pages cannot be asked for so: order:%zu, flags 0x%x", order, flags);
    return bad;
}

/* A page of a list that must read as zero: one that was never used does. */
static struct tarn_page *cleared(struct tarn_page *page)
{
    if (!(page->bits & TARN__PAGE_CLEAN))
        clear(page, 1);
    return page;
}

/* A block as letters have it: with G of twice the size, of which the second half faults. */
static struct tarn_page *alloc_lettered(struct tarn_zone *zone, unsigned order, tarn_gfp_t flags)
{
    bool guard = order < TARN_MAX_PAGE_ORDER && tarn__letters_guard(zone), zero = flags & TARN_GFP_ZERO;
    struct tarn_page *page = NULL;
    struct tarn__want want;
    for (int attempt = 0; attempt < 3 && !page; attempt++) {
        if (attempt == 1)
            tarn__letters_empty(zone);
        guard = guard && attempt < 2;
        want = (struct tarn__want){.zone = zone,
                                   .count = (size_t)1 << (order + guard),
                                   .align = TARN__PAGE_SIZE << (order + guard),
                                   .flags = flags,
                                   .state = TARN__PAGE_BLOCK};
        page = tarn__request(&want);
    }
    if (!page)
        return NULL;
    struct tarn_page *second = guard ? tarn__block_halve(page) : NULL;
    if (zero && !want.zeroed)
        clear(page, (size_t)1 << order);
    tarn__letters_live(page, (size_t)1 << order, second, zero);
    return page;
}

static TARN__NOINLINE struct tarn_page *alloc_slow(struct tarn_zone *zone, unsigned order, tarn_gfp_t flags)
{
    if (malformed(order, flags) || (!zone && !(zone = tarn__zone_for(flags))))
        return NULL;
    if (TARN__UNLIKELY(tarn__pages_letters))
        return alloc_lettered(zone, order, flags);
    bool injecting = atomic_load_explicit(&tarn__injecting[TARN_FAIL_PAGES], memory_order_relaxed);
    struct tarn_page *page = order == 0 && !injecting ? tarn__lists_alloc(zone, flags) : NULL;
    if (page)
        return flags & TARN_GFP_ZERO ? cleared(page) : page;
    struct tarn__want want = {.zone = zone,
                              .count = (size_t)1 << order,
                              .align = TARN__PAGE_SIZE << order,
                              .flags = flags,
                              .state = TARN__PAGE_BLOCK};
    page = tarn__request(&want);
    if (page && (flags & TARN_GFP_ZERO) && !want.zeroed)
        clear(page, want.count);
    return page;
}

struct tarn_page *tarn_pages_alloc(struct tarn_zone *zone, unsigned order, tarn_gfp_t flags)
{
    unsigned group = tarn__group_of(flags);
    if (!zone && !(flags & (TARN_GFP_DMA | TARN_GFP_DMA32)))
        zone = atomic_load_explicit(&tarn__normal, memory_order_acquire);
    if (TARN__UNLIKELY(order != 0 || !zone || group == TARN_MOBILITIES ||
                       atomic_load_explicit(&tarn__injecting[TARN_FAIL_PAGES], memory_order_relaxed)))
        return alloc_slow(zone, order, flags);
    struct tarn_page *page = tarn__list_pop(tarn__list_of(zone, group));
    if (TARN__UNLIKELY(!page))
        return alloc_slow(zone, order, flags);
    return flags & TARN_GFP_ZERO ? cleared(page) : page;
}

static TARN__NOINLINE void free_slow(struct tarn_page *page, unsigned order, const char *where)
{
    if (!tarn__block_verify(page, order, where))
        return;
    if (tarn__block_references(page) == 1)
        tarn__block_set_references(page, 0);
    else if (!tarn__block_drop(page))
        return;
    if (TARN__UNLIKELY(tarn__pages_letters) && tarn__letters_take(page, (size_t)1 << order))
        return;
    if (order == 0) {
        tarn__block_set_references(page, 1); /* as the lists take it */
        if (tarn__lists_free(page))
            return;
        tarn__block_set_references(page, 0);
    }
    tarn__block_free(page);
}

/* A single page with one reference. Whoever holds the only one need not ask whether others drop theirs. */
static inline bool is_simple(const struct tarn_page *page)
{
    return tarn__page_state(page) == TARN__PAGE_BLOCK && page->order == 0 && tarn__block_references(page) == 1;
}

static inline void drop(struct tarn_page *page, unsigned order, const char *where)
{
    if (TARN__UNLIKELY(order != 0 || !is_simple(page) || !tarn__list_push(page)))
        free_slow(page, order, where);
}

void tarn_pages_free(struct tarn_page *page, unsigned order)
{
    if (page)
        drop(page, order, "tarn_pages_free");
}

/* References and descriptors */

void tarn_page_get(struct tarn_page *page)
{
    if (tarn__block_verify(page, page->order, "tarn_page_get"))
        __atomic_fetch_add(&page->count, 1, __ATOMIC_RELAXED);
}

void tarn_pages_free_at(void *address, unsigned order)
{
    struct tarn_page *page = address ? tarn__page_of(address) : NULL;
    if (page && (uintptr_t)address % TARN__PAGE_SIZE == 0 && tarn__page_state(page) == TARN__PAGE_BLOCK)
        drop(page, order, "tarn_pages_free_at");
    else if (address)
        tarn__report(tarn__page_is_free(address) ? TARN__DOUBLE_FREE : TARN__INVALID_FREE, "tarn_pages_free_at", address, NULL);
}

void tarn_page_put(struct tarn_page *page) { drop(page, page->order, "tarn_page_put"); }

unsigned tarn_page_references(const struct tarn_page *page)
{
    return tarn__page_state(page) == TARN__PAGE_BLOCK ? tarn__block_references(page) : 1;
}

void tarn_page_split(struct tarn_page *page, unsigned order)
{
    if (!tarn__block_verify(page, order, "tarn_page_split"))
        return;
    tarn__block_split(page);
    if (TARN__UNLIKELY(tarn__pages_letters))
        tarn__letters_split(page, (size_t)1 << order);
}

void *tarn_page_address(const struct tarn_page *page) { return tarn__page_address(page); }

struct tarn_page *tarn_page_at(struct tarn_page *page, size_t n)
{
    size_t index = index_of(page) + n;
    struct tarn__section *section = tarn__page_section(page);
    if (index >= TARN__SECTION_PAGES)
        section = tarn__section_of(section->base + index * TARN__PAGE_SIZE);
    return section ? &section->page[index % TARN__SECTION_PAGES] : NULL;
}

unsigned tarn_page_order(const struct tarn_page *page) { return page->order; }

struct tarn_zone *tarn_page_zone(const struct tarn_page *page) { return tarn__page_section(page)->zone; }

/* Whether a user's block or run goes on to page `index`, none beginning there. Under the zone's lock. */
static bool goes_on(struct tarn__section *section, size_t index)
{
    size_t distance = 0;
    for (;;) {
        while (index > section->first && tarn__page_state(&section->page[index]) == TARN__PAGE_INSIDE) {
            index--;
            distance++;
        }
        if (index > 0 || tarn__page_state(section->page) != TARN__PAGE_INSIDE)
            break;
        struct tarn__section *before = tarn__section_of(section->base - 1);
        if (!before || before->zone != section->zone || before->slots > 1)
            return false;
        section = before;
        index = TARN__SECTION_PAGES - 1;
        distance++;
    }
    const struct tarn_page *first = &section->page[index];
    unsigned state = tarn__page_state(first);
    return (state == TARN__PAGE_BLOCK && tarn__block_references(first) > 0 && distance >> first->order == 0) ||
           (state == TARN__PAGE_USER_RUN && distance < first->count);
}

struct tarn_page *tarn_page_of(const void *address)
{
    struct tarn__section *section = tarn__section_of(address);
    size_t index = ((uintptr_t)address & (TARN__SECTION_SIZE - 1)) >> TARN__PAGE_BITS;
    if (!section || section->slots > 1 || index < section->first || index >= section->end)
        return NULL;
    struct tarn_page *page = &section->page[index];
    if (tarn__page_state(page) == TARN__PAGE_BLOCK)
        return tarn__block_references(page) > 0 ? page : NULL;
    tarn__lock(&section->zone->lock);
    bool in_use = goes_on(section, index);
    tarn__unlock(&section->zone->lock);
    return in_use ? page : NULL;
}

/* Runs */

/* Pages of alloc_count: with exact ones the last may be to fault. */
static void lettered(struct tarn_page *page, size_t count, bool guard, bool exact, bool zero)
{
    tarn__letters_live(page, count, guard ? &page[count] : NULL, zero);
    if (exact)
        tarn__letters_split(page, count);
}

static struct tarn_page *alloc_count(struct tarn_zone *zone, size_t count, tarn_gfp_t flags, bool exact)
{
    if (count == 0 || malformed(0, flags) || (!zone && !(zone = tarn__zone_for(flags))))
        return NULL;
    struct tarn__want want = {
        .zone = zone, .count = count, .align = TARN__PAGE_SIZE, .flags = flags, .state = TARN__PAGE_USER_RUN};
    bool guard = TARN__UNLIKELY(tarn__pages_letters) && exact && count < TARN__SECTION_PAGES && tarn__letters_guard(zone);
    want.count += guard;
    if (exact) {
        want.align = TARN__PAGE_SIZE << tarn__log2_ceil(count);
        want.state = TARN__PAGE_BLOCK;
        want.singles = true;
    }
    if (count > UINT32_MAX)
        return NULL;
    struct tarn_page *page = tarn__request(&want);
    if (!page && TARN__UNLIKELY(tarn__pages_letters)) {
        tarn__letters_empty(zone);
        page = tarn__request(&want);
    }
    if (page && (flags & TARN_GFP_ZERO) && !want.zeroed)
        clear(page, count);
    if (page && TARN__UNLIKELY(tarn__pages_letters))
        lettered(page, count, guard, exact, flags & TARN_GFP_ZERO);
    return page;
}

static void free_run(struct tarn_page *page, size_t count, const char *where)
{
    struct tarn__section *section = tarn__page_section(page);
    size_t offset = (uintptr_t)page - (uintptr_t)section->page;
    if (offset >= sizeof section->page || offset % sizeof *page != 0 || !tarn__section_known(section))
        tarn__report(TARN__INVALID_FREE, where, page, NULL);
    else if (tarn__page_state(page) != TARN__PAGE_USER_RUN)
        tarn__block_verify(page, TARN_MAX_PAGE_ORDER + 1, where); /* no block has that order */
    else if (TARN__UNLIKELY(tarn__pages_letters) && tarn__letters_waits(page))
        tarn__report(TARN__DOUBLE_FREE, where, tarn__page_address(page), NULL);
    else if (page->count != count)
        tarn__report(TARN__WRONG_SIZE, where, tarn__page_address(page), NULL);
    else if (!tarn__pages_letters || !tarn__letters_take(page, count))
        tarn__pages_free(page);
}

/* Single pages side by side: all of them, or none if one is not as it should be. */
static void free_singles(struct tarn_page *page, size_t count, const char *where)
{
    for (size_t i = 0; count > 1 && i < count; i++)
        if (!is_simple(&page[i]) && !tarn__block_verify(&page[i], 0, where))
            return;
    for (size_t i = 0; i < count; i++)
        drop(&page[i], 0, where);
}

static size_t pages_for(size_t size) { return size / TARN__PAGE_SIZE + (size % TARN__PAGE_SIZE != 0); }

void *tarn_pages_alloc_exact(struct tarn_zone *zone, size_t size, tarn_gfp_t flags)
{
    size_t count = pages_for(size);
    struct tarn_page *page = alloc_count(zone, count, flags, count <= TARN__SECTION_PAGES);
    return page ? tarn__page_address(page) : NULL;
}

void tarn_pages_free_exact(void *address, size_t size)
{
    size_t count = pages_for(size);
    if (!address)
        return;
    struct tarn__section *section = tarn__section_of(address);
    size_t index = ((uintptr_t)address & (TARN__SECTION_SIZE - 1)) >> TARN__PAGE_BITS;
    if (!section || (uintptr_t)address % TARN__PAGE_SIZE != 0 || section->slots > 1 || index < section->first ||
        index >= section->end || (count <= TARN__SECTION_PAGES && count > section->end - index))
        tarn__report(TARN__INVALID_FREE, "tarn_pages_free_exact", address, NULL);
    else if (count > TARN__SECTION_PAGES)
        free_run(&section->page[index], count, "tarn_pages_free_exact");
    else
        free_singles(&section->page[index], count, "tarn_pages_free_exact");
}

struct tarn_page *tarn_pages_alloc_run(struct tarn_zone *zone, size_t count, tarn_gfp_t flags)
{
    return alloc_count(zone, count, flags, false);
}

void tarn_pages_free_run(struct tarn_page *page, size_t count)
{
    if (page)
        free_run(page, count, "tarn_pages_free_run");
}

/* Bulk */

static size_t full_slots(size_t count, struct tarn_page **pages)
{
    size_t full = 0;
    for (size_t i = 0; i < count; i++)
        full += pages[i] != NULL;
    return full;
}

size_t tarn_pages_alloc_bulk(struct tarn_zone *zone, tarn_gfp_t flags, size_t count, struct tarn_page **pages)
{
    size_t full = full_slots(count, pages);
    if (malformed(0, flags) || (!zone && !(zone = tarn__zone_for(flags))))
        return full;
    struct tarn_page *chain = NULL;
    if (!atomic_load_explicit(&tarn__injecting[TARN_FAIL_PAGES], memory_order_relaxed) && !tarn__pages_letters)
        tarn__block_batch(zone, flags, count - full, 1, &chain);
    for (size_t i = 0; i < count && full < count; i++) {
        if (pages[i])
            continue;
        struct tarn_page *page = chain;
        if (page) {
            chain = page->lru.next;
            if (flags & TARN_GFP_ZERO)
                cleared(page);
        } else if (!(page = alloc_slow(zone, 0, flags))) {
            break;
        }
        pages[i] = page;
        full++;
    }
    return full;
}

void tarn_pages_drain(void) { tarn__lists_drain(); }
