/* Floor 5: how mempools are made, change their size and end; their poison; failures on demand. */
#include "test/unit/mempool.h"

/* Making */

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    below.budget = 100;
    assert_int_equal(tarn_mempool_init(&pool, -1, get, put, &below, TARN_GFP_KERNEL), -EINVAL);
    assert_int_equal(tarn_mempool_init(&pool, 1, NULL, put, &below, TARN_GFP_KERNEL), -EINVAL);
    assert_int_equal(tarn_mempool_init(&pool, 1, get, NULL, &below, TARN_GFP_KERNEL), -EINVAL);
    assert_int_equal(tarn_mempool_init(&pool, 1, get, put, &below, TARN_GFP_KERNEL | TARN_GFP_ZERO), -EINVAL);
    assert_false(tarn_mempool_initialized(&pool));
    tarn_mempool_exit(&pool);
    assert_null(tarn_mempool_create(-1, get, put, &below));
    assert_null(tarn_mempool_create(1, NULL, put, &below));
    assert_int_equal(below.live, 0);
    assert_int_equal(tarn__fake_mapped(), 0);
}

static void zero_is_refused(void **state)
{
    (void)state;
    void *elements[1] = {NULL};
    make(1);
    warnings = 0;
    tarn_warn_to(count_warning);
    below.budget = 1;
    errno = 77;
    assert_null(tarn_mempool_alloc(&pool, TARN_GFP_KERNEL | TARN_GFP_ZERO));
    assert_int_equal(tarn_mempool_alloc_bulk(&pool, elements, 1, 0, TARN_GFP_KERNEL | TARN_GFP_ZERO), -EINVAL);
    assert_int_equal(warnings, 2);
    assert_int_equal(below.calls, 0);
    assert_int_equal(errno, 77);
    tarn_warn_to(NULL);
    end();
}

static void fails_whole(void **state)
{
    (void)state;
    below.budget = 2;
    assert_int_equal(tarn_mempool_init(&pool, 3, get, put, &below, TARN_GFP_KERNEL), -ENOMEM);
    assert_false(tarn_mempool_initialized(&pool));
    assert_int_equal(below.live, 0);
    below.budget = 2;
    assert_null(tarn_mempool_create(3, get, put, &below));
    assert_int_equal(below.live, 0);
    assert_int_equal(tarn__fake_mapped(), 0);
    below.budget = 100;
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    assert_int_equal(tarn_mempool_init(&pool, 3, get, put, &below, TARN_GFP_KERNEL), -ENOMEM);
    assert_null(tarn_mempool_create(3, get, put, &below));
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), 2, UINT64_MAX);
    assert_null(tarn_mempool_create(1000, get, put, &below));
    tarn__fake_fail(0, 1, 0);
    assert_int_equal(below.live, 0);
}

static void fills_with_the_flags_given(void **state)
{
    (void)state;
    forget_calls();
    below.budget = 1;
    assert_int_equal(tarn_mempool_init(&pool, 1, get, put, &below, TARN_GFP_NOFS), 0);
    assert_int_equal(below.flags[0], TARN_GFP_NOFS);
    end();
    forget_calls();
    below.budget = 1;
    tarn_mempool_destroy(tarn_mempool_create(1, get, put, &below));
    tarn__mempool_trim(); /* the page of one that has ended is kept for a while */
    assert_int_equal(below.flags[0], TARN_GFP_KERNEL);
}

static void creates_small_and_large(void **state)
{
    (void)state;
    for (int min_nr = 480; min_nr <= 2000; min_nr += min_nr < 500 ? 1 : 500) {
        below.budget = min_nr;
        struct tarn_mempool *made = tarn_mempool_create(min_nr, get, put, &below);
        assert_non_null(made);
        assert_int_equal(made->curr_nr, min_nr);
        tarn__mempool_check(made);
        tarn_mempool_destroy(made);
        tarn__mempool_trim();
        assert_int_equal(below.live, 0);
        assert_int_equal(tarn__fake_mapped(), 0);
    }
}

static void destroy_a_users_pool(void *value)
{
    tarn__set_fail_exit(tarn__os_die);
    tarn_mempool_destroy(value);
}

static void destroy_needs_create(void **state)
{
    (void)state;
    make(1);
    check_dies(destroy_a_users_pool, &pool, "invalid free");
    end();
}

/* Changing the size */

static void resize_refuses(void **state)
{
    (void)state;
    make(2);
    assert_int_equal(tarn_mempool_resize(&pool, 0), -EINVAL);
    assert_int_equal(tarn_mempool_resize(&pool, INT_MIN), -EINVAL);
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    assert_int_equal(tarn_mempool_resize(&pool, 100000), -ENOMEM);
    tarn__fake_fail(0, 1, 0);
    assert_int_equal(pool.min_nr, 2);
    assert_int_equal(pool.curr_nr, 2);
    end();
}

