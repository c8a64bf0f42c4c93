/*
 * Random use of users' pages in several zones at once, against an array of what was taken: blocks of all orders and groups, exact sizes, runs,
 * bulk, splits, references, beside runs of the floors above. Two zones lie over buffers in one slot of the section table; one has marks,
 * one a limit. The sum of what the model holds is what each zone says is in use; the zones are verified at each 64th step.
 */
#include "test/model/model.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/zones.h"

#include <string.h>

enum { THINGS = 384, ZONES = 4 };
#define PAGE TARN__PAGE_SIZE
#define MIB ((size_t)1 << 20)

enum kind { NOTHING, BLOCK, EXACT, RUN, FLOOR_RUN };

struct thing {
    enum kind kind;
    struct tarn_page *page;
    unsigned order, zone;
    size_t count;
    uint64_t stamp;
};

static char room[10 * 1024 * 1024];
static struct tarn_source_buffer buffers[2];
static struct tarn_zone *zones[ZONES];
static size_t in_use[ZONES];
static struct thing things[THINGS];
static uint64_t random_state;

static size_t below(size_t bound) { return model_below(&random_state, bound); }

static tarn_gfp_t any_flags(void)
{
    static const tarn_gfp_t hard[] = {TARN_GFP_KERNEL, TARN_GFP_ATOMIC, TARN_GFP_NOWAIT, TARN_GFP_KERNEL | TARN_GFP_NORETRY,
                                      TARN_GFP_MEMALLOC};
    return hard[below(5)] | (tarn_gfp_t)below(3) * TARN_GFP_MOVABLE | (below(4) ? 0 : TARN_GFP_ZERO);
}

static void begin_thing(struct thing *thing, tarn_gfp_t flags)
{
    char *p = tarn_page_address(thing->page);
    in_use[thing->zone] += thing->count;
    MODEL_REQUIRE(tarn_page_zone(thing->page) == zones[thing->zone], "pages are of the zone that was asked");
    MODEL_REQUIRE(!(flags & TARN_GFP_ZERO) || thing->kind == FLOOR_RUN || model_zero(p, thing->count * PAGE),
                  "what is asked for as zero is zero");
    MODEL_REQUIRE((tarn__run_at(p) != NULL) == (thing->kind == FLOOR_RUN), "users' pages are no runs of the floors above");
    thing->stamp = model_random(&random_state);
    model_stamp(p, thing->count * PAGE, thing->stamp);
}

static void take(struct thing *thing)
{
    tarn_gfp_t flags = any_flags();
    size_t kind = below(100);
    *thing = (struct thing){.zone = (unsigned)below(ZONES), .count = 1 + below(below(10) ? 40 : 1500)};
    struct tarn_zone *zone = zones[thing->zone];
    if (kind < 65) {
        thing->kind = BLOCK;
        thing->order = (unsigned)(below(3) ? 0 : below(below(8) ? 6 : 11));
        thing->count = (size_t)1 << thing->order;
        thing->page = tarn_pages_alloc(zone, thing->order, flags);
    } else if (kind < 80) {
        char *p = tarn_pages_alloc_exact(zone, thing->count * PAGE - below(PAGE), flags);
        thing->kind = EXACT;
        thing->page = p ? tarn_page_of(p) : NULL;
    } else if (kind < 90) {
        thing->kind = RUN;
        thing->page = tarn_pages_alloc_run(zone, thing->count, flags);
    } else {
        bool zeroed;
        thing->kind = FLOOR_RUN;
        thing->page = tarn__pages_alloc(zone, thing->count, below(2) ? PAGE : 16 * PAGE, &zeroed);
    }
    if (thing->page)
        begin_thing(thing, flags);
    else
        thing->kind = NOTHING;
}

static void verify(const struct thing *thing)
{
    char *p = tarn_page_address(thing->page);
    MODEL_REQUIRE(model_stamped(p, thing->count * PAGE, thing->stamp), "contents are their owner's");
    if (thing->kind != FLOOR_RUN)
        MODEL_REQUIRE(tarn_page_of(p + below(thing->count) * PAGE) != NULL, "each page of what is in use is found");
}

static void give(struct thing *thing)
{
    verify(thing);
    if (thing->kind == BLOCK)
        tarn_pages_free(thing->page, thing->order);
    else if (thing->kind == EXACT)
        tarn_pages_free_exact(tarn_page_address(thing->page), thing->count * PAGE);
    else if (thing->kind == RUN)
        tarn_pages_free_run(thing->page, thing->count);
    else
        tarn__pages_free(thing->page);
    in_use[thing->zone] -= thing->count;
    thing->kind = NOTHING;
}

