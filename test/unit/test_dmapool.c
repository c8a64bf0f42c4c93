/* Floor 7: dma_pool. */
#include "test/unit/heap.h"

#include "base/modes.h"
#include "tarn/dmapool.h"
#include "tarn/fail.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char last_warning[256];
static void keep_warning(const char *line) { snprintf(last_warning, sizeof last_warning, "%s", line); }

static int begin(void **state)
{
    (void)state;
    last_warning[0] = 0;
    tarn_warn_to(keep_warning);
    return 0;
}

static int end(void **state)
{
    tarn_warn_to(NULL);
    return end_heap(state);
}

#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

static struct tarn_dma_pool *make(size_t size, size_t align, size_t boundary, bool poison)
{
    struct tarn_dma_pool *pool = tarn_dma_pool_create("test", size, align, boundary);
    assert_non_null(pool);
    assert_int_equal(tarn_dma_pool_poison(pool, poison), 0);
    return pool;
}

static void *take(struct tarn_dma_pool *pool)
{
    tarn_dma_t handle = 0;
    void *block = tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL, &handle);
    assert_non_null(block);
    assert_int_equal(handle, (uintptr_t)block);
    return block;
}

static void give(struct tarn_dma_pool *pool, void *block) { tarn_dma_pool_free(pool, block, (uintptr_t)block); }

static struct tarn_dma_pool_stats stats_of(struct tarn_dma_pool *pool)
{
    struct tarn_dma_pool_stats now;
    tarn_dma_pool_stats(pool, &now);
    return now;
}

static void arguments_that_do_not_go_together(void **state)
{
    (void)state;
    assert_null(tarn_dma_pool_create("a", 0, 0, 0));
    assert_null(tarn_dma_pool_create("a", (size_t)INT_MAX + 1, 0, 0));
    assert_null(tarn_dma_pool_create("a", SIZE_MAX, 0, 0));
    assert_null(tarn_dma_pool_create("a", 16, 3, 0));
    assert_null(tarn_dma_pool_create("a", 16, CHECK_HUGE(40), 0));
    assert_null(tarn_dma_pool_create("a", 16, 16, 48));     /* no power of two */
    assert_null(tarn_dma_pool_create("a", 17, 1, 16));      /* smaller than a block */
    assert_null(tarn_dma_pool_create("a", 33, 64, 32));     /* smaller than a rounded block */
    assert_null(tarn_dma_pool_create("a", 5000, 16, 4096)); /* the same above a page */
    tarn_dma_pool_destroy(NULL);
    tarn_dma_pool_destroy(make(16, 16, 16, false));
    tarn_dma_pool_destroy(make(16, 0, CHECK_HUGE(40), false));
    struct tarn_dma_pool *pool = tarn_dma_pool_create("a name that is much longer than what is kept", 16, 0, 0);
    assert_string_equal(stats_of(pool).name, "a name that is much longer than");
    tarn_dma_pool_destroy(pool);
}

struct shape {
    size_t size, align, boundary;
    size_t rounded, page_blocks, page_bytes; /* what comes of it */
};

static const struct shape shapes[] = {
    {1, 0, 0, 4, 1024, 4096},         {5, 1, 0, 5, 819, 4096},
    {16, 16, 0, 16, 256, 4096},       {68, 32, 4096, 96, 42, 4096},
    {24, 8, 64, 24, 128, 4096},                                       /* two in each 64 bytes */
    {100, 4, 256, 100, 32, 4096},                                     /* two in each 256 */
    {16, 0, 16, 16, 256, 4096},                                       /* each between two boundaries */
    {1000, 0, 1024, 1000, 4, 4096},                                   /* one in each 1024 */
    {16, 4096, 0, 4096, 1, 4096},                                     /* the size is rounded up to the alignment */
    {4096, 4096, 0, 4096, 1, 4096},   {4097, 0, 8192, 4097, 1, 8192}, /* larger than a page */
    {5000, 64, 0, 5056, 1, 8192},     {9000, 0, 0, 9000, 1, 12288},   /* three pages, not four */
    {100, 65536, 0, 65536, 1, 65536}, {3 * MIB, 0, 4 * MIB, 3 * MIB, 1, 3 * MIB},
};

