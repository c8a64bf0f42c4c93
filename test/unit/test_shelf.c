/* Floor 4: shelves of runs (page/shelf.h): what they keep, how much, and when they give it up. */
#include "test/unit/zone.h"

#include "page/decay.h"
#include "page/shelf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct tarn__shelves shelves;

static int begin(void **state)
{
    begin_zone(state);
    memset(&shelves, 0, sizeof shelves);
    tarn__shelves_init(&zone, &shelves);
    zone.learned = SIZE_MAX / 4; /* nothing is too much, however slowly a test runs */
    return 0;
}

static int end(void **state)
{
    tarn__shelves_check(&zone);
    tarn__shelves_empty(&zone);
    assert_int_equal(tarn__shelves_pages(&zone), 0);
    return end_zone(state);
}

#define SHELF_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

static void shelve(struct tarn_page *run)
{
    char *p = tarn__page_address(run);
    tarn__shelf_free(run);
    assert_null(tarn__run_at(p));
    tarn__shelves_check(&zone);
    tarn__zone_check(&zone);
}

static void keeps_the_last_for_the_next(void **state)
{
    (void)state;
    struct tarn_page *a = take(12, PAGE), *b = take(12, PAGE), *c = take(13, PAGE);
    size_t used = tarn__zone_used(&zone);
    shelve(a);
    shelve(b);
    shelve(c);
    assert_int_equal(tarn__zone_used(&zone), used);
    assert_int_equal(tarn__shelves_pages(&zone), 37);
    assert_ptr_equal(tarn__shelf_take(&zone, 12), b);
    assert_ptr_equal(tarn__shelf_take(&zone, 12), a);
    assert_ptr_equal(tarn__shelf_take(&zone, 12), c);
    assert_null(tarn__shelf_take(&zone, 12));
    assert_int_equal(c->count, 13);
    struct tarn__shelves_sums sums = tarn__shelves_sum(&zone);
    assert_int_equal(sums.taken, 3);
    assert_int_equal(sums.put, 3);
    assert_int_equal(sums.pages, 0);
    give(a);
    give(b);
    give(c);
}

static void gives_an_eighth_more_at_most(void **state)
{
    (void)state;
    static const struct {
        size_t kept, asked;
        bool fits;
    } cases[] = {{9, 9, true},    {10, 9, true},   {10, 8, false},  {11, 9, false},  {17, 16, true}, {16, 17, false},
                 {18, 16, true},  {19, 16, false}, {19, 17, true},  {20, 17, false}, {32, 31, true}, {32, 30, true},
                 {32, 29, false}, {32, 28, false}, {31, 32, false}, {31, 30, true},  {31, 28, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shelve(take(cases[i].kept, PAGE));
        struct tarn_page *run = tarn__shelf_take(&zone, cases[i].asked);
        assert_int_equal(run != NULL, cases[i].fits);
        if (run)
            give(run);
        tarn__shelves_empty(&zone);
    }
}

/* What is short, long, or a mapping of its own goes to the zone. */
static void keeps_runs_of_some_lengths_only(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 8, 33, 511, 512, 1024, 3000, TARN__MAPPED_LEAST};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        shelve(take(counts[i], PAGE));
        assert_int_equal(tarn__shelves_pages(&zone), 0);
        assert_null(tarn__shelf_take(&zone, counts[i]));
    }
    struct tarn_page *cut = take(TARN__MAPPED_LEAST, PAGE);
    tarn__pages_shrink(cut, 12);
    shelve(cut);
    assert_int_equal(tarn__shelves_pages(&zone), 0);
    shelve(take(32, PAGE));
    assert_int_equal(tarn__shelves_pages(&zone), 32);
}

static void stays_within_its_room(void **state)
{
    (void)state;
    enum { RUNS = 200 };
    struct tarn_page *run[RUNS];
    for (size_t i = 0; i < RUNS; i++)
        run[i] = take(9 + i % 20, PAGE);
    size_t most = 0;
    for (size_t i = 0; i < RUNS; i++) {
        shelve(run[i]);
        most = tarn__max(most, tarn__shelves_pages(&zone));
        assert_true(tarn__shelves_pages(&zone) <= 256);
    }
    assert_true(most > 200);
    assert_true(tarn__zone_used(&zone) == tarn__shelves_pages(&zone));
}

