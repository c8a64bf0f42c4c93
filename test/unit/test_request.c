/*
 * Floor 4: how hard a request tries. This program is its own reclaimer: it counts the calls, and frees pages when the case says so.
 */
#include "test/unit/blocks.h"

#include "base/inject.h"
#include "os/fake.h"
#include "page/request.h"
#include "page/shrinker.h"
#include "tarn/fail.h"

#include <pthread.h>

static struct tarn_zone *zone;
static struct tarn_page *hoard[2048]; /* what there is to reclaim */
static size_t hoarded;

static int calls, wakes, least_priority, frees_at; /* frees_at: the call that frees a page; 0: none */
static size_t frees_pages;
static tarn_gfp_t seen_flags;
static bool was_short;

unsigned long tarn__reclaim(tarn_gfp_t flags, int priority)
{
    calls++;
    seen_flags = flags;
    least_priority = priority < least_priority ? priority : least_priority;
    if (frees_at == 0 || calls < frees_at)
        return 0;
    for (size_t i = 0; i < frees_pages && hoarded > 0; i++)
        tarn_pages_free(hoard[--hoarded], 0);
    return frees_pages;
}

void tarn__reclaim_wake(bool (*still_short)(void))
{
    wakes++;
    was_short = still_short();
}

static int begin(void **state)
{
    begin_blocks(state);
    zone = new_zone(4 * MIB, 0);
    for (hoarded = 0; hoarded < 1024; hoarded++)
        hoard[hoarded] = block(zone, 0, TARN_GFP_KERNEL);
    calls = wakes = frees_at = 0;
    frees_pages = 1;
    least_priority = 99;
    was_short = false;
    return 0;
}

static int end(void **state)
{
    (void)state;
    tarn_warn_to(NULL);
    tarn_fail_set(TARN_FAIL_PAGES, NULL);
    while (hoarded > 0)
        tarn_pages_free(hoard[--hoarded], 0);
    assert_int_equal(tarn_zone_set_watermarks(zone, 0, 0, 0), 0);
    end_zone_of(zone);
    return 0;
}

static void free_one(void) { tarn_pages_free(hoard[--hoarded], 0); }

static void gives_up(void **state)
{
    (void)state;
    static const struct {
        tarn_gfp_t flags;
        int calls, least;
    } cases[] = {
        {TARN_GFP_NOWAIT, 0, 99},
        {TARN_GFP_ATOMIC, 0, 99},
        {0, 0, 99},
        {TARN_GFP_KERNEL, 13, 0},
        {TARN_GFP_NOIO, 13, 0},
        {TARN_GFP_KERNEL | TARN_GFP_NORETRY, 1, 12},
        {TARN_GFP_KERNEL | TARN_GFP_RETRY_MAYFAIL, 16 * 13, 0},
        {TARN_GFP_KERNEL | TARN_GFP_MEMALLOC, 0, 99},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        calls = 0;
        least_priority = 99;
        uint64_t failures = stats_of(zone).failures;
        assert_null(tarn_pages_alloc(zone, 0, cases[i].flags));
        assert_int_equal(calls, cases[i].calls);
        assert_int_equal(least_priority, cases[i].least);
        assert_int_equal(stats_of(zone).failures, failures + 1);
        if (calls)
            assert_int_equal(seen_flags, cases[i].flags);
    }
}

static void goes_on_while_it_helps(void **state)
{
    (void)state;
    frees_at = 5;
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    assert_non_null(page);
    assert_int_equal(calls, 5);
    tarn_pages_free(page, 0);
    calls = 0;
    frees_at = 1;
    assert_null(tarn_pages_alloc(zone, 10, TARN_GFP_KERNEL)); /* a page at a time is not enough in 16 rounds */
    assert_int_equal(calls, 16 * 13);
    frees_pages = 300;
    calls = 0;
    page = tarn_pages_alloc(zone, 10, TARN_GFP_KERNEL);
    assert_non_null(page);
    assert_true(calls <= 4);
    tarn_pages_free(page, 10);
}

