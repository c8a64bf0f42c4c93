/* Floor 4: class pools. */
#include "test/unit/check.h"
#include "test/unit/fallback.h"

#include "base/modes.h"
#include "pool/bytes.h"
#include "pool/classpool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 20 };

static _Alignas(64) char memory[ROOM + 64];

static struct tarn_classpool_options passing(unsigned flags)
{
    outside = (struct fallback){0, 0, 0, false};
    return (struct tarn_classpool_options){.flags = flags, .fallback = {outside_alloc, outside_free, &outside}};
}

static struct tarn_classpool *make(size_t size, const struct tarn_classpool_options *options)
{
    struct tarn_classpool *pool = NULL;
    assert_int_equal(tarn_classpool_open(&pool, memory, size, options), 0);
    assert_non_null(pool);
    return pool;
}

static void end(struct tarn_classpool *pool)
{
    assert_int_equal(tarn_classpool_check(pool), 0);
    assert_int_equal(tarn_classpool_close(&pool, NULL), 0);
    assert_null(pool);
}

static struct tarn_pool_stats stats_of(struct tarn_classpool *pool)
{
    struct tarn_pool_stats stats;
    tarn_classpool_stats(pool, &stats);
    return stats;
}

static struct tarn_classpool_class class_of(struct tarn_classpool *pool, unsigned index)
{
    struct tarn_classpool_class class;
    assert_int_equal(tarn_classpool_class(pool, index, &class), 0);
    return class;
}

static char *take(struct tarn_classpool *pool, size_t size)
{
    char *p = tarn_classpool_alloc(pool, size);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % (_Alignof(max_align_t) < 16 ? _Alignof(max_align_t) : 16), 0); /* the fallback is malloc */
    memset(p, 0xe7, size);
    return p;
}

static void give(struct tarn_classpool *pool, void *p) { assert_int_equal(tarn_classpool_free(pool, p), 0); }

static void opening_and_closing(void **state)
{
    (void)state;
    struct tarn_classpool *pool = NULL;
    struct tarn_classpool_options odd = {.flags = 1 << 20};
    assert_int_equal(tarn_classpool_open(NULL, memory, ROOM, NULL), TARN_POOL_INVALID);
    assert_int_equal(tarn_classpool_open(&pool, memory, TARN_CLASSPOOL_BUFFER_LEAST - 1, NULL), TARN_POOL_INVALID);
    assert_int_equal(tarn_classpool_open(&pool, memory, SIZE_MAX, NULL), TARN_POOL_INVALID);
    assert_int_equal(tarn_classpool_open(&pool, memory, ROOM, &odd), TARN_POOL_INVALID);
    assert_int_equal(tarn_classpool_open(&pool, NULL, ROOM, &odd), TARN_POOL_INVALID);
    assert_null(pool);
    assert_int_equal(tarn_classpool_close(&pool, NULL), TARN_POOL_INVALID);
    assert_int_equal(tarn_classpool_close(NULL, NULL), TARN_POOL_INVALID);

    struct tarn_pool_stats left;
    pool = make(ROOM, NULL);
    struct tarn_classpool *first = pool;
    assert_int_equal(tarn_classpool_open(&pool, NULL, 1, &odd), 0); /* what a later call says does not count */
    assert_ptr_equal(pool, first);
    take(pool, 100);
    assert_int_equal(tarn_classpool_close(&pool, &left), 0);
    assert_int_equal(left.live_blocks, 1);
    assert_ptr_equal(pool, first);
    assert_int_equal(tarn_classpool_close(&pool, &left), TARN_POOL_BUSY);
    assert_int_equal(left.live_blocks, 1);
    assert_int_equal(left.live_bytes, 128);
    assert_null(pool);
    assert_int_equal(tarn_classpool_close(&pool, &left), TARN_POOL_INVALID);
}

static void memory_of_a_source(void **state)
{
    (void)state;
    struct tarn_source_count count;
    struct tarn_source_fail fail;
    tarn_source_count_init(&count, tarn_source_system());
    tarn_source_fail_init(&fail, &count.source, 1, 1);
    struct tarn_classpool_options options = {.source = &fail.source};
    struct tarn_classpool *pool = NULL;
    assert_int_equal(tarn_classpool_open(&pool, NULL, 5000, &options), TARN_POOL_NO_MEMORY);
    assert_null(pool);
    assert_int_equal(tarn_classpool_open(&pool, NULL, 5000, &options), 0);
    assert_int_equal(stats_of(pool).size, 8192);
    give(pool, take(pool, 100));
    end(pool);
    assert_int_equal(count.acquired, 8192);
    assert_int_equal(count.released, 8192);
    pool = NULL;
    assert_int_equal(tarn_classpool_open(&pool, NULL, 5000, NULL), 0); /* the system's */
    give(pool, take(pool, 100));
    end(pool);
}

