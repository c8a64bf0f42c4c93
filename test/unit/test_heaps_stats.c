/* Floor 6: users' heaps in the counters of the whole process: what they hold, what they held, what they refused. */
#include "test/unit/heap.h"

#include "alloc/heaps.h"
#include "tarn/heap.h"

/* What size classes and large requests hold: heaps' descriptors among it. */
static void common(uint64_t *objects, uint64_t *bytes)
{
    struct tarn_stats now = stats();
    *objects = now.large_allocations - now.large_frees;
    *bytes = now.large_live_bytes;
    for (unsigned i = 0; i < TARN_CLASSES; i++) {
        struct tarn_class_stats class;
        assert_int_equal(tarn_class_stats(i, &class), 0);
        *objects += class.allocations - class.frees;
        *bytes += (class.allocations - class.frees) * class.size;
    }
}

/* That heaps hold so much, beside what the common one does. */
static void require_in_heaps(uint64_t objects, uint64_t bytes)
{
    uint64_t common_objects, common_bytes;
    common(&common_objects, &common_bytes);
    assert_int_equal(stats().live_objects, common_objects + objects);
    assert_int_equal(stats().live_bytes, common_bytes + bytes);
}

static struct tarn_heap *make(struct tarn_heap *parent, size_t limit)
{
    struct tarn_heap *heap = tarn_heap_create(&(struct tarn_heap_options){.parent = parent, .hard_limit = limit});
    assert_non_null(heap);
    return heap;
}

static void live_objects_count_once(void **state)
{
    (void)state;
    struct tarn_heap *top = make(NULL, 0), *child = make(top, 0);
    void *small[50], *large;
    for (int i = 0; i < 50; i++)
        assert_non_null(small[i] = tarn_heap_alloc(i % 2 ? top : child, 64));
    require_in_heaps(50, 50 * 64);
    assert_non_null(large = tarn_heap_alloc(child, 100000));
    require_in_heaps(51, 50 * 64 + 25 * 4096);
    assert_non_null(large = tarn_heap_realloc(child, large, 50000));
    require_in_heaps(51, 50 * 64 + 13 * 4096);
    for (int i = 0; i < 50; i++)
        tarn_free(small[i]);
    require_in_heaps(1, 13 * 4096);
    tarn_free(large);
    require_in_heaps(0, 0);
    tarn_heap_destroy(top);
}

static void what_ended_stays_counted(void **state)
{
    (void)state;
    struct tarn_stats before = stats();
    struct tarn_heap *top = make(NULL, 0), *child = make(top, 0);
    for (int i = 0; i < 3000; i++)
        assert_non_null(tarn_heap_alloc(i % 2 ? top : child, 16));
    assert_true(stats().allocations >= before.allocations + 3000);
    assert_int_equal(tarn_heap_reset(child), 1500);
    require_in_heaps(1500, 1500 * 16);
    assert_true(stats().frees >= before.frees + 1500);
    assert_int_equal(tarn_heap_destroy(top), 1500);
    require_in_heaps(0, 0);
    struct tarn_stats now = stats();
    assert_int_equal(now.live_objects, before.live_objects);
    assert_int_equal(now.live_bytes, before.live_bytes);
    assert_true(now.frees >= before.frees + 3000);
}

static void refusals_count(void **state)
{
    (void)state;
    struct tarn_stats before = stats();
    struct tarn_heap *heap = make(NULL, 4096);
    assert_null(tarn_heap_alloc(heap, 5000));
    assert_null(tarn_heap_alloc(heap, 1 << 20));
    assert_int_equal(stats().failures, before.failures + 2);
    tarn_heap_destroy(heap);
    assert_int_equal(stats().failures, before.failures + 2);
}

/* Peaks: MUCH at once, several times, in two heaps that do not have it at one time. */

enum { OBJECTS = 512, SIZE = 1024, MUCH = OBJECTS * SIZE, SLAB = 65536 };

static void fill_small(struct tarn_heap *heap, void **p)
{
    for (int i = 0; i < OBJECTS; i++)
        assert_non_null(p[i] = tarn_heap_alloc(heap, SIZE));
}

static void empty_by_frees(struct tarn_heap *heap)
{
    void *p[OBJECTS];
    fill_small(heap, p);
    for (int i = 0; i < OBJECTS; i++)
        tarn_free(p[i]);
}

static void empty_by_reset(struct tarn_heap *heap)
{
    void *p[OBJECTS];
    fill_small(heap, p);
    tarn_heap_reset(heap);
}

static void free_large(struct tarn_heap *heap) { tarn_free(tarn_heap_alloc(heap, MUCH)); }

static void shrink_large(struct tarn_heap *heap)
{
    void *p = tarn_heap_alloc(heap, MUCH);
    assert_non_null(p);
    assert_ptr_equal(tarn_heap_realloc(heap, p, 40960), p);
}

static void peaks_are_seen(void **state)
{
    (void)state;
    struct tarn_heap *heap = make(NULL, 0);
    uint64_t before = stats().peak_bytes;
    assert_true(before < MUCH / 2);
    empty_by_reset(heap);
    assert_true(stats().peak_bytes >= MUCH - SLAB);
    uint64_t most = stats().peak_bytes;
    char *p = tarn_heap_alloc(heap, MUCH);
    assert_non_null(p = tarn_heap_realloc(heap, p, 2 * MUCH)); /* in place, or both at one time */
    tarn_heap_reset(heap);
    assert_true(stats().peak_bytes >= most + MUCH - SLAB);
    tarn_heap_destroy(heap);
}

static void what_is_gone_is_not_in_later_peaks(void **state)
{
    static void (*const ways[])(struct tarn_heap *) = {empty_by_frees, empty_by_reset, free_large, shrink_large};
    (void)state;
    uint64_t most = stats().peak_bytes;
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        struct tarn_heap *before = make(NULL, 0), *after = make(NULL, 0);
        ways[way](before);
        assert_non_null(tarn_heap_alloc(after, most));
        tarn_heap_destroy(after);
        tarn_heap_destroy(before);
        assert_true(stats().peak_bytes <= most + 2 * SLAB);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(live_objects_count_once), HEAP_TEST(what_ended_stays_counted),           HEAP_TEST(refusals_count),
        HEAP_TEST(peaks_are_seen),          HEAP_TEST(what_is_gone_is_not_in_later_peaks),
    };
    return cmocka_run_group_tests_name("heaps_stats", tests, NULL, NULL);
}