/* Blocks of all shapes keep to alignment and boundary and apart from each other, and so do their chunks' ends. */
static void blocks_keep_their_shape(const struct shape *s)
{
    enum { MOST = 2100 };
    static unsigned char *block[MOST];
    struct tarn_dma_pool *pool = make(s->size, s->align, s->boundary, false);
    size_t count = s->page_blocks * 2 + 1;
    for (size_t i = 0; i < count; i++) {
        block[i] = take(pool);
        uintptr_t first = (uintptr_t)block[i], last = first + s->rounded - 1;
        assert_int_equal(first % (s->align ? s->align : 1), 0);
        if (s->boundary)
            assert_int_equal(first / s->boundary, last / s->boundary);
        memset(block[i], (int)i, s->rounded);
    }
    struct tarn_dma_pool_stats now = stats_of(pool);
    assert_int_equal(now.size, s->rounded);
    assert_int_equal(now.page_blocks, s->page_blocks);
    assert_int_equal(now.page_bytes, s->page_bytes);
    assert_int_equal(now.pages, 3);
    assert_int_equal(now.blocks, 3 * s->page_blocks);
    assert_int_equal(now.active, count);
    tarn_dma_pool_verify(pool);
    for (size_t i = 0; i < count; i++) {
        assert_true(check_all_bytes(block[i], s->rounded, (unsigned char)i));
        give(pool, block[i]);
    }
    assert_int_equal(stats_of(pool).active, 0);
    assert_int_equal(stats_of(pool).pages, 3); /* kept until the end */
    tarn_dma_pool_verify(pool);
    tarn_dma_pool_destroy(pool);
    check_heap();
}

static void all_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        blocks_keep_their_shape(&shapes[i]);
}

static void freed_blocks_come_again(void **state)
{
    (void)state;
    struct tarn_dma_pool *pool = make(64, 64, 0, false);
    void *block[128];
    for (int i = 0; i < 128; i++)
        block[i] = take(pool);
    assert_int_equal(stats_of(pool).pages, 2);
    for (int i = 0; i < 128; i += 3)
        give(pool, block[i]);
    for (int i = 0; i < 128; i += 3)
        block[i] = take(pool);
    assert_int_equal(stats_of(pool).pages, 2);
    assert_int_equal(stats_of(pool).active, 128);
    for (int i = 0; i < 128; i++)
        give(pool, block[i]);
    tarn_dma_pool_destroy(pool);
}

static void zero_and_poison(void **state)
{
    (void)state;
    for (int poison = 0; poison <= 1; poison++) {
        struct tarn_dma_pool *pool = make(96, 32, 0, poison);
        void *held[300];
        for (int i = 0; i < 300; i++) {
            unsigned char *block = tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL | TARN_GFP_ZERO, NULL);
            assert_true(check_all_bytes(block, 96, 0));
            memset(block, 0x5c, 96);
            give(pool, block);
            assert_true(check_all_bytes(block, 96, poison ? 0xa7 : 0x5c));
            block = take(pool);
            assert_true(check_all_bytes(block, 96, poison ? 0xa9 : 0x5c));
            held[i] = block;
        }
        assert_int_equal(tarn_dma_pool_poison(pool, false), -EBUSY);
        tarn_dma_pool_verify(pool);
        for (int i = 0; i < 300; i++)
            give(pool, held[i]);
        tarn_dma_pool_verify(pool);
        tarn_dma_pool_destroy(pool);
    }
}