/* At each alignment, and in the least size. */
static void buffers_anywhere(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 64; shift++)
        for (size_t size = TARN_CLASSPOOL_BUFFER_LEAST; size < TARN_CLASSPOOL_BUFFER_LEAST + 40; size += 13) {
            struct tarn_classpool *pool = NULL;
            memset(memory, 0xcc, sizeof memory / 64);
            assert_int_equal(tarn_classpool_open(&pool, memory + shift, size, NULL), 0);
            size_t count = 0;
            for (char *p; (p = tarn_classpool_alloc(pool, 16)); count++) {
                assert_true(p >= memory + shift && p + 24 <= memory + shift + size);
                memset(p, 0, 16);
            }
            assert_true(count >= 10);
            assert_int_equal(stats_of(pool).live_bytes, count * 16);
            assert_int_equal(stats_of(pool).largest_free, 0);
            assert_int_equal(stats_of(pool).failures, 1);
            assert_int_equal(tarn_classpool_check(pool), 0);
            assert_true(check_all_bytes(memory + shift + size, 64, 0xcc));
            assert_int_equal(tarn_classpool_close(&pool, NULL), TARN_POOL_BUSY);
        }
}

static void classes_and_queues(void **state)
{
    (void)state;
    struct tarn_classpool *pool = make(ROOM, NULL);
    struct tarn_classpool_class class;
    assert_int_equal(tarn_classpool_class(pool, TARN_CLASSPOOL_CLASSES, &class), TARN_POOL_INVALID);
    for (unsigned i = 0; i < TARN_CLASSPOOL_CLASSES; i++) {
        size_t size = (size_t)16 << i;
        char *least = take(pool, i ? size / 2 + 1 : 0), *most = take(pool, size);
        class = class_of(pool, i);
        assert_int_equal(class.size, size);
        assert_int_equal(class.live, 2);
        assert_int_equal(class.queued, 0);
        assert_int_equal(tarn_classpool_check(pool), 0);
        give(pool, least);
        give(pool, most);
        class = class_of(pool, i);
        assert_int_equal(class.live, 0);
        assert_int_equal(class.queued, 2);
        assert_ptr_equal(take(pool, size), most); /* the latest first */
        assert_ptr_equal(take(pool, size), least);
        give(pool, least);
        give(pool, most);
    }
    struct tarn_pool_stats stats = stats_of(pool);
    assert_int_equal(stats.allocations, 4 * TARN_CLASSPOOL_CLASSES);
    assert_int_equal(stats.frees, 4 * TARN_CLASSPOOL_CLASSES);
    assert_int_equal(stats.live_blocks, 0);
    assert_int_equal(stats.live_bytes, 0);
    assert_int_equal(stats.peak_bytes, 2 * 65536);
    assert_int_equal(stats.largest_free, 65536);
    assert_int_equal(stats.segments, 1);
    end(pool);
}

/* What was promised can be had. */
static void capacity_is_what_can_be_had(void **state)
{
    (void)state;
    struct tarn_classpool *pool = make(ROOM - 12345, NULL);
    size_t capacity = stats_of(pool).capacity, sum = 0, largest;
    while ((largest = stats_of(pool).largest_free) > 0) {
        take(pool, largest);
        sum += largest;
    }
    assert_int_equal(sum, capacity);
    assert_null(tarn_classpool_alloc(pool, 0));
    assert_int_equal(stats_of(pool).capacity, capacity);
    assert_int_equal(tarn_classpool_close(&pool, NULL), TARN_POOL_BUSY);
}

