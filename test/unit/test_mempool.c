/*
 * Floor 5: how mempools allocate, wait and free, with waiters whose clock is the fake system's. Each sentence about that has
 * its test.
 */
#include "test/unit/mempool.h"

/* The order of attempts */

static void below_comes_first(void **state)
{
    (void)state;
    make(2);
    below.budget = 1;
    void *element = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    assert_non_null(element);
    assert_int_equal(pool.curr_nr, 2);
    assert_int_equal(below.calls, 1);
    assert_int_equal(below.flags[0], (TARN_GFP_KERNEL & ~(TARN_GFP_DIRECT_RECLAIM | TARN_GFP_IO)) | HARMLESS);
    tarn_mempool_free(element, &pool);
    end();
}

static void then_the_reserve(void **state)
{
    (void)state;
    void *elements[2];
    make(2);
    for (int i = 0; i < 2; i++) {
        assert_non_null(elements[i] = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL));
        assert_int_equal(below.calls, i + 1);
        assert_int_equal(pool.curr_nr, 1 - i);
    }
    give_all(elements, 2);
    assert_int_equal(pool.curr_nr, 2);
    end();
}

static void one_call_for_atomic(void **state)
{
    (void)state;
    void *element;
    make(1);
    take_all(&element, 1);
    assert_null(tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC));
    assert_int_equal(below.calls, 1);
    assert_int_equal(below.flags[0], TARN_GFP_ATOMIC | HARMLESS);
    assert_null(tarn_mempool_alloc(&pool, TARN_GFP_NOWAIT));
    assert_int_equal(below.calls, 2);
    assert_null(tarn_mempool_alloc(&pool, TARN_GFP_NOWAIT | TARN_GFP_IO)); /* what was masked is tried too */
    assert_int_equal(below.calls, 4);
    give_all(&element, 1);
    end();
}

static void two_calls_before_sleep(void **state)
{
    (void)state;
    void *element;
    struct client client;
    make(1);
    take_all(&element, 1);
    start(&client, 1);
    let_others_run();
    assert_int_equal(below.calls, 2);
    assert_int_equal(below.flags[0], (TARN_GFP_KERNEL & ~(TARN_GFP_DIRECT_RECLAIM | TARN_GFP_IO)) | HARMLESS);
    assert_int_equal(below.flags[1], TARN_GFP_KERNEL | HARMLESS);
    tarn_mempool_free(element, &pool);
    finish(&client);
    assert_int_equal(below.calls, 2);
    assert_ptr_equal(client.elements[0], element);
    assert_int_equal(pool.curr_nr, 0);
    tarn_mempool_free(element, &pool);
    end();
}

static void only_reclaim_may_sleep(void **state)
{
    (void)state;
    void *element;
    make(1);
    take_all(&element, 1);
    assert_null(tarn_mempool_alloc(&pool, TARN_GFP_HIGH | TARN_GFP_IO | TARN_GFP_FS | TARN_GFP_NOFAIL));
    assert_int_equal(waiting(), 0);
    give_all(&element, 1);
    end();
}

/* Five seconds, then below again; nobody wakes it. */
static void sleeps_five_seconds_at_most(void **state)
{
    (void)state;
    void *element;
    struct client client;
    make(1);
    take_all(&element, 1);
    tarn__fake_set_now(1000);
    start(&client, 1);
    tarn__fake_set_now(1000 + 4999);
    let_others_run();
    assert_int_equal(below.calls, 2);
    tarn__fake_set_now(1000 + 5000);
    while (below.calls < 3)
        sched_yield();
    until_waiting(1);
    let_others_run();
    assert_int_equal(below.calls, 3);
    assert_int_equal(below.flags[2], TARN_GFP_KERNEL | HARMLESS);
    below.budget = 1;
    tarn__fake_set_now(1000 + 10000);
    finish(&client);
    assert_int_equal(below.calls, 4);
    assert_int_equal(waiting(), 0);
    give_all(&element, 1);
    give_all(client.elements, 1);
    end();
}

static void preallocated_asks_nobody(void **state)
{
    (void)state;
    void *elements[3];
    make(3);
    below.budget = 5;
    take_all(elements, 3);
    assert_null(tarn_mempool_alloc_preallocated(&pool));
    assert_int_equal(below.calls, 0);
    give_all(elements, 3);
    end();
}

/* Waiters */

static void served_in_order(void **state)
{
    (void)state;
    void *elements[3];
    struct client clients[3];
    make(3);
    take_all(elements, 3);
    for (int i = 0; i < 3; i++)
        start(&clients[i], 1);
    for (int i = 0; i < 3; i++) {
        tarn_mempool_free(elements[i], &pool);
        finish(&clients[i]);
        assert_ptr_equal(clients[i].elements[0], elements[i]);
        assert_int_equal(waiting(), 2 - i);
    }
    give_all(elements, 3);
    end();
}

