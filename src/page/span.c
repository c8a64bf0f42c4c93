/*
 * Finds free pages side by side, first fit in order of address, over the sections' bitmaps. A span may begin and end anywhere and, above
 * 4 MiB, cross sections.
 *
 * Two notes keep the search short in a large heap. A section remembers the length of its longest span, found by a search that
 * failed there; freeing in it forgets that. A zone remembers, for each power of two, up to which address sections have no span so long.
 */
#include "base/bits.h"
#include "page/buddy.h"

enum { MOST_SECTIONS = 512, WORDS = TARN__SECTION_PAGES / 64 };

struct search {
    size_t wanted;
    bool dirty;
    struct tarn__page *first; /* of the span being followed; NULL: none */
    size_t length;            /* of it so far */
};

static void candidates(const struct tarn__section *section, bool dirty, uint64_t *map)
{
    for (size_t w = 0; w < WORDS; w++)
        map[w] = dirty ? section->free[w] & section->dirty[w] : section->free[w];
}

/* Follows spans through one section; true when one is long enough. Otherwise the section's longest span is known. */
static bool search_section(struct search *search, struct tarn__section *section)
{
    uint64_t map[WORDS];
    size_t longest = 0;
    candidates(section, search->dirty, map);
    for (size_t at = 0; at < TARN__SECTION_PAGES;) {
        size_t begin = tarn__bits_find(map, at, TARN__SECTION_PAGES, true);
        if (begin > at || begin == TARN__SECTION_PAGES)
            search->first = NULL;
        if (begin == TARN__SECTION_PAGES)
            break;
        at = tarn__bits_find(map, begin, TARN__SECTION_PAGES, false);
        longest = tarn__max(longest, at - begin);
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
    if (!search->dirty)
        section->longest = (uint16_t)longest;
    return false;
}

/* The first section that may have a span of 2^class pages. */
static struct tarn__list *begin_at(struct tarn__zone *zone, unsigned class)
{
    struct tarn__section *section = zone->span_from[class] ? tarn__section_of(zone->span_from[class]) : NULL;
    return section && section->zone == zone && section->slots == 1 ? &section->link : zone->sections.next;
}

void tarn__span_freed(struct tarn__section *section)
{
    struct tarn__zone *zone = section->zone;
    for (unsigned class = 0; class < TARN__ORDERS; class ++)
        if (zone->span_from[class] > section->base)
            zone->span_from[class] = section->base;
}

struct tarn__page *tarn__span_find(struct tarn__zone *zone, size_t count, bool dirty)
{
    struct search search = {.wanted = count, .dirty = dirty};
    unsigned class = (unsigned)tarn__min(tarn__log2_floor(count), TARN__MAX_ORDER);
    size_t least = tarn__min(count, TARN__SECTION_PAGES); /* of a longer span, sections in the middle are all free */
    const char *expected = NULL;
    bool none_before = true;
    int visited = 0;
    for (struct tarn__list *link = begin_at(zone, class); link != &zone->sections && visited < MOST_SECTIONS; link = link->next) {
        struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        if (none_before && section->longest < (size_t)1 << class && least < TARN__SECTION_PAGES)
            zone->span_from[class] = section->base;
        else
            none_before = false;
        if (section->base != expected)
            search.first = NULL;
        expected = section->base + TARN__SECTION_SIZE;
        if (section->longest < least && least < TARN__SECTION_PAGES) {
            search.first = NULL;
            continue;
        }
        visited++;
        if (search_section(&search, section))
            return search.first;
    }
    return NULL;
}
