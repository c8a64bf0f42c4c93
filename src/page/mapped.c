/* Mapped blocks (mapped.h). page[0] of the section describes the block. */
#include "page/mapped.h"

#include "base/bits.h"
#include "page/purge.h"

#include <stdint.h>

static size_t pages_of(const struct tarn__section *section) { return section->slots * TARN__SECTION_PAGES; }

struct tarn_page *tarn__mapped_alloc(struct tarn_zone *zone, size_t count, size_t align)
{
    size_t slots = (count + TARN__SECTION_PAGES - 1) / TARN__SECTION_PAGES, size = slots * TARN__SECTION_SIZE;
    if (count > UINT32_MAX)
        return NULL;
    char *base = tarn_source_acquire(zone->source, size, tarn__max(align, TARN__SECTION_SIZE));
    if (!base)
        return NULL;
    struct tarn__section *section = tarn__section_create(zone, base, slots);
    if (!section || tarn__section_publish(section) != 0) {
        if (section)
            tarn__section_destroy(section);
        tarn_source_release(zone->source, base, size);
        return NULL;
    }
    section->page[0].count = (uint32_t)count;
    section->page[0].state = TARN__PAGE_RUN;
    tarn__lock(&zone->lock);
    zone->pages += pages_of(section);
    tarn__note_use(zone);
    tarn__unlock(&zone->lock);
    return &section->page[0];
}

bool tarn__mapped_free(struct tarn__section *section)
{
    struct tarn_zone *zone = section->zone;
    section->page[0].state = TARN__PAGE_INSIDE;
    if (tarn__section_unmap(section))
        return true;
    tarn_source_purge(zone->source, section->base, section->slots * TARN__SECTION_SIZE);
    tarn__lock(&zone->lock);
    tarn__list_push_front(&zone->stuck, &section->link);
    zone->free_pages += pages_of(section);
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
    tarn__unlock(&zone->lock);
    while (!tarn__list_empty(&again)) {
        struct tarn__section *section = TARN__CONTAINER(again.next, struct tarn__section, link);
        size_t size = section->slots * TARN__SECTION_SIZE;
        tarn__list_remove(&section->link);
        freed += tarn__mapped_free(section) ? size : 0;
    }
    return freed;
}