static void never_fails(void **state)
{
    (void)state;
    frees_at = 40 * 13; /* far beyond what others try */
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL | TARN_GFP_NOFAIL);
    assert_non_null(page);
    assert_int_equal(calls, 40 * 13);
    tarn_pages_free(page, 0);
    frees_at = 0;
    assert_null(tarn_pages_alloc(zone, 10, TARN_GFP_NOFAIL)); /* who may not sleep cannot ask for that */
}

static void *free_when_it_waits(void *waits)
{
    while (tarn__os_calls(TARN__OS_WAIT) < *(uint64_t *)waits + 5)
        ;
    free_one();
    tarn_pages_drain();
    return NULL;
}

/* Who frees memory by its request cannot reclaim for it: it waits for others. */
static void never_fails_nor_reclaims(void **state)
{
    (void)state;
    pthread_t thread;
    uint64_t waits = tarn__os_calls(TARN__OS_WAIT);
    pthread_create(&thread, NULL, free_when_it_waits, &waits);
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL | TARN_GFP_NOFAIL | TARN_GFP_MEMALLOC);
    assert_non_null(page);
    assert_int_equal(calls, 0);
    pthread_join(thread, NULL);
    tarn_pages_free(page, 0);
}

static void scopes_count(void **state)
{
    (void)state;
    tarn_gfp_t previous = tarn_gfp_enter(TARN_GFP_IO);
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL));
    assert_int_equal(seen_flags, TARN_GFP_KERNEL & ~(TARN_GFP_IO | TARN_GFP_FS));
    tarn_gfp_leave(previous);
    for (int i = 0; i < 50; i++)
        free_one();
    tarn_pages_drain();
    assert_int_equal(tarn_zone_set_watermarks(zone, 50, 50, 50), 0);
    calls = 0;
    previous = tarn_gfp_enter(TARN_GFP_MEMALLOC);
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL); /* below the mark, without reclaim */
    assert_non_null(page);
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL | TARN_GFP_NOMEMALLOC));
    assert_int_equal(calls, 0);
    tarn_gfp_leave(previous);
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL));
    assert_int_equal(calls, 13);
    tarn_pages_free(page, 0);
}

static void wakes_the_background_below_low(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        free_one();
    assert_int_equal(tarn_zone_set_watermarks(zone, 20, 50, 200), 0);
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    assert_non_null(page);
    assert_int_equal(wakes, 0);
    struct tarn_page *run = tarn_pages_alloc_run(zone, 50, 0); /* 49 are left */
    assert_non_null(run);
    assert_int_equal(wakes, 0); /* not without KSWAPD_RECLAIM */
    struct tarn_page *other = tarn_pages_alloc(zone, 0, TARN_GFP_NOWAIT);
    assert_non_null(other);
    assert_int_equal(wakes, 1);
    assert_true(was_short);
    assert_int_equal(calls, 0);
    tarn_pages_free(page, 0);
    tarn_pages_free(other, 0);
    tarn_pages_free_run(run, 50);
    while (hoarded > 800)
        free_one();
    assert_false(tarn__zones_short());
}

static void lists_are_drained_before_it_fails(void **state)
{
    (void)state;
    struct tarn_zone *large = tarn_zone_create("large", tarn_source_system(), 16 * MIB, 0);
    static struct tarn_page *pages[4096];
    for (size_t i = 0; i < 4096; i++)
        pages[i] = block(large, 0, TARN_GFP_KERNEL);
    for (size_t i = 0; i < 1024; i++) /* a whole section, page by page: the last of them would stay in a list */
        tarn_pages_free(pages[i], 0);
    struct tarn_page *whole = tarn_pages_alloc(large, 10, TARN_GFP_NOWAIT);
    assert_non_null(whole);
    tarn_pages_free(whole, 10);
    for (size_t i = 1024; i < 4096; i++)
        tarn_pages_free(pages[i], 0);
    end_zone_of(large);
}

