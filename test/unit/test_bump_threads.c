/* Floor 4, pools: bump arenas with the built-in lock: threads, and forks. */
#include "test/unit/check.h"
#include "test/unit/poolforks.h"

#include "tarn/bump.h"

#include <pthread.h>
#include <string.h>

enum { PAGE = 4096, THREADS = 4 };

static struct tarn_bump *shared;

enum { ROUNDS = 3000 };

static void *user(void *argument)
{
    unsigned char own = (unsigned char)(uintptr_t)argument;
    static _Thread_local unsigned char *block[ROUNDS];
    uint64_t random = own + 1;
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = check_random(&random) % 50 == 0 ? 6000 : 40;
        block[i] = tarn_bump_alloc(shared, size);
        memset(block[i], own, size);
    }
    for (int i = 0; i < ROUNDS; i++)
        if (!check_all_bytes(block[i], 40, own))
            return argument;
    return NULL;
}

static struct tarn_bump *make_shared(void)
{
    struct tarn_bump_options options = {.lock = TARN_POOL_LOCK_BUILTIN, .chunk = PAGE, .source = tarn_source_system()};
    shared = tarn_bump_create(NULL, 0, &options);
    assert_non_null(shared);
    return shared;
}

static void threads(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    make_shared();
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, user, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    struct tarn_pool_stats stats;
    tarn_bump_stats(shared, &stats);
    assert_int_equal(stats.allocations, THREADS * ROUNDS);
    assert_int_equal(tarn_bump_check(shared), 0);
    tarn_bump_destroy(shared);
}

static bool over;

static void *busy(void *argument)
{
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
        tarn_bump_alloc(shared, 16);
    return argument;
}

static bool works(void) { return tarn_bump_alloc(shared, 16) && tarn_bump_check(shared) == 0; }

static void a_fork_in_the_middle(void **state)
{
    (void)state;
    pthread_t thread;
    make_shared();
    assert_int_equal(pthread_create(&thread, NULL, busy, NULL), 0);
    poolforks_children(40, works);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    tarn_bump_destroy(shared);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(threads), cmocka_unit_test(a_fork_in_the_middle)};
    poolforks_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
