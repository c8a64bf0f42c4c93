/* What is told of caches: counts, walks, each of them, and the check, which can fail. */
#include "test/unit/caches.h"

#include <stdlib.h>

enum { MOST = 2000 };
static void *objects[MOST];

static void counts_are_exact(void **state)
{
    (void)state;
    static const unsigned flags[] = {0, TARN_CACHE_RED_ZONE, TARN_CACHE_TYPESAFE_BY_RCU, TARN_CACHE_ACCOUNT};
    for (size_t f = 0; f < 4; f++) {
        struct tarn_cache *cache = make("counted", 100, flags[f]);
        uint64_t allocations = 0, frees = 0, random = 9;
        size_t live = 0;
        for (int step = 0; step < 5000; step++) {
            if (live < MOST && check_random(&random) % 5 < 3) {
                objects[live++] = take(cache);
                allocations++;
            } else if (live > 0) {
                tarn_cache_free(cache, objects[--live]);
                frees++;
            }
            struct tarn_cache_stats is = stats_of(cache);
            if (is.allocations != allocations || is.frees != frees || is.active != live)
                fail_msg("step %d", step);
            assert_true(is.objects >= live && is.objects == is.slabs * is.slab_objects);
        }
        struct tarn_cache_stats is = stats_of(cache);
        assert_string_equal(is.name, "counted");
        assert_int_equal(is.object_size, 100);
        assert_true(is.size >= 104 && is.slab_pages <= 16);
        assert_int_equal(is.flags, flags[f]);
        assert_int_equal(is.references, 1);
        assert_int_equal(is.capacity == 0, f == 1);
        tarn_cache_free_bulk(cache, live, objects);
        end_cache(cache);
    }
}

/* As many operations of one thread are seconds' work for a program, and too much for a test. */
static void counts_go_beyond_32_bits(void **state)
{
    (void)state;
    static const uint64_t many = UINT32_MAX - 50;
    for (int k = 0; k < 2; k++) {
        struct tarn_cache *cache = make("counted", 100, k ? TARN_CACHE_ACCOUNT : 0);
        tarn_cache_free(cache, take(cache));
        tarn__counter_add(&tarn__self->bin[cache->number].allocs, many);
        tarn__counter_add(&tarn__self->bin[cache->number].frees, many);
        for (int i = 0; i < 200; i++)
            objects[i] = take(cache);
        assert_int_equal(stats_of(cache).allocations, many + 201);
        assert_int_equal(stats_of(cache).active, 200);
        tarn_cache_free_bulk(cache, 200, objects);
        assert_int_equal(stats_of(cache).frees, many + 201);
        tarn_cache_verify(cache);
        end_cache(cache);
    }
}

/* Walks */

static bool seen[MOST];
static size_t visits;

static int by_address(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    return (x > y) - (x < y);
}

static void mark_seen(void *object, void *count)
{
    void **found = bsearch(&object, objects, *(size_t *)count, sizeof *objects, by_address);
    visits++;
    assert_non_null(found);
    assert_false(seen[found - objects]);
    seen[found - objects] = true;
}

static void walk_visits_each_live_object_once(void **state)
{
    (void)state;
    static const size_t sizes[] = {8, 100, 3000, 70000};
    for (int k = 0; k < 8; k++) {
        struct tarn_cache *cache = make("walked", sizes[k / 2], k % 2 ? TARN_CACHE_RED_ZONE : 0);
        size_t count = sizes[k / 2] > 10000 ? 30 : MOST, live = 0;
        void *all[MOST];
        for (size_t i = 0; i < count; i++)
            all[i] = take(cache);
        for (size_t i = 0; i < count; i++)
            if (i % 3)
                tarn_cache_free(cache, all[i]);
            else
                objects[live++] = all[i];
        qsort(objects, live, sizeof *objects, by_address);
        memset(seen, 0, sizeof seen);
        visits = 0;
        tarn_cache_walk(cache, mark_seen, &live);
        assert_int_equal(visits, live);
        tarn_cache_free_bulk(cache, live, objects);
        live = visits = 0;
        tarn_cache_walk(cache, mark_seen, &live);
        assert_int_equal(visits, 0);
        end_cache(cache);
    }
}

