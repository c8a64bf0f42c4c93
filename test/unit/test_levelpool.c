/* Floor 4: level pools. */
#include "test/unit/check.h"
#include "test/unit/fallback.h"

#include "pool/bytes.h"
#include "pool/levelpool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 18 };

static _Alignas(64) char memory[ROOM + 64];

static struct tarn_levelpool_options passing(void)
{
    outside = (struct fallback){0, 0, 0, false};
    return (struct tarn_levelpool_options){.fallback = {outside_alloc, outside_free, &outside}};
}

static struct tarn_levelpool *make(size_t size, const struct tarn_levelpool_options *options)
{
    struct tarn_levelpool *pool = tarn_levelpool_create(memory, size, options);
    assert_non_null(pool);
    assert_int_equal(tarn_levelpool_check(pool), 0);
    return pool;
}

static void end(struct tarn_levelpool *pool)
{
    assert_int_equal(tarn_levelpool_check(pool), 0);
    assert_int_equal(tarn_levelpool_destroy(pool), 0);
}

static struct tarn_pool_stats stats_of(struct tarn_levelpool *pool)
{
    struct tarn_pool_stats stats;
    tarn_levelpool_stats(pool, &stats);
    return stats;
}

static char *take(struct tarn_levelpool *pool, size_t size)
{
    char *p = tarn_levelpool_alloc(pool, size);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % (size == 0 || (size + 7) / 8 % 2 ? 8 : 16), 0);
    memset(p, 0xe7, size);
    return p;
}

static void give(struct tarn_levelpool *pool, void *p) { assert_int_equal(tarn_levelpool_free(pool, p), 0); }

static void arguments(void **state)
{
    (void)state;
    struct tarn_levelpool_options options = {.classes = 65};
    assert_null(tarn_levelpool_create(memory, ROOM, &options));
    options = (struct tarn_levelpool_options){.blocks = 8, .low_water = 8};
    assert_null(tarn_levelpool_create(memory, ROOM, &options));
    options = (struct tarn_levelpool_options){.low_water = 20};
    assert_null(tarn_levelpool_create(memory, ROOM, &options));
    options = (struct tarn_levelpool_options){.flags = 1 << 10};
    assert_null(tarn_levelpool_create(memory, ROOM, &options));
    options = (struct tarn_levelpool_options){.blocks = UINT32_MAX, .classes = 64};
    assert_null(tarn_levelpool_create(memory, ROOM, &options));
    assert_null(tarn_levelpool_create(memory, SIZE_MAX - 100, NULL));
    for (size_t size = 0; size < 16000; size += 100) /* the prepared blocks alone are 21 760 bytes */
        assert_null(tarn_levelpool_create(memory, size, NULL));
    options = (struct tarn_levelpool_options){.classes = 64, .blocks = 1};
    end(make(ROOM, &options));
}

static void blocks_are_ready(void **state)
{
    (void)state;
    struct tarn_levelpool *pool = make(ROOM, NULL);
    for (size_t size = 0; size <= 128; size++)
        assert_int_equal(tarn_levelpool_ready(pool, size), 20);
    assert_int_equal(tarn_levelpool_ready(pool, 129), 0);
    assert_int_equal(tarn_levelpool_ready(pool, SIZE_MAX), 0);
    char *p[21];
    for (size_t i = 0; i < 15; i++) {
        p[i] = take(pool, 40);
        assert_int_equal(tarn_levelpool_ready(pool, 33), 19 - i);
        assert_int_equal(tarn_levelpool_usable_size(pool, p[i]), 40);
    }
    p[15] = take(pool, 33); /* would leave four, below the mark */
    assert_int_equal(tarn_levelpool_ready(pool, 40), 20);
    assert_int_equal(tarn_levelpool_ready(pool, 41), 20);
    for (size_t i = 0; i < 16; i++)
        give(pool, p[i]);
    assert_int_equal(tarn_levelpool_ready(pool, 40), 36);
    struct tarn_pool_stats stats = stats_of(pool);
    assert_int_equal(stats.allocations, 16);
    assert_int_equal(stats.frees, 16);
    assert_int_equal(stats.live_blocks, 0);
    assert_int_equal(stats.live_bytes, 0);
    assert_int_equal(stats.peak_bytes, 16 * 40);
    assert_int_equal(stats.size, ROOM);
    assert_int_equal(stats.segments, 1);
    end(pool);
}