/* A sixteenth of what is in use, known from the first time that a shelf was full. */
static void has_more_room_in_a_large_zone(void **state)
{
    (void)state;
    enum { RUNS = 40 };
    struct tarn_page *rest[8], *run[RUNS];
    for (size_t i = 0; i < 8; i++)
        rest[i] = take(2000, PAGE);
    for (size_t i = 0; i < RUNS; i++)
        run[i] = take(30, PAGE);
    struct tarn_page *long_one = take(100, PAGE);
    for (size_t i = 0; i < RUNS; i++)
        shelve(run[i]);
    assert_in_range(tarn__shelves_pages(&zone), 700, 1100);
    shelve(long_one);
    assert_ptr_equal(tarn__shelf_take(&zone, 100), long_one);
    give(long_one);
    for (size_t i = 0; i < 8; i++)
        give(rest[i]);
}

/* Nothing clean is touched while what lies on shelves suffices, if it is merged. */
static void comes_before_clean_memory(void **state)
{
    (void)state;
    struct tarn_page *run[8];
    for (size_t i = 0; i < 8; i++)
        run[i] = take(16, PAGE);
    for (size_t i = 0; i < 8; i++)
        shelve(run[i]);
    bool zeroed = true;
    struct tarn_page *merged = tarn__pages_alloc(&zone, 128, PAGE, &zeroed);
    assert_ptr_equal(merged, run[0]);
    assert_false(zeroed);
    assert_int_equal(tarn__shelves_pages(&zone), 0);
    tarn__pages_free(merged);
    for (size_t i = 0; i < 4; i++)
        run[i] = take(16, PAGE);
    struct tarn_page *wall = take(64, PAGE);
    for (size_t i = 0; i < 4; i++)
        shelve(run[i]);
    struct tarn_page *slab = tarn__pages_alloc(&zone, 16, 16 * PAGE, &zeroed); /* blocks, too */
    assert_false(zeroed);
    tarn__pages_free(slab);
    tarn__pages_free(wall);
}

static void is_given_up_before_a_request_fails(void **state)
{
    (void)state;
    struct tarn_source_limit limited;
    tarn_source_limit_init(&limited, tarn_source_system(), SECTION);
    counted.source.parent = &limited.source;
    enum { RUNS = 32 };
    struct tarn_page *run[RUNS];
    for (size_t i = 0; i < RUNS; i++)
        run[i] = take(32, PAGE);
    assert_null(tarn__pages_alloc(&zone, 32, PAGE, NULL));
    for (size_t i = 0; i < 8; i++)
        shelve(run[i]);
    assert_int_equal(tarn__shelves_pages(&zone), 256);
    run[0] = take(250, PAGE);
    for (size_t i = 1; i < 8; i++)
        run[i] = NULL;
    for (size_t i = 0; i < RUNS; i++)
        if (run[i])
            give(run[i]);
    tarn__zone_trim(&zone, 0);
    counted.source.parent = tarn_source_system();
}

/* Its pages are in use, as far as a limit knows. */
static void is_given_up_at_a_limit(void **state)
{
    (void)state;
    struct tarn_page *a = take(32, PAGE), *b = take(32, PAGE);
    shelve(b);
    zone.bounded = true;
    zone.limit = 70;
    b = take(20, PAGE);
    assert_null(tarn__pages_alloc(&zone, 19, PAGE, NULL));
    give(a);
    give(b);
    zone.bounded = false;
    zone.limit = 0;
}