static void a_larger_block_serves(void **state)
{
    (void)state;
    struct tarn_classpool *pool = make(4096, NULL);
    char *large = take(pool, 1024);
    while (tarn_classpool_alloc(pool, 16))
        ;
    give(pool, large);
    assert_ptr_equal(take(pool, 10), large);
    assert_int_equal(tarn_classpool_usable_size(pool, large), 1024);
    assert_int_equal(class_of(pool, 6).live, 1); /* it stays of its class */
    assert_null(tarn_classpool_alloc(pool, 10));
    give(pool, large);
    assert_int_equal(class_of(pool, 6).queued, 1);
    assert_int_equal(tarn_classpool_check(pool), 0);
    assert_int_equal(tarn_classpool_close(&pool, NULL), TARN_POOL_BUSY);
}

static size_t told, told_size;

static void notified(void *context, size_t size)
{
    struct tarn_classpool **pool = context;
    told++;
    told_size = size;
    stats_of(*pool); /* no lock is held */
}

static void passing_on(void **state)
{
    (void)state;
    struct tarn_classpool *pool;
    struct tarn_classpool_options options = passing(TARN_CLASSPOOL_PASS_LARGE);
    options.notify = notified;
    options.notify_context = &pool;
    options.lock = TARN_POOL_LOCK_BUILTIN;
    told = 0;
    pool = make(4096, &options);
    assert_null(tarn_classpool_alloc(pool, 65536)); /* not above, and there is no room */
    assert_int_equal(told, 1);
    assert_int_equal(told_size, 65536);
    char *p = take(pool, 65537);
    assert_int_equal(outside.out, 1);
    assert_int_equal(outside.bytes, 65537);
    assert_int_equal(tarn_classpool_usable_size(pool, p), 65537);
    assert_int_equal(stats_of(pool).fallbacks, 1);
    assert_int_equal(stats_of(pool).live_bytes, 65537);
    assert_int_equal(stats_of(pool).live_blocks, 1);
    assert_int_equal(tarn_classpool_free(pool, p + 1), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_classpool_check(pool), 0);
    outside.fails = true;
    assert_null(tarn_classpool_alloc(pool, 1 << 20));
    assert_int_equal(told, 2);
    assert_int_equal(stats_of(pool).failures, 2);
    give(pool, p);
    assert_int_equal(tarn_classpool_free(pool, p), TARN_POOL_FOREIGN); /* it is nobody's now */
    assert_int_equal(outside.out, 0);
    end(pool);

    options = passing(TARN_CLASSPOOL_PASS_FULL);
    pool = make(4096, &options);
    assert_null(tarn_classpool_alloc(pool, 65537));
    assert_int_equal(outside.calls, 0);
    while (outside.calls < 100)
        take(pool, 500);
    assert_int_equal(tarn_classpool_check(pool), 0);
    assert_true(outside.out > 90); /* the others were tables that became too small */
    assert_int_equal(tarn_classpool_close(&pool, NULL), TARN_POOL_BUSY);
    assert_int_equal(outside.out, 0); /* all given back, the table of them too */
    assert_int_equal(outside.bytes, 0);
}

/* A watched pool asks itself about what it passed on, too. */
static void passes_on_while_watched(void **state)
{
    (void)state;
    assert_int_equal(tarn__modes_set("F,classpool", NULL, NULL), 0);
    struct tarn_classpool_options options = passing(TARN_CLASSPOOL_PASS_LARGE);
    options.lock = TARN_POOL_LOCK_BUILTIN;
    struct tarn_classpool *pool = make(ROOM, &options);
    char *large = tarn_classpool_alloc(pool, 65537), *small = tarn_classpool_alloc(pool, 100);
    assert_non_null(large);
    assert_non_null(small);
    assert_int_equal(outside.out, 1);
    assert_int_equal(tarn_classpool_free(pool, large), 0);
    assert_int_equal(tarn_classpool_free(pool, small), 0);
    assert_int_equal(outside.out, 0);
    tarn_classpool_close(&pool, NULL);
    tarn__modes_set(NULL, NULL, NULL);
}

/* A header that names more than its class has, sealed as if by the pool itself, is not followed to a guard. */
static void forged_header(void **state)
{
    (void)state;
    struct tarn_classpool *pool = make(ROOM, NULL);
    char *p = take(pool, 100);
    struct tarn__class_header *header = tarn__class_header(p), was = *header;
    unsigned number = tarn__class_number(was.word);
    uint32_t word = tarn__class_word(number, tarn__classpool_class_size(number) + 1);
    *header = (struct tarn__class_header){.word = word, .check = was.check ^ was.word ^ word};
    assert_int_equal(tarn__class_state(pool, p), TARN__CLASS_LIVE);
    assert_int_equal(tarn_classpool_free(pool, p), TARN_POOL_CORRUPT);
    *header = was;
    assert_int_equal(tarn_classpool_free(pool, p), 0);
    end(pool);
}

