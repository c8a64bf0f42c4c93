/*
 * Taking and freeing pages: what zone.h promises, over the buddy system, spans of free pages, groups, and mapped blocks from 64 MiB on.
 */
#include "page/zone.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/block.h"
#include "page/buddy.h"
#include "page/decay.h"
#include "page/mapped.h"
#include "page/marks.h"
#include "page/mobility.h"
#include "page/purge.h"
#include "page/shelf.h"

#include <errno.h>
#include <string.h>

_Static_assert(offsetof(struct tarn_zone, made_before) == 0, "what outlives a zone is at its descriptor's beginning");

static const size_t most_growth = (size_t)64 << 20;
static const size_t least_growth = ((size_t)256 << 10) / TARN__PAGE_SIZE;

void tarn__zone_init(struct tarn_zone *zone, const char *name, struct tarn_source *source)
{
    size_t kept = sizeof zone->made_before;
    memset((char *)zone + kept, 0, sizeof *zone - kept);
    zone->name = name;
    zone->source = source;
    zone->group_mask = 3;
    tarn__lock_init(&zone->lock, TARN__RANK_ZONE);
    tarn__list_init(&zone->sections);
    tarn__list_init(&zone->stuck);
    tarn__list_init(&zone->purging);
    tarn__idle_begin(zone);
    for (unsigned group = 0; group < TARN_MOBILITIES; group++)
        for (int list = 0; list < TARN__FREE_LISTS; list++)
            for (unsigned order = 0; order < TARN__ORDERS; order++)
                tarn__list_init(&zone->free[group][list][order]);
}

void tarn__zone_insert(struct tarn__section *section)
{
    struct tarn__list *head = &section->zone->sections, *before = head->prev;
    while (before != head && TARN__CONTAINER(before, struct tarn__section, link)->base > section->base)
        before = before->prev;
    tarn__list_insert_between(&section->link, before, before->next);
}

/* The pages of [begin, end) within the slot at `base`, found from their addresses, none free or in use. NULL: no memory for descriptors. */
static struct tarn__section *make_part(struct tarn_zone *zone, char *base, const char *begin, const char *end)
{
    struct tarn__section *section = tarn__section_create(zone, base, 1);
    if (section && begin > base)
        section->first = (uint16_t)((size_t)(begin - base) / TARN__PAGE_SIZE);
    if (section && (size_t)(end - base) < TARN__SECTION_SIZE)
        section->end = (uint16_t)((size_t)(end - base) / TARN__PAGE_SIZE);
    if (section && tarn__section_publish(section) != 0) {
        tarn__section_destroy(section);
        section = NULL;
    }
    return section;
}

static struct tarn__section *make_section(struct tarn_zone *zone, char *base)
{
    return make_part(zone, base, base, base + TARN__SECTION_SIZE);
}

/* Makes `size` bytes from `base` on sections. Returns the bytes for which there was memory for descriptors. */
static size_t make_sections(struct tarn_zone *zone, char *base, size_t size)
{
    size_t done = 0;
    while (done < size && make_section(zone, base + done))
        done += TARN__SECTION_SIZE;
    return done;
}

static void unmake_sections(char *base, size_t size)
{
    for (size_t at = 0; at < size; at += TARN__SECTION_SIZE) {
        struct tarn__section *section = tarn__section_of(base + at);
        tarn__section_withdraw(section);
        tarn__section_destroy(section);
    }
}

/* New sections become the zone's, as pageblocks of a group. Their pages are not free yet. Under the zone's lock. */
static void add_section(struct tarn__section *section, unsigned group)
{
    section->group[0] = section->group[1] = (uint8_t)group;
    section->zone->pages += (size_t)(section->end - section->first);
    tarn__zone_insert(section);
}

/*
 * Takes `size` bytes of sections from the source, all or at least the first of them, and frees their pages to the zone. Returns
 * the bytes gained. Two threads may both grow: the next request finds what is left.
 */
static size_t grow(struct tarn_zone *zone, size_t size, size_t align, unsigned group)
{
    char *base = tarn_source_acquire(zone->source, size, align);
    if (!base)
        return 0;
    size_t made = make_sections(zone, base, size);
    if (made < size)
        tarn_source_release(zone->source, base + made, size - made);
    tarn__lock(&zone->lock);
    for (size_t at = 0; at < made; at += TARN__SECTION_SIZE) {
        add_section(tarn__section_of(base + at), group);
        tarn__buddy_put(tarn__section_of(base + at), 0, TARN__SECTION_PAGES);
    }
    tarn__unlock(&zone->lock);
    return made;
}

