/* Floor 4: what TARN_POOL_CHECK alone finds of who uses a pool: two threads at once, and after its end. */
#include "test/unit/check.h"

#include "tarn/blockpool.h"
#include "tarn/bump.h"
#include "tarn/classpool.h"
#include "tarn/levelpool.h"
#include "tarn/region.h"

#include <pthread.h>

static _Alignas(4096) char memory[65536];

enum kind { REGION, CLASSPOOL, LEVELPOOL, BLOCKPOOL, BUMP, KINDS };

static struct tarn_classpool *classes;
static enum kind kind;
static void *pool, *block;

static void make(const struct tarn_pool_lock *lock)
{
    struct tarn_region_options region = {.flags = TARN_POOL_CHECK, .lock = lock};
    struct tarn_classpool_options class = {.flags = TARN_POOL_CHECK, .lock = lock};
    struct tarn_levelpool_options level = {.flags = TARN_POOL_CHECK, .lock = lock};
    struct tarn_blockpool_options run = {.flags = TARN_POOL_CHECK, .lock = lock};
    struct tarn_bump_options bump = {.flags = TARN_POOL_CHECK | TARN_BUMP_RECORD, .lock = lock};
    classes = NULL;
    if (kind == CLASSPOOL)
        assert_int_equal(tarn_classpool_open(&classes, memory, sizeof memory, &class), 0);
    pool = kind == REGION      ? (void *)tarn_region_create(memory, sizeof memory, &region)
           : kind == CLASSPOOL ? (void *)classes
           : kind == LEVELPOOL ? (void *)tarn_levelpool_create(memory, sizeof memory, &level)
           : kind == BLOCKPOOL ? (void *)tarn_blockpool_create_in(memory, sizeof memory, &run)
                               : (void *)tarn_bump_create(memory, sizeof memory, &bump);
    assert_non_null(pool);
}

static void *take(void)
{
    switch (kind) {
    case REGION:
        return tarn_region_alloc(pool, 40);
    case CLASSPOOL:
        return tarn_classpool_alloc(pool, 40);
    case LEVELPOOL:
        return tarn_levelpool_alloc(pool, 40);
    case BLOCKPOOL:
        return tarn_blockpool_alloc(pool, 40);
    default:
        return tarn_bump_alloc(pool, 40);
    }
}

/* What an arena answers where the others free. */
static int give(void *p)
{
    switch (kind) {
    case REGION:
        return tarn_region_free(pool, p);
    case CLASSPOOL:
        return tarn_classpool_free(pool, p);
    case LEVELPOOL:
        return tarn_levelpool_free(pool, p);
    case BLOCKPOOL:
        return tarn_blockpool_free(pool, p);
    default:
        return tarn_bump_check(pool);
    }
}

static int end(void)
{
    switch (kind) {
    case REGION:
        return tarn_region_destroy(pool);
    case CLASSPOOL:
        return tarn_classpool_close(&classes, NULL);
    case LEVELPOOL:
        return tarn_levelpool_destroy(pool);
    case BLOCKPOOL:
        return tarn_blockpool_destroy(pool);
    default:
        tarn_bump_destroy(pool);
        return 0;
    }
}

static void each(tarn_pool_visit *visit)
{
    switch (kind) {
    case REGION:
        tarn_region_each(pool, visit, NULL);
        break;
    case CLASSPOOL:
        tarn_classpool_each(pool, visit, NULL);
        break;
    case LEVELPOOL:
        tarn_levelpool_each(pool, visit, NULL);
        break;
    case BLOCKPOOL:
        tarn_blockpool_each(pool, visit, NULL);
        break;
    default:
        tarn_bump_each(pool, visit, NULL);
    }
}

struct answers {
    void *taken;
    int given, calls;
};

static void *other_thread(void *context)
{
    struct answers *answers = context;
    answers->calls++;
    answers->taken = take();
    answers->given = give(block);
    return NULL;
}

static struct answers found;

static void during(void *context, void *p, size_t size)
{
    pthread_t thread;
    (void)context, (void)p, (void)size;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &found), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void two_threads_at_once(void **state)
{
    (void)state;
    for (kind = REGION; kind < KINDS; kind++) {
        make(NULL);
        block = take();
        assert_non_null(block);
        found = (struct answers){NULL, 0, 0};
        each(during);
        assert_int_equal(found.calls, 1);
        assert_null(found.taken);
        assert_int_equal(found.given, TARN_POOL_RACE);
        assert_int_equal(give(block), 0); /* and nothing has changed */
        assert_int_equal(end(), 0);
    }
}

/* One after the other is no race. */
static void threads_in_turn(void **state)
{
    (void)state;
    for (kind = REGION; kind < KINDS; kind++) {
        make(NULL);
        block = take();
        found = (struct answers){NULL, 0, 0};
        during(NULL, NULL, 0);
        assert_non_null(found.taken);
        assert_int_equal(found.given, 0);
        assert_int_equal(give(found.taken), 0);
        assert_int_equal(end(), 0);
    }
}

static void after_the_end(void **state)
{
    (void)state;
    for (int locked = 0; locked < 2; locked++)
        for (kind = REGION; kind < KINDS; kind++) {
            make(locked ? TARN_POOL_LOCK_BUILTIN : NULL);
            block = take();
            assert_int_equal(give(block), 0);
            assert_int_equal(end(), 0);
            assert_null(take());
            assert_int_equal(give(block), TARN_POOL_DESTROYED);
            if (kind != CLASSPOOL && kind != BUMP) /* of the one the name is gone; of the other the answer is none */
                assert_int_equal(end(), TARN_POOL_DESTROYED);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_at_once),
        cmocka_unit_test(threads_in_turn),
        cmocka_unit_test(after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
