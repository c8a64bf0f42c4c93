/* Floor 5: slabs, the depot, and their checker, over the fake system. Threads' bins are in test_local.c. */
#include "test/unit/check.h"

#include "base/bits.h"
#include "base/fail.h"
#include "os/fake.h"
#include "slab/cache.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER = 7, MOST = 3 * 4096 + 2 };

static struct tarn_zone zone;
static struct tarn_cache cache;
static struct tarn__magazine depot[TARN__DEPOT_DEPTH];
static void *objects[MOST];

static void make_cache(size_t size)
{
    memset(depot, 0, sizeof depot);
    tarn__cache_init(&cache, "test", NUMBER, size, &zone, depot);
    assert_int_equal(cache.objects, TARN__UNIT_SIZE / size);
    assert_true(cache.capacity >= TARN__MAGAZINE_LEAST && cache.capacity <= TARN__MAGAZINE_MOST);
}

static int begin(void **state)
{
    (void)state;
    tarn__set_fail_exit(tarn__os_die);
    tarn__zone_init(&zone, "test", tarn__window_source());
    return 0;
}

/* Everything was put back: no slab, no page is left. */
static int end(void **state)
{
    (void)state;
    tarn__cache_check(&cache);
    tarn__zone_check(&zone);
    assert_int_equal(cache.slabs, 0);
    assert_int_equal(cache.free_objects, 0);
    tarn__zone_trim(&zone, 0);
    assert_int_equal(zone.pages, 0);
    return 0;
}

/* From the slabs there are, then from new ones. */
static size_t take(size_t first, size_t wanted)
{
    size_t got = 0;
    while (got < wanted) {
        size_t more = tarn__cache_take(&cache, objects + first + got, wanted - got);
        if (more == 0)
            more = tarn__cache_take_new(&cache, objects + first + got, wanted - got, TARN_GFP_KERNEL);
        if (more == 0)
            break;
        got += more;
    }
    return got;
}

static void put(size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        tarn__cache_put(&cache, objects[i]);
}

static int by_address(const void *a, const void *b)
{
    const char *x = *(void *const *)a, *y = *(void *const *)b;
    return (x > y) - (x < y);
}

static void check_objects(size_t size, size_t count)
{
    size_t align = tarn__pow2_factor(size);
    qsort(objects, count, sizeof *objects, by_address);
    for (size_t i = 0; i < count; i++) {
        char *object = objects[i];
        if (i > 0)
            assert_true((char *)objects[i - 1] + size <= object);
        assert_int_equal((uintptr_t)object % align, 0);
        struct tarn__slab *slab = tarn__slab_of(object);
        assert_non_null(slab);
        assert_ptr_equal(slab->cache, &cache);
        assert_true(object >= slab->base && object + size <= slab->base + TARN__UNIT_SIZE);
        assert_int_equal((uint8_t)tarn__unit_entry_any(object), NUMBER);
    }
}

static void takes_and_puts(void **state)
{
    (void)state;
    for (size_t size = 16; size <= 32768; size += size < 1024 ? 16 : size / 8 / 16 * 16) {
        make_cache(size);
        size_t per_slab = cache.objects, count = 3 * per_slab + 1;
        assert_int_equal(take(0, count), count);
        assert_int_equal(cache.slabs, 4);
        assert_int_equal(cache.free_objects, 4 * per_slab - count);
        check_objects(size, count);
        for (size_t i = 0; i < count; i++)
            memset(objects[i], (int)i, size);
        for (size_t i = 0; i < count; i++)
            assert_true(check_all_bytes(objects[i], size, (unsigned char)i));
        tarn__cache_check(&cache);
        for (size_t i = 0; i < count; i += 2)
            put(i, 1);
        tarn__cache_check(&cache);
        for (size_t i = 1; i < count; i += 2)
            put(i, 1);
        assert_int_equal(cache.slabs, 0);
        assert_int_equal(cache.free_objects, 0);
    }
}

