/* Floor 4: the pressure on shrinkers, their batches, and what is deferred: exact numbers. */
#include "test/unit/shrinker.h"

static void as_allocated(void **state)
{
    (void)state;
    struct tarn_shrinker *shrinker = tarn_shrinker_alloc(7, "name");
    assert_null(shrinker->count_objects);
    assert_null(shrinker->scan_objects);
    assert_null(shrinker->private_data);
    assert_int_equal(shrinker->seeks, 2);
    assert_int_equal(shrinker->batch, 0);
    assert_int_equal(shrinker->flags, 7);
    tarn_shrinker_free(shrinker);
    tarn_shrinker_free(NULL);
}

static void nothing_registered(void **state)
{
    (void)state;
    assert_int_equal(tarn_shrink_all(TARN_GFP_KERNEL, 0), 0);
}

/* 1000 objects: a pass at priority 0 wants 1000 * 4 / 2 = 2000 and gets 15 batches of 128; 1920 looked at, 80 deferred. */
static void all_at_priority_0(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 1000);
    cache.keeps = true;
    assert_int_equal(shrink(&cache, 0), 0);
    assert_int_equal(cache.scans, 15);
    for (int i = 0; i < 15; i++)
        assert_int_equal(cache.asked[i], 128);
    drop(&cache);
    make(&cache, 1000);
    assert_int_equal(shrink(&cache, 0), 1000);
    assert_int_equal(cache.objects, 0);
    drop(&cache);
}

/* 2^20 objects at priority 12: 256, times 4 / 2: 512, in 4 batches. */
static void pressure_by_priority(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 1 << 20);
    cache.keeps = true;
    for (int priority = 12; priority >= 8; priority--) {
        shrink(&cache, priority);
        assert_int_equal(cache.scans, (512 << (12 - priority)) / 128);
    }
    drop(&cache);
}

static void pressure_by_seeks(void **state)
{
    static const struct {
        int seeks, scans; /* of 12800 objects at priority 4: 800 * 4 / seeks, in whole batches */
    } expected[] = {{1, 25}, {2, 12}, {4, 6}, {8, 3}, {100, 0}};
    struct cache cache;
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        make(&cache, 12800);
        cache.keeps = true;
        cache.shrinker->seeks = expected[i].seeks;
        shrink(&cache, 4);
        assert_int_equal(cache.scans, expected[i].scans);
        drop(&cache);
    }
}

/* Objects that cost nothing to make: half of them, whatever the priority. */
static void no_seeks(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 2560);
    cache.shrinker->seeks = 0;
    assert_int_equal(shrink(&cache, 12), 1280);
    assert_int_equal(cache.scans, 10);
    assert_int_equal(shrink(&cache, 12), 640);
    drop(&cache);
}

static void own_batch(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 1000);
    cache.shrinker->batch = 10;
    assert_int_equal(shrink(&cache, 4), 120); /* 62 * 2 = 124: 12 batches, 4 deferred */
    assert_int_equal(cache.scans, 12);
    assert_int_equal(cache.asked[11], 10);
    drop(&cache);
}

/* Fewer than a batch are not scanned, but remembered: 200 objects at priority 2 give 100 a pass. */
static void deferred_work(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 200);
    cache.keeps = true;
    shrink(&cache, 2);
    assert_int_equal(cache.scans, 0); /* 100 deferred */
    shrink(&cache, 2);
    assert_int_equal(cache.scans, 0); /* (100 >> 2) + 100 = 125 < 128; 200 deferred */
    shrink(&cache, 2);
    assert_int_equal(cache.scans, 1); /* (200 >> 2) + 100 = 150: a batch; 200 + 100 - 128 = 172 deferred */
    shrink(&cache, 2);
    assert_int_equal(cache.scans, 1); /* (172 >> 2) + 100 = 143; 144 deferred */
    shrink(&cache, 2);
    assert_int_equal(cache.scans, 1); /* (144 >> 2) + 100 = 136; 116 deferred */
    shrink(&cache, 2);
    assert_int_equal(cache.scans, 1); /* (116 >> 2) + 100 = 129; 88 deferred */
    shrink(&cache, 2);
    assert_int_equal(cache.scans, 0); /* (88 >> 2) + 100 = 122 */
    drop(&cache);
}