static void shrinks(void **state)
{
    (void)state;
    void *taken[2];
    make(5);
    taken[0] = tarn_mempool_alloc_preallocated(&pool);
    taken[1] = tarn_mempool_alloc_preallocated(&pool);
    assert_int_equal(tarn_mempool_resize(&pool, 2), 0);
    assert_int_equal(pool.min_nr, 2);
    assert_int_equal(pool.curr_nr, 2);
    assert_int_equal(below.live, 4);
    give_all(taken, 2);
    assert_int_equal(below.live, 2);
    end();
}

static void grows(void **state)
{
    (void)state;
    make(2);
    below.budget = 10000;
    for (int min_nr = 3; min_nr < 5000; min_nr = min_nr * 5 / 2) { /* inside of the array, and beyond it */
        forget_calls();
        assert_int_equal(tarn_mempool_resize(&pool, min_nr), 0);
        assert_int_equal(pool.min_nr, min_nr);
        assert_int_equal(pool.curr_nr, min_nr);
        assert_int_equal(below.flags[0], TARN_GFP_KERNEL);
        tarn__mempool_check(&pool);
    }
    assert_int_equal(tarn_mempool_resize(&pool, 1), 0);
    assert_int_equal(below.live, 1);
    end();
}

static void grows_a_created_pool(void **state)
{
    (void)state;
    below.budget = 10000;
    struct tarn_mempool *made = tarn_mempool_create(400, get, put, &below);
    assert_int_equal(tarn_mempool_resize(made, 600), 0);
    tarn__mempool_check(made);
    assert_int_equal(tarn_mempool_resize(made, 6000), 0);
    tarn__mempool_check(made);
    assert_int_equal(below.live, 6000);
    tarn_mempool_destroy(made);
    tarn__mempool_trim();
    assert_int_equal(below.live, 0);
    assert_int_equal(tarn__fake_mapped(), 0);
}

static void growing_may_stop_short(void **state)
{
    (void)state;
    void *more[2];
    make(1);
    below.budget = 2;
    more[0] = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    more[1] = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    below.budget = 1;
    assert_int_equal(tarn_mempool_resize(&pool, 4), 0);
    assert_int_equal(pool.min_nr, 4);
    assert_int_equal(pool.curr_nr, 2);
    give_all(more, 2); /* frees do the rest */
    assert_int_equal(pool.curr_nr, 4);
    end();
}

static void growing_serves_waiters(void **state)
{
    (void)state;
    void *taken;
    struct client clients[2];
    make(1);
    take_all(&taken, 1);
    start(&clients[0], 1);
    start(&clients[1], 2);
    below.budget = 3;
    assert_int_equal(tarn_mempool_resize(&pool, 3), 0);
    finish(&clients[0]);
    finish(&clients[1]);
    give_all(&taken, 1);
    give_all(clients[0].elements, 1);
    give_all(clients[1].elements, 2);
    end();
}

/* Poison */

static void not_written_to(void **state)
{
    (void)state;
    make(1);
    void *element = tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC);
    memset(element, 0x11, SIZE);
    tarn_mempool_free(element, &pool);
    assert_true(check_all_bytes(element, SIZE, 0x11));
    assert_ptr_equal(tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC), element);
    assert_true(check_all_bytes(element, SIZE, 0x11));
    tarn_mempool_free(element, &pool);
    assert_int_equal(tarn_mempool_poison(&pool, 0), -EINVAL);
    end();
}

static void poisons(void **state)
{
    (void)state;
    make(2);
    assert_int_equal(tarn_mempool_poison(&pool, SIZE), 0);
    for (int round = 0; round < 2; round++) {
        unsigned char *element = pool.elements[1];
        assert_true(check_all_bytes(element, SIZE - 1, 0x6b));
        assert_int_equal(element[SIZE - 1], 0xa5);
        assert_ptr_equal(tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC), element);
        assert_true(check_all_bytes(element, SIZE, 0x5a));
        memset(element, round, SIZE);
        tarn_mempool_free(element, &pool);
    }
    end();
}

static void poisons_single_bytes(void **state)
{
    (void)state;
    make(1);
    assert_int_equal(tarn_mempool_poison(&pool, 1), 0);
    unsigned char *element = tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC);
    assert_int_equal(element[0], 0x5a);
    element[1] = 0x77;
    tarn_mempool_free(element, &pool);
    assert_int_equal(element[0], 0xa5);
    assert_int_equal(element[1], 0x77);
    end();
}

static void write_into_the_reserve(void *value)
{
    tarn__set_fail_exit(tarn__os_die);
    ((unsigned char *)pool.elements[0])[*(int *)value] ^= 1;
    tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC);
}

