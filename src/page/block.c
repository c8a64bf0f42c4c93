/* Blocks made, verified, split, freed. */
#include "page/block.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/buddy.h"
#include "page/marks.h"
#include "page/mobility.h"
#include "page/decay.h"

static size_t index_of(const struct tarn_page *page) { return (size_t)(page - tarn__page_section(page)->page); }

static void begin_block(struct tarn_page *page, unsigned order, uint32_t references, tarn_gfp_t flags)
{
    unsigned home = tarn__page_section(page)->group[index_of(page) >> TARN_PAGEBLOCK_ORDER];
    page->order = (uint8_t)order;
    tarn__block_set_references(page, references);
    tarn__block_set_bits(page, tarn__group_of(flags) | home << TARN__PAGE_HOME_SHIFT);
    tarn__page_set_state(page, TARN__PAGE_BLOCK);
}

void tarn__block_make(struct tarn_page *page, const struct tarn__want *want)
{
    if (!want->singles)
        begin_block(page, tarn__log2_floor(want->count), 1, want->flags);
    for (size_t i = 0; want->singles && i < want->count; i++)
        begin_block(&page[i], 0, 1, want->flags);
}

/* Always false. */
static bool misused(enum tarn__crime crime, const char *where, const void *address)
{
    tarn__report(crime, where, address, NULL);
    return false;
}

/* A page that is marked free was freed before; any other was never given to a user as it is now given back. */
static bool no_block(const struct tarn_page *page, const char *where)
{
    struct tarn__section *section = tarn__page_section(page);
    tarn__lock(&section->zone->lock);
    bool free = tarn__bit_test(section->free, index_of(page));
    tarn__unlock(&section->zone->lock);
    return misused(free ? TARN__DOUBLE_FREE : TARN__INVALID_FREE, where, tarn__page_address(page));
}

bool tarn__block_verify(const struct tarn_page *page, unsigned order, const char *where)
{
    struct tarn__section *section = tarn__page_section(page);
    size_t offset = (uintptr_t)page - (uintptr_t)section->page;
    if (offset >= sizeof section->page || offset % sizeof *page != 0 || !tarn__section_known(section))
        return misused(TARN__INVALID_FREE, where, page);
    unsigned state = tarn__page_state(page);
    if (state == TARN__PAGE_USER_RUN)
        return misused(TARN__WRONG_ORDER, where, tarn__page_address(page));
    if (state != TARN__PAGE_BLOCK)
        return no_block(page, where);
    if (tarn__block_references(page) == 0)
        return misused(TARN__DOUBLE_FREE, where, tarn__page_address(page));
    return page->order == order || misused(TARN__WRONG_ORDER, where, tarn__page_address(page));
}

/* Frees a block, if no one else did meanwhile. Under the zone's lock. Whether the zone now keeps too many dirty pages. */
static bool end_block(struct tarn_page *page, bool dirty)
{
    if (tarn__page_state(page) != TARN__PAGE_BLOCK || tarn__block_references(page) != 0)
        tarn__fail(TARN__DOUBLE_FREE, "page free", tarn__page_address(page));
    tarn__page_set_state(page, TARN__PAGE_INSIDE);
    return tarn__zone_put(tarn__page_section(page), index_of(page), (size_t)1 << page->order, dirty);
}

void tarn__block_free(struct tarn_page *page)
{
    struct tarn_zone *zone = tarn__page_section(page)->zone;
    tarn__lock(&zone->lock);
    zone->frees++;
    bool excess = end_block(page, true);
    tarn__unlock(&zone->lock);
    if (excess)
        tarn__purge_excess(zone);
}

struct tarn_page *tarn__block_halve(struct tarn_page *page)
{
    struct tarn_zone *zone = tarn__page_section(page)->zone;
    tarn__lock(&zone->lock);
    page->order--;
    struct tarn_page *second = page + ((size_t)1 << page->order);
    begin_block(second, page->order, 1, (page->bits & TARN__PAGE_ASKED) * TARN_GFP_MOVABLE);
    tarn__unlock(&zone->lock);
    return second;
}

void tarn__block_split(struct tarn_page *page)
{
    struct tarn_zone *zone = tarn__page_section(page)->zone;
    tarn__lock(&zone->lock);
    size_t count = (size_t)1 << page->order;
    tarn_gfp_t flags = (page->bits & TARN__PAGE_ASKED) * TARN_GFP_MOVABLE;
    page->order = 0;
    for (size_t i = 1; i < count; i++)
        begin_block(&page[i], 0, 1, flags);
    tarn__unlock(&zone->lock);
}

/* A single page for a batch; NULL: there is none, or the low mark is reached. */
static struct tarn_page *take_single(struct tarn_zone *zone, tarn_gfp_t flags, uint32_t references)
{
    unsigned group = tarn__group_of(flags) & atomic_load_explicit(&zone->group_mask, memory_order_relaxed);
    if (tarn__marks_forbid(zone, 1, flags, true))
        return NULL;
    struct tarn_page *page = tarn__group_take(zone, 0, group);
    if (page) {
        bool clean = tarn__forget_dirty(tarn__page_section(page), index_of(page), 1) == 0;
        begin_block(page, 0, references, flags);
        tarn__block_set_bits(page, page->bits | (clean ? TARN__PAGE_CLEAN : 0));
    }
    return page;
}

size_t tarn__block_batch(struct tarn_zone *zone, tarn_gfp_t flags, size_t most, uint32_t references, struct tarn_page **chain)
{
    struct tarn_page *page, *last = NULL;
    size_t taken = 0;
    *chain = NULL;
    tarn__lock(&zone->lock);
    for (; taken < most && (page = take_single(zone, flags, references)); taken++, last = page) {
        page->lru.next = NULL;
        if (last)
            last->lru.next = page;
        else
            *chain = page;
    }
    zone->allocations += references ? taken : 0;
    tarn__note_use(zone, 0);
    tarn__unlock(&zone->lock);
    return taken;
}

void tarn__block_free_chain(struct tarn_page *chain)
{
    if (!chain)
        return;
    struct tarn_zone *zone = tarn__page_section(chain)->zone;
    bool excess = false;
    tarn__lock(&zone->lock);
    for (struct tarn_page *page = chain, *next; page; page = next) {
        next = page->lru.next;
        excess |= end_block(page, !(page->bits & TARN__PAGE_CLEAN));
    }
    tarn__unlock(&zone->lock);
    if (excess)
        tarn__purge_excess(zone);
}
