/* What the tests of block pools share: a pool over a buffer, of which what it holds is counted; each step is followed by the pool's own check. */
#ifndef TARN_TEST_BLOCKPOOL_H
#define TARN_TEST_BLOCKPOOL_H

#include "test/unit/check.h"

#include "tarn/blockpool.h"

enum { PAGE = 4096, ALL_CARE = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON };

static _Alignas(4096) char buffer[1 << 20];
static struct tarn_source_buffer pages;
static struct tarn_source_count counted;
static struct tarn_source_fail failing;

static inline struct tarn_source *source(void)
{
    assert_int_equal(tarn_source_buffer_init(&pages, buffer, sizeof buffer), 0);
    tarn_source_fail_init(&failing, &pages.source, UINT64_MAX, 0);
    tarn_source_count_init(&counted, &failing.source);
    return &counted.source;
}

static inline size_t held(void) { return (size_t)(counted.acquired - counted.released); }

static inline struct tarn_blockpool *make(size_t size, size_t increment, size_t block_size, unsigned flags, bool next_fit)
{
    struct tarn_blockpool_options options = {
        .flags = flags, .block_size = block_size, .increment = increment, .source = source()};
    options.fit = next_fit ? TARN_BLOCKPOOL_NEXT_FIT : TARN_BLOCKPOOL_FIRST_FIT;
    struct tarn_blockpool *pool = tarn_blockpool_create_in(NULL, size, &options);
    assert_non_null(pool);
    return pool;
}

static inline struct tarn_pool_stats stats_of(struct tarn_blockpool *pool)
{
    struct tarn_pool_stats stats;
    tarn_blockpool_stats(pool, &stats);
    return stats;
}

static inline char *take(struct tarn_blockpool *pool, size_t size)
{
    char *p = tarn_blockpool_alloc(pool, size);
    assert_non_null(p);
    assert_int_equal(tarn_blockpool_check(pool), 0);
    return p;
}

static inline void give(struct tarn_blockpool *pool, void *p)
{
    assert_int_equal(tarn_blockpool_free(pool, p), 0);
    assert_int_equal(tarn_blockpool_check(pool), 0);
}

static inline void end(struct tarn_blockpool *pool)
{
    assert_int_equal(tarn_blockpool_check(pool), 0);
    assert_int_equal(tarn_blockpool_destroy(pool), 0);
    assert_int_equal(held(), 0);
}

#endif
