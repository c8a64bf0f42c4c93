/*
 * Finds free pages side by side, first fit in order of address, over the sections' bitmaps. A span may begin and end anywhere and cross
 * sections. Sections without free pages cost one comparison.
 */
#include "base/bits.h"
#include "page/buddy.h"

enum { MOST_SECTIONS = 512, WORDS = TARN__SECTION_PAGES / 64 };

struct search {
    size_t wanted;
    struct tarn__page *first; /* of the span being followed; NULL: none */
    size_t length;            /* of it so far */
};

static void candidates(const struct tarn__section *section, bool dirty, uint64_t *map)
{
    for (size_t w = 0; w < WORDS; w++)
        map[w] = dirty ? section->free[w] & section->dirty[w] : section->free[w];
}

/* Follows spans through one section; true when one is long enough. */
static bool search_section(struct search *search, struct tarn__section *section, bool dirty)
{
    uint64_t map[WORDS];
    candidates(section, dirty, map);
    for (size_t at = 0; at < TARN__SECTION_PAGES;) {
        size_t begin = tarn__bits_find(map, at, TARN__SECTION_PAGES, true);
        if (begin > at || begin == TARN__SECTION_PAGES)
            search->first = NULL;
        if (begin == TARN__SECTION_PAGES)
            return false;
        at = tarn__bits_find(map, begin, TARN__SECTION_PAGES, false);
        if (!search->first) {
            search->first = &section->page[begin];
            search->length = 0;
        }
        search->length += at - begin;
        if (search->length >= search->wanted)
            return true;
        if (at < TARN__SECTION_PAGES)
            search->first = NULL;
    }
    return false;
}

struct tarn__page *tarn__span_find(struct tarn__zone *zone, size_t count, bool dirty)
{
    struct search search = {count, NULL, 0};
    const char *expected = NULL;
    int visited = 0;
    for (struct tarn__list *link = zone->sections.next; link != &zone->sections; link = link->next) {
        struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        if (section->base != expected || section->free_pages == 0)
            search.first = NULL;
        expected = section->base + TARN__SECTION_SIZE;
        if (section->free_pages == 0)
            continue;
        if (search_section(&search, section, dirty))
            return search.first;
        if (++visited == MOST_SECTIONS)
            break;
    }
    return NULL;
}
