/* Floor 4, pools: block pools. */
#include "test/unit/blockpool.h"

#include <string.h>

/* The numbers that such pools are known by. */
static void the_classic_numbers(void **state)
{
    (void)state;
    struct tarn_blockpool *pool = tarn_blockpool_create(1024, 512, 64);
    assert_int_equal(stats_of(pool).capacity, 1024);
    void *p[25];
    p[0] = take(pool, 8);
    p[1] = take(pool, 8);
    assert_int_equal(tarn_blockpool_used(pool), 128);
    assert_int_equal(stats_of(pool).live_blocks, 2);
    give(pool, p[0]);
    give(pool, p[1]);
    assert_int_equal(tarn_blockpool_used(pool), 0);
    for (int i = 0; i < 16; i++)
        p[i] = take(pool, 64);
    assert_int_equal(stats_of(pool).capacity, 1024);
    assert_int_equal(stats_of(pool).largest_free, 0);
    p[16] = take(pool, 1);
    assert_int_equal(stats_of(pool).capacity, 1536);
    assert_int_equal(stats_of(pool).largest_free, 7 * 64);
    for (int i = 17; i < 25; i++)
        p[i] = take(pool, 64);
    assert_int_equal(stats_of(pool).capacity, 2048);
    assert_int_equal(stats_of(pool).segments, 1); /* they share the page */
    assert_int_equal(tarn_blockpool_destroy(pool), TARN_POOL_BUSY);
    for (int i = 0; i < 25; i++)
        give(pool, p[i]);
    assert_int_equal(stats_of(pool).peak_bytes, 25 * 64);
    assert_int_equal(stats_of(pool).frees, 27);
    assert_int_equal(tarn_blockpool_destroy(pool), 0);
}

static void arguments_that_cannot_be(void **state)
{
    (void)state;
    static char memory[8192];
    assert_null(tarn_blockpool_create(1024, 512, 12));
    assert_null(tarn_blockpool_create(1024, 512, 4));
    assert_null(tarn_blockpool_create(1024, 512, 65536 + 8));
    assert_null(tarn_blockpool_create(0, 512, 64));
    assert_null(tarn_blockpool_create(SIZE_MAX, 0, 64));
    assert_null(tarn_blockpool_create(1024, SIZE_MAX, 64));
    struct tarn_blockpool_options options = {.flags = 1u << 9};
    assert_null(tarn_blockpool_create_in(memory, sizeof memory, &options));
    options = (struct tarn_blockpool_options){.fit = (enum tarn_blockpool_fit)2};
    assert_null(tarn_blockpool_create_in(memory, sizeof memory, &options));
    assert_null(tarn_blockpool_create_in(memory, 100, NULL));
    assert_int_equal(tarn_blockpool_destroy(NULL), 0);
    struct tarn_blockpool *pool = tarn_blockpool_create_in(memory, sizeof memory, NULL);
    assert_non_null(pool);
    assert_null(tarn_blockpool_alloc(pool, SIZE_MAX));
    assert_null(tarn_blockpool_alloc(pool, sizeof memory));
    assert_null(tarn_blockpool_realloc(pool, memory, 10));
    void *p = take(pool, 10);
    assert_null(tarn_blockpool_realloc(pool, p, SIZE_MAX));
    assert_int_equal(stats_of(pool).failures, 4);
    assert_int_equal(tarn_blockpool_free(pool, NULL), 0);
    give(pool, p);
    assert_int_equal(tarn_blockpool_destroy(pool), 0);
}

