/* Runs of pages: what zone.h promises, over the buddy system for lengths up to 4 MiB and over huge blocks above. */
#include "page/zone.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/buddy.h"
#include "page/huge.h"
#include "page/purge.h"

#include <errno.h>

static const size_t most_growth = (size_t)64 << 20;

void tarn__zone_init(struct tarn__zone *zone, const char *name, struct tarn_source *source)
{
    *zone = (struct tarn__zone){.name = name, .source = source};
    tarn__lock_init(&zone->lock, TARN__RANK_ZONE);
    tarn__list_init(&zone->huge);
    for (int list = 0; list < TARN__LISTS; list++)
        for (unsigned order = 0; order < TARN__ORDERS; order++)
            tarn__list_init(&zone->free[list][order]);
}

/* Makes `size` bytes from `base` sections of free, clean pages. Returns the bytes for which there was memory for descriptors. */
static size_t add_sections(struct tarn__zone *zone, char *base, size_t size)
{
    size_t done = 0;
    for (; done < size; done += TARN__SECTION_SIZE) {
        struct tarn__section *section = tarn__section_create(zone, base + done, 1);
        if (!section)
            break;
        if (tarn__section_publish(section) != 0) {
            tarn__section_destroy(section);
            break;
        }
        tarn__lock(&zone->lock);
        zone->pages += TARN__SECTION_PAGES;
        tarn__buddy_put(section, 0, TARN__SECTION_PAGES);
        tarn__unlock(&zone->lock);
    }
    return done;
}

/* Takes sections from the source: an eighth of what the zone has, or one. Two threads may both grow: the next request finds it. */
static bool grow(struct tarn__zone *zone)
{
    if (tarn__huge_divide(zone))
        return true;
    size_t size = tarn__align_down(zone->pages * TARN__PAGE_SIZE / 8, TARN__SECTION_SIZE);
    size = tarn__min(tarn__max(size, TARN__SECTION_SIZE), most_growth);
    char *base = tarn_source_acquire(zone->source, size, TARN__SECTION_SIZE);
    if (!base && size > TARN__SECTION_SIZE)
        base = tarn_source_acquire(zone->source, size = TARN__SECTION_SIZE, TARN__SECTION_SIZE);
    if (!base)
        return false;
    size_t added = add_sections(zone, base, size);
    if (added < size)
        tarn_source_release(zone->source, base + added, size - added);
    return added > 0;
}

/* Makes the first `count` pages of a block just taken a run; the rest goes back on the lists. */
static struct tarn__page *cut_run(struct tarn__page *block, size_t count, bool *zeroed)
{
    struct tarn__section *section = tarn__page_section(block);
    struct tarn__zone *zone = section->zone;
    size_t first = (size_t)(block - section->page), taken = (size_t)1 << block->order;
    size_t dirty = tarn__bits_count(section->dirty, first, count);
    zone->free_pages -= taken;
    zone->dirty_pages -= dirty;
    tarn__bits_clear(section->dirty, first, count);
    block->state = TARN__PAGE_RUN;
    block->count = (uint32_t)count;
    tarn__buddy_put(section, first + count, taken - count);
    *zeroed = dirty == 0;
    return block;
}

static struct tarn__page *alloc_run(struct tarn__zone *zone, size_t count, size_t align, bool *zeroed)
{
    unsigned order = tarn__log2_ceil(tarn__max(count, align >> TARN__PAGE_BITS));
    do {
        tarn__lock(&zone->lock);
        struct tarn__page *block = tarn__buddy_take(zone, order), *run = block ? cut_run(block, count, zeroed) : NULL;
        tarn__unlock(&zone->lock);
        if (run)
            return run;
    } while (grow(zone));
    return NULL;
}

struct tarn__page *tarn__pages_alloc(struct tarn__zone *zone, size_t count, size_t align, bool *zeroed)
{
    bool ignored;
    if (!zeroed)
        zeroed = &ignored;
    if (count == 0)
        return NULL;
    bool huge = count > TARN__SECTION_PAGES || align > TARN__SECTION_SIZE;
    for (int attempt = 0;; attempt++) {
        struct tarn__page *run =
            huge ? tarn__huge_alloc(zone, count, align, zeroed) : alloc_run(zone, count, align, zeroed);
        if (run || attempt > 0 || tarn__zone_trim(zone, SIZE_MAX) == 0)
            return run;
    }
}

/* Pages [first, first + count) go back to the lists as dirty. */
static void put_dirty(struct tarn__section *section, size_t first, size_t count)
{
    tarn__bits_set(section->dirty, first, count);
    section->zone->dirty_pages += count;
    tarn__buddy_put(section, first, count);
}

void tarn__pages_free(struct tarn__page *run)
{
    struct tarn__section *section = tarn__page_section(run);
    struct tarn__zone *zone = section->zone;
    bool excess;
    if (section->slots > 1) {
        excess = tarn__huge_free(section);
    } else {
        tarn__lock(&zone->lock);
        run->state = TARN__PAGE_INSIDE;
        put_dirty(section, (size_t)(run - section->page), run->count);
        excess = tarn__dirty_excess(zone);
        tarn__unlock(&zone->lock);
    }
    if (excess)
        tarn__purge_excess(zone);
}

void tarn__pages_shrink(struct tarn__page *run, size_t count)
{
    struct tarn__section *section = tarn__page_section(run);
    struct tarn__zone *zone = section->zone;
    if (count >= run->count || count == 0)
        return;
    if (section->slots > 1) { /* its slots stay; what is cut off is purged, and needs no account */
        size_t excess = (run->count - count) * TARN__PAGE_SIZE;
        if (tarn_source_purge(zone->source, section->base + count * TARN__PAGE_SIZE, excess) == 0)
            run->count = (uint32_t)count;
        return;
    }
    tarn__lock(&zone->lock);
    put_dirty(section, (size_t)(run - section->page) + count, run->count - count);
    run->count = (uint32_t)count;
    bool excess = tarn__dirty_excess(zone);
    tarn__unlock(&zone->lock);
    if (excess)
        tarn__purge_excess(zone);
}

bool tarn__pages_extend(struct tarn__page *run, size_t count)
{
    struct tarn__section *section = tarn__page_section(run);
    struct tarn__zone *zone = section->zone;
    if (section->slots > 1) {
        if (count > section->slots * TARN__SECTION_PAGES)
            return false;
        run->count = (uint32_t)count;
        return true;
    }
    tarn__lock(&zone->lock);
    size_t end = (size_t)(run - section->page) + run->count, gain = count - run->count;
    bool gained = tarn__buddy_claim(section, end, gain);
    if (gained) {
        zone->dirty_pages -= tarn__bits_count(section->dirty, end, gain);
        tarn__bits_clear(section->dirty, end, gain);
        run->count = (uint32_t)count;
    }
    tarn__unlock(&zone->lock);
    return gained;
}

int tarn__pages_move(struct tarn__page *from, struct tarn__page *to, size_t count)
{
    struct tarn__section *section = tarn__page_section(from);
    if (section->slots == 1 || tarn__page_section(to)->slots == 1)
        return -ENOTSUP;
    int error = tarn_source_move(section->zone->source, section->base, tarn__page_section(to)->base, count * TARN__PAGE_SIZE);
    if (!error)
        from->count = 0; /* what is left of it is clean */
    return error;
}
