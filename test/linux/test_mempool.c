/* Reserves in the kernel's words: what is asked first, what a free fills, who sleeps. */
#include "check.h"

#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* An allocator that counts, and fails while it is told to. */
static struct {
    atomic_int calls, sleeping_calls, frees, live;
    atomic_bool fails;
} below;

static void *below_alloc(gfp_t flags, void *data)
{
    (void)data;
    below.calls++;
    if (gfpflags_allow_blocking(flags))
        below.sleeping_calls++;
    if (below.fails)
        return NULL;
    below.live++;
    return malloc(64);
}

static void below_free(void *element, void *data)
{
    (void)data;
    below.frees++;
    below.live--;
    free(element);
}

static mempool_t *pool_of(int min_nr)
{
    below.fails = false;
    mempool_t *pool = mempool_create(min_nr, below_alloc, below_free, NULL);

    assert_non_null(pool);
    below.calls = below.sleeping_calls = below.frees = 0;
    return pool;
}

static void the_allocator_is_asked_before_the_reserve(void **state)
{
    mempool_t *pool = pool_of(4);
    void *a = mempool_alloc(pool, GFP_KERNEL);

    (void)state;
    assert_int_equal(pool->curr_nr, 4);
    assert_int_equal(below.calls, 1);
    assert_int_equal(below.sleeping_calls, 0);
    below.fails = true;
    void *b = mempool_alloc(pool, GFP_KERNEL);

    assert_int_equal(pool->curr_nr, 3);
    assert_int_equal(below.calls, 2);
    assert_int_equal(below.sleeping_calls, 0);
    assert_true(a && b && a != b);
    mempool_free(a, pool);
    mempool_free(b, pool);
    mempool_destroy(pool);
    assert_int_equal(below.live, 0);
}

static void an_atomic_request_gets_null_after_one_call(void **state)
{
    mempool_t *pool = pool_of(1);

    (void)state;
    below.fails = true;
    void *last = mempool_alloc(pool, GFP_ATOMIC);

    assert_non_null(last);
    below.calls = 0;
    assert_null(mempool_alloc(pool, GFP_ATOMIC));
    assert_int_equal(below.calls, 1);
    assert_null(mempool_alloc(pool, GFP_NOWAIT));
    mempool_free(last, pool);
    mempool_destroy(pool);
}

static void a_free_fills_the_reserve_first(void **state)
{
    mempool_t *pool = pool_of(2);
    void *elements[4];

    (void)state;
    elements[0] = mempool_alloc(pool, GFP_KERNEL);
    elements[1] = mempool_alloc(pool, GFP_KERNEL);
    below.fails = true;
    elements[2] = mempool_alloc(pool, GFP_KERNEL);
    elements[3] = mempool_alloc(pool, GFP_KERNEL);
    assert_int_equal(pool->curr_nr, 0);
    for (int i = 0; i < 4; i++) {
        mempool_free(elements[i], pool);
        assert_int_equal(pool->curr_nr, i < 2 ? i + 1 : 2);
        assert_int_equal(below.frees, i < 2 ? 0 : i - 1);
    }
    assert_true(mempool_is_saturated(pool));
    mempool_destroy(pool);
    assert_int_equal(below.live, 0);
}

struct sleeper {
    mempool_t *pool;
    void *got;
    atomic_bool done;
};

static void *sleep_for_one(void *value)
{
    struct sleeper *sleeper = value;

    sleeper->got = mempool_alloc(sleeper->pool, GFP_KERNEL);
    sleeper->done = true;
    return NULL;
}

static void nap(long milliseconds) { nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL); }

static void who_may_sleep_waits_for_a_free(void **state)
{
    struct sleeper sleeper = {.pool = pool_of(1)};
    pthread_t thread;

    (void)state;
    below.fails = true;
    void *only = mempool_alloc(sleeper.pool, GFP_KERNEL);

    below.calls = below.sleeping_calls = 0;
    assert_int_equal(pthread_create(&thread, NULL, sleep_for_one, &sleeper), 0);
    nap(50);
    assert_false(sleeper.done);
    /* Twice before it sleeps: once without sleep, once with all its flags. */
    assert_int_equal(below.calls, 2);
    assert_int_equal(below.sleeping_calls, 1);
    mempool_free(only, sleeper.pool);
    pthread_join(thread, NULL);
    assert_ptr_equal(sleeper.got, only);
    mempool_free(sleeper.got, sleeper.pool);
    mempool_destroy(sleeper.pool);
}

#define PASSES 2000

static void *pass_elements(void *pool)
{
    for (int i = 0; i < PASSES; i++) {
        void *element = mempool_alloc(pool, GFP_KERNEL);

        if (!element)
            return pool;
        memset(element, i, 64);
        mempool_free(element, pool);
    }
    return NULL;
}

/* More threads than elements, and nothing but the reserve: if a wake-up were lost, this would take seconds for each. */
static void all_make_progress_on_the_reserve_alone(void **state)
{
    mempool_t *pool = pool_of(2);
    pthread_t threads[6];

    (void)state;
    below.fails = true;
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pass_elements, pool), 0);
    for (int i = 0; i < 6; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(pool->curr_nr, 2);
    mempool_destroy(pool);
    assert_int_equal(below.live, 0);
}