/* Whatever the numbers are: a class is filled up as soon as it has fewer than the mark, and to what was said. */
static void marks(void **state)
{
    (void)state;
    for (unsigned blocks = 1; blocks < 12; blocks++)
        for (unsigned low = 0; low < blocks; low++) {
            struct tarn_levelpool_options options = {.classes = 3, .blocks = blocks, .low_water = low};
            struct tarn_levelpool *pool = make(16384, &options);
            size_t mark = low ? low : blocks / 4, ready = blocks;
            char *p[60];
            for (size_t i = 0; i < 60; i++) {
                p[i] = take(pool, 24);
                ready = ready <= mark ? blocks : ready - 1;
                assert_int_equal(tarn_levelpool_ready(pool, 24), ready);
            }
            for (size_t i = 0; i < 60; i++)
                give(pool, p[i]);
            end(pool);
        }
}

/* At each alignment; nothing beside the buffer is touched, and all of it that was promised can be had. */
static void buffers_anywhere(void **state)
{
    (void)state;
    struct tarn_levelpool_options options = {.classes = 5, .blocks = 4};
    for (size_t shift = 0; shift < 64; shift++) {
        memset(memory, 0xcc, 8192);
        size_t size = 3000 + shift * 7;
        struct tarn_levelpool *pool = tarn_levelpool_create(memory + shift, size, &options);
        assert_non_null(pool);
        for (size_t bytes = 40; bytes >= 8; bytes -= 8)
            for (char *p; (p = tarn_levelpool_alloc(pool, bytes));) {
                assert_true(p >= memory + shift && p + bytes <= memory + shift + size);
                memset(p, 0, bytes);
            }
        assert_int_equal(tarn_levelpool_check(pool), 0);
        struct tarn_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.live_bytes, stats.capacity);
        assert_int_equal(stats.largest_free, 0);
        assert_int_equal(stats.failures, 5);
        assert_true(check_all_bytes(memory, shift, 0xcc));
        assert_true(check_all_bytes(memory + shift + size, 64, 0xcc));
        assert_int_equal(tarn_levelpool_destroy(pool), TARN_POOL_BUSY);
    }
}

static void memory_of_a_source(void **state)
{
    (void)state;
    struct tarn_source_count count;
    struct tarn_source_fail fail;
    tarn_source_count_init(&count, tarn_source_system());
    tarn_source_fail_init(&fail, &count.source, 1, 1);
    struct tarn_levelpool_options options = {.source = &fail.source};
    assert_null(tarn_levelpool_create(NULL, 0, &options));
    struct tarn_levelpool *pool = tarn_levelpool_create(NULL, 0, &options);
    assert_non_null(pool);
    assert_int_equal(tarn_levelpool_ready(pool, 128), 20);
    assert_true(count.acquired < 40000);
    enum { MANY = 5000 };
    static char *p[MANY];
    for (size_t i = 0; i < MANY; i++)
        p[i] = take(pool, 1 + i % 128);
    assert_true(stats_of(pool).segments > 3);
    assert_int_equal(stats_of(pool).size, count.acquired);
    assert_int_equal(tarn_levelpool_check(pool), 0);
    assert_int_equal(tarn_levelpool_destroy(pool), TARN_POOL_BUSY);
    for (size_t i = 0; i < MANY; i++)
        give(pool, p[i]);
    end(pool);
    assert_int_equal(count.released, count.acquired);

    pool = tarn_levelpool_create(NULL, 0, NULL); /* the system's */
    give(pool, take(pool, 100));
    end(pool);
}

