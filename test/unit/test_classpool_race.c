/* Floor 4: class pools that threads race to open. */
#include "test/unit/check.h"

#include "tarn/classpool.h"

#include <pthread.h>
#include <string.h>

static char memory[65536];

enum { THREADS = 4, ROUNDS = 300 };

static struct tarn_classpool *shared;
static pthread_barrier_t barrier;

/* Every round all of them open the one pool, use it, and close it. */
static void *open_and_close(void *which)
{
    bool buffer = *(bool *)which;
    struct tarn_classpool_options options = {.lock = TARN_POOL_LOCK_BUILTIN};
    for (size_t i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&barrier);
        if (tarn_classpool_open(&shared, buffer ? memory : NULL, 65536, &options) != 0)
            return which;
        for (size_t j = 0; j < 20; j++) {
            char *p = tarn_classpool_alloc(shared, 100);
            if (!p)
                return which;
            memset(p, (int)j, 100);
            if (tarn_classpool_free(shared, p) != 0)
                return which;
        }
        if (i % 2)
            pthread_barrier_wait(&barrier);
        if (tarn_classpool_close(&shared, NULL) != 0)
            return which;
    }
    return NULL;
}

static void modules_race(void **state)
{
    (void)state;
    for (int pass = 0; pass < 2; pass++) {
        pthread_t thread[THREADS];
        bool buffer = pass;
        pthread_barrier_init(&barrier, NULL, THREADS);
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, open_and_close, &buffer), 0);
        for (size_t i = 0; i < THREADS; i++) {
            void *failed;
            pthread_join(thread[i], &failed);
            assert_null(failed);
        }
        pthread_barrier_destroy(&barrier);
        assert_null(shared);
    }
}

/* A source from which nobody goes with memory before all have asked. */
static void *acquire_together(struct tarn_source *source, size_t size, size_t align)
{
    void *p = source->parent->ops->acquire(source->parent, size, align);
    pthread_barrier_wait(&barrier);
    return p;
}

static int release_one(struct tarn_source *source, void *p, size_t size)
{
    return source->parent->ops->release(source->parent, p, size);
}

static void *open_together(void *options)
{
    struct tarn_classpool **pool = &shared;
    return tarn_classpool_open(pool, NULL, 65536, options) == 0 ? NULL : options;
}

static void one_racer_makes_the_pool(void **state)
{
    (void)state;
    static const struct tarn_source_ops ops = {.acquire = acquire_together, .release = release_one};
    struct tarn_source_count count;
    tarn_source_count_init(&count, tarn_source_system());
    struct tarn_source source = {&ops, &count.source};
    struct tarn_classpool_options options = {.source = &source, .lock = TARN_POOL_LOCK_BUILTIN};
    pthread_t thread[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, open_together, &options), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(count.acquired, THREADS * 65536);
    assert_int_equal(count.released, (THREADS - 1) * 65536);
    for (size_t i = 0; i < THREADS; i++) {
        assert_non_null(shared);
        assert_int_equal(tarn_classpool_close(&shared, NULL), 0);
    }
    assert_null(shared);
    assert_int_equal(count.released, THREADS * 65536);
    pthread_barrier_destroy(&barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_race),
        cmocka_unit_test(one_racer_makes_the_pool),
    };
    return cmocka_run_group_tests_name("classpool_race", tests, NULL, NULL);
}