/* What was split, or allocated exactly, is freed page by page, some of them with references taken before. */
static void give_singly(struct thing *thing)
{
    verify(thing);
    if (thing->kind == BLOCK)
        tarn_page_split(thing->page, thing->order);
    for (size_t i = 0; i < thing->count; i++) {
        struct tarn_page *page = tarn_page_at(thing->page, i);
        if (below(8) == 0) {
            tarn_page_get(page);
            tarn_page_put(page);
        }
        MODEL_REQUIRE(tarn_page_references(page) == 1 && tarn_page_order(page) == 0,
                      "pages of a split block have a reference each");
        tarn_pages_free(page, 0);
    }
    in_use[thing->zone] -= thing->count;
    thing->kind = NOTHING;
}

static void bulk(void)
{
    struct tarn_page *pages[64] = {NULL};
    unsigned zone = (unsigned)below(ZONES);
    size_t wanted = 1 + below(64), got = tarn_pages_alloc_bulk(zones[zone], any_flags(), wanted, pages);
    MODEL_REQUIRE(got <= wanted && (got == wanted || !pages[got]), "the first slots are filled");
    for (size_t i = 0; i < got; i++)
        model_stamp(tarn_page_address(pages[i]), PAGE, i + 1);
    for (size_t i = 0; i < got; i++) {
        MODEL_REQUIRE(model_stamped(tarn_page_address(pages[i]), PAGE, i + 1), "pages taken together are apart");
        tarn_pages_free(pages[i], 0);
    }
}

static void check(void)
{
    for (unsigned i = 0; i < ZONES; i++) {
        struct tarn_zone_stats stats;
        tarn_zone_verify(zones[i]);
        tarn_zone_stats(zones[i], &stats);
        MODEL_REQUIRE(stats.pages - stats.free == in_use[i], "what is in use is what was taken");
        MODEL_REQUIRE(!stats.limit || in_use[i] <= stats.limit, "a limit is kept");
    }
}

static void step(void)
{
    struct thing *thing = &things[below(THINGS)];
    size_t kind = below(100);
    if (thing->kind == NOTHING)
        take(thing);
    else if (kind < 15 && thing->count <= TARN__SECTION_PAGES && (thing->kind == BLOCK || thing->kind == EXACT))
        give_singly(thing);
    else
        give(thing);
    if (kind == 99)
        bulk();
    if (below(300) == 0)
        tarn_pages_drain();
    if (below(500) == 0)
        tarn_zone_set_grouping(zones[below(ZONES)], below(2));
    if (below(500) == 0)
        tarn__zone_trim(zones[below(ZONES)], below(2000));
}

static void make_zones(void)
{
    char *slot = (char *)tarn__align_up((uintptr_t)room, 4 * MIB);
    MODEL_REQUIRE(tarn_source_buffer_init(&buffers[0], slot + 5 * PAGE, 3 * MIB) == 0, "a buffer is large enough");
    MODEL_REQUIRE(tarn_source_buffer_init(&buffers[1], slot + 3 * MIB + 7 * PAGE, 2 * MIB + 99) == 0,
                  "a buffer is large enough");
    zones[0] = tarn_zone_create("grouped", tarn_source_system(), 64 * MIB, 0);
    zones[1] = tarn_zone_create("marked", tarn_source_system(), 33 * MIB + 5 * PAGE, 0);
    zones[2] = tarn_zone_create("low", &buffers[0].source, 3 * MIB - 16 * PAGE, 0);
    zones[3] = tarn_zone_create("high", &buffers[1].source, 2 * MIB - PAGE, 0);
    for (int i = 0; i < ZONES; i++)
        MODEL_REQUIRE(zones[i], "there is memory for a zone");
    MODEL_REQUIRE(tarn_zone_set_watermarks(zones[1], 100, 300, 500) == 0, "marks can be set");
    MODEL_REQUIRE(tarn_zone_limit(zones[3], 300) == 0, "a limit can be set");
}

static void run(uint64_t seed)
{
    random_state = model_state(seed, 0);
    tarn__set_fail_exit(model_fail_exit);
    make_zones();
    for (size_t i = 0; model_goes_on(); i++) {
        step();
        if (i % 64 == 0)
            check();
    }
    for (size_t i = 0; i < THINGS; i++)
        if (things[i].kind != NOTHING)
            give(&things[i]);
    check();
    for (int i = 0; i < ZONES; i++)
        MODEL_REQUIRE(tarn_zone_destroy(zones[i]) == 0, "a zone that is all free can be ended");
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