/* Deferred work is at most twice what there is: 100 objects, 50 a pass at priority 2; 200 after 4 passes and no more. */
static void deferral_is_bounded(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 100);
    cache.shrinker->batch = 1000; /* so that nothing is scanned until it is all */
    cache.keeps = true;
    for (int i = 0; i < 10; i++) {
        shrink(&cache, 2);
        if (i < 4) {
            assert_int_equal(cache.scans, 0); /* at most (150 >> 2) + 50 = 87 < 100 */
        } else {
            assert_int_equal(cache.scans, 1); /* (200 >> 2) + 50 = 100: all there are */
            assert_int_equal(cache.asked[0], 100);
            break;
        }
    }
    drop(&cache);
    make(&cache, 100);
    cache.scans_before_stop = 1; /* then it stops at once: nothing is done, all is deferred */
    cache.keeps = true;
    cache.shrinker->batch = 10;
    for (int i = 0; i < 20; i++) {
        cache.scans = 1;
        tarn_shrink_all(TARN_GFP_KERNEL, 0);
    }
    cache.scans_before_stop = 0;
    shrink(&cache, 4);
    assert_int_equal(cache.scans, 2); /* (200 >> 4) + 12 = 24; unbounded it were (4000 >> 4) + 12 */
    shrink(&cache, 0);
    assert_int_equal(cache.scans, 20); /* and never more than twice at once */
    drop(&cache);
}

/* A small cache under high pressure is scanned whole, though that is less than a batch. */
static void less_than_a_batch_when_it_is_all(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 30);
    assert_int_equal(shrink(&cache, 1), 30); /* 15 * 2 = 30 */
    assert_int_equal(cache.scans, 1);
    assert_int_equal(cache.asked[0], 30);
    drop(&cache);
    make(&cache, 30);
    assert_int_equal(shrink(&cache, 2), 0); /* 7 * 2 = 14 */
    drop(&cache);
}

static void stop(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 1000);
    cache.scans_before_stop = 3;
    assert_int_equal(shrink(&cache, 0), 384); /* what the calls before it freed counts */
    assert_int_equal(cache.scans, 4);
    drop(&cache);
}

static void nothing_to_count(void **state)
{
    static const unsigned long answers[] = {0, TARN_SHRINK_EMPTY};
    struct cache cache;
    (void)state;
    for (int i = 0; i < 2; i++) {
        make(&cache, 0);
        cache.count_answer = answers[i];
        assert_int_equal(shrink(&cache, 0), 0);
        assert_int_equal(cache.scans, 0);
        drop(&cache);
    }
}

/* The kernel's fields of progress: a scan may say that it looked at more, or at less. */
static void scanned_as_said(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 640);
    cache.scanned_each = 640;
    assert_int_equal(shrink(&cache, 0), 256); /* 1280 wanted: two calls */
    drop(&cache);
    make(&cache, 640);
    cache.scanned_each = 64;
    cache.keeps = true;
    shrink(&cache, 2); /* 320: 64 each, until less than a batch is left: 320, 256, 192, 128 */
    assert_int_equal(cache.scans, 4);
    drop(&cache);
}

static void absurd_counts(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 10);
    cache.count_answer = TARN_SHRINK_EMPTY - 1;
    cache.scans_before_stop = 5;
    assert_int_equal(shrink(&cache, 0), 10);
    assert_int_equal(cache.scans, 6);
    assert_int_equal(shrink(&cache, 0), 0);
    drop(&cache);
}

static void priorities_out_of_range(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 1 << 20);
    cache.keeps = true;
    shrink(&cache, 1000);
    assert_int_equal(cache.scans, 4); /* as 12 */
    drop(&cache);
    make(&cache, 128);
    assert_int_equal(shrink(&cache, -5), 128); /* as 0 */
    drop(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_allocated),
        cmocka_unit_test(nothing_registered),
        cmocka_unit_test(all_at_priority_0),
        cmocka_unit_test(pressure_by_priority),
        cmocka_unit_test(pressure_by_seeks),
        cmocka_unit_test(no_seeks),
        cmocka_unit_test(own_batch),
        cmocka_unit_test(deferred_work),
        cmocka_unit_test(deferral_is_bounded),
        cmocka_unit_test(less_than_a_batch_when_it_is_all),
        cmocka_unit_test(stop),
        cmocka_unit_test(nothing_to_count),
        cmocka_unit_test(scanned_as_said),
        cmocka_unit_test(absurd_counts),
        cmocka_unit_test(priorities_out_of_range),
    };
    return cmocka_run_group_tests_name("shrinker", tests, NULL, NULL);
}