/* The multiplication gives what a division would, for every size of a slot. It rises with the offset, so the first and last byte of each slot tell. */
static void indexes_of_all_sizes(void **state)
{
    (void)state;
    for (size_t size = 8; size <= TARN__UNIT_SIZE; size += 8) {
        tarn__cache_init(&cache, "test", NUMBER, size, &zone, depot);
        for (size_t begin = 0, i = 0; begin < TARN__UNIT_SIZE; begin += size, i++) {
            size_t last = tarn__min(begin + size, TARN__UNIT_SIZE) - 1;
            if (tarn__object_index(&cache, begin) != i || tarn__object_index(&cache, last) != i)
                fail_msg("size %zu, object %zu", size, i);
        }
    }
}

/* An address is an object's if it is the first byte of one, in a slab; tried with every byte of a slab. */
static void finds_starts_only(void **state)
{
    (void)state;
    static const size_t sizes[] = {16, 48, 112, 208, 288, 1152, 3328, 18432, 32768};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t size = sizes[s];
        make_cache(size);
        assert_int_equal(take(0, 1), 1);
        struct tarn__slab *slab = tarn__slab_of(objects[0]);
        for (size_t offset = 0; offset < TARN__UNIT_SIZE; offset++) {
            bool start = offset % size == 0 && offset / size < cache.objects;
            assert_int_equal(tarn__object_index(&cache, offset), offset / size);
            if ((tarn__slab_of(slab->base + offset) == slab) != start)
                fail_msg("size %zu, offset %zu", size, offset);
        }
        put(0, 1);
        assert_null(tarn__slab_of(objects[0]));
        assert_int_equal((uint8_t)tarn__unit_entry_any(objects[0]), 0);
    }
    assert_null(tarn__slab_of(NULL));
    assert_null(tarn__slab_of(&cache));
    struct tarn_page *run = tarn__pages_alloc(&zone, 16, TARN__UNIT_SIZE, NULL);
    assert_null(tarn__slab_of(tarn__page_address(run)));
    tarn__pages_free(run);
}

/* The lowest addresses of the fullest slab come first, so that emptier slabs can become empty. */
static void prefers_full_slabs(void **state)
{
    (void)state;
    make_cache(1024);
    assert_int_equal(take(0, 3 * 64), 3 * 64);
    qsort(objects, 3 * 64, sizeof *objects, by_address);
    for (size_t i = 0; i < 60; i++)
        put(i, 1); /* the first keeps 4 */
    for (size_t i = 64; i < 64 + 10; i++)
        put(i, 1); /* the second keeps 54 */
    for (size_t i = 128; i < 128 + 30; i++)
        put(i, 1); /* the third keeps 34 */
    tarn__cache_check(&cache);
    void *again[40];
    assert_int_equal(tarn__cache_take(&cache, again, 40), 40);
    for (size_t i = 0; i < 10; i++)
        assert_ptr_equal(again[i], objects[64 + i]);
    for (size_t i = 0; i < 30; i++)
        assert_ptr_equal(again[10 + i], objects[128 + i]);
    tarn__cache_check(&cache);
    put(60, 4);
    assert_int_equal(cache.slabs, 2);
    put(64, 128);
}

static void random_puts(void **state)
{
    (void)state;
    uint64_t seed = 11;
    make_cache(240);
    size_t live = 0;
    for (int step = 0; step < 3000; step++) {
        if (check_random(&seed) % 100 < (step / 300 % 2 ? 40 : 60) && live < 2000) {
            live += take(live, 1 + check_random(&seed) % 40);
        } else if (live > 0) {
            size_t count = 1 + check_random(&seed) % (live < 40 ? live : 40);
            for (size_t i = 0; i < count; i++) {
                size_t at = check_random(&seed) % (live - i);
                void *object = objects[at];
                objects[at] = objects[live - 1 - i];
                objects[live - 1 - i] = object;
            }
            live -= count;
            put(live, count);
        }
        assert_int_equal(cache.slabs * cache.objects - cache.free_objects, live);
        if (step % 10 == 0)
            tarn__cache_check(&cache);
    }
    put(0, live);
}