/* The table grows, and what cannot be remembered is not kept. */
static void many_passed_on(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static char *p[MANY];
    struct tarn_classpool_options options = passing(TARN_CLASSPOOL_PASS_LARGE);
    struct tarn_classpool *pool = make(4096, &options);
    uint64_t random = 5;
    for (size_t i = 0; i < MANY; i++)
        assert_non_null(p[i] = tarn_classpool_alloc(pool, 65537 + i));
    assert_int_equal(tarn_classpool_check(pool), 0);
    for (size_t i = MANY; i-- > 0;) { /* in a random order */
        size_t j = check_random(&random) % (i + 1);
        give(pool, p[j]);
        p[j] = p[i];
        if (i % 500 == 0)
            assert_int_equal(tarn_classpool_check(pool), 0);
    }
    assert_int_equal(stats_of(pool).live_bytes, 0);
    assert_int_equal(stats_of(pool).frees, MANY);
    assert_int_equal(outside.out, 1); /* the table */
    end(pool);
    assert_int_equal(outside.out, 0);
}

static struct tarn_classpool *nested;

/* Asked for a larger table, it makes the pool need one itself. */
static void *nesting_alloc(void *context, size_t size)
{
    static bool within;
    if (size == 2 * TARN__PASSED_FEW * sizeof(struct tarn__passed_entry) && !within) {
        within = true;
        assert_non_null(tarn_classpool_alloc(nested, 65537));
        within = false;
    }
    return outside_alloc(context, size);
}

static void a_fallback_may_use_the_pool(void **state)
{
    (void)state;
    struct tarn_classpool_options options = passing(TARN_CLASSPOOL_PASS_LARGE);
    options.fallback.alloc = nesting_alloc;
    options.lock = TARN_POOL_LOCK_BUILTIN;
    nested = make(4096, &options);
    for (size_t i = 0; i < 20; i++)
        assert_non_null(tarn_classpool_alloc(nested, 65537));
    assert_int_equal(stats_of(nested).live_blocks, 21);
    assert_int_equal(tarn_classpool_check(nested), 0);
    assert_int_equal(tarn_classpool_close(&nested, NULL), TARN_POOL_BUSY);
    assert_int_equal(outside.out, 0);
    assert_int_equal(outside.bytes, 0);
}

static void the_c_library_behind_it(void **state)
{
    (void)state;
    struct tarn_classpool_options options = {.flags = TARN_CLASSPOOL_PASS_LARGE};
    struct tarn_classpool *pool = make(ROOM, &options);
    char *p = take(pool, 100000);
    assert_false(p >= memory && p < memory + ROOM);
    p = tarn_classpool_realloc(pool, p, 200000);
    assert_true(check_all_bytes(p, 100000, 0xe7));
    p = tarn_classpool_realloc(pool, p, 1000);
    assert_true(p >= memory && p < memory + ROOM);
    assert_true(check_all_bytes(p, 1000, 0xe7));
    give(pool, p);
    end(pool);
}