/* The block of a pool that was destroyed can still be written to, and its neighbours' pages are free again. */
static void blocks_in_use_outlive_their_pool(void **state)
{
    (void)state;
    struct tarn_dma_pool *pool = make(2048, 0, 0, false);
    void *block[8];
    for (int i = 0; i < 8; i++)
        block[i] = take(pool);
    for (int i = 0; i < 7; i++)
        give(pool, block[i]);
    size_t pages = tarn__heap.zone.pages - tarn__heap.zone.free_pages;
    tarn_dma_pool_destroy(pool);
    assert_string_equal(last_warning, "dma_pool test: destroyed while 1 blocks are in use: their pages are kept");
    assert_int_equal(tarn__heap.zone.pages - tarn__heap.zone.free_pages, pages - 3);
    struct tarn_page *kept = tarn__run_at((void *)((uintptr_t)block[7] & ~(uintptr_t)4095));
    assert_non_null(kept);
    memset(block[7], 1, 2048);
    tarn__pages_free(kept); /* the test's own way out */
}

static void no_memory(void **state)
{
    (void)state;
    tarn_dma_t handle = 5;
    struct tarn_dma_pool *pool = make(64 * MIB, 0, 0, false);
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    assert_null(tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL, &handle));
    assert_int_equal(handle, 5);
    tarn__fake_fail(0, 0, 0);
    give(pool, take(pool));
    tarn_dma_pool_destroy(pool);
    pool = make(1024 * MIB, 0, 0, false);
    assert_null(tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL, &handle));
    tarn_dma_pool_verify(pool);
    tarn_dma_pool_destroy(pool);
}

/* Misuse */

static void free_twice(void *pool)
{
    void *block = take(pool);
    give(pool, block);
    give(pool, block);
}
static void free_inner(void *pool) { give(pool, (char *)take(pool) + 4); }
static void free_gap(void *pool) { give(pool, (void *)(((uintptr_t)take(pool) & ~(uintptr_t)4095) + 48)); }
static void free_null(void *pool) { give(pool, NULL); }
static void free_of_the_stack(void *pool) { give(pool, &pool); }
static void free_of_malloc(void *pool) { give(pool, tarn_malloc(100000)); }
static void free_of_another(void *pool) { give(pool, take(make(24, 8, 64, false))); }
static void free_with_another_handle(void *pool) { tarn_dma_pool_free(pool, take(pool), (uintptr_t)take(pool)); }

static void misuse_is_reported(void **state)
{
    (void)state;
    static const char invalid[] = "tarn: invalid free: not the start of a live object (dma_pool_free of 0x";
    for (int poison = 0; poison <= 1; poison++) {
        struct tarn_dma_pool *pool = make(24, 8, 64, poison);
        check_dies(free_twice, pool, "tarn: double free: the object is free already (dma_pool_free of 0x");
        check_dies(free_inner, pool, invalid);
        check_dies(free_gap, pool, invalid); /* the end of 64 bytes, where no block fits */
        check_dies(free_null, pool, "tarn: invalid free: not the start of a live object (dma_pool_free of 0x0, thread ");
        check_dies(free_of_the_stack, pool, invalid);
        check_dies(free_of_malloc, pool, invalid);
        check_dies(free_of_another, pool, invalid);
        check_dies(free_with_another_handle, pool, invalid);
        tarn_dma_pool_destroy(pool);
    }
}

static void write_after_free(void *pool)
{
    unsigned char *block = take(pool);
    give(pool, block);
    block[23] = 0;
    take(pool);
}
static void verify_after_write(void *pool)
{
    unsigned char *block = take(pool);
    give(pool, block);
    block[0] = 0;
    tarn_dma_pool_verify(pool);
}

static void writes_after_free_are_found(void **state)
{
    (void)state;
    struct tarn_dma_pool *pool = make(24, 8, 0, true), *plain = make(24, 8, 0, false);
    check_dies(write_after_free, pool, "tarn: poison overwritten: a write after free (dma_pool_alloc of 0x");
    check_dies(verify_after_write, pool, "tarn: poison overwritten: a write after free (dma_pool_verify of 0x");
    check_lives(write_after_free, plain);
    tarn_dma_pool_destroy(pool);
    tarn_dma_pool_destroy(plain);
}