static void one_wake_for_an_element(void **state)
{
    (void)state;
    void *elements[2];
    struct client clients[3];
    make(2);
    take_all(elements, 2);
    for (int i = 0; i < 3; i++)
        start(&clients[i], 1);
    uint64_t before = tarn__os_calls(TARN__OS_WAKE);
    tarn_mempool_free(elements[0], &pool);
    assert_int_equal(tarn__os_calls(TARN__OS_WAKE), before + 1);
    assert_int_equal(waiting(), 2);
    tarn_mempool_free(elements[1], &pool);
    finish(&clients[0]);
    finish(&clients[1]);
    before = tarn__os_calls(TARN__OS_WAKE);
    tarn_mempool_free(elements[0], &pool);
    finish(&clients[2]);
    assert_int_equal(tarn__os_calls(TARN__OS_WAKE), before + 1);
    tarn_mempool_free(elements[0], &pool);
    tarn_mempool_free(elements[1], &pool);
    assert_int_equal(tarn__os_calls(TARN__OS_WAKE), before + 1);
    end();
}

/* The first to come asks below again while the second queues anew: it is the first nevertheless. */
static void keeps_its_place(void **state)
{
    (void)state;
    void *elements[2];
    struct client first, second;
    make(2);
    take_all(elements, 2);
    tarn__fake_set_now(0);
    start(&first, 1);
    tarn__fake_set_now(2000);
    start(&second, 1);
    below.hold = 1;
    tarn__fake_set_now(5000);
    until_waiting(1); /* the second; the first is held below */
    below.hold = 0;
    until_waiting(2);
    tarn_mempool_free(elements[0], &pool);
    finish(&first);
    assert_ptr_equal(first.elements[0], elements[0]);
    assert_int_equal(second.done, 0);
    tarn_mempool_free(elements[1], &pool);
    finish(&second);
    give_all(elements, 2);
    end();
}

/* Freeing */

static void free_refills_first(void **state)
{
    (void)state;
    void *reserved, *other;
    make(1);
    below.budget = 1;
    other = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    take_all(&reserved, 1);
    tarn_mempool_free(other, &pool); /* whichever it is */
    assert_int_equal(pool.curr_nr, 1);
    assert_int_equal(below.live, 2);
    tarn_mempool_free(reserved, &pool);
    assert_int_equal(pool.curr_nr, 1);
    assert_int_equal(below.live, 1);
    end();
}

static void nothing_to_do(void **state)
{
    (void)state;
    struct tarn_mempool zeroed;
    memset(&zeroed, 0, sizeof zeroed);
    tarn_mempool_exit(&zeroed);
    tarn_mempool_destroy(NULL);
    make(1);
    tarn_mempool_free(NULL, &pool);
    assert_int_equal(pool.curr_nr, 1);
    end();
    tarn_mempool_exit(&pool);
}

static void initialized_and_saturated(void **state)
{
    (void)state;
    void *element;
    memset(&pool, 0, sizeof pool);
    assert_false(tarn_mempool_initialized(&pool));
    make(2);
    assert_true(tarn_mempool_initialized(&pool));
    assert_true(tarn_mempool_is_saturated(&pool));
    element = tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC);
    assert_false(tarn_mempool_is_saturated(&pool));
    tarn_mempool_free(element, &pool);
    assert_true(tarn_mempool_is_saturated(&pool));
    end();
    assert_false(tarn_mempool_initialized(&pool));
}

static void none_means_one(void **state)
{
    (void)state;
    below.budget = 1;
    assert_int_equal(tarn_mempool_init(&pool, 0, get, put, &below, TARN_GFP_KERNEL), 0);
    assert_int_equal(pool.min_nr, 1);
    assert_int_equal(pool.curr_nr, 1);
    void *element = tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC);
    assert_non_null(element);
    assert_false(tarn_mempool_is_saturated(&pool));
    tarn_mempool_free(element, &pool);
    assert_int_equal(pool.curr_nr, 1);
    end();
}

/* In bulk */

static void bulk_fills_empty_slots(void **state)
{
    (void)state;
    char mine;
    void *elements[5] = {NULL, &mine, NULL, NULL, &mine};
    make(3);
    below.budget = 2;
    assert_int_equal(tarn_mempool_alloc_bulk(&pool, elements, 5, 2, TARN_GFP_KERNEL), 0);
    assert_ptr_equal(elements[1], &mine);
    assert_ptr_equal(elements[4], &mine);
    assert_true(elements[0] && elements[2] && elements[3]);
    assert_int_equal(pool.curr_nr, 2); /* two from below, one from the reserve */
    assert_int_equal(below.calls, 3);
    tarn_mempool_free(elements[0], &pool);
    tarn_mempool_free(elements[2], &pool);
    tarn_mempool_free(elements[3], &pool);
    end();
}

