/* What the tests of users' object caches share: caches made and ended, warnings caught, and an empty heap at each test's end. */
#ifndef TARN_TEST_CACHES_H
#define TARN_TEST_CACHES_H

#include "test/unit/heap.h"

#include "base/bits.h"
#include "os/os.h"
#include "slab/debug.h"
#include "slab/local.h"
#include "tarn/cache.h"
#include "tarn/fail.h"

#include <errno.h>
#include <stdio.h>

enum { MOST_WARNINGS = 100 };

static char warnings[MOST_WARNINGS][256];
static unsigned warned;

static inline void catch_warning(const char *line)
{
    if (warned < MOST_WARNINGS)
        strncpy(warnings[warned], line, sizeof warnings[0] - 1);
    warned++;
}

static inline void listen_to_warnings(void)
{
    memset(warnings, 0, sizeof warnings);
    warned = 0;
    tarn_warn_to(catch_warning);
}

static inline struct tarn_cache *make_with(const char *name, size_t size, const struct tarn_cache_args *args, unsigned flags)
{
    struct tarn_cache *cache;
    assert_int_equal(tarn_cache_make(&cache, name, size, args, flags), 0);
    assert_non_null(cache);
    return cache;
}

static inline struct tarn_cache *make(const char *name, size_t size, unsigned flags)
{
    return make_with(name, size, NULL, flags);
}

static inline void end_cache(struct tarn_cache *cache)
{
    tarn_cache_verify(cache);
    assert_int_equal(tarn_cache_destroy(cache), 0);
}

static inline void *take(struct tarn_cache *cache)
{
    void *object = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
    assert_non_null(object);
    return object;
}

static inline struct tarn_cache_stats stats_of(struct tarn_cache *cache)
{
    struct tarn_cache_stats now;
    tarn_cache_stats(cache, &now);
    return now;
}

static inline void count_users_cache(struct tarn_cache *cache, void *count) { *(unsigned *)count += !cache->permanent; }

static inline unsigned users_caches(void)
{
    unsigned count = 0;
    tarn_cache_each(count_users_cache, &count);
    return count;
}

static inline int begin_caches(void **state)
{
    (void)state;
    tarn__heap_ready();
    return 0;
}

/* After a test no cache of users is left, and the heap is empty. */
static inline int end_caches(void **state)
{
    tarn_warn_to(NULL);
    assert_int_equal(users_caches(), 0);
    return end_heap(state);
}

#define CACHE_TEST(f) cmocka_unit_test_teardown(f, end_caches)

#endif