/* All blocks of each size lie in the memory, apart, aligned, and fill it. */
static void all_block_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {8, 16, 24, 40, 64, 72, 96, 1000, 1024, 4096, 5000, 12288, 65536};
    static char *block[1 << 17];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t off = 0; off < 3; off++) {
            struct tarn_blockpool_options options = {.block_size = sizes[i]};
            size_t size = 300000 - off, count = 0, align = sizes[i] & -sizes[i];
            struct tarn_blockpool *pool = tarn_blockpool_create_in(buffer + off, size, &options);
            for (char *p; (p = tarn_blockpool_alloc(pool, sizes[i])) != NULL; count++) {
                assert_int_equal((uintptr_t)p % (align < PAGE ? align : PAGE), 0);
                assert_true(p >= buffer + off && p + sizes[i] <= buffer + off + size);
                assert_true(count == 0 || p >= block[count - 1] + sizes[i]);
                memset(p, (int)count, sizes[i]);
                block[count] = p;
            }
            assert_int_equal(tarn_blockpool_check(pool), 0);
            assert_int_equal(stats_of(pool).capacity, count * sizes[i]);
            assert_true(count * sizes[i] + sizes[i] + PAGE + 1024 + count / 4 >= size);
            for (size_t j = 0; j < count; j++) {
                assert_true(check_all_bytes(block[j], sizes[i], (unsigned char)j));
                if (sizes[i] > 8) {
                    assert_int_equal(tarn_blockpool_free(pool, block[j] + 8), TARN_POOL_INSIDE);
                    assert_int_equal(tarn_blockpool_free(pool, block[j] + sizes[i] - 1), TARN_POOL_INSIDE);
                }
                assert_int_equal(tarn_blockpool_usable_size(pool, block[j]), sizes[i]);
                assert_int_equal(tarn_blockpool_free(pool, block[j]), 0);
            }
            assert_int_equal(tarn_blockpool_check(pool), 0);
            assert_int_equal(tarn_blockpool_destroy(pool), 0);
        }
}

/* For every block size, a run is as long as it must be. */
static void sizes_become_blocks(void **state)
{
    (void)state;
    for (size_t size = 8; size <= 65536; size += size < 2000 ? 8 : 1816) {
        struct tarn_blockpool_options options = {.block_size = size};
        struct tarn_blockpool *pool = tarn_blockpool_create_in(buffer, sizeof buffer, &options);
        for (size_t request = 1; request < 150000; request = request * 5 / 4 + 1) {
            void *p = tarn_blockpool_alloc(pool, request);
            assert_non_null(p);
            assert_int_equal(tarn_blockpool_usable_size(pool, p), (request + size - 1) / size * size);
            assert_int_equal(tarn_blockpool_free(pool, p), 0);
            if (request > size) { /* and the sizes beside a multiple */
                p = tarn_blockpool_alloc(pool, request / size * size);
                assert_int_equal(tarn_blockpool_usable_size(pool, p), request / size * size);
                assert_int_equal(tarn_blockpool_free(pool, p), 0);
                p = tarn_blockpool_alloc(pool, request / size * size + 1);
                assert_int_equal(tarn_blockpool_usable_size(pool, p), (request / size + 1) * size);
                assert_int_equal(tarn_blockpool_free(pool, p), 0);
            }
        }
        assert_int_equal(tarn_blockpool_destroy(pool), 0);
    }
}

static void first_fit(void **state)
{
    (void)state;
    for (unsigned f = 0; f < 2; f++) {
        struct tarn_blockpool *pool = make(300 * 64, 0, 64, f ? TARN_POOL_CHECK : 0, false);
        char *p[300];
        for (int i = 0; i < 300; i++)
            p[i] = take(pool, 64);
        assert_null(tarn_blockpool_alloc(pool, 1));
        for (int i = 62; i < 67; i++) /* five, over the end of a word */
            give(pool, p[i]);
        for (int i = 128; i < 256; i++)
            give(pool, p[i]);
        give(pool, p[3]);
        assert_ptr_equal(take(pool, 2 * 64), p[62]);
        assert_ptr_equal(take(pool, 4 * 64), p[128]);
        assert_ptr_equal(take(pool, 3 * 64), p[64]);
        assert_ptr_equal(take(pool, 64), p[3]);
        assert_ptr_equal(take(pool, 124 * 64), p[132]); /* longer than a word */
        assert_null(tarn_blockpool_alloc(pool, 1));
        give(pool, p[132]);
        assert_ptr_equal(take(pool, 64 * 64), p[132]);
        assert_null(tarn_blockpool_alloc(pool, 61 * 64));
        assert_ptr_equal(take(pool, 60 * 64), p[196]);
        give(pool, p[196]);
        give(pool, p[132]);
        for (int i = 0; i < 300; i++) {
            bool begins = i <= 62 || i == 64 || (i >= 67 && i <= 128) || i >= 256;
            assert_int_equal(tarn_blockpool_free(pool, p[i]), begins ? 0 : TARN_POOL_DOUBLE_FREE);
        }
        end(pool);
    }
}