struct met {
    struct tarn_cache *users[4];
    unsigned count;
    bool classes;
};

static void meet(struct tarn_cache *cache, void *context)
{
    struct met *met = context;
    if (cache->permanent)
        met->classes = true;
    else if (met->count < 4)
        met->users[met->count++] = cache;
}

/* In the order of their making; shared ones once. */
static void each_meets_all(void **state)
{
    (void)state;
    struct tarn_cache *one = make("one", 100, 0), *two = make("two", 200, 0), *bare = make("bare", 100, TARN_CACHE_POISON);
    assert_ptr_equal(make("one-too", 100, 0), one);
    struct met met = {{NULL}, 0, false};
    tarn_free(tarn_malloc(1)); /* a class is there from its first use on */
    tarn_cache_each(meet, &met);
    assert_true(met.classes);
    assert_int_equal(met.count, 3);
    assert_ptr_equal(met.users[0], one);
    assert_ptr_equal(met.users[1], two);
    assert_ptr_equal(met.users[2], bare);
    void *object = take(one);
    tarn_cache_destroy(one);
    assert_int_equal(tarn_cache_destroy(one), -EBUSY); /* it keeps its place */
    met = (struct met){{NULL}, 0, false};
    tarn_cache_each(meet, &met);
    assert_ptr_equal(met.users[0], one);
    tarn_cache_free(one, object);
    end_cache(one);
    end_cache(two);
    end_cache(bare);
}

static void report_each(struct tarn_cache *cache, void *value)
{
    struct tarn_cache_stats now;
    tarn_cache_stats(cache, &now);
    tarn_cache_verify(cache);
    tarn_cache_shrink(cache);
    assert_true(now.references > 0);
    *(uint64_t *)value += now.active;
}

static void each_may_look_and_shrink(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("looked-at", 100, 0);
    void *object = take(cache);
    uint64_t active = 0;
    tarn_cache_each(report_each, &active);
    assert_int_equal(active, 1);
    tarn_cache_free(cache, object);
    end_cache(cache);
}

/* The check can fail: each damage is seen. */

static void verify_dies(void *cache) { tarn_cache_verify(cache); }

static void verify_finds_damage(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("damaged", 100, 0);
    for (int i = 0; i < 300; i++)
        objects[i] = take(cache);
    struct tarn__slab *slab = tarn__slab_of(objects[0]);
    for (int i = 0; i < 300; i += 2)
        tarn_cache_free(cache, objects[i]);
    tarn_cache_shrink(cache);
    slab->free++;
    check_dies(verify_dies, cache, "does not hold: ");
    slab->free--;
    cache->free_objects++;
    check_dies(verify_dies, cache, "does not hold: the count of a cache's free objects is right");
    cache->free_objects--;
    cache->slabs++;
    check_dies(verify_dies, cache, "does not hold: every slab is on a list");
    cache->slabs--;
    tarn__bit_set(slab->map, tarn__object_index(cache, (size_t)((char *)objects[1] - slab->base)));
    check_dies(verify_dies, cache, "does not hold: ");
    tarn__bits_clear(slab->map, tarn__object_index(cache, (size_t)((char *)objects[1] - slab->base)), 1);
    for (int i = 1; i < 300; i += 2)
        tarn_cache_free(cache, objects[i]);
    end_cache(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(counts_are_exact), CACHE_TEST(counts_go_beyond_32_bits), CACHE_TEST(walk_visits_each_live_object_once),
        CACHE_TEST(each_meets_all),   CACHE_TEST(each_may_look_and_shrink), CACHE_TEST(verify_finds_damage),
    };
    return cmocka_run_group_tests_name("cache_report", tests, begin_caches, NULL);
}
