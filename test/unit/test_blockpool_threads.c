/* Floor 4, pools: block pools in threads: their locks, forks. */
#include "test/unit/blockpool.h"
#include "test/unit/poolforks.h"

#include <pthread.h>
#include <string.h>

enum { THREADS = 4 };

static struct tarn_blockpool *shared;
static int depth, taken;
static void lock(void *context) { assert_ptr_equal(context, &depth), assert_int_equal(depth++, 0), taken++; }
static void unlock(void *context) { assert_ptr_equal(context, &depth), assert_int_equal(--depth, 0); }

static char *faster;

/* Not under the lock; and another thread may be faster meanwhile. */
static void *acquire_slowly(struct tarn_source *own, size_t size, size_t align)
{
    assert_int_equal(depth, 0);
    static bool within;
    if (shared && !within) {
        within = true;
        faster = tarn_blockpool_alloc(shared, 64);
        within = false;
    }
    return tarn_source_acquire(own->parent, size, align);
}

static int release_outside(struct tarn_source *own, void *p, size_t size)
{
    assert_int_equal(depth, 0);
    return tarn_source_release(own->parent, p, size);
}

static void locks(void **state)
{
    (void)state;
    static const struct tarn_source_ops ops = {.acquire = acquire_slowly, .release = release_outside};
    struct tarn_source strict = {&ops, source()};
    struct tarn_pool_lock pair = {lock, unlock, &depth};
    struct tarn_blockpool_options options = {.lock = &pair, .source = &strict, .increment = 60 * 64};
    struct tarn_blockpool *pool = tarn_blockpool_create_in(NULL, 1024, &options);
    memset(&pair, 0, sizeof pair); /* it was copied */
    char *p[300];
    for (int i = 0; i < 300; i++) {
        int before = taken;
        p[i] = take(pool, 64);
        p[i] = tarn_blockpool_realloc(pool, p[i], 65);
        p[i] = tarn_blockpool_realloc(pool, p[i], 64);
        assert_true(taken > before);
    }
    assert_true(stats_of(pool).segments > 3);
    for (int i = 0; i < 300; i++)
        give(pool, p[i]);
    assert_true(tarn_blockpool_trim(pool) > 0);
    for (int i = 0; i < 16; i++)
        p[i] = take(pool, 64);
    shared = pool;
    size_t was = held();
    char *q = take(pool, 64);
    assert_ptr_equal(q, faster + 64); /* of the segment that was got for the other */
    assert_int_equal(held(), was + PAGE);
    shared = NULL;
    give(pool, q), give(pool, faster);
    for (int i = 0; i < 16; i++)
        give(pool, p[i]);
    end(pool);
    assert_int_equal(depth, 0);
}

enum { ROUNDS = 20000, HELD = 50 };

static void *user(void *argument)
{
    unsigned char own = (unsigned char)(uintptr_t)argument;
    unsigned char *block[HELD] = {NULL};
    size_t size[HELD];
    uint64_t random = own + 1;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned which = (unsigned)(check_random(&random) >> 32) % HELD;
        if (block[which]) {
            if (!check_all_bytes(block[which], size[which], own) || tarn_blockpool_free(shared, block[which]) != 0)
                return argument;
            block[which] = NULL;
            continue;
        }
        size[which] = (check_random(&random) >> 32) % 300 + 1;
        block[which] = tarn_blockpool_alloc(shared, size[which]);
        memset(block[which], own, size[which]);
    }
    for (int i = 0; i < HELD; i++)
        if (tarn_blockpool_free(shared, block[i]) != 0)
            return argument;
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    shared = tarn_blockpool_create(4096, 4096, 64);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, user, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(tarn_blockpool_check(shared), 0);
    assert_int_equal(tarn_blockpool_used(shared), 0);
    assert_int_equal(tarn_blockpool_destroy(shared), 0);
}

static bool over;

static void *busy(void *argument)
{
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
        tarn_blockpool_free(shared, tarn_blockpool_alloc(shared, 100));
    return argument;
}

static bool works(void) { return tarn_blockpool_alloc(shared, 16) && tarn_blockpool_check(shared) == 0; }

static void a_fork_in_the_middle(void **state)
{
    (void)state;
    pthread_t thread;
    shared = tarn_blockpool_create(4096, 4096, 64);
    assert_int_equal(pthread_create(&thread, NULL, busy, NULL), 0);
    poolforks_children(40, works);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_int_equal(tarn_blockpool_destroy(shared), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locks),
        cmocka_unit_test(threads),
        cmocka_unit_test(a_fork_in_the_middle),
    };
    poolforks_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