static void runs_for_the_floors_above(void **state)
{
    (void)state;
    bool zeroed = false;
    assert_null(tarn__pages_request(zone, 16, 16 * PAGE, TARN_GFP_NOWAIT, &zeroed));
    assert_null(tarn__pages_request(zone, 0, PAGE, TARN_GFP_KERNEL, NULL));
    assert_null(tarn__pages_request(zone, 1, PAGE, TARN_GFP_KERNEL | TARN_GFP_MOVABLE | TARN_GFP_RECLAIMABLE, NULL));
    frees_at = 1;
    frees_pages = 64;
    struct tarn_page *run = tarn__pages_request(zone, 16, 16 * PAGE, TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE, &zeroed);
    assert_non_null(run);
    assert_false(zeroed);
    assert_ptr_equal(tarn__run_at(tarn__page_address(run)), run);
    tarn__pages_free(run);
}

static void failures_on_demand(void **state)
{
    (void)state;
    while (hoarded > 0)
        free_one();
    struct tarn_fail_attributes attributes = {.probability = 100, .times = -1, .min_order = 1};
    assert_int_equal(tarn_fail_set(TARN_FAIL_PAGES, &attributes), 0);
    tarn_pages_free(block(zone, 0, TARN_GFP_KERNEL), 0);
    assert_null(tarn_pages_alloc(zone, 1, TARN_GFP_KERNEL));
    assert_null(tarn_pages_alloc_run(zone, 2, TARN_GFP_KERNEL));
    assert_null(tarn__pages_request(zone, 2, PAGE, TARN_GFP_KERNEL, NULL));
    assert_int_equal(tarn_fail_count(TARN_FAIL_PAGES), 3);
    attributes.min_order = 0;
    assert_int_equal(tarn_fail_set(TARN_FAIL_PAGES, &attributes), 0);
    struct tarn_page *pages[3] = {NULL, NULL, NULL};
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL));
    assert_int_equal(tarn_pages_alloc_bulk(zone, TARN_GFP_KERNEL, 3, pages), 0);
    assert_int_equal(calls, 0); /* no one reclaims for that */
    tarn_pages_free(block(zone, 0, TARN_GFP_KERNEL | TARN_GFP_NOFAIL), 0);
    assert_int_equal(tarn_fail_set(TARN_FAIL_PAGES, NULL), 0);
    tarn_pages_free(block(zone, 0, TARN_GFP_KERNEL), 0);
}

static int lines;
static char last_line[256];
static void sink(const char *line)
{
    lines++;
    strcpy(last_line, line);
}

static void tells_of_failures(void **state)
{
    (void)state;
    tarn_warn_to(sink);
    tarn__fake_set_now(1000000);
    for (int i = 0; i < 30; i++)
        assert_null(tarn_pages_alloc(zone, 3, TARN_GFP_ATOMIC));
    assert_int_equal(lines, 10);
    assert_string_equal(last_line, "page allocation failure: order:3, flags 0x420, zone test");
    tarn__fake_set_now(1004999);
    assert_null(tarn_pages_alloc(zone, 3, TARN_GFP_ATOMIC));
    assert_int_equal(lines, 10);
    tarn__fake_set_now(1005000);
    assert_null(tarn_pages_alloc(zone, 3, TARN_GFP_ATOMIC | TARN_GFP_NOWARN));
    assert_int_equal(lines, 10);
    assert_null(tarn_pages_alloc(zone, 3, TARN_GFP_ATOMIC));
    assert_int_equal(lines, 11);
    assert_null(tarn_pages_alloc(zone, 11, TARN_GFP_KERNEL | TARN_GFP_NOWARN));
    assert_int_equal(lines, 11);
    assert_null(tarn_pages_alloc(zone, 11, TARN_GFP_KERNEL));
    assert_string_equal(last_line, "pages cannot be asked for so: order:11, flags 0x6c0");
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL | TARN_GFP_MOVABLE | TARN_GFP_RECLAIMABLE));
    assert_int_equal(lines, 13);
}

#define REQUEST_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REQUEST_TEST(gives_up),
        REQUEST_TEST(goes_on_while_it_helps),
        REQUEST_TEST(never_fails),
        REQUEST_TEST(never_fails_nor_reclaims),
        REQUEST_TEST(scopes_count),
        REQUEST_TEST(wakes_the_background_below_low),
        REQUEST_TEST(lists_are_drained_before_it_fails),
        REQUEST_TEST(runs_for_the_floors_above),
        REQUEST_TEST(failures_on_demand),
        REQUEST_TEST(tells_of_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
