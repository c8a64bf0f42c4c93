/* Floor 4, pools: block pools with the built-in lock: threads, and forks. */
#include "test/unit/check.h"
#include "test/unit/poolforks.h"

#include "tarn/blockpool.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, THREADS = 4 };

static struct tarn_blockpool *shared;

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

static void a_fork_in_the_middle(void **state)
{
    (void)state;
    pthread_t thread;
    shared = tarn_blockpool_create(4096, 4096, 64);
    assert_int_equal(pthread_create(&thread, NULL, busy, NULL), 0);
    for (int i = 0; i < 40; i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(10);
            _exit(!tarn_blockpool_alloc(shared, 16) || tarn_blockpool_check(shared) != 0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_int_equal(tarn_blockpool_destroy(shared), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(threads), cmocka_unit_test(a_fork_in_the_middle)};
    poolforks_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