static void no_memory(void **state)
{
    (void)state;
    make_cache(512);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), 1, UINT64_MAX);
    assert_int_equal(tarn__cache_take(&cache, objects, 10), 0);
    assert_int_equal(tarn__cache_take_new(&cache, objects, 10, TARN_GFP_KERNEL), 0);
    tarn__cache_check(&cache);
    tarn__fake_fail(0, 0, 0);
    assert_int_equal(take(0, 10), 10);
    put(0, 10);
}

/* Misuse */

static void put_first(void *value)
{
    (void)value;
    put(0, 1);
}

static void put_twice(void *value)
{
    put_first(value);
    put_first(value);
}

static void put_both_at_once(void *value)
{
    (void)value;
    *(void **)objects[0] = objects[0];
    tarn__cache_put_magazine(&cache, (struct tarn__magazine){objects[0], 2});
}

static void put_address(void *p) { tarn__cache_put(&cache, p); }

static struct tarn_cache other;

static void put_to_other(void *value)
{
    (void)value;
    tarn__cache_put(&other, objects[0]);
}

static void misuse_is_detected(void **state)
{
    (void)state;
    static struct tarn__magazine other_depot[TARN__DEPOT_DEPTH];
    make_cache(96);
    tarn__cache_init(&other, "other", NUMBER + 1, 96, &zone, other_depot);
    assert_int_equal(take(0, 700), 700);
    check_dies(put_twice, NULL, "double free");
    check_dies(put_both_at_once, NULL, "double free");
    check_dies(put_address, (char *)objects[1] + 8, "invalid free");
    check_dies(put_address, (char *)objects[1] + 48, "invalid free");
    check_dies(put_address, &cache, "invalid free");
    check_dies(put_address, NULL, "invalid free");
    check_dies(put_to_other, NULL, "invalid free");
    check_lives(put_first, NULL);
    put(0, 700);
}

/* Magazines and the depot */

static struct tarn__magazine magazine_of(size_t first, size_t count)
{
    for (size_t i = first; i + 1 < first + count; i++)
        *(void **)objects[i] = objects[i + 1];
    *(void **)objects[first + count - 1] = NULL;
    return (struct tarn__magazine){objects[first], (uint32_t)count};
}

/* Magazine i of these tests: its first object is objects[i * 5], its length 1 to 5. */
static size_t length_of(size_t i) { return 1 + i % 5; }

static void depot_is_a_stack(void **state)
{
    (void)state;
    make_cache(64);
    size_t depth = cache.depot_depth;
    assert_true(depth >= 32 && depth <= TARN__DEPOT_DEPTH);
    assert_int_equal(take(0, (depth + 1) * 5), (depth + 1) * 5);
    assert_int_equal(tarn__depot_pop(&cache).count, 0);
    for (size_t i = 0; i < depth; i++)
        assert_true(tarn__depot_push(&cache, magazine_of(i * 5, length_of(i))));
    assert_false(tarn__depot_push(&cache, magazine_of(depth * 5, 5)));
    assert_int_equal(cache.depth, depth);
    tarn__cache_check(&cache);
    for (size_t i = depth; i-- > depth / 2;) {
        struct tarn__magazine magazine = tarn__depot_pop(&cache);
        assert_ptr_equal(magazine.head, objects[i * 5]);
        assert_int_equal(magazine.count, length_of(i));
        tarn__cache_put_magazine(&cache, magazine);
    }
    tarn__cache_check(&cache);
    tarn__depot_reap(&cache, true);
    assert_int_equal(cache.depth, 0);
    assert_int_equal(cache.depot_objects, 0);
    for (size_t i = 0; i < depth; i++)
        put(i * 5 + length_of(i), 5 - length_of(i));
    tarn__cache_put_magazine(&cache, magazine_of(depth * 5, 5));
}

