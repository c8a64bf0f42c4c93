/* Mapped blocks (mapped.h). page[0] of the section describes the block. */
#include "page/mapped.h"

#include "base/bits.h"
#include "page/marks.h"
#include "page/decay.h"
#include "page/purge.h"

#include <stdint.h>

static size_t pages_of(const struct tarn__section *section) { return section->slots * TARN__SECTION_PAGES; }

static struct tarn__section *map(struct tarn_zone *zone, size_t slots, size_t align)
{
    char *base = tarn_source_acquire(zone->source, slots * TARN__SECTION_SIZE, tarn__max(align, TARN__SECTION_SIZE));
    if (!base)
        return NULL;
    struct tarn__section *section = tarn__section_create(zone, base, slots);
    if (section && tarn__section_publish(section) == 0)
        return section;
    if (section)
        tarn__section_destroy(section);
    tarn_source_release(zone->source, base, slots * TARN__SECTION_SIZE);
    return NULL;
}

/* Its pages are counted as in use before they are there, so that threads together do not pass a limit. */
struct tarn_page *tarn__mapped_alloc(struct tarn__want *want)
{
    struct tarn_zone *zone = want->zone;
    size_t slots = (want->count + TARN__SECTION_PAGES - 1) / TARN__SECTION_PAGES, pages = slots * TARN__SECTION_PAGES;
    if (want->count > UINT32_MAX)
        return NULL;
    tarn__lock(&zone->lock);
    want->was_short = tarn__marks_forbid(zone, pages, want->flags, want->ample);
    zone->pages += want->was_short ? 0 : pages;
    tarn__unlock(&zone->lock);
    if (want->was_short)
        return NULL;
    struct tarn__section *section = map(zone, slots, want->align);
    if (section) {
        section->page[0].count = (uint32_t)want->count;
        tarn__page_set_state(&section->page[0], want->state);
        want->zeroed = true;
    }
    tarn__lock(&zone->lock);
    if (section) {
        zone->allocations++;
        tarn__note_use(zone, 0);
    } else {
        zone->pages -= pages;
    }
    tarn__marks_moved(zone);
    tarn__unlock(&zone->lock);
    return section ? &section->page[0] : NULL;
}

bool tarn__mapped_free(struct tarn__section *section)
{
    struct tarn_zone *zone = section->zone;
    tarn__page_set_state(&section->page[0], TARN__PAGE_INSIDE);
    if (tarn__section_unmap(section))
        return true;
    tarn_source_purge(zone->source, section->base, section->slots * TARN__SECTION_SIZE);
    tarn__lock(&zone->lock);
    tarn__list_push_front(&zone->stuck, &section->link);
    zone->free_pages += pages_of(section);
    tarn__marks_moved(zone);
    tarn__unlock(&zone->lock);
    return false;
}

size_t tarn__mapped_retry(struct tarn_zone *zone)
{
    size_t freed = 0;
    struct tarn__list again;
    tarn__list_init(&again);
    tarn__lock(&zone->lock);
    while (!tarn__list_empty(&zone->stuck)) {
        struct tarn__list *link = zone->stuck.next;
        tarn__list_remove(link);
        tarn__list_push_front(&again, link);
        zone->free_pages -= pages_of(TARN__CONTAINER(link, struct tarn__section, link));
    }
    tarn__marks_moved(zone);
    tarn__unlock(&zone->lock);
    while (!tarn__list_empty(&again)) {
        struct tarn__section *section = TARN__CONTAINER(again.next, struct tarn__section, link);
        size_t size = section->slots * TARN__SECTION_SIZE;
        tarn__list_remove(&section->link);
        freed += tarn__mapped_free(section) ? size : 0;
    }
    return freed;
}