/* The group that a request takes from. */
static unsigned group_for(const struct tarn__want *want)
{
    return tarn__group_of(want->flags) & atomic_load_explicit(&want->zone->group_mask, memory_order_relaxed);
}

/* Grows by at least what is wanted: by half of what the zone has, if the source lets it. */
static bool grow_for(const struct tarn__want *want)
{
    struct tarn_zone *zone = want->zone;
    if (zone->fixed)
        return false;
    /* a block must be as large as its alignment */
    size_t count = want->align > TARN__PAGE_SIZE ? tarn__max(want->count, want->align / TARN__PAGE_SIZE) : want->count;
    size_t least = tarn__align_up(count * TARN__PAGE_SIZE, TARN__SECTION_SIZE), ample;
    unsigned group = group_for(want);
    tarn__lock(&zone->lock);
    ample = tarn__align_down(tarn__min(zone->pages * TARN__PAGE_SIZE / 2, most_growth), TARN__SECTION_SIZE);
    tarn__unlock(&zone->lock);
    size_t align = tarn__max(want->align, TARN__SECTION_SIZE);
    return (ample > least && grow(zone, ample, align, group) > 0) || grow(zone, least, align, group) == least;
}

int tarn__zone_fill(struct tarn_zone *zone, char *base, size_t size)
{
    char *slot = (char *)tarn__align_down((uintptr_t)base, TARN__SECTION_SIZE), *end = base + size;
    unsigned group = zone->group_mask ? TARN_MOVABLE : TARN_UNMOVABLE;
    zone->fixed = zone->bounded = true;
    for (; slot < end; slot += TARN__SECTION_SIZE) {
        struct tarn__section *section = make_part(zone, slot, base, end);
        if (!section) {
            tarn__zone_empty(zone);
            return -ENOMEM;
        }
        tarn__lock(&zone->lock);
        add_section(section, group);
        tarn__buddy_put(section, section->first, (size_t)(section->end - section->first));
        tarn__unlock(&zone->lock);
    }
    return 0;
}

void tarn__zone_empty(struct tarn_zone *zone)
{
    while (!tarn__list_empty(&zone->sections)) {
        struct tarn__section *section = TARN__CONTAINER(zone->sections.next, struct tarn__section, link);
        tarn__list_remove(&section->link);
        tarn__section_withdraw(section);
        tarn__section_destroy(section);
    }
}

/* Pages that are in use are neither dirty nor clean. */
size_t tarn__forget_dirty(struct tarn__section *section, size_t first, size_t count)
{
    size_t dirty = 0;
    for (;;) {
        size_t here = tarn__min(count, TARN__SECTION_PAGES - first), found = tarn__bits_count(section->dirty, first, here);
        tarn__bits_clear(section->dirty, first, here);
        section->zone->dirty_pages -= found;
        dirty += found;
        count -= here;
        if (count == 0)
            return dirty;
        section = tarn__section_next(section);
        first = 0;
    }
}

/* Makes pages that were taken off the lists what is wanted. */
static struct tarn_page *make(struct tarn_page *page, struct tarn__want *want)
{
    struct tarn__section *section = tarn__page_section(page);
    size_t dirty = tarn__forget_dirty(section, (size_t)(page - section->page), want->count);
    want->zeroed = dirty == 0;
    if (want->state == TARN__PAGE_BLOCK) {
        tarn__block_make(page, want);
    } else {
        page->count = (uint32_t)want->count;
        tarn__page_set_state(page, want->state);
    }
    section->zone->allocations++;
    tarn__note_use(section->zone, want->count - dirty);
    return page;
}

/* From a block of the order that holds `count` pages so aligned; its tail goes back. */
static struct tarn_page *take_from_block(const struct tarn__want *want)
{
    unsigned order = tarn__log2_ceil(tarn__max(want->count, want->align / TARN__PAGE_SIZE));
    struct tarn_page *block = order <= TARN__MAX_ORDER ? tarn__group_take(want->zone, order, group_for(want)) : NULL;
    if (block) {
        struct tarn__section *section = tarn__page_section(block);
        tarn__buddy_put(section, (size_t)(block - section->page) + want->count, ((size_t)1 << order) - want->count);
    }
    return block;
}

static struct tarn_page *take_span(struct tarn_zone *zone, size_t count, bool dirty)
{
    struct tarn_page *first = tarn__span_find(zone, count, dirty);
    if (first) {
        struct tarn__section *section = tarn__page_section(first);
        tarn__buddy_claim(section, (size_t)(first - section->page), count);
    }
    return first;
}