/* Threads and forks */

enum { THREADS = 4, HELD = 60 };
static struct tarn_dma_pool *shared;
static _Atomic bool over;
static int rounds;

static void *user(void *value)
{
    uint64_t seed = (uintptr_t)value;
    unsigned char *block[HELD] = {NULL};
    for (int i = 0; i < rounds && !over; i++) {
        unsigned char **slot = &block[check_random(&seed) % HELD];
        if (*slot) {
            if (!check_all_bytes(*slot, 200, (unsigned char)(uintptr_t)value))
                return value;
            give(shared, *slot);
            *slot = NULL;
        } else if ((*slot = tarn_dma_pool_alloc(shared, TARN_GFP_KERNEL, NULL)))
            memset(*slot, (int)(uintptr_t)value, 200);
    }
    for (int i = 0; i < HELD; i++)
        if (block[i])
            give(shared, block[i]);
    return NULL;
}

static void start_users(pthread_t *thread)
{
    over = false;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, user, (void *)(i + 1)), 0);
}

static void join_users(pthread_t *thread)
{
    for (size_t i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        assert_null(wrong);
    }
}

static void threads_never_share_a_block(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    rounds = 30000;
    for (int poison = 0; poison <= 1; poison++) {
        shared = make(200, 8, 1024, poison);
        start_users(thread);
        join_users(thread);
        assert_int_equal(stats_of(shared).active, 0);
        assert_true(stats_of(shared).pages <= THREADS * HELD / 20 + 1 + THREADS);
        tarn_dma_pool_verify(shared);
        tarn_dma_pool_destroy(shared);
    }
}

static void *maker(void *value)
{
    while (!over) {
        struct tarn_dma_pool *pool = tarn_dma_pool_create("other", 64, 0, 0);
        give(pool, take(pool));
        tarn_dma_pool_destroy(pool);
    }
    return value;
}

static void in_child(void)
{
    alarm(5);
    struct tarn_dma_pool *own = make(64, 0, 0, false);
    for (int i = 0; i < 100; i++)
        take(own), take(shared);
    tarn_dma_pool_verify(own);
    tarn_dma_pool_verify(shared);
    _exit(0);
}

