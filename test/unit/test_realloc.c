/* Floor 6: reallocation between classes, pages, spans and mapped blocks, in every direction; contents, counters, failures. */
#include "test/unit/heap.h"

#include "base/bits.h"

#include <pthread.h>
#include <string.h>

/* Contents repeat after a prime number of bytes, so that no page is like another nearby. */
static unsigned char pattern[4093];

static int make_pattern(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (unsigned char)(check_random(&seed) >> 32);
    return 0;
}

static void fill(unsigned char *p, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof pattern)
        memcpy(p + at, pattern, tarn__min(size - at, sizeof pattern));
}

static bool holds(const unsigned char *p, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof pattern)
        if (memcmp(p + at, pattern, tarn__min(size - at, sizeof pattern)) != 0)
            return false;
    return true;
}

static void check_step(size_t from, size_t to)
{
    unsigned char *p = tarn_malloc(from);
    assert_non_null(p);
    fill(p, from);
    unsigned char *q = tarn_realloc(p, to);
    assert_non_null(q);
    assert_true(tarn_usable_size(q) >= to);
    if (!holds(q, tarn__min(from, to)))
        fail_msg("contents are lost from %zu to %zu", from, to);
    if (to)
        q[to - 1] = 9;
    tarn_free(q);
}

static void small_to_small(void **state)
{
    (void)state;
    for (size_t from = 1; from <= 40000; from += from / 5 + 1)
        for (size_t to = 1; to <= 40000; to += to / 6 + 1)
            check_step(from, to);
    check_heap();
}

static void every_kind_to_every_kind(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,       100,     20000,   32768,   32769,    65536,    300000,  MIB,
                                   3 * MIB, 4 * MIB, 5 * MIB, 9 * MIB, 20 * MIB, 64 * MIB, 65 * MIB};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++)
            check_step(sizes[i], sizes[j]);
    check_heap();
}

/* In a heap that is in use, where not everything that follows is free. */
static void among_others(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    static unsigned char *p[COUNT];
    static size_t size[COUNT];
    uint64_t seed = 17;
    for (int step = 0; step < 1500; step++) {
        size_t at = check_random(&seed) % COUNT,
               to = 1 + (check_random(&seed) & (((size_t)64 << check_random(&seed) % 14) - 1));
        unsigned char *q = tarn_realloc(p[at], to);
        assert_non_null(q);
        if (!holds(q, tarn__min(size[at], to)))
            fail_msg("step %d: contents are lost from %zu to %zu", step, size[at], to);
        fill(q, to);
        p[at] = q;
        size[at] = to;
        if (step % 20 == 0)
            check_heap();
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(holds(p[i], size[i]));
        tarn_free(p[i]);
        p[i] = NULL;
    }
}

static void null_and_zero(void **state)
{
    (void)state;
    unsigned char *p = tarn_realloc(NULL, 100);
    assert_non_null(p);
    assert_int_equal(stats().live_objects, 1);
    assert_null(tarn_realloc(p, 0));
    assert_int_equal(stats().live_objects, 0);
    p = tarn_realloc(NULL, 0);
    assert_non_null(p);
    assert_null(tarn_realloc(p, 0));
    p = tarn_malloc(100000);
    assert_null(tarn_realloc(p, 0));
}

static void grows_in_place_where_pages_follow(void **state)
{
    (void)state;
    unsigned char *p = tarn_malloc(100000);
    fill(p, 100000);
    struct tarn_stats before = stats();
    unsigned char *q = tarn_realloc(p, 200000);
    assert_ptr_equal(q, p);
    assert_int_equal(tarn_usable_size(q), tarn__align_up(200000, 4096));
    q = tarn_realloc(q, 50000);
    assert_ptr_equal(q, p);
    assert_int_equal(tarn_usable_size(q), tarn__align_up(50000, 4096));
    struct tarn_stats now = stats();
    assert_int_equal(now.reallocs_in_place, before.reallocs_in_place + 2);
    assert_int_equal(now.reallocs_moved, before.reallocs_moved);
    assert_int_equal(now.allocations, before.allocations);
    assert_int_equal(now.live_bytes, tarn__align_up(50000, 4096));
    assert_true(holds(q, 50000));
    tarn_free(q);
}