/* Whether what is left is clean pages, or none, while shelves hold resident ones. */
static bool keep_clean(struct tarn__want *want, bool anywhere)
{
    struct tarn_zone *zone = want->zone;
    if (!want->keeps_clean || tarn__shelves_pages(zone) == 0)
        return false;
    unsigned order = tarn__log2_ceil(tarn__max(want->count, want->align / TARN__PAGE_SIZE));
    want->kept_clean = anywhere || order > TARN__MAX_ORDER || zone->filled[group_for(want)][TARN__DIRTY] >> order == 0;
    return want->kept_clean;
}

/*
 * Of what is free: resident pages side by side, then any; a block for what must be aligned, or when the search was cut short. Users' pages
 * come from blocks first: spans know nothing of groups.
 */
static struct tarn_page *find_pages(struct tarn__want *want)
{
    struct tarn_page *page = NULL;
    bool anywhere = want->align <= TARN__PAGE_SIZE && want->state != TARN__PAGE_BLOCK;
    if (want->state == TARN__PAGE_USER_RUN)
        page = take_from_block(want);
    if (!page && anywhere && want->zone->dirty_pages >= want->count)
        page = take_span(want->zone, want->count, true);
    if (!page && keep_clean(want, anywhere))
        return NULL;
    if (!page && anywhere)
        page = take_span(want->zone, want->count, false);
    return page ? page : want->state == TARN__PAGE_USER_RUN ? NULL : take_from_block(want);
}

static bool forbidden(struct tarn__want *want)
{
    want->was_short = tarn__marks_forbid(want->zone, want->count, want->flags, want->ample);
    return want->was_short;
}

static struct tarn_page *take_free(struct tarn__want *want)
{
    tarn__lock(&want->zone->lock);
    struct tarn_page *page = forbidden(want) ? NULL : find_pages(want);
    if (page)
        make(page, want);
    tarn__unlock(&want->zone->lock);
    return page;
}

/* From the beginning of a section at a multiple of `align`, among the sections there are. */
static struct tarn_page *take_at_section(struct tarn__want *want, size_t align)
{
    struct tarn_zone *zone = want->zone;
    struct tarn_page *run = NULL;
    tarn__lock(&zone->lock);
    struct tarn__list *link = forbidden(want) ? &zone->sections : zone->sections.next;
    for (; link != &zone->sections && !run; link = link->next) {
        struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        if (((uintptr_t)section->base & (align - 1)) == 0 && tarn__buddy_claim(section, 0, want->count))
            run = make(&section->page[0], want);
    }
    tarn__unlock(&zone->lock);
    return run;
}

/* Sections of `size` bytes at a multiple of `align`, of which none is the zone's yet. */
static char *acquire_sections(struct tarn_zone *zone, size_t size, size_t align)
{
    char *base = tarn_source_acquire(zone->source, size, align);
    size_t made = base ? make_sections(zone, base, size) : 0;
    if (base && made < size) {
        unmake_sections(base, made);
        tarn_source_release(zone->source, base, size);
        base = NULL;
    }
    return base;
}

/* At an alignment of a section's or beyond: if need be fresh sections, the first of which begins with the run. */
static struct tarn_page *take_far_aligned(struct tarn__want *want, size_t align)
{
    struct tarn_zone *zone = want->zone;
    struct tarn_page *run = take_at_section(want, align);
    if (run || want->was_short || zone->fixed)
        return run;
    size_t size = tarn__align_up(want->count * TARN__PAGE_SIZE, TARN__SECTION_SIZE);
    char *base = acquire_sections(zone, size, align);
    if (!base)
        return NULL;
    tarn__lock(&zone->lock);
    /* other threads may have taken meanwhile what a limit lets be in use */
    size_t taken = tarn__marks_forbid(zone, want->count, want->flags, want->ample) ? 0 : want->count;
    for (size_t at = 0; at < size; at += TARN__SECTION_SIZE)
        add_section(tarn__section_of(base + at), group_for(want));
    for (size_t at = tarn__align_down(taken, TARN__SECTION_PAGES); at * TARN__PAGE_SIZE < size; at += TARN__SECTION_PAGES) {
        size_t first = taken > at ? taken - at : 0;
        tarn__buddy_put(tarn__section_of(base + at * TARN__PAGE_SIZE), first, TARN__SECTION_PAGES - first);
    }
    want->was_short = taken == 0;
    run = taken > 0 ? make(&tarn__section_of(base)->page[0], want) : NULL;
    tarn__unlock(&zone->lock);
    return run;
}

