/* Users' object caches: which share their slabs, and how sharing ends. */
#include "test/unit/caches.h"

#include <pthread.h>

static void construct(void *object) { (void)object; }

/* How many caches there are when another is made beside one of 104 bytes: 1 when both are the same. */
static bool shares(size_t size, const struct tarn_cache_args *args, unsigned flags, unsigned first_flags)
{
    struct tarn_cache *first = make("first", 104, first_flags), *second = make_with("second", size, args, flags);
    bool same = first == second;
    assert_int_equal(users_caches(), same ? 1 : 2);
    assert_int_equal(stats_of(first).references, same ? 2 : 1);
    assert_int_equal(stats_of(second).references, same ? 2 : 1);
    if (same) {
        assert_string_equal(tarn_cache_name(first), "first");
        assert_int_equal(tarn_cache_size(first), size > 104 ? size : 104);
    }
    assert_int_equal(tarn_cache_destroy(second), 0);
    assert_int_equal(users_caches(), 1);
    assert_int_equal(stats_of(first).references, 1);
    end_cache(first);
    return same;
}

static void like_caches_share(void **state)
{
    (void)state;
    assert_true(shares(104, NULL, 0, 0));
    assert_true(shares(97, NULL, 0, 0));
    assert_true(shares(103, NULL, TARN_CACHE_PANIC, 0));
    assert_true(shares(104, &(struct tarn_cache_args){.align = 8}, 0, 0));
    assert_true(shares(104, &(struct tarn_cache_args){.zone = &tarn__heap.zone}, 0, 0));
}

static void eight_bytes_lost_are_too_many(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 300; size++)
        assert_int_equal(shares(size, NULL, 0, 0), size > 96 && size <= 104);
}

static void alignment_must_fit(void **state)
{
    (void)state;
    assert_false(shares(104, &(struct tarn_cache_args){.align = 16}, 0, 0));
    assert_false(shares(104, NULL, TARN_CACHE_HWCACHE_ALIGN, 0));
    struct tarn_cache *lines = make("lines", 128, 0), *aligned = make("aligned", 126, TARN_CACHE_HWCACHE_ALIGN);
    assert_ptr_equal(lines, aligned); /* its slots are multiples of 64 anyway */
    void *object = take(aligned);
    assert_int_equal((uintptr_t)object % 64, 0);
    tarn_cache_free(lines, object);
    assert_int_equal(tarn_cache_destroy(lines), 0);
    end_cache(aligned);
}

static void each_rule_parts(void **state)
{
    (void)state;
    static const unsigned apart[] = {
        TARN_CACHE_POISON,          TARN_CACHE_RED_ZONE, TARN_CACHE_STORE_USER,  TARN_CACHE_CONSISTENCY_CHECKS,
        TARN_CACHE_TYPESAFE_BY_RCU, TARN_CACHE_NO_MERGE, TARN_CACHE_NOLEAKTRACE,
    };
    static const unsigned if_equal[] = {TARN_CACHE_RECLAIM_ACCOUNT, TARN_CACHE_ACCOUNT};
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) {
        assert_false(shares(104, NULL, apart[i], 0));
        assert_false(shares(104, NULL, 0, apart[i]));
        assert_false(shares(104, NULL, apart[i], apart[i]));
    }
    for (size_t i = 0; i < sizeof if_equal / sizeof *if_equal; i++) {
        assert_false(shares(104, NULL, if_equal[i], 0));
        assert_false(shares(104, NULL, 0, if_equal[i]));
        assert_true(shares(104, NULL, if_equal[i], if_equal[i]));
    }
    assert_false(shares(104, &(struct tarn_cache_args){.ctor = construct}, 0, 0));
    assert_false(shares(104, &(struct tarn_cache_args){.ctor = construct, .dtor = construct}, 0, 0));
    assert_false(shares(104, &(struct tarn_cache_args){.usersize = 8}, 0, 0));
    assert_false(shares(104, &(struct tarn_cache_args){.sheaf_capacity = 8}, 0, 0));
    struct tarn_zone zone;
    tarn__zone_init(&zone, "other", tarn_source_system());
    assert_false(shares(104, &(struct tarn_cache_args){.zone = &zone}, 0, 0));
}

static void low_zone_is_kept_apart(void **state)
{
    (void)state;
    struct tarn_cache *plain = make("plain", 104, 0), *low;
    int error = tarn_cache_make(&low, "low", 104, NULL, TARN_CACHE_DMA);
    assert_int_equal(error, tarn_zone_dma() ? 0 : -ENOMEM);
    if (error == 0) {
        assert_ptr_not_equal(plain, low);
        assert_true(low->zone == tarn_zone_dma());
        end_cache(low);
    }
    end_cache(plain);
}

