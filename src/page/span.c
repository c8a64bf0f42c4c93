/*
 * Finds free pages side by side, first fit in order of address, over the sections' bitmaps. A span may begin and end anywhere; from 4 MiB
 * on it crosses sections.
 *
 * Two notes keep the search short in a large heap. A section remembers the length of its longest span, found by a search that
 * failed there; freeing in it forgets that. A zone remembers, for each power of two, up to which address sections have no span so long.
 */
#include "base/bits.h"
#include "page/buddy.h"

#include <string.h>

enum { MOST_SECTIONS = 512, WORDS = TARN__SECTION_PAGES / 64 };

static void candidates(const struct tarn__section *section, bool dirty, uint64_t *map)
{
    for (size_t w = 0; w < WORDS; w++)
        map[w] = dirty ? section->free[w] & section->dirty[w] : section->free[w];
}

/* Of a word, the lowest bits of those aligned groups of 2^order bits that are all ones. */
static uint64_t whole_groups(uint64_t word, unsigned order)
{
    static const uint64_t lowest[] = {~UINT64_C(0),       0x5555555555555555, 0x1111111111111111,
                                      0x0101010101010101, 0x0001000100010001, 0x0000000100000001};
    for (unsigned i = 0; i < order; i++)
        word &= word >> (1u << i);
    return word & lowest[order];
}

/*
 * A span within one section. A span of 2g - 1 pages or more has an aligned group of g pages in it, so most words are passed
 * by without a look at their single spans.
 */
static struct tarn_page *find_within(struct tarn__section *section, size_t wanted, bool dirty)
{
    uint64_t map[WORDS];
    unsigned order = (unsigned)tarn__min(tarn__log2_floor((wanted + 1) / 2), 5);
    size_t longest = ((size_t)2 << order) - 2;
    candidates(section, dirty, map);
    for (size_t w = 0; w < WORDS; w++)
        for (uint64_t groups = whole_groups(map[w], order); groups;) {
            size_t begin = w * 64 + (size_t)__builtin_ctzll(groups);
            size_t end = tarn__bits_find(map, begin, TARN__SECTION_PAGES, false);
            while (begin > 0 && tarn__bit_test(map, begin - 1))
                begin--;
            if (end - begin >= wanted)
                return &section->page[begin];
            longest = tarn__max(longest, end - begin);
            groups &= end < (w + 1) * 64 ? ~UINT64_C(0) << end % 64 : 0;
        }
    section->longest[dirty] = (uint16_t)longest;
    return NULL;
}

/* A span of a section's length or more: it ends a section, fills others, begins one. */
struct chain {
    struct tarn_page *first; /* NULL: none is being followed */
    size_t length;
    const char *expected; /* where the next section must be */
};

/* Follows a chain into a section; true when it is long enough. */
static bool follow(struct chain *chain, struct tarn__section *section, size_t wanted, bool dirty)
{
    uint64_t map[WORDS];
    candidates(section, dirty, map);
    size_t head = tarn__bits_find(map, 0, TARN__SECTION_PAGES, false), tail = TARN__SECTION_PAGES;
    if (section->base != chain->expected)
        chain->first = NULL;
    chain->expected = section->base + TARN__SECTION_SIZE;
    if (chain->first && (chain->length += head) >= wanted)
        return true;
    if (chain->first && head == TARN__SECTION_PAGES)
        return false;
    while (tail > 0 && tarn__bit_test(map, tail - 1))
        tail--;
    chain->first = tail < TARN__SECTION_PAGES ? &section->page[tail] : NULL;
    chain->length = TARN__SECTION_PAGES - tail;
    return chain->first && chain->length >= wanted;
}

static struct tarn_page *find_chain(struct tarn_zone *zone, size_t wanted, bool dirty)
{
    struct chain chain = {NULL, 0, NULL};
    for (struct tarn__list *link = zone->sections.next; link != &zone->sections; link = link->next)
        if (follow(&chain, TARN__CONTAINER(link, struct tarn__section, link), wanted, dirty))
            return chain.first;
    return NULL;
}

void tarn__span_forget(struct tarn_zone *zone) { memset(zone->span_from, 0, sizeof zone->span_from); }

/* The section at `from`, which is on the zone's list, though another zone may lie over it; the first one when nothing is known. */
static struct tarn__list *begin_at(struct tarn_zone *zone, const char *from)
{
    return from ? &tarn__zone_section(zone, from)->link : zone->sections.next;
}

void tarn__span_freed(struct tarn__section *section)
{
    struct tarn_zone *zone = section->zone;
    char *start = tarn__section_start(section);
    for (unsigned class = 0; class < TARN__ORDERS; class ++) {
        if (zone->span_from[0][class] > start)
            zone->span_from[0][class] = start;
        if (zone->span_from[1][class] > start)
            zone->span_from[1][class] = start;
    }
}

struct tarn_page *tarn__span_find(struct tarn_zone *zone, size_t count, bool dirty)
{
    if (count >= TARN__SECTION_PAGES)
        return find_chain(zone, count, dirty);
    unsigned class = tarn__log2_floor(count);
    char **from = &zone->span_from[dirty][class];
    bool none_before = true;
    int visited = 0;
    for (struct tarn__list *link = begin_at(zone, *from); link != &zone->sections && visited < MOST_SECTIONS;
         link = link->next) {
        struct tarn__section *section = TARN__CONTAINER(link, struct tarn__section, link);
        none_before = none_before && section->longest[dirty] < (size_t)1 << class;
        if (none_before)
            *from = tarn__section_start(section);
        if (section->longest[dirty] < count)
            continue;
        visited++;
        struct tarn_page *first = find_within(section, count, dirty);
        if (first)
            return first;
    }
    return zone->fixed ? find_chain(zone, count, dirty)
                       : NULL; /* its sections may be small parts, and there are no others to come */
}