static struct tarn_page *take(struct tarn__want *want)
{
    size_t align = want->align;
    want->was_short = want->kept_clean = false;
    if (want->count > PTRDIFF_MAX / TARN__PAGE_SIZE) /* no size below can wrap */
        return NULL;
    if (want->count >= TARN__MAPPED_LEAST && want->state == TARN__PAGE_RUN && !want->zone->fixed)
        return tarn__mapped_alloc(want);
    /* what lies above 4 MiB begins where sections do */
    if (align > TARN__SECTION_SIZE || (align > TARN__PAGE_SIZE && want->count > TARN__SECTION_PAGES))
        return take_far_aligned(want, tarn__max(align, TARN__SECTION_SIZE));
    for (;;) {
        struct tarn_page *page = take_free(want);
        if (page || want->was_short || want->kept_clean || !grow_for(want))
            return page;
    }
}

/* What lies on shelves is given up before memory grows, and before a request fails. */
struct tarn_page *tarn__zone_take(struct tarn__want *want)
{
    want->keeps_clean = want->zone->shelves != NULL;
    struct tarn_page *page = take(want);
    if (!page && want->keeps_clean) {
        want->keeps_clean = false;
        if (tarn__shelves_empty(want->zone) > 0 || want->kept_clean)
            page = take(want);
    }
    return page;
}

struct tarn_page *tarn__pages_alloc(struct tarn_zone *zone, size_t count, size_t align, bool *zeroed)
{
    struct tarn__want want = {.zone = zone, .count = count, .align = align, .flags = TARN_GFP_KERNEL, .state = TARN__PAGE_RUN};
    if (count == 0)
        return NULL;
    struct tarn_page *run = tarn__zone_take(&want);
    if (!run && !want.was_short && tarn__zone_unmap_free(zone, 0) > 0)
        run = tarn__zone_take(&want);
    if (zeroed)
        *zeroed = want.zeroed;
    return run;
}

bool tarn__page_is_free(const void *p)
{
    const struct tarn_page *page = tarn__page_of(p);
    if (!page)
        return false;
    const struct tarn__section *section = tarn__page_section(page);
    tarn__lock(&section->zone->lock);
    bool is_free = tarn__bit_test(section->free, (size_t)(page - section->page));
    tarn__unlock(&section->zone->lock);
    return is_free || (tarn__page_state(page) == TARN__PAGE_SHELVED && (uintptr_t)p % TARN__PAGE_SIZE == 0);
}

void tarn__pages_mark(struct tarn_page *run, enum tarn__page_state state)
{
    struct tarn_zone *zone = tarn__page_section(run)->zone;
    tarn__lock(&zone->lock); /* neighbours' merges read the state */
    tarn__page_set_state(run, state);
    tarn__unlock(&zone->lock);
}

bool tarn__zone_must_grow(struct tarn_zone *zone)
{
    tarn__lock(&zone->lock);
    bool none = zone->filled[TARN_UNMOVABLE][TARN__DIRTY] >> tarn__log2_floor(TARN__UNIT_PAGES) == 0;
    tarn__unlock(&zone->lock);
    return none;
}

bool tarn__zone_grew(struct tarn_zone *zone)
{
    tarn__lock(&zone->lock);
    size_t used = tarn__zone_used(zone);
    zone->grown_from = tarn__min(zone->grown_from, used);
    bool grew = used - zone->grown_from >= tarn__max(zone->grown_from / 8, least_growth);
    if (grew)
        zone->grown_from = used;
    tarn__unlock(&zone->lock);
    return grew;
}

bool tarn__zone_put(struct tarn__section *section, size_t first, size_t count, bool dirty)
{
    struct tarn_zone *zone = section->zone;
    for (;;) {
        size_t here = tarn__min(count, TARN__SECTION_PAGES - first);
        if (dirty) {
            tarn__bits_set(section->dirty, first, here);
            zone->dirty_pages += here;
        }
        tarn__buddy_put(section, first, here);
        count -= here;
        if (count == 0)
            return tarn__idle_excess(zone);
        section = tarn__section_next(section);
        first = 0;
    }
}

/* The pages of a heap's slab lead to it, each. Longer runs do so by their first page only. */
static void unlead(struct tarn_page *run)
{
    for (size_t i = 1; run->count <= TARN__UNIT_PAGES && i < run->count; i++)
        tarn__page_set_state(&run[i], TARN__PAGE_INSIDE);
}

static void free_run(struct tarn_page *run, bool dirty)
{
    struct tarn__section *section = tarn__page_section(run);
    struct tarn_zone *zone = section->zone;
    if (section->slots > 1) {
        tarn__mapped_free(section);
        return;
    }
    tarn__lock(&zone->lock);
    if (tarn__page_state(run) == TARN__PAGE_HEAP)
        unlead(run);
    tarn__page_set_state(run, TARN__PAGE_INSIDE);
    zone->frees++;
    bool excess = tarn__zone_put(section, (size_t)(run - section->page), run->count, dirty);
    tarn__unlock(&zone->lock);
    if (excess)
        tarn__purge_excess(zone);
}