static void a_fork_in_the_middle(void **state)
{
    (void)state;
    pthread_t thread[THREADS], pools;
    rounds = INT_MAX;
    shared = make(200, 8, 1024, false);
    start_users(thread);
    assert_int_equal(pthread_create(&pools, NULL, maker, NULL), 0);
    for (int i = 0; i < 60; i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            in_child();
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    over = true;
    join_users(thread);
    pthread_join(pools, NULL);
    tarn_dma_pool_verify(shared);
    tarn_dma_pool_destroy(shared);
}

static void write_behind(void *pool)
{
    char *block = take(pool);
    block[24] = 0;
    give(pool, block);
}

static void write_freed(void *pool)
{
    char *block = take(pool);
    give(pool, block);
    block[3] = 0;
    take(pool);
}

static void end_with_live(void *pool)
{
    take(pool);
    tarn_dma_pool_destroy(pool);
}

/* What is in nobody's way without letters, is as large as ever, and has its errors found with them. */
static void letters(void **state)
{
    (void)state;
    struct tarn_dma_pool *pool = make(24, 8, 64, false);
    check_dies(free_twice, pool, "tarn: double free: the object is free already (dma_pool_free of 0x");
    tarn_dma_pool_destroy(pool);
    assert_int_equal(tarn__modes_set("FZPU,dmapool", NULL, NULL), 0);
    pool = tarn_dma_pool_create("test", 24, 8, 64);
    assert_non_null(pool);
    void *block[300];
    for (int i = 0; i < 300; i++)
        memset(block[i] = take(pool), i, 24);
    assert_int_equal(stats_of(pool).size, 24);
    tarn_dma_pool_verify(pool);
    check_dies(write_behind, pool, "tarn: red zone overwritten: a write beyond an object's bounds (dma_pool_free of 0x");
    check_dies(write_freed, pool, "tarn: poison overwritten");
    check_dies(free_twice, pool, "tarn: double free: the object is free already (dma_pool_free of 0x");
    check_dies(free_inner, pool, "tarn: invalid free: not the start of a live object (dma_pool_free of 0x");
    check_dies(end_with_live, pool, "tarn: live objects");
    for (int i = 0; i < 300; i++)
        give(pool, block[i]);
    tarn_dma_pool_destroy(pool);
    struct tarn_dma_pool *tight = tarn_dma_pool_create("tight", 32, 8, 32); /* no room for zones */
    give(tight, take(tight));
    assert_int_equal(stats_of(tight).page_blocks, 128);
    tarn_dma_pool_destroy(tight);
    assert_int_equal(tarn__modes_set(NULL, NULL, NULL), 0);
}

/* With quarantine, and before guard pages: blocks are no two users', and counts are right. */
static void blocks_by_letters(void **state)
{
    (void)state;
    enum { COUNT = 200, ROUNDS = 5000 };
    static const char *const letters[] = {"Q,dmapool", "ZPUQ,dmapool", "GU,dmapool"};
    static const size_t sizes[] = {16, 200, 5000};
    for (size_t n = 0; n < 9; n++) {
        unsigned char *live[COUNT] = {NULL};
        unsigned random = 7;
        size_t active = 0, size = sizes[n % 3], boundary = size > 4096 ? 8192 : 256;
        assert_int_equal(tarn__modes_set(letters[n / 3], NULL, NULL), 0);
        struct tarn_dma_pool *pool = tarn_dma_pool_create("test", size, 8, boundary);
        for (int round = 0; round < ROUNDS; round++) {
            random = random * 1103515245 + 12345;
            size_t i = (random >> 8) % COUNT;
            tarn_dma_t handle = (tarn_dma_t)(uintptr_t)live[i];
            if (live[i]) {
                assert_true(check_all_bytes((char *)live[i], size, (unsigned char)i));
                tarn_dma_pool_free(pool, live[i], handle);
                live[i] = NULL;
                active--;
                continue;
            }
            live[i] = tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL, &handle);
            assert_ptr_equal((void *)(uintptr_t)handle, live[i]);
            assert_int_equal((uintptr_t)live[i] / boundary, ((uintptr_t)live[i] + size - 1) / boundary);
            memset(live[i], (int)i, size);
            active++;
        }
        assert_int_equal(stats_of(pool).active, active);
        tarn_dma_pool_verify(pool);
        for (size_t i = 0; i < COUNT; i++)
            if (live[i])
                tarn_dma_pool_free(pool, live[i], (tarn_dma_t)(uintptr_t)live[i]);
        assert_int_equal(stats_of(pool).active, 0);
        tarn_dma_pool_destroy(pool);
        assert_int_equal(tarn__modes_set(NULL, NULL, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(arguments_that_do_not_go_together),
        POOL_TEST(all_shapes),
        POOL_TEST(freed_blocks_come_again),
        POOL_TEST(zero_and_poison),
        POOL_TEST(blocks_in_use_outlive_their_pool),
        POOL_TEST(no_memory),
        POOL_TEST(misuse_is_reported),
        POOL_TEST(letters),
        POOL_TEST(blocks_by_letters),
        POOL_TEST(writes_after_free_are_found),
        POOL_TEST(threads_never_share_a_block),
        POOL_TEST(a_fork_in_the_middle),
    };
    tarn__heap_ready();
    tarn__thread_at_fork(tarn__heap_fork_prepare, tarn__heap_fork_parent, tarn__heap_fork_child);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