/* Without memory what is ready is handed out to the last; once there is some again, all goes on. */
static void a_source_that_fails(void **state)
{
    (void)state;
    struct tarn_source_fail fail;
    tarn_source_fail_init(&fail, tarn_source_system(), 1, UINT64_MAX);
    struct tarn_levelpool_options options = {.source = &fail.source, .classes = 2, .blocks = 10};
    assert_null(tarn_levelpool_create(memory, 700, &options)); /* too small for its blocks */
    struct tarn_levelpool *pool = make(2048, &options);
    char *p[200];
    size_t count = 0;
    while ((p[count] = tarn_levelpool_alloc(pool, 16)))
        count++;
    assert_true(count >= 10 && count < 130);
    assert_int_equal(stats_of(pool).failures, 1);
    assert_int_equal(tarn_levelpool_check(pool), 0);
    fail.times = 0;
    p[count++] = take(pool, 16);
    assert_int_equal(tarn_levelpool_ready(pool, 16), 10);
    assert_int_equal(stats_of(pool).segments, 2);
    while (count > 0)
        give(pool, p[--count]);
    end(pool);

    tarn_source_fail_init(&fail, tarn_source_system(), 3, UINT64_MAX); /* in the middle of being made */
    options = (struct tarn_levelpool_options){.source = &fail.source, .classes = 64, .blocks = 300};
    assert_null(tarn_levelpool_create(NULL, 40000, &options));
    assert_int_equal(fail.calls, 5); /* two were acquired and are released */
}

static void passing_on(void **state)
{
    (void)state;
    struct tarn_levelpool_options options = passing();
    options.lock = TARN_POOL_LOCK_BUILTIN;
    struct tarn_levelpool *pool = make(ROOM, &options);
    take(pool, 128);
    assert_int_equal(outside.calls, 0);
    char *p = take(pool, 129), *q = take(pool, 100000);
    assert_int_equal(outside.out, 2);
    assert_int_equal(outside.bytes, 100129);
    assert_int_equal(tarn_levelpool_usable_size(pool, p), 129);
    assert_int_equal(tarn_levelpool_free(pool, p + 8), TARN_POOL_FOREIGN);
    assert_ptr_equal(tarn_levelpool_realloc(pool, p, 129), p);
    q = tarn_levelpool_realloc(pool, q, 50);
    assert_true(q >= memory && q < memory + ROOM && check_all_bytes(q, 50, 0xe7));
    q = tarn_levelpool_realloc(pool, q, 500);
    assert_true(check_all_bytes(q, 50, 0xe7));
    assert_int_equal(outside.bytes, 629);
    outside.fails = true;
    assert_null(tarn_levelpool_alloc(pool, 130));
    assert_null(tarn_levelpool_realloc(pool, q, 600));
    assert_true(check_all_bytes(q, 50, 0xe7));
    struct tarn_pool_stats stats = stats_of(pool);
    assert_int_equal(stats.failures, 2);
    assert_int_equal(stats.fallbacks, 3);
    assert_int_equal(stats.live_blocks, 3);
    assert_int_equal(stats.live_bytes, 128 + 629);
    give(pool, p);
    assert_int_equal(tarn_levelpool_free(pool, p), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_levelpool_check(pool), 0);
    assert_null(tarn_levelpool_realloc(pool, q, 0));
    assert_int_equal(outside.out, 0);
    assert_int_equal(tarn_levelpool_destroy(pool), TARN_POOL_BUSY);

    pool = make(ROOM, NULL); /* malloc's */
    p = take(pool, 1000);
    assert_int_equal(tarn_levelpool_destroy(pool), TARN_POOL_BUSY);
    give(pool, p);
    end(pool);
}