void tarn__pages_free(struct tarn_page *run) { free_run(run, true); }

void tarn__pages_free_clean(struct tarn_page *run) { free_run(run, false); }

void tarn__pages_free_partly(struct tarn_page *run, uint64_t dirty)
{
    struct tarn__section *section = tarn__page_section(run);
    struct tarn_zone *zone = section->zone;
    size_t first = (size_t)(run - section->page);
    tarn__lock(&zone->lock);
    tarn__page_set_state(run, TARN__PAGE_INSIDE);
    zone->frees++;
    for (size_t i = 0; i < run->count; i++)
        if (dirty >> i & 1) {
            tarn__bit_set(section->dirty, first + i);
            zone->dirty_pages++;
        }
    bool excess = tarn__zone_put(section, first, run->count, false);
    tarn__unlock(&zone->lock);
    if (excess)
        tarn__purge_excess(zone);
}

/* The section and index of the page `offset` pages after a run's beginning. */
static struct tarn__section *page_after(struct tarn_page *run, size_t offset, size_t *index)
{
    struct tarn__section *section = tarn__page_section(run);
    size_t at = (size_t)(run - section->page) + offset;
    *index = at % TARN__SECTION_PAGES;
    return at < TARN__SECTION_PAGES ? section : tarn__section_of(section->base + at * TARN__PAGE_SIZE);
}

bool tarn__pages_uncommit(struct tarn_page *run, size_t count)
{
    struct tarn__section *section = tarn__page_section(run);
    if (section->slots == 1)
        return true;
    size_t excess = (run->count - count) * TARN__PAGE_SIZE;
    return tarn_source_purge(section->zone->source, section->base + count * TARN__PAGE_SIZE, excess) == 0;
}

bool tarn__pages_cut(struct tarn_page *run, size_t count)
{
    struct tarn__section *section = tarn__page_section(run);
    struct tarn_zone *zone = section->zone;
    bool too_many = false;
    if (section->slots == 1) {
        size_t first;
        section = page_after(run, count, &first);
        TARN__ASSERT(section, "all pages of a run have descriptors");
        tarn__lock(&zone->lock);
        too_many = tarn__zone_put(section, first, run->count - count, true);
        run->count = (uint32_t)count;
        tarn__unlock(&zone->lock);
    } else { /* its slots stay; what is cut off needs no account */
        run->count = (uint32_t)count;
    }
    return too_many;
}

void tarn__pages_shrink(struct tarn_page *run, size_t count)
{
    if (count > 0 && count < run->count && tarn__pages_uncommit(run, count) && tarn__pages_cut(run, count))
        tarn__purge_excess(tarn__page_section(run)->zone);
}

static bool extend(struct tarn_page *run, size_t count, bool *shelved)
{
    struct tarn__section *section = tarn__page_section(run);
    struct tarn_zone *zone = section->zone;
    if (section->slots > 1) {
        if (count > section->slots * TARN__SECTION_PAGES)
            return false;
        run->count = (uint32_t)count;
        return true;
    }
    size_t first, gain = count - run->count;
    if (count >= TARN__MAPPED_LEAST)
        return false;
    tarn__lock(&zone->lock);
    section = page_after(run, run->count, &first);
    *shelved = section && tarn__page_state(&section->page[first]) == TARN__PAGE_SHELVED;
    bool gained = section && section->zone == zone && section->slots == 1 &&
                  !tarn__marks_forbid(zone, gain, TARN_GFP_KERNEL, false) && tarn__buddy_claim(section, first, gain);
    if (gained) {
        tarn__note_use(zone, gain - tarn__forget_dirty(section, first, gain));
        run->count = (uint32_t)count;
    }
    tarn__unlock(&zone->lock);
    return gained;
}

bool tarn__pages_extend(struct tarn_page *run, size_t count)
{
    bool shelved = false, gained = extend(run, count, &shelved);
    if (!gained && shelved && tarn__shelves_empty(tarn__page_section(run)->zone) > 0)
        gained = extend(run, count, &shelved);
    return gained;
}

int tarn__pages_move(struct tarn_page *from, struct tarn_page *to, size_t count)
{
    struct tarn_zone *zone = tarn__page_section(from)->zone;
    return tarn_source_move(zone->source, tarn__page_address(from), tarn__page_address(to), count * TARN__PAGE_SIZE);
}