static void none_still_means_one(void **state)
{
    mempool_t *pool = pool_of(0);

    (void)state;
    below.fails = true;
    void *element = mempool_alloc(pool, GFP_ATOMIC);

    assert_non_null(element);
    assert_null(mempool_alloc(pool, GFP_ATOMIC));
    mempool_free(element, pool);
    assert_ptr_equal(mempool_alloc(pool, GFP_ATOMIC), element);
    mempool_free(element, pool);
    mempool_destroy(pool);
    assert_int_equal(below.live, 0);
}

static void what_does_nothing(void **state)
{
    mempool_t pool;

    (void)state;
    memset(&pool, 0, sizeof pool);
    assert_false(mempool_initialized(&pool));
    mempool_exit(&pool);
    mempool_destroy(NULL);
    mempool_t *other = pool_of(1);

    mempool_free(NULL, other);
    assert_int_equal(other->curr_nr, 1);
    mempool_destroy(other);
}

static void what_cannot_be_a_pool(void **state)
{
    mempool_t pool;

    (void)state;
    memset(&pool, 0, sizeof pool);
    assert_int_equal(mempool_init(&pool, -1, below_alloc, below_free, NULL), -EINVAL);
    below.fails = true;
    below.live = 0;
    assert_int_equal(mempool_init(&pool, 3, below_alloc, below_free, NULL), -ENOMEM);
    assert_null(mempool_create(3, below_alloc, below_free, NULL));
    assert_int_equal(below.live, 0);
}

static void a_pool_lies_in_its_users_memory_too(void **state)
{
    struct {
        int before;
        struct mempool_s pool;
        int after;
    } owner = {.before = 1, .after = 2};

    (void)state;
    below.fails = false;
    assert_int_equal(mempool_init_node(&owner.pool, 3, below_alloc, below_free, NULL, GFP_KERNEL, NUMA_NO_NODE), 0);
    assert_true(mempool_initialized(&owner.pool));
    mempool_free(mempool_alloc(&owner.pool, GFP_KERNEL), &owner.pool);
    mempool_exit(&owner.pool);
    mempool_exit(&owner.pool);
    assert_int_equal(below.live, 0);
    assert_true(owner.before == 1 && owner.after == 2);
}

static void a_pool_grows_and_shrinks(void **state)
{
    mempool_t *pool = pool_of(4);

    (void)state;
    assert_true(mempool_resize(pool, 0) < 0);
    assert_true(mempool_resize(pool, -3) < 0);
    assert_int_equal(mempool_resize(pool, 2), 0);
    assert_int_equal(pool->curr_nr, 2);
    assert_int_equal(below.live, 2);
    assert_int_equal(mempool_resize(pool, 9), 0);
    assert_int_equal(pool->min_nr, 9);
    assert_int_equal(pool->curr_nr, 9);
    /* Growing may stop short: frees fill the rest. */
    void *element = mempool_alloc(pool, GFP_KERNEL);

    below.fails = true;
    assert_int_equal(mempool_resize(pool, 10), 0);
    assert_int_equal(pool->curr_nr, 9);
    mempool_free(element, pool);
    assert_int_equal(pool->curr_nr, 10);
    mempool_destroy(pool);
    assert_int_equal(below.live, 0);
}

static void *resize_often(void *pool)
{
    for (int i = 0; i < 500; i++)
        if (mempool_resize(pool, 1 + i % 20) < 0)
            return pool;
    return NULL;
}

static void resizing_goes_beside_traffic(void **state)
{
    mempool_t *pool = pool_of(3);
    pthread_t users[2], sizer;
    void *failed;

    (void)state;
    assert_int_equal(pthread_create(&sizer, NULL, resize_often, pool), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&users[i], NULL, pass_elements, pool), 0);
    pthread_join(sizer, &failed);
    assert_null(failed);
    for (int i = 0; i < 2; i++) {
        pthread_join(users[i], &failed);
        assert_null(failed);
    }
    mempool_destroy(pool);
    assert_int_equal(below.live, 0);
}

static void bulk_fills_the_empty_slots_only(void **state)
{
    mempool_t *pool = pool_of(8);
    void *elements[8] = {NULL};

    (void)state;
    elements[2] = mempool_alloc(pool, GFP_KERNEL);
    elements[5] = mempool_alloc(pool, GFP_KERNEL);
    void *second = elements[2], *fifth = elements[5];

    below.fails = true;
    assert_int_equal(mempool_alloc_bulk(pool, elements, 8, 2), 0);
    assert_ptr_equal(elements[2], second);
    assert_ptr_equal(elements[5], fifth);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k <= i; k++)
            assert_true(elements[i] && (k == i || elements[i] != elements[k]));
    assert_int_equal(pool->curr_nr, 2);
    /* The first six go to the reserve, the other two are left to the caller. */
    assert_int_equal(mempool_free_bulk(pool, elements, 8), 6);
    assert_int_equal(pool->curr_nr, 8);
    assert_int_equal(below.frees, 0);
    mempool_free(elements[6], pool);
    mempool_free(elements[7], pool);
    assert_int_equal(below.frees, 2);
    mempool_destroy(pool);
    assert_int_equal(below.live, 0);
}

