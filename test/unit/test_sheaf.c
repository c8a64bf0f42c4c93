/* Sheaves: filled, used, refilled, returned; misuse. (What they are for, a system that fails, is in test_cache_fail.c.) */
#include "test/unit/caches.h"

#include <pthread.h>

static void construct(void *object) { memset(object, 0x5a, 64); }

static void holds_what_was_asked_for(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= 2000; size = size * 3 + 1) {
        struct tarn_cache *cache = make("sheaf", 64, 0);
        struct tarn_sheaf *sheaf = tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL, size);
        static unsigned char *objects[2000];
        assert_int_equal(tarn_sheaf_size(sheaf), size);
        assert_int_equal(stats_of(cache).active, size); /* they count as in use */
        for (unsigned i = 0; i < size; i++) {
            objects[i] = tarn_cache_alloc_from_sheaf(cache, 0, sheaf);
            memset(objects[i], (int)i, 64);
        }
        assert_int_equal(tarn_sheaf_size(sheaf), 0);
        for (unsigned i = 0; i < size; i++) {
            assert_true(check_all_bytes(objects[i], 64, (unsigned char)i));
            tarn_cache_free(cache, objects[i]);
        }
        tarn_cache_return_sheaf(cache, TARN_GFP_KERNEL, sheaf);
        end_cache(cache);
    }
}

static void none_of_size_zero(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("sheaf", 64, 0);
    assert_null(tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL, 0));
    tarn_cache_return_sheaf(cache, TARN_GFP_KERNEL, NULL);
    end_cache(cache);
}

/* Up to a size, in place or in a larger one; never less than it held. */
static void refills(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("sheaf", 64, 0);
    struct tarn_sheaf *sheaf = tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL, 10), *same = sheaf;
    void *first[10], *object;
    for (int i = 0; i < 7; i++)
        first[i] = tarn_cache_alloc_from_sheaf(cache, 0, sheaf);
    assert_int_equal(tarn_cache_refill_sheaf(cache, TARN_GFP_KERNEL, &sheaf, 2), 0);
    assert_int_equal(tarn_sheaf_size(sheaf), 3);
    assert_int_equal(tarn_cache_refill_sheaf(cache, TARN_GFP_KERNEL, &sheaf, 8), 0);
    assert_int_equal(tarn_sheaf_size(sheaf), 8);
    assert_ptr_equal(sheaf, same);
    assert_int_equal(tarn_cache_refill_sheaf(cache, TARN_GFP_KERNEL, &sheaf, 500), 0);
    assert_int_equal(tarn_sheaf_size(sheaf), 500);
    assert_int_equal(stats_of(cache).active, 507);
    for (unsigned i = 0; i < 500; i++) {
        assert_non_null(object = tarn_cache_alloc_from_sheaf(cache, 0, sheaf));
        tarn_cache_free(cache, object);
    }
    tarn_cache_free_bulk(cache, 7, first);
    tarn_cache_return_sheaf(cache, 0, sheaf);
    end_cache(cache);
    assert_int_equal(stats().live_objects, 0); /* the smaller one went */
}

static void return_gives_the_rest_back(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("sheaf", 64, TARN_CACHE_RED_ZONE);
    struct tarn_sheaf *sheaf = tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL, 100);
    void *object = tarn_cache_alloc_from_sheaf(cache, 0, sheaf);
    assert_int_equal(tarn_cache_destroy(cache), -EBUSY);
    tarn_cache_return_sheaf(cache, 0, sheaf);
    assert_int_equal(stats_of(cache).active, 1);
    tarn_cache_free(cache, object);
    end_cache(cache);
}