static void wrong_frees(void **state)
{
    (void)state;
    struct tarn_levelpool *pool = make(ROOM, NULL);
    int outside_of_it = 0;
    assert_int_equal(tarn_levelpool_free(pool, NULL), 0);
    assert_int_equal(tarn_levelpool_free(pool, &outside_of_it), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_levelpool_free(pool, (void *)(uintptr_t)16), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_levelpool_free(pool, memory), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_levelpool_free(pool, memory + ROOM - 1), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_levelpool_free(pool, memory + ROOM), TARN_POOL_FOREIGN);
    for (size_t size = 8; size <= 128; size += 8) {
        char *p = take(pool, size);
        for (size_t i = 1; i < size; i++) {
            assert_int_equal(tarn_levelpool_free(pool, p + i), TARN_POOL_INSIDE);
            assert_int_equal(tarn_levelpool_usable_size(pool, p + i), 0);
            assert_null(tarn_levelpool_realloc(pool, p + i, 5));
        }
        give(pool, p);
        assert_int_equal(tarn_levelpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
        assert_int_equal(tarn_levelpool_usable_size(pool, p), 0);
        assert_null(tarn_levelpool_realloc(pool, p, 5));
        memset(p, 0xff, size - size % 16); /* what is written to it does not hide that it is free */
        assert_int_equal(tarn_levelpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
        memset(p, 0, size - size % 16);
        if (size == 8)
            assert_int_equal(tarn_levelpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
    }
    assert_int_equal(stats_of(pool).frees, 16);
    tarn_levelpool_destroy(pool);
}

/* A link that was written to leads nowhere: what is live stays apart, and the pool says what happened. */
static void links_overwritten(void **state)
{
    (void)state;
    static const unsigned flags[] = {0, TARN_POOL_CHECK};
    for (size_t pass = 0; pass < 2; pass++) {
        uintptr_t wild[] = {0, 8, UINTPTR_MAX, (uintptr_t)&pass, (uintptr_t)memory, 0, 0};
        size_t kinds = pass ? 7 : 6;
        for (size_t i = 0; i < kinds; i++) {
            struct tarn_levelpool_options options = {.flags = flags[pass]};
            struct tarn_levelpool *pool = make(ROOM, &options);
            char *p = take(pool, 32), *live = take(pool, 32), *other = take(pool, 64);
            wild[5] = (uintptr_t)live;
            wild[6] = (uintptr_t)other + 32;
            give(pool, p);
            memcpy(p, &wild[i], sizeof wild[i]);
            assert_int_equal(tarn_levelpool_check(pool), TARN_POOL_CORRUPT);
            assert_ptr_equal(take(pool, 32), p);
            char *next = take(pool, 32);
            assert_true(next != p && next != live && next >= memory && next < memory + ROOM);
            assert_int_equal(tarn_levelpool_ready(pool, 32), 20);
            assert_int_equal(tarn_levelpool_check(pool), TARN_POOL_CORRUPT);
            assert_int_equal(stats_of(pool).live_blocks, 4);
            give(pool, next);
            give(pool, live);
            give(pool, p);
            give(pool, other);
            assert_int_equal(tarn_levelpool_destroy(pool), 0);
        }
    }
}

static void blocks_change_their_size(void **state)
{
    (void)state;
    struct tarn_levelpool *pool = make(ROOM, NULL);
    char *p = tarn_levelpool_realloc(pool, NULL, 33);
    assert_ptr_equal(tarn_levelpool_realloc(pool, p, 40), p);
    assert_ptr_equal(tarn_levelpool_realloc(pool, p, 1), p);
    memset(p, 5, 40);
    char *q = tarn_levelpool_realloc(pool, p, 41);
    assert_ptr_not_equal(q, p);
    assert_true(check_all_bytes(q, 40, 5));
    assert_int_equal(tarn_levelpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
    assert_null(tarn_levelpool_realloc(pool, q, 0));
    end(pool);
}

static void flags_fill(void **state)
{
    (void)state;
    struct tarn_levelpool_options options = {.flags = TARN_POOL_POISON | TARN_POOL_CHECK};
    struct tarn_levelpool *pool = make(ROOM, &options);
    unsigned char *p = tarn_levelpool_alloc(pool, 61), *q = tarn_levelpool_alloc(pool, 300);
    assert_true(check_all_bytes(p, 64, TARN__FRESH));
    assert_true(check_all_bytes(q, 300, TARN__FRESH));
    give(pool, q);
    give(pool, p);
    assert_true(check_all_bytes(p + sizeof(void *), 64 - sizeof(void *), TARN__FREED));
    p[63] = 0; /* used after it was freed */
    assert_int_equal(tarn_levelpool_check(pool), TARN_POOL_CORRUPT);
    assert_ptr_not_equal(q = tarn_levelpool_alloc(pool, 64), p); /* that one stays out of use */
    assert_true(check_all_bytes(q, 64, TARN__FRESH));
    give(pool, q);
    assert_int_equal(tarn_levelpool_destroy(pool), 0);

    options.flags = TARN_POOL_ZERO;
    pool = make(ROOM, &options);
    p = (unsigned char *)take(pool, 128);
    give(pool, p);
    assert_ptr_equal(tarn_levelpool_alloc(pool, 125), p);
    assert_true(check_all_bytes(p, 128, 0));
    give(pool, p);
    end(pool);
}

static void red_zones(void **state)
{
    (void)state;
    struct tarn_levelpool_options options = {.flags = TARN_POOL_RED_ZONE};
    struct tarn_levelpool *pool = make(ROOM, &options);
    for (size_t size = 8; size <= 128; size += 8) {
        char *p[40];
        for (size_t i = 0; i < 40; i++)
            p[i] = take(pool, size);
        for (size_t i = 0; i < 40; i++) {
            char *wrong = p[i] + (i % 2 ? (ptrdiff_t)size : -1);
            assert_int_equal(tarn_levelpool_free(pool, wrong), TARN_POOL_FOREIGN);
            *wrong ^= 1;
            assert_int_equal(tarn_levelpool_free(pool, p[i]), TARN_POOL_CORRUPT);
            assert_null(tarn_levelpool_realloc(pool, p[i], 1));
            assert_int_equal(tarn_levelpool_check(pool), TARN_POOL_CORRUPT);
            *wrong ^= 1;
            assert_int_equal(tarn_levelpool_check(pool), 0);
        }
        for (size_t i = 0; i < 40; i++)
            give(pool, p[i]);
    }
    end(pool);
}

struct seen {
    size_t count, bytes;
};

static void see(void *context, void *p, size_t size)
{
    struct seen *seen = context;
    assert_non_null(p);
    seen->count++;
    seen->bytes += size;
}

/* Filled to the brim, by blocks of all sizes: nothing is written behind the end. */
static void red_zones_at_the_end(void **state)
{
    (void)state;
    struct tarn_levelpool_options options = {.flags = TARN_POOL_RED_ZONE, .blocks = 2, .low_water = 1, .classes = 8};
    for (size_t room = 4096; room < 4096 + 512; room += 8) {
        memset(memory + room, 0x77, 64);
        struct tarn_levelpool *pool = make(room, &options);
        for (size_t size = 64; size > 0; size -= 8)
            while (tarn_levelpool_alloc(pool, size))
                ;
        assert_int_equal(tarn_levelpool_check(pool), 0);
        assert_true(check_all_bytes(memory + room, 64, 0x77));
    }
}

static void each_live_block(void **state)
{
    (void)state;
    struct tarn_levelpool *pool = make(ROOM, NULL);
    struct seen seen = {0, 0};
    tarn_levelpool_each(pool, see, &seen);
    assert_int_equal(seen.count, 0);
    char *p[130];
    for (size_t i = 0; i < 130; i++)
        p[i] = take(pool, i);
    tarn_levelpool_each(pool, see, &seen);
    assert_int_equal(seen.count, 130);
    assert_int_equal(seen.bytes, stats_of(pool).live_bytes);
    for (size_t i = 0; i < 130; i++)
        give(pool, p[i]);
    end(pool);
}

/* Threads that make one pool grow together: the guard is let go of while the source is asked. */
enum { THREADS = 4, HELD = 400 };

static void *fill_and_empty(void *pool)
{
    for (size_t round = 0; round < 20; round++) {
        unsigned char *p[HELD];
        for (size_t i = 0; i < HELD; i++) {
            if (!(p[i] = tarn_levelpool_alloc(pool, 1 + (i + round) % 140)))
                return pool;
            memset(p[i], (int)i, 1 + (i + round) % 140);
        }
        for (size_t i = 0; i < HELD; i++)
            if (!check_all_bytes(p[i], 1 + (i + round) % 140, (unsigned char)i) || tarn_levelpool_free(pool, p[i]) != 0)
                return pool;
    }
    return NULL;
}

static void threads_refill(void **state)
{
    (void)state;
    struct tarn_levelpool_options options = {.lock = TARN_POOL_LOCK_BUILTIN};
    struct tarn_levelpool *pool = tarn_levelpool_create(NULL, 0, &options);
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, fill_and_empty, pool), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(stats_of(pool).allocations, THREADS * 20 * HELD);
    end(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments),
        cmocka_unit_test(blocks_are_ready),
        cmocka_unit_test(marks),
        cmocka_unit_test(buffers_anywhere),
        cmocka_unit_test(memory_of_a_source),
        cmocka_unit_test(a_source_that_fails),
        cmocka_unit_test(passing_on),
        cmocka_unit_test(wrong_frees),
        cmocka_unit_test(links_overwritten),
        cmocka_unit_test(blocks_change_their_size),
        cmocka_unit_test(flags_fill),
        cmocka_unit_test(red_zones),
        cmocka_unit_test(red_zones_at_the_end),
        cmocka_unit_test(each_live_block),
        cmocka_unit_test(threads_refill),
    };
    return cmocka_run_group_tests_name("levelpool", tests, NULL, NULL);
}