static void write_and_resize(void *value)
{
    tarn__set_fail_exit(tarn__os_die);
    ((unsigned char *)pool.elements[0])[*(int *)value] ^= 1;
    tarn_mempool_exit(&pool);
}

static void free_twice(void *value)
{
    (void)value;
    tarn__set_fail_exit(tarn__os_die);
    void *taken[2];
    take_all(taken, 2);
    tarn_mempool_free(taken[0], &pool);
    tarn_mempool_free(taken[0], &pool);
}

static void poison_is_verified(void **state)
{
    (void)state;
    make(1);
    tarn_mempool_poison(&pool, SIZE);
    for (int byte = 0; byte < SIZE; byte += SIZE / 2 - 1)
        check_dies(write_into_the_reserve, &byte, "tarn: poison overwritten: a write after free (tarn_mempool_alloc of 0x");
    int last = SIZE - 1;
    check_dies(write_into_the_reserve, &last, "tarn: poison overwritten");
    check_dies(write_and_resize, &last, "tarn: poison overwritten");
    end();
    make(2);
    tarn_mempool_poison(&pool, SIZE);
    check_dies(free_twice, NULL, "tarn: double free: the object is free already (tarn_mempool_free of 0x");
    end();
}

static size_t told_size;
static size_t tell_size(void *pool_data)
{
    assert_ptr_equal(pool_data, &below);
    return told_size;
}
static void *at_eight(void *element) { return (char *)element + 8; }

/* What back ends tell of their elements. */
static void back_ends(void **state)
{
    (void)state;
    const struct tarn__mempool_backend backends[] = {{NULL, NULL, NULL, NULL, NULL, NULL}},
                                       known[] = {{get, tell_size, at_eight, NULL, NULL, NULL},
                                                  {NULL, NULL, NULL, NULL, NULL, NULL}};
    tarn__mempool_backends = backends;
    make(1);
    assert_int_equal(pool.element_size, 0);
    end();
    tarn__mempool_backends = known;
    told_size = 16;
    make(1);
    assert_int_equal(pool.element_size, 16);
#ifndef TARN_DEBUG_BUILD
    assert_int_equal(pool.flags, 0);
    assert_int_equal(tarn_mempool_poison(&pool, 0), 0);
#endif
    unsigned char *element = pool.elements[0];
    assert_true(check_all_bytes(element, 8, 0) && check_all_bytes(element + 8, 15, 0x6b) && element[8 + 15] == 0xa5);
    assert_true(check_all_bytes(element + 24, SIZE - 24, 0));
    end();
    told_size = SIZE_MAX;
    warnings = 0;
    tarn_warn_to(count_warning);
    assert_int_equal(tarn_mempool_init(&pool, 1, get, put, &below, TARN_GFP_KERNEL), -EINVAL);
    assert_int_equal(warnings, 1);
    tarn_warn_to(NULL);
    tarn__mempool_backends = NULL;
    assert_int_equal(tarn__fake_mapped(), 0);
}

/* Failures on demand */

static void injected_failures(void **state)
{
    (void)state;
    struct tarn_fail_attributes attributes = {.probability = 100, .times = -1, .only = &pool};
    make(1);
    below.budget = 1;
    assert_int_equal(tarn_fail_set(TARN_FAIL_MEMPOOL, &attributes), 0);
    void *element = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    assert_non_null(element);
    assert_int_equal(below.calls, 0);
    assert_int_equal(pool.curr_nr, 0);
    assert_int_equal(tarn_fail_count(TARN_FAIL_MEMPOOL), 1);
    attributes.ignore_gfp_wait = true;
    tarn_fail_set(TARN_FAIL_MEMPOOL, &attributes);
    void *other = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL); /* the second attempt, which may sleep, is let through */
    assert_int_equal(below.calls, 1);
    assert_int_equal(below.flags[0], TARN_GFP_KERNEL | HARMLESS);
    attributes.only = &below;
    tarn_fail_set(TARN_FAIL_MEMPOOL, &attributes);
    assert_null(tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC));
    assert_int_equal(below.calls, 2);
    tarn_fail_set(TARN_FAIL_MEMPOOL, NULL);
    tarn_mempool_free(element, &pool);
    tarn_mempool_free(other, &pool);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses_what_cannot_be),
        TEST(zero_is_refused),
        TEST(fails_whole),
        TEST(fills_with_the_flags_given),
        TEST(creates_small_and_large),
        TEST(destroy_needs_create),
        TEST(resize_refuses),
        TEST(shrinks),
        TEST(grows),
        TEST(grows_a_created_pool),
        TEST(growing_may_stop_short),
        TEST(growing_serves_waiters),
        TEST(not_written_to),
        TEST(poisons),
        TEST(poisons_single_bytes),
        TEST(poison_is_verified),
        TEST(back_ends),
        TEST(injected_failures),
    };
    return cmocka_run_group_tests_name("mempool-make", tests, NULL, NULL);
}