static void counts_moves(void **state)
{
    (void)state;
    struct tarn_stats before = stats();
    unsigned char *p = tarn_malloc(100), *q = tarn_realloc(p, 5000), *r = tarn_realloc(q, 70), *s = tarn_realloc(r, 64);
    assert_true(p != q && q != r);
    assert_ptr_equal(s, r);
    struct tarn_stats now = stats();
    assert_int_equal(now.reallocs_moved, before.reallocs_moved + 2);
    assert_int_equal(now.reallocs_in_place, before.reallocs_in_place + 1);
    assert_int_equal(now.allocations, before.allocations + 3);
    assert_int_equal(now.frees, before.frees + 2);
    assert_int_equal(now.live_objects, 1);
    tarn_free(s);
}

/* In the thread's part of a class, once it has begun it; and what a thread counted stays when it ends. */
static void *stay_in_place(void *p)
{
    for (size_t size = 90; size < 93; size++)
        assert_ptr_equal(tarn_realloc(p, size), p);
    tarn_free(tarn_malloc(90));
    for (size_t size = 93; size < 97; size++)
        assert_ptr_equal(tarn_realloc(p, size), p);
    return NULL;
}

static void counts_in_threads(void **state)
{
    (void)state;
    struct tarn_stats before = stats();
    void *p = tarn_malloc(96);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stay_in_place, p), 0);
    pthread_join(thread, NULL);
    assert_int_equal(stats().reallocs_in_place, before.reallocs_in_place + 7);
    stay_in_place(p);
    struct tarn_stats now = stats();
    assert_int_equal(now.reallocs_in_place, before.reallocs_in_place + 14);
    assert_int_equal(now.reallocs_moved, before.reallocs_moved);
    tarn_free(p);
}

static void moves_pages_of_large_blocks(void **state)
{
    (void)state;
    unsigned char *p = tarn_malloc(6 * MIB), *wall = tarn_malloc(100000);
    fill(p, 6 * MIB);
    struct tarn_stats before = stats();
    uint64_t moves = tarn__os_calls(TARN__OS_MOVE);
    unsigned char *q = tarn_realloc(p, 30 * MIB);
    assert_non_null(q);
    struct tarn_stats now = stats();
    if (q != p) {
        assert_int_equal(tarn__os_calls(TARN__OS_MOVE), moves + 1);
        assert_int_equal(now.reallocs_remapped, before.reallocs_remapped + 1);
        assert_int_equal(now.reallocs_moved, before.reallocs_moved);
    }
    assert_true(holds(q, 6 * MIB));
    assert_int_equal(now.live_objects, 2);
    tarn_free(q);
    tarn_free(wall);
    unsigned char *zero = tarn_calloc(6, MIB);
    assert_true(check_all_bytes(zero, 6 * MIB, 0));
    tarn_free(zero);
}

/* From 1 MiB on when the new place is clean: a copy would fault in each page, and keep both. Where there are resident pages it is copied. */
static void moves_pages_to_clean_places(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        unsigned char *p = tarn_malloc(2 * MIB), *wall = tarn_malloc(100000), *dirty = tarn_malloc(4 * MIB);
        assert_ptr_equal(wall, p + 2 * MIB);
        fill(p, 2 * MIB);
        tarn_free(dirty);
        if (clean)
            tarn_trim(0);
        struct tarn_stats before = stats();
        unsigned char *q = tarn_realloc(p, 3 * MIB);
        assert_true(q != p);
        assert_true(holds(q, 2 * MIB));
        assert_int_equal(stats().reallocs_remapped - before.reallocs_remapped, clean);
        assert_int_equal(stats().reallocs_moved - before.reallocs_moved, !clean);
        unsigned char *small = tarn_malloc(900000), *next = tarn_malloc(100000); /* shorter ones are copied all the same */
        fill(small, 900000);
        tarn_trim(0);
        unsigned char *longer = tarn_realloc(small, 1500000);
        assert_true(holds(longer, 900000));
        assert_int_equal(stats().reallocs_remapped - before.reallocs_remapped, clean);
        tarn_free(longer);
        tarn_free(next);
        tarn_free(q);
        tarn_free(wall);
        tarn_trim(0);
    }
}

