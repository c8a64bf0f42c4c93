/* Users' caches and sheaves over a system that fails: all or none, and nothing idle is held back from who needs it. */
#include "test/unit/caches.h"

enum { MOST = 40000 };
static void *objects[MOST];

/* A cache over a source that gives up to `limit` bytes. */
static struct tarn_source_limit limited;
static struct tarn_zone small;

static struct tarn_cache *make_small(const char *name, size_t size, unsigned flags)
{
    return make_with(name, size, &(struct tarn_cache_args){.zone = &small}, flags);
}

static int begin_small(void **state)
{
    (void)state;
    tarn_source_limit_init(&limited, tarn_source_system(), 4 * MIB);
    tarn__zone_init(&small, "small", &limited.source);
    return 0;
}

static int end_small(void **state)
{
    tarn__fake_fail(0, 0, 0);
    tarn__zone_check(&small);
    tarn__zone_trim(&small, 0);
    assert_int_equal(limited.held, 0);
    return end_caches(state);
}

static size_t take_all(struct tarn_cache *cache, void **taken)
{
    size_t count = 0;
    for (void *object; (object = tarn_cache_alloc(cache, TARN_GFP_KERNEL)) != NULL; count++)
        taken[count] = object;
    return count;
}

/* Slabs that a grace period keeps are memory again after it. */
static void give_back(struct tarn_cache *cache, size_t count, void **given)
{
    tarn_cache_free_bulk(cache, count, given);
    tarn_rcu_barrier();
}

static const unsigned each_kind[] = {0, TARN_CACHE_TYPESAFE_BY_RCU, TARN_CACHE_RED_ZONE | TARN_CACHE_POISON};

static void bulk_is_all_or_none(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct tarn_cache *cache = make_small("all-or-none", 500, each_kind[k]);
        size_t fits = take_all(cache, objects);
        assert_true(fits > 4000 && fits < MOST);
        assert_null(tarn_cache_alloc(cache, TARN_GFP_ATOMIC));
        assert_null(tarn_cache_zalloc(cache, TARN_GFP_KERNEL));
        give_back(cache, 1000, objects);
        void *kept = objects[1000];
        assert_int_equal(tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, 1001, objects), 0);
        tarn_rcu_barrier();
        objects[1000] = kept;
        assert_int_equal(stats_of(cache).active, fits - 1000);
        tarn_cache_verify(cache);
        assert_int_equal(tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, 1000, objects), 1000);
        assert_int_equal(stats_of(cache).active, fits);
        give_back(cache, fits, objects);
        assert_int_equal(tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, fits + 1, objects), 0);
        tarn_rcu_barrier();
        assert_int_equal(stats_of(cache).active, 0);
        tarn_rcu_barrier();
        assert_int_equal(take_all(cache, objects), fits); /* nothing was lost */
        tarn_cache_free_bulk(cache, fits, objects);
        end_cache(cache);
    }
}

/* All memory lies idle in magazines of one cache: another gets it, with magazines or without. */
static void idle_objects_serve_others(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct tarn_cache *one = make_small("one", 500, 0), *two = make_small("two", 700, each_kind[k]);
        size_t fits = take_all(one, objects), kept = fits / 4; /* a cache that loses nearly all it had keeps nothing */
        tarn_cache_free_bulk(one, fits - kept, objects + kept);
        struct tarn_cache_stats now = stats_of(one);
        assert_true(now.objects - one->free_objects - now.active > one->capacity);
        size_t others = take_all(two, objects + kept);
        assert_true((kept * now.size + others * stats_of(two).size) > 3 * MIB);
        tarn_cache_free_bulk(two, others, objects + kept);
        tarn_cache_free_bulk(one, kept, objects);
        end_cache(one);
        end_cache(two);
    }
}

/* Each call of the system fails, once and from then on, while a cache is made, used and destroyed: NULL or success. */
static void each_call_may_fail(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++)
        for (uint64_t n = 1; n < 40; n++) {
            struct tarn_cache *cache = NULL;
            tarn__fake_fail(TARN__FAKE_ANY, n, on ? UINT64_MAX : 1);
            int error = tarn_cache_make(&cache, "each", 3000, &(struct tarn_cache_args){.zone = &small}, TARN_CACHE_NO_MERGE);
            assert_true(error == 0 ? cache != NULL : error == -ENOMEM && !cache);
            size_t got = cache ? tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, 100, objects) : 0;
            assert_true(got == 0 || got == 100);
            if (got)
                tarn_cache_free_bulk(cache, got, objects);
            assert_int_equal(tarn_cache_destroy(cache), 0);
            tarn__zone_trim(&small, 0);
            tarn__fake_fail(0, 0, 0);
            tarn__zone_check(&small);
            tarn__zone_trim(&small, 0);
        }
}

/* Sheaves */

static void sheaves_do_not_fail(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct tarn_cache *cache = make_small("sheaf", 500, each_kind[k]);
        struct tarn_sheaf *sheaf = tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL, 300);
        assert_int_equal(tarn_sheaf_size(sheaf), 300);
        assert_int_equal(stats_of(cache).active, 300);
        size_t rest = take_all(cache, objects + 300);
        tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
        for (unsigned i = 0; i < 300; i++) {
            assert_null(tarn_cache_alloc(cache, TARN_GFP_KERNEL));
            objects[i] = tarn_cache_alloc_from_sheaf(cache, i % 2 ? TARN_GFP_KERNEL | TARN_GFP_ZERO : 0, sheaf);
            assert_non_null(objects[i]);
            assert_ptr_equal(tarn_cache_of(objects[i]), cache);
            if (i % 2)
                assert_true(check_all_bytes(objects[i], 500, 0));
            memset(objects[i], 0xff, 500);
            assert_int_equal(tarn_sheaf_size(sheaf), 299 - i);
        }
        assert_null(tarn_cache_alloc_from_sheaf(cache, TARN_GFP_KERNEL, sheaf));
        assert_int_equal(tarn_cache_refill_sheaf(cache, TARN_GFP_KERNEL, &sheaf, 1), -ENOMEM);
        assert_null(tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL, 1));
        tarn_cache_free_bulk(cache, 10, objects);
        assert_int_equal(tarn_cache_refill_sheaf(cache, TARN_GFP_KERNEL, &sheaf, 11), -ENOMEM);
        assert_int_equal(tarn_sheaf_size(sheaf), 0); /* it holds what it held */
        assert_int_equal(tarn_cache_refill_sheaf(cache, TARN_GFP_KERNEL, &sheaf, 10), 0);
        assert_int_equal(tarn_sheaf_size(sheaf), 10);
        tarn_cache_return_sheaf(cache, TARN_GFP_KERNEL, sheaf);
        tarn__fake_fail(0, 0, 0);
        tarn_cache_free_bulk(cache, 290 + rest, objects + 10);
        end_cache(cache);
    }
}

#define SMALL_TEST(f) cmocka_unit_test_setup_teardown(f, begin_small, end_small)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(bulk_is_all_or_none),
        SMALL_TEST(idle_objects_serve_others),
        SMALL_TEST(each_call_may_fail),
        SMALL_TEST(sheaves_do_not_fail),
    };
    return cmocka_run_group_tests_name("cache_fail", tests, begin_caches, NULL);
}
