/* Floor 2: what of linux.c a fake cannot have: reserved memory faults, sleepers are woken, time passes. */
#include "test/unit/check.h"

#include "os/os.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static void touch(void *p) { *(volatile char *)p = 1; }

static void reserved_memory_faults(void **state)
{
    (void)state;
    size_t page = tarn__os_page_size();
    char *p = tarn__os_map(NULL, 4 * page, TARN__OS_RESERVED);
    assert_non_null(p);
    check_dies(touch, p, "");
    assert_int_equal(tarn__os_commit(p + page, page), 0);
    check_lives(touch, p + page);
    check_dies(touch, p + 2 * page, "");
    assert_int_equal(tarn__os_unmap(p, 4 * page), 0);
    check_dies(touch, p + page, "");
}

static _Atomic uint32_t word;
static _Atomic int awake;

static void *sleeper(void *value)
{
    while (atomic_load(&word) == 0)
        tarn__os_wait(&word, 0);
    atomic_fetch_add(&awake, 1);
    return value;
}

static void sleepers_wake(void **state)
{
    (void)state;
    enum { SLEEPERS = 3 };
    pthread_t threads[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sleeper, NULL), 0);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    assert_int_equal(atomic_load(&awake), 0);
    atomic_store(&word, 1);
    for (int i = 0; i < SLEEPERS; i++)
        tarn__os_wake(&word);
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&awake), SLEEPERS);
    tarn__os_wait(&word, 0); /* returns at once */
}

static void time_passes(void **state)
{
    (void)state;
    uint64_t before = tarn__os_now();
    nanosleep(&(struct timespec){0, 40000000}, NULL);
    uint64_t passed = tarn__os_now() - before;
    assert_true(passed >= 30 && passed < 10000);
}

/* Nothing bars a wait from ending early, but nothing that would make it do so is here. */
static void waits_last(void **state)
{
    (void)state;
    static _Atomic uint32_t still;
    uint64_t before = tarn__os_now();
    tarn__os_wait_for(&still, 0, 40);
    uint64_t passed = tarn__os_now() - before;
    assert_true(passed >= 30 && passed < 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserved_memory_faults),
        cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(time_passes),
        cmocka_unit_test(waits_last),
    };
    return cmocka_run_group_tests_name("linux", tests, NULL, NULL);
}