static void classes_are_not_shared(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("class-like", 64, 0);
    assert_int_equal(users_caches(), 1);
    assert_int_equal(tarn_cache_destroy(tarn__heap_class(1)), -EINVAL);
    assert_int_equal(tarn__heap_class(1)->references, 1);
    end_cache(cache);
}

/* Slabs are one another's; the longest size counts for zeroing; ends are counted. */
static void slabs_are_shared(void **state)
{
    (void)state;
    struct tarn_cache *cache[5];
    char name[] = "shared-0";
    for (size_t i = 0; i < 5; i++, name[7]++)
        cache[i] = make(name, 98 + i, 0);
    unsigned char *p = take(cache[0]), *q = take(cache[4]);
    assert_int_equal(stats_of(cache[0]).slabs, 1);
    assert_int_equal(stats_of(cache[0]).active, 2);
    assert_int_equal(stats_of(cache[0]).object_size, 102);
    memset(p, 0xff, 98);
    memset(q, 0xff, 102);
    tarn_cache_free(cache[3], p);
    p = tarn_cache_zalloc(cache[4], TARN_GFP_KERNEL);
    assert_true(check_all_bytes(p, 102, 0));
    for (unsigned i = 5; i > 1; i--) { /* live objects are the others' concern */
        assert_int_equal(stats_of(cache[0]).references, i);
        assert_int_equal(tarn_cache_destroy(cache[i - 1]), 0);
    }
    assert_int_equal(tarn_cache_destroy(cache[0]), -EBUSY);
    assert_int_equal(stats_of(cache[0]).references, 1);
    tarn_cache_free(cache[0], p);
    tarn_cache_free(cache[0], q);
    end_cache(cache[0]);
}

static void shared_names_are_taken(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("first", 104, 0), *other;
    assert_ptr_equal(make("second", 104, 0), cache);
    assert_int_equal(tarn_cache_make(&other, "first", 104, NULL, 0), -EEXIST);
    assert_int_equal(tarn_cache_make(&other, "second", 104, NULL, 0), -EEXIST);
    assert_int_equal(tarn_cache_make(&other, "second", 3000, NULL, TARN_CACHE_NO_MERGE), -EEXIST);
    assert_null(other);
    assert_int_equal(stats_of(cache).references, 2);
    assert_int_equal(tarn_cache_destroy(cache), 0);
    end_cache(cache);
}

/* Whoever leaves first, his name can be taken again. */
static void names_can_be_taken_again(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct tarn_cache *first = make("first", 104, 0), *second = make("second", 104, 0);
        assert_int_equal(tarn_cache_destroy(order ? first : second), 0);
        struct tarn_cache *again = make(order ? "first" : "second", 104, 0), *other = make("third", 104, 0);
        assert_ptr_equal(again, other);
        assert_int_equal(stats_of(again).references, 3);
        for (int i = 0; i < 2; i++)
            assert_int_equal(tarn_cache_destroy(again), 0);
        end_cache(again);
    }
}

/* A thread that makes what others are just ending gets a cache that is there. */

enum { THREADS = 3, TURNS = 20000 };

static void *make_and_end(void *number)
{
    char name[20];
    snprintf(name, sizeof name, "like-%d", *(int *)number);
    for (size_t i = 0; i < TURNS; i++) {
        struct tarn_cache *cache = tarn_cache_create(name, 200, 0, 0, NULL, NULL);
        void *object = cache && i % 16 == 0 ? tarn_cache_alloc(cache, TARN_GFP_KERNEL) : NULL;
        if (!cache || stats_of(cache).references == 0 || (atomic_load(&cache->pins) & TARN__LEAVING) ||
            (object && tarn_cache_of(object) != cache))
            return number;
        tarn_cache_free(cache, object);
        if (tarn_cache_destroy(cache) != 0)
            return number;
    }
    return NULL;
}

static void is_made_beside_the_end_of_a_like_one(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_end, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(like_caches_share),        CACHE_TEST(eight_bytes_lost_are_too_many),
        CACHE_TEST(alignment_must_fit),       CACHE_TEST(each_rule_parts),
        CACHE_TEST(low_zone_is_kept_apart),   CACHE_TEST(classes_are_not_shared),
        CACHE_TEST(slabs_are_shared),         CACHE_TEST(shared_names_are_taken),
        CACHE_TEST(names_can_be_taken_again), CACHE_TEST(is_made_beside_the_end_of_a_like_one),
    };
    return cmocka_run_group_tests_name("cache_share", tests, begin_caches, NULL);
}