static void zeroes_but_constructed_objects(void **state)
{
    (void)state;
    for (int constructed = 0; constructed < 2; constructed++) {
        struct tarn_cache_args args = {.ctor = constructed ? construct : NULL};
        struct tarn_cache *cache = make_with("sheaf", 64, &args, 0);
        struct tarn_sheaf *sheaf;
        void *dirty[50];
        assert_int_equal(tarn_cache_alloc_bulk(cache, 0, 50, dirty), 50);
        for (int i = 0; i < 50; i++)
            memset(dirty[i], 0x5a, 64);
        tarn_cache_free_bulk(cache, 50, dirty);
        listen_to_warnings();
        assert_non_null(sheaf = tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL | TARN_GFP_ZERO, 50));
        assert_int_equal(warned, 0);
        for (int i = 0; i < 50; i++) {
            dirty[i] = tarn_cache_alloc_from_sheaf(cache, TARN_GFP_ZERO, sheaf);
            assert_true(check_all_bytes(dirty[i], 64, constructed ? 0x5a : 0));
        }
        assert_int_equal(warned, constructed ? 50 : 0);
        tarn_cache_free_bulk(cache, 50, dirty);
        tarn_cache_return_sheaf(cache, 0, sheaf);
        end_cache(cache);
    }
}

static void other_caches_sheaves_are_refused(void **state)
{
    (void)state;
    struct tarn_cache *one = make("one", 64, TARN_CACHE_NO_MERGE), *two = make("two", 64, TARN_CACHE_NO_MERGE);
    struct tarn_sheaf *sheaf = tarn_cache_prefill_sheaf(one, 0, 5), *none = NULL;
    listen_to_warnings();
    assert_null(tarn_cache_alloc_from_sheaf(two, 0, sheaf));
    assert_string_equal(warnings[0], "cache two: a sheaf that is another cache's");
    assert_int_equal(tarn_cache_refill_sheaf(two, 0, &sheaf, 10), -EINVAL);
    assert_int_equal(tarn_cache_refill_sheaf(two, 0, &none, 10), -EINVAL);
    assert_int_equal(tarn_sheaf_size(sheaf), 5);
    assert_int_equal(warned, 1);
    tarn_cache_return_sheaf(two, 0, sheaf); /* its objects are not lost */
    assert_string_equal(warnings[1], "cache two: a sheaf of cache one is returned");
    assert_int_equal(stats_of(one).active, 0);
    assert_non_null(sheaf = tarn_cache_prefill_sheaf(one, 0, 1));
    tarn_cache_free(one, tarn_cache_alloc_from_sheaf(one, 0, sheaf));
    assert_null(tarn_cache_alloc_from_sheaf(one, 0, sheaf));
    assert_string_equal(warnings[2], "cache one: a sheaf that is empty");
    tarn_cache_return_sheaf(one, 0, sheaf);
    end_cache(one);
    end_cache(two);
}

struct handed {
    struct tarn_cache *cache;
    struct tarn_sheaf *sheaf;
};

static void *use_up(void *value)
{
    struct handed *handed = value;
    while (tarn_sheaf_size(handed->sheaf) > 10)
        tarn_cache_free(handed->cache, tarn_cache_alloc_from_sheaf(handed->cache, 0, handed->sheaf));
    return NULL;
}

static void is_handed_to_another_thread(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("handed", 200, 0);
    struct handed handed = {cache, tarn_cache_prefill_sheaf(cache, 0, 300)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_up, &handed), 0);
    pthread_join(thread, NULL);
    assert_int_equal(stats_of(cache).active, 10);
    tarn_cache_return_sheaf(cache, 0, handed.sheaf);
    end_cache(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(holds_what_was_asked_for),
        CACHE_TEST(none_of_size_zero),
        CACHE_TEST(refills),
        CACHE_TEST(return_gives_the_rest_back),
        CACHE_TEST(zeroes_but_constructed_objects),
        CACHE_TEST(other_caches_sheaves_are_refused),
        CACHE_TEST(is_handed_to_another_thread),
    };
    return cmocka_run_group_tests_name("sheaf", tests, begin_caches, NULL);
}