/* Where little may be idle, shelves give up what they hold beyond that. */
static void is_given_back_when_too_much_is_idle(void **state)
{
    (void)state;
    struct tarn_page *rest = take(1500, PAGE), *run[20];
    for (size_t i = 0; i < 20; i++)
        run[i] = take(20, PAGE);
    zone.learned = 0;
    for (size_t i = 0; i < 6; i++)
        shelve(run[i]);
    assert_int_equal(tarn__shelves_pages(&zone), 120);
    assert_int_equal(counted.purged, 0);
    for (size_t i = 6; i < 20; i++) {
        shelve(run[i]);
        assert_true(zone.dirty_pages <= 128 + 64);
    }
    assert_true(tarn__shelves_pages(&zone) <= 280);
    tarn__shelves_empty(&zone);
    tarn__purge_excess(&zone);
    assert_true(zone.dirty_pages <= 128);
    assert_true(counted.purged > 0);
    give(rest);
}

static void lets_a_neighbour_grow(void **state)
{
    (void)state;
    struct tarn_page *a = take(20, PAGE), *b = take(20, PAGE), *c = take(20, PAGE);
    assert_ptr_equal(b, a + 20);
    shelve(b);
    assert_true(tarn__pages_extend(a, 36));
    assert_false(tarn__pages_extend(a, 41));
    give(a);
    give(c);
}

static void free_again(void *page)
{
    tarn__shelf_free(page);
    tarn__shelf_free(page);
}

static void finds_a_run_that_was_freed_twice(void **state)
{
    (void)state;
    struct tarn_page *run = take(12, PAGE);
    check_dies(free_again, run, "invalid free");
    give(run);
}

/* Threads */

enum { THREADS = 8, STEPS = 20000, SLOTS = 16 };
static _Atomic(struct tarn_page *) slots[SLOTS];

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Takes, frees and passes on runs whose first and last word say whose they are. */
static void *work(void *number)
{
    uint64_t random = (uintptr_t)number + 1;
    for (int i = 0; i < STEPS; i++) {
        size_t count = 9 + check_random(&random) % 30;
        struct tarn_page *run = tarn__shelf_take(&zone, count);
        if (!run)
            run = tarn__pages_alloc(&zone, count, PAGE, NULL);
        require(run && run->count >= count && tarn__page_state(run) == TARN__PAGE_RUN);
        uintptr_t *words = (uintptr_t *)(void *)tarn__page_address(run), *last = words + run->count * PAGE / sizeof *words - 1;
        *words = *last = (uintptr_t)run;
        run = atomic_exchange(&slots[check_random(&random) % SLOTS], run);
        if (!run)
            continue;
        words = (uintptr_t *)(void *)tarn__page_address(run);
        require(*words == (uintptr_t)run && words[run->count * PAGE / sizeof *words - 1] == (uintptr_t)run);
        tarn__shelf_free(run);
        if (i % 1000 == 0)
            tarn__shelves_empty(&zone);
        if (i % 1000 == 500)
            tarn__shelves_check(&zone);
    }
    return NULL;
}

static void serves_threads(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < SLOTS; i++) {
        struct tarn_page *run = atomic_exchange(&slots[i], NULL);
        if (run)
            tarn__shelf_free(run);
    }
    tarn__shelves_check(&zone);
    assert_int_equal(tarn__zone_used(&zone), tarn__shelves_pages(&zone));
    assert_true(tarn__shelves_sum(&zone).taken > THREADS * STEPS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHELF_TEST(keeps_the_last_for_the_next),         SHELF_TEST(gives_an_eighth_more_at_most),
        SHELF_TEST(keeps_runs_of_some_lengths_only),     SHELF_TEST(stays_within_its_room),
        SHELF_TEST(has_more_room_in_a_large_zone),       SHELF_TEST(comes_before_clean_memory),
        SHELF_TEST(is_given_up_before_a_request_fails),  SHELF_TEST(is_given_up_at_a_limit),
        SHELF_TEST(is_given_back_when_too_much_is_idle), SHELF_TEST(lets_a_neighbour_grow),
        SHELF_TEST(finds_a_run_that_was_freed_twice),    SHELF_TEST(serves_threads),
    };
    return cmocka_run_group_tests_name("shelf", tests, NULL, NULL);
}
