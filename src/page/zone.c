/* Runs of pages: what zone.h promises, over the buddy system, spans of free pages, and mapped blocks from 64 MiB on. */
#include "page/zone.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/buddy.h"
#include "page/mapped.h"
#include "page/purge.h"

static const size_t most_growth = (size_t)64 << 20;
static const size_t least_growth = ((size_t)256 << 10) / TARN__PAGE_SIZE;

void tarn__zone_init(struct tarn_zone *zone, const char *name, struct tarn_source *source)
{
    *zone = (struct tarn_zone){.name = name, .source = source};
    tarn__lock_init(&zone->lock, TARN__RANK_ZONE);
    tarn__list_init(&zone->sections);
    tarn__list_init(&zone->stuck);
    for (int list = 0; list < TARN__LISTS; list++)
        for (unsigned order = 0; order < TARN__ORDERS; order++)
            tarn__list_init(&zone->free[list][order]);
}

void tarn__zone_insert(struct tarn__section *section)
{
    struct tarn__list *head = &section->zone->sections, *before = head->prev;
    while (before != head && TARN__CONTAINER(before, struct tarn__section, link)->base > section->base)
        before = before->prev;
    tarn__list_insert_between(&section->link, before, before->next);
}

/* A section that is found from its addresses, none of its pages free or in use. NULL: no memory for descriptors. */
static struct tarn__section *make_section(struct tarn_zone *zone, char *base)
{
    struct tarn__section *section = tarn__section_create(zone, base, 1);
    if (section && tarn__section_publish(section) != 0) {
        tarn__section_destroy(section);
        section = NULL;
    }
    return section;
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

/*
 * Takes `size` bytes of sections from the source, all or at least the first of them, and frees their pages to the zone. Returns
 * the bytes gained. Two threads may both grow: the next request finds what is left.
 */
static size_t grow(struct tarn_zone *zone, size_t size, size_t align)
{
    char *base = tarn_source_acquire(zone->source, size, align);
    if (!base)
        return 0;
    size_t made = make_sections(zone, base, size);
    if (made < size)
        tarn_source_release(zone->source, base + made, size - made);
    tarn__lock(&zone->lock);
    for (size_t at = 0; at < made; at += TARN__SECTION_SIZE) {
        tarn__zone_insert(tarn__section_of(base + at));
        tarn__buddy_put(tarn__section_of(base + at), 0, TARN__SECTION_PAGES);
    }
    zone->pages += made / TARN__PAGE_SIZE;
    tarn__unlock(&zone->lock);
    return made;
}

/* Grows by at least `count` pages: by an eighth of what the zone has, if the source lets it. */
static bool grow_for(struct tarn_zone *zone, size_t count, size_t align)
{
    size_t least = tarn__align_up(count * TARN__PAGE_SIZE, TARN__SECTION_SIZE), ample;
    tarn__lock(&zone->lock);
    ample = tarn__align_down(tarn__min(zone->pages * TARN__PAGE_SIZE / 8, most_growth), TARN__SECTION_SIZE);
    tarn__unlock(&zone->lock);
    align = tarn__max(align, TARN__SECTION_SIZE);
    return (ample > least && grow(zone, ample, align) > 0) || grow(zone, least, align) == least;
}

/* Pages that became a run are neither dirty nor clean any more. Returns how many were dirty. */
static size_t forget_dirty(struct tarn__section *section, size_t first, size_t count)
{
    size_t dirty = 0;
    for (; count > 0; section = tarn__section_next(section), first = 0) {
        size_t here = tarn__min(count, TARN__SECTION_PAGES - first), found = tarn__bits_count(section->dirty, first, here);
        tarn__bits_clear(section->dirty, first, here);
        section->zone->dirty_pages -= found;
        dirty += found;
        count -= here;
    }
    return dirty;
}

/* Makes `count` pages that were taken off the lists a run. */
static struct tarn_page *make_run(struct tarn_page *run, size_t count, bool *zeroed)
{
    struct tarn__section *section = tarn__page_section(run);
    *zeroed = forget_dirty(section, (size_t)(run - section->page), count) == 0;
    run->state = TARN__PAGE_RUN;
    run->count = (uint32_t)count;
    tarn__note_use(section->zone);
    return run;
}

/* From a block of the order that holds `count` pages so aligned; its tail goes back. */
static struct tarn_page *take_from_block(struct tarn_zone *zone, size_t count, size_t align)
{
    unsigned order = tarn__log2_ceil(tarn__max(count, align / TARN__PAGE_SIZE));
    struct tarn_page *block = order <= TARN__MAX_ORDER ? tarn__buddy_take(zone, order) : NULL;
    if (block) {
        struct tarn__section *section = tarn__page_section(block);
        tarn__buddy_put(section, (size_t)(block - section->page) + count, ((size_t)1 << order) - count);
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

/* Of what is free: resident pages side by side, then any; a block for what must be aligned, or when the search was cut short. */
static struct tarn_page *take_run(struct tarn_zone *zone, size_t count, size_t align, bool *zeroed)
{
    struct tarn_page *run = NULL;
    tarn__lock(&zone->lock);
    bool anywhere = align <= TARN__PAGE_SIZE;
    if (anywhere && zone->dirty_pages >= count)
        run = take_span(zone, count, true);
    if (!run && anywhere)
        run = take_span(zone, count, false);
    if (!run)
        run = take_from_block(zone, count, align);
    if (run)
        make_run(run, count, zeroed);
    tarn__unlock(&zone->lock);
    return run;
}

/* From the beginning of a section at a multiple of `align`, among the sections there are. */
static struct tarn_page *take_at_section(struct tarn_zone *zone, size_t count, size_t align, bool *zeroed)
{
    struct tarn_page *run = NULL;
    tarn__lock(&zone->lock);
    for (struct tarn__list *link = zone->sections.next; link != &zone->sections && !run; link = link->next) {
        struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        if (((uintptr_t)section->base & (align - 1)) == 0 && tarn__buddy_claim(section, 0, count))
            run = make_run(&section->page[0], count, zeroed);
    }
    tarn__unlock(&zone->lock);
    return run;
}

/* At an alignment beyond a section's: if need be fresh sections, the first of which begins with the run. */
static struct tarn_page *take_far_aligned(struct tarn_zone *zone, size_t count, size_t align, bool *zeroed)
{
    struct tarn_page *kept = take_at_section(zone, count, align, zeroed);
    if (kept)
        return kept;
    size_t size = tarn__align_up(count * TARN__PAGE_SIZE, TARN__SECTION_SIZE);
    char *base = tarn_source_acquire(zone->source, size, align);
    size_t made = base ? make_sections(zone, base, size) : 0;
    if (base && made < size) {
        unmake_sections(base, made);
        tarn_source_release(zone->source, base, size);
    }
    if (!base || made < size)
        return NULL;
    tarn__lock(&zone->lock);
    for (size_t at = 0; at < size; at += TARN__SECTION_SIZE)
        tarn__zone_insert(tarn__section_of(base + at));
    zone->pages += size / TARN__PAGE_SIZE;
    struct tarn__section *last = tarn__section_of(base + size - TARN__SECTION_SIZE);
    size_t rest = size / TARN__PAGE_SIZE - count;
    tarn__buddy_put(last, TARN__SECTION_PAGES - rest, rest);
    struct tarn_page *run = make_run(&tarn__section_of(base)->page[0], count, zeroed);
    tarn__unlock(&zone->lock);
    return run;
}

static struct tarn_page *alloc_any(struct tarn_zone *zone, size_t count, size_t align, bool *zeroed)
{
    if (count >= TARN__MAPPED_LEAST) {
        *zeroed = true;
        return tarn__mapped_alloc(zone, count, align);
    }
    if (align > TARN__SECTION_SIZE)
        return take_far_aligned(zone, count, align, zeroed);
    /* a block must be as large as its alignment; what lies above 4 MiB begins where sections do */
    size_t needed = align > TARN__PAGE_SIZE ? tarn__max(count, align / TARN__PAGE_SIZE) : count;
    if (align > TARN__PAGE_SIZE && count > TARN__SECTION_PAGES)
        return take_far_aligned(zone, count, TARN__SECTION_SIZE, zeroed);
    for (;;) {
        struct tarn_page *run = take_run(zone, count, align, zeroed);
        if (run || !grow_for(zone, needed, align))
            return run;
    }
}

struct tarn_page *tarn__pages_alloc(struct tarn_zone *zone, size_t count, size_t align, bool *zeroed)
{
    bool ignored;
    if (count == 0)
        return NULL;
    struct tarn_page *run = alloc_any(zone, count, align, zeroed ? zeroed : &ignored);
    if (!run && tarn__zone_unmap_free(zone, 0) > 0)
        run = alloc_any(zone, count, align, zeroed ? zeroed : &ignored);
    return run;
}

void tarn__pages_mark(struct tarn_page *run, enum tarn__page_state state)
{
    struct tarn_zone *zone = tarn__page_section(run)->zone;
    tarn__lock(&zone->lock); /* neighbours' merges read the state */
    run->state = (uint8_t)state;
    tarn__unlock(&zone->lock);
}

bool tarn__zone_must_grow(struct tarn_zone *zone)
{
    tarn__lock(&zone->lock);
    bool none = zone->filled[TARN__DIRTY] >> tarn__log2_floor(TARN__UNIT_PAGES) == 0;
    tarn__unlock(&zone->lock);
    return none;
}

bool tarn__zone_grew(struct tarn_zone *zone)
{
    tarn__lock(&zone->lock);
    size_t used = zone->pages - zone->free_pages;
    zone->grown_from = tarn__min(zone->grown_from, used);
    bool grew = used - zone->grown_from >= tarn__max(zone->grown_from / 8, least_growth);
    if (grew)
        zone->grown_from = used;
    tarn__unlock(&zone->lock);
    return grew;
}

/* The `count` pages from `first` of a section on go back to the lists. Returns whether the zone now keeps too many dirty ones. */
static bool put_pages(struct tarn__section *section, size_t first, size_t count, bool dirty)
{
    struct tarn_zone *zone = section->zone;
    for (; count > 0; section = tarn__section_next(section), first = 0) {
        size_t here = tarn__min(count, TARN__SECTION_PAGES - first);
        if (dirty) {
            tarn__bits_set(section->dirty, first, here);
            zone->dirty_pages += here;
        }
        tarn__buddy_put(section, first, here);
        count -= here;
    }
    return tarn__dirty_excess(zone);
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
    run->state = TARN__PAGE_INSIDE;
    bool excess = put_pages(section, (size_t)(run - section->page), run->count, dirty);
    tarn__unlock(&zone->lock);
    if (excess)
        tarn__purge_excess(zone);
}

void tarn__pages_free(struct tarn_page *run) { free_run(run, true); }

void tarn__pages_free_clean(struct tarn_page *run) { free_run(run, false); }

/* The section and index of the page `offset` pages after a run's beginning. */
static struct tarn__section *page_after(struct tarn_page *run, size_t offset, size_t *index)
{
    struct tarn__section *section = tarn__page_section(run);
    size_t at = (size_t)(run - section->page) + offset;
    *index = at % TARN__SECTION_PAGES;
    return at < TARN__SECTION_PAGES ? section : tarn__section_of(section->base + at * TARN__PAGE_SIZE);
}

void tarn__pages_shrink(struct tarn_page *run, size_t count)
{
    struct tarn__section *section = tarn__page_section(run);
    struct tarn_zone *zone = section->zone;
    if (count >= run->count || count == 0)
        return;
    if (section->slots > 1) { /* its slots stay; what is cut off is purged, and needs no account */
        size_t excess = (run->count - count) * TARN__PAGE_SIZE;
        if (tarn_source_purge(zone->source, section->base + count * TARN__PAGE_SIZE, excess) == 0)
            run->count = (uint32_t)count;
        return;
    }
    size_t first;
    section = page_after(run, count, &first);
    TARN__ASSERT(section, "all pages of a run have descriptors");
    tarn__lock(&zone->lock);
    bool too_many = put_pages(section, first, run->count - count, true);
    run->count = (uint32_t)count;
    tarn__unlock(&zone->lock);
    if (too_many)
        tarn__purge_excess(zone);
}

bool tarn__pages_extend(struct tarn_page *run, size_t count)
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
    bool gained = section && section->zone == zone && section->slots == 1 && tarn__buddy_claim(section, first, gain);
    if (gained) {
        forget_dirty(section, first, gain);
        tarn__note_use(zone);
        run->count = (uint32_t)count;
    }
    tarn__unlock(&zone->lock);
    return gained;
}

int tarn__pages_move(struct tarn_page *from, struct tarn_page *to, size_t count)
{
    struct tarn_zone *zone = tarn__page_section(from)->zone;
    return tarn_source_move(zone->source, tarn__page_address(from), tarn__page_address(to), count * TARN__PAGE_SIZE);
}