static void *pass_in_bulk(void *pool)
{
    for (int i = 0; i < 300; i++) {
        void *elements[4] = {NULL};

        if (mempool_alloc_bulk(pool, elements, 4, 0))
            return pool;
        unsigned int kept = mempool_free_bulk(pool, elements, 4);

        for (; kept < 4; kept++)
            mempool_free(elements[kept], pool);
    }
    return NULL;
}

/* Each wants four of six: had two of them three each, both would wait for ever. */
static void holders_in_bulk_do_not_block_each_other(void **state)
{
    mempool_t *pool = pool_of(6);
    pthread_t threads[3];

    (void)state;
    below.fails = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pass_in_bulk, pool), 0);
    for (int i = 0; i < 3; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(pool->curr_nr, 6);
    mempool_destroy(pool);
    assert_int_equal(below.live, 0);
}

static void the_reserve_alone_can_be_asked(void **state)
{
    mempool_t *pool = pool_of(1);
    void *element = mempool_alloc_preallocated(pool);

    (void)state;
    assert_non_null(element);
    assert_int_equal(below.calls, 0);
    assert_null(mempool_alloc_preallocated(pool));
    mempool_free(element, pool);
    mempool_destroy(pool);
}

static void pools_over_caches_sizes_and_pages(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("reserved", 120, 0, SLAB_NO_MERGE, NULL);
    mempool_t *slab = mempool_create_slab_pool(3, cache), *sized = mempool_create_kmalloc_pool(3, 200);
    mempool_t *paged = mempool_create_page_pool(3, 1), *large = mempool_create_kvmalloc_pool(2, 5 << 20);

    (void)state;
    assert_true(slab && sized && paged && large);
    void *a = mempool_alloc(slab, GFP_KERNEL), *b = mempool_alloc(sized, GFP_KERNEL), *d = mempool_alloc(large, GFP_KERNEL);
    struct page *c = mempool_alloc(paged, GFP_KERNEL);

    memset(a, 1, 120);
    memset(b, 1, 200);
    memset(page_address(c), 1, 2 * PAGE_SIZE);
    memset(d, 1, 5 << 20);
    assert_int_equal(ksize(b), 256);
    mempool_free(a, slab);
    mempool_free(b, sized);
    mempool_free(c, paged);
    mempool_free(d, large);
    mempool_destroy(slab);
    mempool_destroy(sized);
    mempool_destroy(paged);
    mempool_destroy(large);
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

static void injected_failures_lead_to_the_reserve(void **state)
{
    mempool_t *pool = mempool_create_kmalloc_pool(2, 100);

    (void)state;
    fail_at(TARN_FAIL_MEMPOOL, -1, 0);
    void *a = mempool_alloc(pool, GFP_KERNEL), *b = mempool_alloc(pool, GFP_ATOMIC);

    assert_true(a && b);
    assert_int_equal(pool->curr_nr, 0);
    assert_null(mempool_alloc(pool, GFP_ATOMIC));
    heal(NULL);
    mempool_free(a, pool);
    mempool_free(b, pool);
    mempool_destroy(pool);
}

static void construct(void *object) { *(char *)object = 'c'; }

static void a_constructor_does_not_go_with_a_reserve(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("constructed_reserve", 100, 0, 0, construct);
    mempool_t *pool;

    (void)state;
    pool = mempool_create_slab_pool(2, cache);
    if (pool)
        mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
    assert_string_not_equal(warned, "");
    mempool_destroy(pool);
    kmem_cache_destroy(cache);
}

static void zeroing_does_not_go_with_a_reserve(void **state)
{
    mempool_t *pool = mempool_create_kmalloc_pool(2, 100);

    (void)state;
    void *element = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);

    assert_string_not_equal(warned, "");
    mempool_free(element, pool);
    mempool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kernel_test(the_allocator_is_asked_before_the_reserve),
        kernel_test(an_atomic_request_gets_null_after_one_call),
        kernel_test(a_free_fills_the_reserve_first),
        kernel_test(who_may_sleep_waits_for_a_free),
        kernel_test(all_make_progress_on_the_reserve_alone),
        kernel_test(none_still_means_one),
        kernel_test(what_does_nothing),
        kernel_test(what_cannot_be_a_pool),
        kernel_test(a_pool_lies_in_its_users_memory_too),
        kernel_test(a_pool_grows_and_shrinks),
        kernel_test(resizing_goes_beside_traffic),
        kernel_test(bulk_fills_the_empty_slots_only),
        kernel_test(holders_in_bulk_do_not_block_each_other),
        kernel_test(the_reserve_alone_can_be_asked),
        kernel_test(pools_over_caches_sizes_and_pages),
        kernel_test(injected_failures_lead_to_the_reserve),
        kernel_test(a_constructor_does_not_go_with_a_reserve),
        kernel_test(zeroing_does_not_go_with_a_reserve),
    };

    return cmocka_run_group_tests_name("mempool", tests, NULL, NULL);
}