static void copies_when_pages_cannot_move(void **state)
{
    (void)state;
    unsigned char *p = tarn_malloc(6 * MIB), *wall = tarn_malloc(100000);
    fill(p, 6 * MIB);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MOVE), 1, UINT64_MAX);
    p = tarn_realloc(p, 30 * MIB);
    assert_non_null(p);
    assert_true(holds(p, 6 * MIB));
    tarn__fake_fail(0, 0, 0);
    tarn_free(p);
    tarn_free(wall);
}

/* A failure keeps the block, whatever it is. */
static void failure_keeps_the_block(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1000, 32768, 50000, MIB, 5 * MIB, 65 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *p = tarn_malloc(sizes[i]);
        fill(p, sizes[i]);
        struct tarn_stats before = stats();
        static const size_t impossible[] = {SIZE_MAX, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX, TARN__FAKE_SIZE};
        for (size_t j = 0; j < sizeof impossible / sizeof *impossible; j++)
            assert_null(tarn_realloc(p, impossible[j]));
        struct tarn_stats now = stats();
        assert_int_equal(now.live_objects, 1);
        assert_int_equal(now.live_bytes, before.live_bytes);
        assert_true(holds(p, sizes[i]));
        tarn_free(p);
    }
    check_heap();
}

/* A smaller size never fails: without memory for a smaller object the old one does. */
static void shrinking_never_fails(void **state)
{
    (void)state;
    unsigned char *p = tarn_malloc(90 * MIB);
    fill(p, 50000);
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    for (size_t size = 50 * MIB; size > 0; size /= 7) {
        unsigned char *q = tarn_realloc(p, size);
        assert_non_null(q);
        assert_true(holds(q, tarn__min(size, 50000)));
        p = q;
    }
    tarn__fake_fail(0, 0, 0);
    tarn_free(p);
}

/* `failures` counts requests that got NULL. A smaller block is a favour, and room to grow is one too. */
static void counts_failures_exactly(void **state)
{
    (void)state;
    unsigned char *p = tarn_malloc(90 * MIB);
    fill(p, 1000);
    uint64_t failures = stats().failures;
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), 1, UINT64_MAX);
    unsigned char *q = tarn_realloc(p, 1000); /* there is no memory for a smaller one */
    assert_ptr_equal(q, p);
    tarn__fake_fail(0, 0, 0);
    assert_true(holds(q, 1000));
    assert_int_equal(stats().failures, failures);
    q = tarn_realloc(p, 140 * MIB); /* fits only without the eighth more */
    assert_non_null(q);
    assert_int_equal(stats().failures, failures);
    tarn_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(small_to_small),
        HEAP_TEST(every_kind_to_every_kind),
        HEAP_TEST(among_others),
        HEAP_TEST(null_and_zero),
        HEAP_TEST(grows_in_place_where_pages_follow),
        HEAP_TEST(counts_moves),
        HEAP_TEST(counts_in_threads),
        HEAP_TEST(moves_pages_of_large_blocks),
        HEAP_TEST(moves_pages_to_clean_places),
        HEAP_TEST(copies_when_pages_cannot_move),
        HEAP_TEST(failure_keeps_the_block),
        HEAP_TEST(shrinking_never_fails),
        HEAP_TEST(counts_failures_exactly),
    };
    return cmocka_run_group_tests_name("realloc", tests, make_pattern, NULL);
}