/* A reaping puts back as many as lay there untouched since the last one. */
static void reaps_what_was_not_needed(void **state)
{
    (void)state;
    make_cache(64);
    assert_int_equal(take(0, 100), 100);
    for (size_t i = 0; i < 10; i++)
        assert_true(tarn__depot_push(&cache, magazine_of(i * 10, 10)));
    tarn__depot_reap(&cache, false);
    assert_int_equal(cache.depth, 10); /* all of them are new */
    struct tarn__magazine a = tarn__depot_pop(&cache), b = tarn__depot_pop(&cache), c = tarn__depot_pop(&cache);
    assert_true(tarn__depot_push(&cache, c) && tarn__depot_push(&cache, b) && tarn__depot_push(&cache, a));
    tarn__depot_reap(&cache, false);
    assert_int_equal(cache.depth, 3); /* seven were never popped */
    assert_int_equal(cache.depot_objects, 30);
    tarn__cache_check(&cache);
    a = tarn__depot_pop(&cache);
    assert_true(a.head == objects[70] || a.head == objects[80] || a.head == objects[90]);
    assert_true(tarn__depot_push(&cache, a));
    tarn__depot_reap(&cache, true);
    assert_int_equal(cache.depth, 0);
}

static void put_damaged_magazine(void *link)
{
    struct tarn__magazine magazine = magazine_of(0, 4);
    *(void **)objects[1] = link;
    tarn__cache_put_magazine(&cache, magazine);
}

static void put_foreign_magazine(void *p) { tarn__cache_put_magazine(&cache, (struct tarn__magazine){p, 1}); }

static void damaged_magazines_are_detected(void **state)
{
    (void)state;
    make_cache(64);
    assert_int_equal(take(0, 4), 4);
    check_dies(put_damaged_magazine, &cache, "write after free");
    check_dies(put_damaged_magazine, NULL, "write after free");
    check_dies(put_damaged_magazine, (char *)objects[2] + 1, "write after free");
    check_dies(put_damaged_magazine, objects[0], "double free");
    check_dies(put_foreign_magazine, &cache, "invalid free");
    put(0, 4);
}

/* The checker */

static void check_it(void *value)
{
    (void)value;
    tarn__cache_check(&cache);
}

static void spoil_free_objects(void *v)
{
    cache.free_objects++;
    check_it(v);
}
static void spoil_depot_objects(void *v)
{
    cache.depot_objects++;
    check_it(v);
}
static void spoil_slab_count(void *v)
{
    tarn__slab_of(objects[0])->free++;
    check_it(v);
}
static void spoil_slab_hint(void *v)
{
    tarn__slab_of(objects[0])->hint = 20;
    check_it(v);
}
static void spoil_slab_group(void *v)
{
    tarn__slab_of(objects[0])->group = 0;
    check_it(v);
}
static void spoil_slab_map(void *v)
{
    tarn__slab_of(objects[0])->map[0] ^= 1;
    check_it(v);
}
static void spoil_magazine(void *v)
{
    depot[0].count = 0;
    check_it(v);
}

static void checker_can_fail(void **state)
{
    (void)state;
    make_cache(64);
    assert_int_equal(take(0, 10), 10);
    tarn__depot_push(&cache, magazine_of(5, 5));
    check_lives(check_it, NULL);
    check_dies(spoil_free_objects, NULL, "the count of a cache's free objects is right");
    check_dies(spoil_depot_objects, NULL, "the count of the depot's objects is right");
    check_dies(spoil_slab_count, NULL, "does not hold");
    check_dies(spoil_slab_hint, NULL, "nothing is free below the hint");
    check_dies(spoil_slab_group, NULL, "a slab is on the list of its fullness");
    check_dies(spoil_slab_map, NULL, "does not hold");
    check_dies(spoil_magazine, NULL, "neither empty nor overfull");
    tarn__depot_reap(&cache, true);
    put(0, 5);
}

#define SLAB_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLAB_TEST(takes_and_puts),
        SLAB_TEST(indexes_of_all_sizes),
        SLAB_TEST(finds_starts_only),
        SLAB_TEST(prefers_full_slabs),
        SLAB_TEST(random_puts),
        SLAB_TEST(no_memory),
        SLAB_TEST(misuse_is_detected),
        SLAB_TEST(depot_is_a_stack),
        SLAB_TEST(reaps_what_was_not_needed),
        SLAB_TEST(damaged_magazines_are_detected),
        SLAB_TEST(checker_can_fail),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