static void bulk_takes_all_or_nothing(void **state)
{
    (void)state;
    void *elements[4] = {NULL}, *taken;
    make(3);
    taken = tarn_mempool_alloc_preallocated(&pool);
    assert_int_equal(tarn_mempool_alloc_bulk(&pool, elements, 3, 0, TARN_GFP_ATOMIC), -ENOMEM);
    assert_int_equal(pool.curr_nr, 2);
    assert_true(!elements[0] && !elements[1] && !elements[2]);
    assert_int_equal(below.calls, 1);
    below.budget = 1; /* what came from below stays */
    assert_int_equal(tarn_mempool_alloc_bulk(&pool, elements, 4, 0, TARN_GFP_ATOMIC), -ENOMEM);
    assert_true(elements[0] && !elements[1] && !elements[2] && !elements[3]);
    assert_int_equal(pool.curr_nr, 2);
    assert_int_equal(tarn_mempool_alloc_bulk(&pool, elements, 3, 1, TARN_GFP_ATOMIC), 0);
    assert_int_equal(pool.curr_nr, 0);
    give_all(elements, 3);
    tarn_mempool_free(taken, &pool);
    end();
}

/* It holds nothing while it waits: smaller requests pass it, and it is served once there is enough at one time. */
static void bulk_waits_for_all(void **state)
{
    (void)state;
    void *elements[3], *passing;
    struct client bulk, single;
    make(3);
    take_all(elements, 3);
    start(&bulk, 3);
    start(&single, 1);
    tarn_mempool_free(elements[0], &pool);
    finish(&single);
    assert_int_equal(bulk.done, 0);
    tarn_mempool_free(elements[1], &pool);
    tarn_mempool_free(elements[2], &pool);
    assert_int_equal(pool.curr_nr, 2);
    assert_non_null(passing = tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC));
    tarn_mempool_free(passing, &pool);
    assert_int_equal(waiting(), 1);
    tarn_mempool_free(single.elements[0], &pool);
    finish(&bulk);
    assert_int_equal(pool.curr_nr, 0);
    give_all(bulk.elements, 3);
    end();
}

static void bulk_beyond_the_reserve(void **state)
{
    (void)state;
    void *elements[3] = {NULL};
    make(2);
    warnings = 0;
    tarn_warn_to(count_warning);
    below.budget = 3;
    assert_int_equal(tarn_mempool_alloc_bulk(&pool, elements, 2, 0, TARN_GFP_KERNEL), 0);
    assert_int_equal(warnings, 0);
    assert_int_equal(tarn_mempool_alloc_bulk(&pool, elements, 3, 2, TARN_GFP_KERNEL), 0);
    assert_int_equal(warnings, 1);
    tarn_warn_to(NULL);
    give_all(elements, 3);
    end();
}

static void free_bulk_tells_how_many(void **state)
{
    (void)state;
    enum { MANY = 40, MORE = 5 };
    void *elements[MANY + MORE], *kept[MORE];
    make(MANY);
    below.budget = MORE;
    for (int i = 0; i < MANY + MORE; i++)
        assert_non_null(elements[i] = tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC));
    memcpy(kept, elements + MANY, sizeof kept);
    assert_int_equal(tarn_mempool_free_bulk(&pool, elements, MANY + MORE), MANY);
    assert_int_equal(pool.curr_nr, MANY);
    for (int i = 0; i < MANY; i++)
        assert_null(elements[i]);
    assert_memory_equal(elements + MANY, kept, sizeof kept);
    assert_int_equal(tarn_mempool_free_bulk(&pool, elements + MANY, MORE), 0);
    assert_int_equal(below.live, MANY + MORE);
    give_all(kept, MORE);
    end();
}

static void free_bulk_passes_over_empty_slots(void **state)
{
    (void)state;
    void *taken[2];
    make(2);
    take_all(taken, 2);
    void *elements[5] = {NULL, taken[0], NULL, taken[1], NULL};
    assert_int_equal(tarn_mempool_free_bulk(&pool, elements, 5), 5);
    assert_int_equal(tarn_mempool_free_bulk(&pool, elements, 0), 0);
    end();
}

static void free_bulk_serves_several(void **state)
{
    (void)state;
    void *elements[4];
    struct client bulk, single;
    make(4);
    take_all(elements, 4);
    start(&bulk, 3);
    start(&single, 1);
    uint64_t before = tarn__os_calls(TARN__OS_WAKE);
    assert_int_equal(tarn_mempool_free_bulk(&pool, elements, 4), 4);
    assert_int_equal(tarn__os_calls(TARN__OS_WAKE), before + 2);
    finish(&bulk);
    finish(&single);
    assert_int_equal(pool.curr_nr, 0);
    give_all(bulk.elements, 3);
    give_all(single.elements, 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(below_comes_first),         TEST(then_the_reserve),
        TEST(one_call_for_atomic),       TEST(two_calls_before_sleep),
        TEST(only_reclaim_may_sleep),    TEST(sleeps_five_seconds_at_most),
        TEST(preallocated_asks_nobody),  TEST(served_in_order),
        TEST(one_wake_for_an_element),   TEST(keeps_its_place),
        TEST(free_refills_first),        TEST(nothing_to_do),
        TEST(initialized_and_saturated), TEST(none_means_one),
        TEST(bulk_fills_empty_slots),    TEST(bulk_takes_all_or_nothing),
        TEST(bulk_waits_for_all),        TEST(bulk_beyond_the_reserve),
        TEST(free_bulk_tells_how_many),  TEST(free_bulk_passes_over_empty_slots),
        TEST(free_bulk_serves_several),
    };
    return cmocka_run_group_tests_name("mempool", tests, NULL, NULL);
}