static void wrong_frees(void **state)
{
    (void)state;
    struct tarn_classpool *pool = make(ROOM, NULL);
    char *p = take(pool, 1000), *q = take(pool, 1000);
    int outside_of_it = 0;
    assert_int_equal(tarn_classpool_free(pool, NULL), 0);
    assert_int_equal(tarn_classpool_free(pool, &outside_of_it), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_classpool_free(pool, (void *)(uintptr_t)16), TARN_POOL_FOREIGN); /* where nothing is mapped */
    assert_int_equal(tarn_classpool_free(pool, memory), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_classpool_free(pool, memory + ROOM), TARN_POOL_FOREIGN);
    for (size_t i = 1; i < 1040; i++)
        assert_int_equal(tarn_classpool_free(pool, p + i), TARN_POOL_FOREIGN);
    memcpy(p + 8, p - 8, 8); /* a header with its bytes in a block makes no block */
    assert_int_equal(tarn_classpool_free(pool, p + 16), TARN_POOL_FOREIGN);
    give(pool, p);
    assert_int_equal(tarn_classpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
    give(pool, q);
    assert_int_equal(tarn_classpool_free(pool, p), TARN_POOL_DOUBLE_FREE);
    assert_int_equal(tarn_classpool_usable_size(pool, p), 0);
    assert_int_equal(tarn_classpool_usable_size(pool, p + 16), 0);
    assert_null(tarn_classpool_realloc(pool, p, 10));
    assert_null(tarn_classpool_realloc(pool, &outside_of_it, 10));
    assert_null(tarn_classpool_realloc(pool, p, 0));
    assert_int_equal(stats_of(pool).frees, 2);
    end(pool);
}

/* Of each size, with each value of a byte that an overrun is likely to write. */
static void overruns_by_one_byte(void **state)
{
    (void)state;
    static const unsigned char values[] = {0, 1, ' ', 'a', 0x5a, 0x6b, 0xff};
    struct tarn_classpool *pool = make(ROOM, NULL);
    for (size_t size = 0; size <= 300; size++)
        for (size_t i = 0; i < sizeof values; i++) {
            char *p = take(pool, size), *next = take(pool, size), was = p[size];
            p[size] = (char)values[i];
            assert_int_equal(tarn_classpool_free(pool, p), TARN_POOL_CORRUPT);
            assert_null(tarn_classpool_realloc(pool, p, size + 1));
            assert_int_equal(tarn_classpool_usable_size(pool, p), 0);
            assert_int_equal(tarn_classpool_check(pool), TARN_POOL_CORRUPT);
            p[size] = was;
            assert_int_equal(tarn_classpool_check(pool), 0);
            give(pool, p);
            give(pool, next);
        }
    end(pool);
}

/* At many addresses, as a guard is made of that. */
static void no_guard_looks_like_data(void **state)
{
    (void)state;
    static const unsigned char values[] = {0, 1, ' ', 'a', 0x5a, 0x6b, 0xff};
    struct tarn_classpool *pool = make(ROOM, NULL);
    for (char *p; (p = tarn_classpool_alloc(pool, 24));)
        for (size_t i = 0; i < sizeof values; i++)
            assert_int_not_equal((unsigned char)p[24], values[i]);
    assert_int_equal(tarn_classpool_close(&pool, NULL), TARN_POOL_BUSY);
}

static void headers_overwritten(void **state)
{
    (void)state;
    struct tarn_classpool *pool = make(ROOM, NULL);
    char *p = take(pool, 128), *q = take(pool, 128), *r = take(pool, 128);
    for (size_t byte = 1; byte <= 8; byte++)
        for (unsigned bit = 0; bit < 8; bit++) {
            q[-(ptrdiff_t)byte] ^= (char)(1 << bit); /* an underrun of q, or an overrun of p that leaps */
            assert_int_equal(tarn_classpool_free(pool, q), TARN_POOL_CORRUPT);
            assert_int_equal(tarn_classpool_check(pool), TARN_POOL_CORRUPT);
            q[-(ptrdiff_t)byte] ^= (char)(1 << bit);
        }
    char saved[16];
    memcpy(saved, p + 128, 16);
    memset(p + 128, 'x', 16); /* an overrun into the next one's header */
    assert_int_equal(tarn_classpool_free(pool, p), TARN_POOL_CORRUPT);
    assert_int_equal(tarn_classpool_free(pool, q), TARN_POOL_CORRUPT);
    memcpy(p, r - 8, 8);
    memcpy(q - 8, p, 8); /* another's header is no good here */
    assert_int_equal(tarn_classpool_free(pool, q), TARN_POOL_CORRUPT);
    memcpy(p + 128, q + 128, 16); /* nor is another's guard */
    assert_int_equal(tarn_classpool_free(pool, p), TARN_POOL_CORRUPT);
    memcpy(p + 128, saved, 16);
    give(pool, p);
    q[-1] ^= 1; /* a block that stays out of use */
    give(pool, r);
    struct tarn_pool_stats left;
    assert_int_equal(tarn_classpool_close(&pool, &left), TARN_POOL_BUSY);
    assert_int_equal(left.live_blocks, 1);
}

/* A freed block that is written to: its queue ends there, and nothing wild is handed out. */
static void links_overwritten(void **state)
{
    (void)state;
    struct tarn_classpool *pool = make(ROOM, NULL);
    char *p[4];
    for (size_t i = 0; i < 4; i++)
        p[i] = take(pool, 64);
    for (size_t i = 0; i < 4; i++)
        give(pool, p[i]);
    memset(p[2], 'x', 8);
    assert_int_equal(tarn_classpool_free(pool, p[2]), TARN_POOL_DOUBLE_FREE);
    assert_int_equal(tarn_classpool_check(pool), TARN_POOL_CORRUPT);
    assert_ptr_equal(take(pool, 64), p[3]);
    char *fresh = take(pool, 64);
    assert_true(fresh > p[3]);
    assert_int_equal(class_of(pool, 2).live, 2);
    assert_int_equal(class_of(pool, 2).queued, 0);
    give(pool, fresh);
    assert_int_equal(class_of(pool, 2).queued, 1);
    assert_int_equal(tarn_classpool_check(pool), TARN_POOL_CORRUPT); /* three are lost */
    give(pool, p[3]);
    assert_int_equal(tarn_classpool_close(&pool, NULL), 0);

    struct tarn_classpool_options options = {.flags = TARN_POOL_CHECK};
    pool = make(ROOM, &options);
    p[0] = take(pool, 64);
    p[1] = take(pool, 64);
    give(pool, p[1]);
    memset(p[0], 'x', 80); /* into the header of a free one */
    assert_true(take(pool, 64) != p[1]);
    assert_int_equal(tarn_classpool_close(&pool, NULL), TARN_POOL_BUSY);
}

static void blocks_change_their_size(void **state)
{
    (void)state;
    struct tarn_classpool *pool = make(ROOM, NULL);
    char *p = tarn_classpool_realloc(pool, NULL, 65);
    assert_ptr_equal(tarn_classpool_realloc(pool, p, 128), p);
    memset(p, 1, 128);
    assert_ptr_equal(tarn_classpool_realloc(pool, p, 3), p);
    p[3] ^= 1; /* the guard has moved with the size */
    assert_int_equal(tarn_classpool_free(pool, p), TARN_POOL_CORRUPT);
    p[3] ^= 1;
    assert_ptr_equal(tarn_classpool_realloc(pool, p, 100), p);
    memset(p, 2, 100);
    char *q = tarn_classpool_realloc(pool, p, 129);
    assert_ptr_not_equal(q, p);
    assert_true(check_all_bytes(q, 100, 2));
    assert_int_equal(class_of(pool, 3).queued, 1);
    memset(q, 3, 129);
    assert_null(tarn_classpool_realloc(pool, q, ROOM));
    assert_null(tarn_classpool_realloc(pool, q, SIZE_MAX));
    assert_null(tarn_classpool_alloc(pool, SIZE_MAX));
    assert_null(tarn_classpool_alloc(pool, 65537));
    assert_true(check_all_bytes(q, 129, 3));
    assert_null(tarn_classpool_realloc(pool, q, 0));
    assert_int_equal(stats_of(pool).live_blocks, 0);
    end(pool);
}

static void note_size(void *context, void *p, size_t size)
{
    (void)p;
    *(size_t *)context += size;
}

/* Who asks what may be used may use it; what was asked for is still known. */
static void what_may_be_used(void **state)
{
    (void)state;
    struct tarn_classpool_options options = {.flags = TARN_POOL_ZERO};
    struct tarn_classpool *pool = make(ROOM, &options);
    char *p = tarn_classpool_alloc(pool, 70);
    assert_int_equal(tarn_classpool_usable_size(pool, p), 128);
    assert_true(check_all_bytes(p, 128, 0)); /* nothing of the guard is left there */
    memset(p, 9, 128);
    assert_int_equal(tarn_classpool_usable_size(pool, p), 128);
    size_t sum = 0;
    tarn_classpool_each(pool, note_size, &sum);
    assert_int_equal(sum, 70);
    char *q = tarn_classpool_realloc(pool, p, 200);
    assert_true(check_all_bytes(q, 128, 9));
    assert_int_equal(tarn_classpool_usable_size(pool, q), 256);
    q[256] ^= 1;
    assert_int_equal(tarn_classpool_free(pool, q), TARN_POOL_CORRUPT);
    q[256] ^= 1;
    give(pool, q);
    end(pool);
}

static void flags_fill(void **state)
{
    (void)state;
    struct tarn_classpool_options options = {.flags = TARN_POOL_POISON | TARN_POOL_RED_ZONE};
    struct tarn_classpool *pool = make(ROOM, &options);
    unsigned char *p = tarn_classpool_alloc(pool, 100), *q = tarn_classpool_alloc(pool, 100);
    assert_true(check_all_bytes(p, 100, TARN__FRESH));
    assert_ptr_equal(tarn_classpool_realloc(pool, p, 128), p);
    assert_true(check_all_bytes(p, 100, TARN__FRESH) && check_all_bytes(p + 108, 20, TARN__FRESH));
    give(pool, q);
    give(pool, p);
    assert_true(check_all_bytes(p + 16, 112, TARN__FREED));
    assert_int_equal(tarn_classpool_check(pool), 0);
    p[127] = 1; /* used after it was freed */
    assert_int_equal(tarn_classpool_check(pool), TARN_POOL_CORRUPT);
    assert_ptr_equal(tarn_classpool_alloc(pool, 100), q); /* that one stays out of use */
    assert_true(check_all_bytes(q, 100, TARN__FRESH));
    assert_int_equal(class_of(pool, 3).queued, 0);
    assert_int_equal(tarn_classpool_close(&pool, NULL), TARN_POOL_BUSY);

    options.flags = TARN_POOL_ZERO | TARN_POOL_POISON | TARN_POOL_CHECK;
    pool = make(ROOM, &options);
    p = tarn_classpool_alloc(pool, 5000);
    assert_true(check_all_bytes(p, 5000, 0));
    memset(p, 7, 5000);
    give(pool, p);
    assert_ptr_equal(tarn_classpool_alloc(pool, 4100), p);
    assert_true(check_all_bytes(p, 4100, 0));
    assert_ptr_equal(tarn_classpool_realloc(pool, p, 8192), p);
    assert_true(check_all_bytes(p, 8192, 0));
    give(pool, p);
    end(pool);
}

static size_t entered, inside;

static void enter(void *context)
{
    (void)context;
    entered++;
    inside++;
}

static void leave(void *context)
{
    (void)context;
    inside--;
}

static void *unlocked_alloc(void *context, size_t size)
{
    (void)context;
    assert_int_equal(inside, 0);
    return malloc(size);
}

static void unlocked_free(void *context, void *p, size_t size)
{
    (void)context, (void)size;
    assert_int_equal(inside, 0);
    free(p);
}

static void a_pair_of_functions(void **state)
{
    (void)state;
    struct tarn_pool_lock lock = {enter, leave, NULL};
    struct tarn_classpool_options options = {.lock = &lock,
                                             .flags = TARN_CLASSPOOL_PASS_FULL | TARN_CLASSPOOL_PASS_LARGE,
                                             .fallback = {unlocked_alloc, unlocked_free, NULL}};
    struct tarn_classpool *pool = make(4096, &options);
    entered = 0;
    char *p = take(pool, 100);
    assert_int_equal(entered, 1);
    give(pool, p);
    assert_int_equal(entered, 2);
    char *many[40];
    for (size_t i = 0; i < 40; i++)
        many[i] = take(pool, 70000);
    for (size_t i = 0; i < 40; i++)
        give(pool, many[i]);
    assert_int_equal(inside, 0);
    end(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_and_closing),
        cmocka_unit_test(memory_of_a_source),
        cmocka_unit_test(buffers_anywhere),
        cmocka_unit_test(classes_and_queues),
        cmocka_unit_test(capacity_is_what_can_be_had),
        cmocka_unit_test(a_larger_block_serves),
        cmocka_unit_test(passing_on),
        cmocka_unit_test(forged_header),
        cmocka_unit_test(many_passed_on),
        cmocka_unit_test(the_c_library_behind_it),
        cmocka_unit_test(wrong_frees),
        cmocka_unit_test(overruns_by_one_byte),
        cmocka_unit_test(headers_overwritten),
        cmocka_unit_test(links_overwritten),
        cmocka_unit_test(blocks_change_their_size),
        cmocka_unit_test(what_may_be_used),
        cmocka_unit_test(flags_fill),
        cmocka_unit_test(no_guard_looks_like_data),
        cmocka_unit_test(passes_on_while_watched),
        cmocka_unit_test(a_fallback_may_use_the_pool),
        cmocka_unit_test(a_pair_of_functions),
    };
    return cmocka_run_group_tests_name("classpool", tests, NULL, NULL);
}