static void next_fit(void **state)
{
    (void)state;
    for (unsigned f = 0; f < 2; f++) {
        struct tarn_blockpool *pool = make(100 * 64, 0, 64, f ? TARN_POOL_CHECK : 0, true);
        char *first = take(pool, 64);
        give(pool, first);
        assert_ptr_equal(take(pool, 64), first + 64); /* not the one that was just freed */
        assert_ptr_equal(take(pool, 2 * 64), first + 2 * 64);
        give(pool, first + 64);
        assert_ptr_equal(take(pool, 95 * 64), first + 4 * 64);
        assert_ptr_equal(take(pool, 64), first + 99 * 64);
        assert_ptr_equal(take(pool, 64), first); /* round */
        give(pool, first + 2 * 64);
        give(pool, first);
        assert_ptr_equal(take(pool, 3 * 64), first + 64);
        assert_null(tarn_blockpool_alloc(pool, 2 * 64));
        assert_ptr_equal(take(pool, 64), first);
        assert_null(tarn_blockpool_alloc(pool, 64));
        give(pool, first);
        give(pool, first + 64);
        give(pool, first + 4 * 64);
        give(pool, first + 99 * 64);
        end(pool);
    }
}

static void wrong_frees(void **state)
{
    (void)state;
    for (unsigned f = 0; f < 2; f++) {
        struct tarn_blockpool *pool = make(1024, 1024, 64, f ? TARN_POOL_CHECK : 0, false);
        static char elsewhere[64];
        char *p = take(pool, 200), *q = take(pool, 64);
        assert_int_equal(tarn_blockpool_free(pool, p + 64), TARN_POOL_INSIDE);
        assert_int_equal(tarn_blockpool_free(pool, p + 3 * 64), TARN_POOL_INSIDE);
        assert_int_equal(tarn_blockpool_free(pool, p + 1), TARN_POOL_INSIDE);
        assert_int_equal(tarn_blockpool_free(pool, q + 8), TARN_POOL_INSIDE);
        assert_int_equal(tarn_blockpool_free(pool, q + 64), TARN_POOL_DOUBLE_FREE);
        assert_int_equal(tarn_blockpool_free(pool, p + 16 * 64), TARN_POOL_FOREIGN); /* not open yet */
        assert_int_equal(tarn_blockpool_free(pool, p - 64), TARN_POOL_FOREIGN);
        assert_int_equal(tarn_blockpool_free(pool, p - 40 * 64), TARN_POOL_FOREIGN);
        assert_int_equal(tarn_blockpool_free(pool, elsewhere), TARN_POOL_FOREIGN);
        assert_int_equal(tarn_blockpool_free(pool, (void *)pool), TARN_POOL_FOREIGN);
        assert_int_equal(tarn_blockpool_free(pool, (void *)(uintptr_t)8), TARN_POOL_FOREIGN);
        assert_int_equal(tarn_blockpool_usable_size(pool, p + 64), 0);
        assert_int_equal(tarn_blockpool_usable_size(pool, elsewhere), 0);
        assert_int_equal(tarn_blockpool_used(pool), 5 * 64);
        give(pool, p);
        assert_int_equal(tarn_blockpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
        assert_int_equal(tarn_blockpool_free(pool, p + 64), TARN_POOL_DOUBLE_FREE);
        assert_null(tarn_blockpool_realloc(pool, p, 10));
        give(pool, q);
        assert_int_equal(tarn_blockpool_free(pool, q), TARN_POOL_DOUBLE_FREE);
        assert_int_equal(stats_of(pool).frees, 2);
        end(pool);
    }
}

static void growth(void **state)
{
    (void)state;
    for (unsigned f = 0; f < 2; f++) {
        struct tarn_blockpool *pool =
            make(1024, 1000, 64, f ? TARN_POOL_CHECK : 0, false); /* 16 blocks, and 16 more each time */
        assert_int_equal(held(), PAGE);
        char *p = take(pool, 1024), *q = take(pool, 64);
        assert_int_equal(stats_of(pool).capacity, 2048);
        assert_ptr_equal(q, p + 1024);
        char *r = take(pool, 17 * 64); /* 15 are free behind: one increment more */
        assert_ptr_equal(r, q + 64);
        assert_int_equal(stats_of(pool).capacity, 3072);
        assert_int_equal(held(), PAGE);
        char *s = take(pool, 9000); /* too long for the rest of the page */
        assert_int_equal(held(), PAGE + 3 * PAGE);
        assert_int_equal(stats_of(pool).segments, 2);
        assert_int_equal(stats_of(pool).capacity, 3072 + 9 * 1024);
        assert_int_equal(tarn_blockpool_trim(pool), 0);
        give(pool, s);
        give(pool, p);
        assert_ptr_equal(take(pool, 1024), p); /* the oldest segment first */
        assert_int_equal(tarn_blockpool_trim(pool), 3 * PAGE);
        assert_int_equal(stats_of(pool).capacity, 3072);
        assert_int_equal(tarn_blockpool_free(pool, s), TARN_POOL_FOREIGN);
        assert_int_equal(tarn_blockpool_trim(pool), 0);
        give(pool, p), give(pool, q), give(pool, r);
        /* Many segments. */
        char *large[20];
        for (int i = 0; i < 20; i++)
            large[i] = take(pool, 5000);
        assert_true(stats_of(pool).segments > 10);
        for (int i = 1; i < 20; i += 2)
            give(pool, large[i]);
        assert_true(tarn_blockpool_trim(pool) > 0);
        assert_int_equal(tarn_blockpool_check(pool), 0);
        for (int i = 0; i < 20; i += 2)
            give(pool, large[i]);
        end(pool);
    }
}

/* What a search believes of a segment goes with it. */
static void trim_where_the_search_begins(void **state)
{
    (void)state;
    for (unsigned f = 0; f < 4; f++) {
        struct tarn_blockpool *pool = make(1024, 60 * 64, 64, f & 1 ? TARN_POOL_CHECK : 0, f & 2);
        char *p = take(pool, 1024), *q = take(pool, 64);
        assert_int_equal(stats_of(pool).segments, 2);
        give(pool, q);
        assert_int_equal(tarn_blockpool_trim(pool), PAGE);
        assert_int_equal(tarn_blockpool_check(pool), 0);
        q = take(pool, 64);
        assert_int_equal(stats_of(pool).segments, 2);
        give(pool, q);
        assert_ptr_equal(take(pool, 64), f & 2 ? q + 64 : q); /* next fit goes on in the newer one */
        q += f & 2 ? 64 : 0;
        give(pool, p);
        assert_ptr_equal(take(pool, 64), f & 2 ? q + 64 : p);
        assert_ptr_equal(take(pool, 64), f & 2 ? q + 128 : p + 64);
        give(pool, f & 2 ? q + 64 : p);
        give(pool, f & 2 ? q + 128 : p + 64);
        give(pool, q);
        end(pool);
    }
}

static void no_memory(void **state)
{
    (void)state;
    struct tarn_blockpool_options options = {.source = source(), .increment = 512};
    failing.first = 1, failing.times = 1;
    assert_null(tarn_blockpool_create_in(NULL, 1024, &options));
    struct tarn_blockpool *pool = tarn_blockpool_create_in(NULL, 1024, &options);
    failing.times = UINT64_MAX;
    char *p[100];
    int count = 0;
    while ((p[count] = tarn_blockpool_alloc(pool, 64)) != NULL)
        count++;
    assert_true(count >= 16 && count < 64);
    assert_int_equal(stats_of(pool).failures, 1);
    assert_null(tarn_blockpool_realloc(pool, p[0], 100));
    assert_int_equal(tarn_blockpool_check(pool), 0);
    failing.times = 0;
    p[count++] = take(pool, 3000);
    assert_int_equal(tarn_blockpool_free(pool, p[--count]), 0);
    failing.times = UINT64_MAX;
    assert_int_equal(tarn_blockpool_trim(pool), 0); /* the source does not take it: it stays */
    assert_int_equal(stats_of(pool).segments, 2);
    assert_int_equal(tarn_blockpool_check(pool), 0);
    failing.times = 0;
    while (count > 0)
        give(pool, p[--count]);
    assert_int_equal(tarn_blockpool_trim(pool), PAGE);
    end(pool);
}

static void reallocs(void **state)
{
    (void)state;
    static const unsigned flags[] = {0, TARN_POOL_CHECK, TARN_POOL_POISON, TARN_POOL_ZERO};
    for (unsigned f = 0; f < 4; f++) {
        struct tarn_blockpool *pool = make(64 * 200, 0, 64, flags[f], false);
        char *p = tarn_blockpool_realloc(pool, NULL, 100), *q;
        assert_int_equal(tarn_blockpool_usable_size(pool, p), 128);
        memset(p, 1, 128);
        assert_ptr_equal(tarn_blockpool_realloc(pool, p, 100 * 64), p); /* over the end of a word */
        assert_int_equal(tarn_blockpool_check(pool), 0);
        assert_true(check_all_bytes(p, 100, 1));
        if (flags[f] == TARN_POOL_ZERO)
            assert_true(check_all_bytes(p + 128, 98 * 64, 0));
        q = take(pool, 64);
        assert_ptr_equal(q, p + 6400);
        assert_ptr_equal(tarn_blockpool_realloc(pool, p, 10), p);
        assert_int_equal(tarn_blockpool_used(pool), 128);
        assert_int_equal(tarn_blockpool_check(pool), 0);
        assert_ptr_equal(take(pool, 64), p + 64);
        char *moved = tarn_blockpool_realloc(pool, p, 65); /* what is behind it is taken */
        assert_ptr_equal(moved, p + 128);
        assert_true(check_all_bytes(moved, 64, 1));
        assert_int_equal(tarn_blockpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
        assert_null(tarn_blockpool_realloc(pool, moved + 64, 10));
        assert_null(tarn_blockpool_realloc(pool, moved, 199 * 64));
        assert_true(check_all_bytes(moved, 64, 1));
        assert_null(tarn_blockpool_realloc(pool, moved, 0));
        assert_int_equal(tarn_blockpool_check(pool), 0);
        /* At the end of the pool it cannot grow. */
        give(pool, p + 64);
        char *last = take(pool, 99 * 64);
        assert_ptr_equal(tarn_blockpool_realloc(pool, last, 100 * 64), p);
        give(pool, q);
        give(pool, p);
        assert_int_equal(stats_of(pool).peak_bytes, 101 * 64);
        end(pool);
    }
}

/* The block that is to come next may be taken by a run that grows. */
static void a_run_grows_over_the_next_block(void **state)
{
    (void)state;
    struct tarn_blockpool *pool = make(64 * 20, 0, 64, 0, false);
    char *p = take(pool, 64);
    assert_ptr_equal(tarn_blockpool_realloc(pool, p, 128), p);
    assert_ptr_equal(take(pool, 64), p + 128);
    give(pool, p);
    give(pool, p + 128);
    end(pool);
}

static void zero_and_poison(void **state)
{
    (void)state;
    struct tarn_blockpool *pool = make(4096, 0, 64, TARN_POOL_ZERO, false);
    char *p = take(pool, 500);
    memset(p, 1, 512);
    give(pool, p);
    assert_true(check_all_bytes(take(pool, 500), 512, 0));
    give(pool, p);
    end(pool);

    pool = make(4096, 0, 64, TARN_POOL_POISON, false);
    p = take(pool, 500);
    assert_true(check_all_bytes(p, 512, 0x5a));
    give(pool, p);
    assert_true(check_all_bytes(p, 512, 0x6b));
    p[70] = 1;
    assert_int_equal(tarn_blockpool_check(pool), TARN_POOL_CORRUPT);
    assert_null(tarn_blockpool_alloc(pool, 500));
    assert_ptr_equal(tarn_blockpool_alloc(pool, 64), p); /* the one before it */
    assert_null(tarn_blockpool_alloc(pool, 64));
    assert_null(tarn_blockpool_realloc(pool, p, 128)); /* a run does not grow over it */
    p[70] = 0x6b;
    assert_ptr_equal(take(pool, 64), p + 64); /* and nothing was forgotten */
    give(pool, p);
    give(pool, p + 64);
    end(pool);
}

static void red_zones(void **state)
{
    (void)state;
    static const size_t sizes[] = {8, 64, 4096};
    for (int i = 0; i < 3; i++) {
        struct tarn_blockpool *pool = make(8 * PAGE, 0, sizes[i], TARN_POOL_RED_ZONE, false);
        char *p = take(pool, 21), *spots[] = {p - 1, p - sizeof(size_t) - 1, p + 21, p + 21 + sizeof(size_t) - 1};
        assert_int_equal(tarn_blockpool_usable_size(pool, p), 21);
        assert_int_equal((uintptr_t)p % 8, 0);
        memset(p, 1, 21);
        for (int j = 0; j < 4; j++) {
            *spots[j] ^= 1;
            assert_int_equal(tarn_blockpool_check(pool), TARN_POOL_CORRUPT);
            assert_int_equal(tarn_blockpool_free(pool, p), TARN_POOL_CORRUPT);
            assert_null(tarn_blockpool_realloc(pool, p, 5));
            assert_int_equal(tarn_blockpool_usable_size(pool, p), 0);
            *spots[j] ^= 1;
        }
        p = tarn_blockpool_realloc(pool, p, 9000);
        assert_int_equal(tarn_blockpool_check(pool), 0);
        assert_true(check_all_bytes(p, 21, 1));
        p = tarn_blockpool_realloc(pool, p, 10);
        assert_int_equal(tarn_blockpool_usable_size(pool, p), 10);
        assert_int_equal(tarn_blockpool_check(pool), 0);
        char *all = take(pool, stats_of(pool).largest_free);
        assert_null(tarn_blockpool_alloc(pool, PAGE));
        give(pool, all);
        give(pool, p);
        assert_int_equal(tarn_blockpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
        end(pool);
    }
}

/* A pool's own words are overwritten, one after another: with checks each function notices, or can do without; nothing is followed. */
static void overwritten_words_are_not_followed(void **state)
{
    (void)state;
    static char copy[8192];
    struct tarn_blockpool_options options = {.flags = TARN_POOL_CHECK, .source = source(), .increment = 512};
    struct tarn_blockpool *pool = tarn_blockpool_create_in(buffer + PAGE * 128, sizeof copy, &options);
    char *p = take(pool, 100), *begin = buffer + PAGE * 128;
    memcpy(copy, begin, sizeof copy);
    for (char *word = begin; word < p; word += sizeof(size_t)) {
        memset(word, 0xa5, sizeof(size_t));
        tarn_blockpool_check(pool);
        struct tarn_pool_stats stats;
        tarn_blockpool_stats(pool, &stats);
        void *q = tarn_blockpool_alloc(pool, 300);
        assert_true(!q || ((char *)q >= p && (char *)q + 300 <= begin + sizeof copy));
        tarn_blockpool_realloc(pool, p, 300);
        tarn_blockpool_free(pool, p);
        tarn_blockpool_trim(pool);
        memcpy(begin, copy, sizeof copy);
    }
    memset(begin, 0xa5, sizeof(size_t));
    assert_int_equal(tarn_blockpool_check(pool), TARN_POOL_CORRUPT);
    assert_int_equal(tarn_blockpool_free(pool, p), TARN_POOL_CORRUPT);
    assert_int_equal(tarn_blockpool_destroy(pool), TARN_POOL_CORRUPT);
    assert_null(tarn_blockpool_alloc(pool, 1));
    memcpy(begin, copy, sizeof copy);
    give(pool, p);
    assert_int_equal(tarn_blockpool_destroy(pool), 0);
}

struct seen {
    char *block[3];
    size_t size[3], count;
};

static void see(void *context, void *block, size_t size)
{
    struct seen *seen = context;
    assert_true(seen->count < 3);
    seen->block[seen->count] = block;
    seen->size[seen->count++] = size;
}

static void each_run(void **state)
{
    (void)state;
    for (unsigned f = 0; f < 2; f++) {
        struct tarn_blockpool *pool = make(64 * 100, 64 * 100, 64, f ? ALL_CARE : 0, false);
        struct seen seen = {.count = 0};
        char *a = take(pool, 64), *b = take(pool, 80 * 64), *c = take(pool, 50 * 64);
        tarn_blockpool_each(pool, see, &seen);
        assert_int_equal(seen.count, 3);
        assert_true(seen.block[0] == a && seen.block[1] == b && seen.block[2] == c);
        assert_int_equal(seen.size[1], 80 * 64);
        give(pool, a), give(pool, b), give(pool, c);
        end(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_classic_numbers),
        cmocka_unit_test(arguments_that_cannot_be),
        cmocka_unit_test(all_block_sizes),
        cmocka_unit_test(sizes_become_blocks),
        cmocka_unit_test(first_fit),
        cmocka_unit_test(next_fit),
        cmocka_unit_test(wrong_frees),
        cmocka_unit_test(growth),
        cmocka_unit_test(trim_where_the_search_begins),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(reallocs),
        cmocka_unit_test(a_run_grows_over_the_next_block),
        cmocka_unit_test(zero_and_poison),
        cmocka_unit_test(red_zones),
        cmocka_unit_test(overwritten_words_are_not_followed),
        cmocka_unit_test(each_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
