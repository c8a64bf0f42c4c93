/* Floor 4: what shrinkers may do, their life beside walks, the background, forks. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "test/unit/shrinker.h"

#include "base/atomic.h"
#include "base/fail.h"
#include "os/os.h"
#include "os/sleep.h"
#include "os/worker.h"
#include "tarn/fail.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* What shrinkers see and may do */

static tarn_gfp_t scope_inside;
static unsigned long nested = 99;

static unsigned long look_around(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    scope_inside = tarn_gfp_current(TARN_GFP_KERNEL);
    nested = tarn_shrink_all(TARN_GFP_KERNEL, 0) + tarn__reclaim(TARN_GFP_KERNEL, 0);
    return scan(shrinker, control);
}

static void what_they_are_told(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 300);
    cache.shrinker->scan_objects = look_around;
    tarn_gfp_t before = tarn_gfp_enter(TARN_GFP_FS);
    tarn_shrink_all(TARN_GFP_KERNEL | TARN_GFP_NOWARN, 0);
    tarn_gfp_leave(before);
    assert_int_equal(cache.control.gfp_mask, TARN_GFP_NOFS | TARN_GFP_NOWARN);
    assert_int_equal(cache.control.nid, 0);
    assert_null(cache.control.memcg);
    assert_int_equal(scope_inside, TARN_GFP_KSWAPD_RECLAIM | TARN_GFP_IO | TARN_GFP_MEMALLOC);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_KERNEL);
    assert_int_equal(nested, 0);      /* not within itself */
    assert_int_equal(cache.scans, 4); /* of 600 that are wanted; the nested calls asked for none */
    drop(&cache);
}

static void in_order_of_registration(void **state)
{
    struct cache caches[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        make(&caches[i], 10);
        caches[i].shrinker->flags = 'a' + (unsigned)i;
    }
    memset(order, 0, sizeof order);
    order_length = 0;
    tarn_shrink_all(TARN_GFP_KERNEL, 12);
    assert_string_equal(order, "abcd");
    drop(&caches[1]);
    order_length = 0;
    memset(order, 0, sizeof order);
    tarn_shrink_all(TARN_GFP_KERNEL, 12);
    assert_string_equal(order, "acd");
    drop(&caches[0]);
    drop(&caches[2]);
    drop(&caches[3]);
}

static void freed_by_all(void **state)
{
    struct cache caches[3];
    (void)state;
    for (int i = 0; i < 3; i++)
        make(&caches[i], 100 * (unsigned long)(i + 1));
    assert_int_equal(tarn_shrink_all(TARN_GFP_KERNEL, 0), 600);
    for (int i = 0; i < 3; i++)
        drop(&caches[i]);
}

/* Registration */

static void wrong_registrations(void **state)
{
    struct cache cache;
    struct tarn_shrinker foreign = {.count_objects = count, .scan_objects = scan};
    struct tarn_shrinker *shrinker = tarn_shrinker_alloc(0, NULL);
    (void)state;
    assert_int_equal(tarn_shrinker_register(shrinker), -EINVAL);
    shrinker->count_objects = count;
    assert_int_equal(tarn_shrinker_register(shrinker), -EINVAL);
    tarn_shrinker_free(shrinker);
    assert_int_equal(tarn_shrinker_register(&foreign), -EINVAL);
    make(&cache, 300);
    assert_int_equal(tarn_shrinker_register(cache.shrinker), -EINVAL); /* twice */
    assert_int_equal(shrink(&cache, 0), 300);
    drop(&cache);
}

static char warned[256];
static void keep_warning(const char *line) { strcpy(warned, line); }

static unsigned long free_itself(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    tarn_shrinker_free(shrinker);
    return scan(shrinker, control);
}

static void wrong_frees(void **state)
{
    struct cache cache;
    (void)state;
    tarn_warn_to(keep_warning);
    make(&cache, 300);
    cache.shrinker->scan_objects = free_itself;
    assert_int_equal(shrink(&cache, 0), 300);
    assert_string_equal(warned, "shrinker test is freed by its own callback: it stays");
    cache.objects = 300;
    assert_int_equal(shrink(&cache, 0), 300);
    struct tarn_shrinker *shrinker = cache.shrinker;
    drop(&cache);
    tarn_shrinker_free(shrinker);
    assert_string_equal(warned, "what is freed as a shrinker is none, or was freed before");
    tarn_warn_to(NULL);
    struct tarn_shrinker *one = tarn_shrinker_alloc(0, "a"), *two = tarn_shrinker_alloc(0, "b");
    assert_ptr_equal(one, shrinker); /* memory is used again */
    assert_ptr_not_equal(one, two);  /* and was not given back twice */
    tarn_shrinker_free(one);
    tarn_shrinker_free(two);
}

/* A shrinker that stays in its callback until it is let go. */
static _Atomic int inside, go_on;

static unsigned long stay(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    (void)shrinker;
    (void)control;
    inside++;
    while (!go_on)
        pause_ms(1);
    inside--;
    return TARN_SHRINK_STOP;
}

static _Atomic bool freed;

static void *free_it(void *shrinker)
{
    tarn_shrinker_free(shrinker);
    freed = true;
    return NULL;
}

static void *run_all(void *value)
{
    tarn_shrink_all(TARN_GFP_KERNEL, 0);
    return value;
}

static void free_waits_for_those_inside(void **state)
{
    struct cache first, second;
    pthread_t walks[2], freer;
    (void)state;
    make(&first, 100);
    make(&second, 100);
    first.shrinker->scan_objects = stay;
    inside = go_on = 0;
    freed = false;
    for (int i = 0; i < 2; i++)
        pthread_create(&walks[i], NULL, run_all, NULL);
    while (inside < 2)
        pause_ms(1);
    pthread_create(&freer, NULL, free_it, first.shrinker);
    pause_ms(30);
    assert_false(freed);
    tarn_shrink_all(TARN_GFP_KERNEL, 0); /* a new walk does not enter what leaves */
    assert_int_equal(inside, 2);
    assert_int_equal(second.objects, 0);
    go_on = 1;
    pthread_join(freer, NULL);
    assert_int_equal(inside, 0);
    for (int i = 0; i < 2; i++)
        pthread_join(walks[i], NULL);
    drop(&second);
}

/* A callback may register and free others, in particular the next one. */
static struct cache neighbour, newcomer;

static unsigned long change_neighbours(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    if (neighbour.shrinker) {
        drop(&neighbour);
        neighbour.shrinker = NULL;
        make(&newcomer, 50);
    }
    return scan(shrinker, control);
}

static void callbacks_change_the_list(void **state)
{
    struct cache cache;
    (void)state;
    make(&cache, 100);
    cache.shrinker->scan_objects = change_neighbours;
    make(&neighbour, 7);
    assert_int_equal(tarn_shrink_all(TARN_GFP_KERNEL, 0), 150);
    drop(&newcomer);
    drop(&cache);
}

/* Threads that register, walk and free at once: no shrinker runs after its free. */

enum { THREADS = 4, TURNS = 2000 };

static unsigned long alive_count(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    (void)control;
    return *(_Atomic int *)shrinker->private_data == 1 ? 10 : 0 * (size_t)(inside = -1);
}

static unsigned long alive_scan(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    (void)control;
    if (*(_Atomic int *)shrinker->private_data != 1)
        inside = -1;
    return TARN_SHRINK_STOP;
}

static void *register_and_free(void *value)
{
    for (int i = 0; i < TURNS; i++) {
        _Atomic int alive = 1;
        struct tarn_shrinker *shrinker = tarn_shrinker_alloc(0, "short-lived");
        shrinker->count_objects = alive_count;
        shrinker->scan_objects = alive_scan;
        shrinker->private_data = &alive;
        tarn_shrinker_register(shrinker);
        tarn_shrink_all(TARN_GFP_KERNEL, 0);
        tarn_shrinker_free(shrinker);
        alive = 2;
    }
    return value;
}

static void short_lives(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    inside = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, register_and_free, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(inside, 0);
    assert_int_equal(tarn_shrink_all(TARN_GFP_KERNEL, 0), 0);
}

/* The background */

static struct cache watched;
static _Atomic int questions;
static _Atomic pid_t asked_on;

static bool short_until_half(void)
{
    questions++;
    asked_on = (pid_t)syscall(SYS_gettid);
    return watched.objects > 512;
}

static bool always_short(void)
{
    questions++;
    return true;
}

/* Returns when the background thread has done what it was asked for and is gone. */
static void await_background(void)
{
    do
        pause_ms(5);
    while (tarn__worker_lives());
}

static void background_until_enough(void **state)
{
    (void)state;
    make(&watched, 1024);
    questions = 0;
    tarn__reclaim_wake(short_until_half);
    await_background();
    /*
     * due: 0 0 2 4 8 16 32 64 at priorities 12 to 5, deferred; 7 + 128 at 4: a batch; 15 + 224 at 3: one; 55 + 384 at 2: three
     */
    assert_int_equal(watched.objects, 1024 - 128 - 128 - 384);
    assert_int_equal(questions, 12);
    assert_true(asked_on != (pid_t)syscall(SYS_gettid));
    drop(&watched);
}

static void background_gives_up(void **state)
{
    (void)state;
    make(&watched, 1024);
    watched.keeps = true;
    questions = 0;
    tarn__reclaim_wake(always_short);
    await_background();
    assert_int_equal(questions, 13); /* priorities 12 to 0, once */
    watched.keeps = false;
    questions = 0;
    tarn__reclaim_wake(always_short);
    await_background();
    assert_int_equal(watched.objects, 0);
    assert_int_equal(questions, 26); /* a pass that freed all, and one that found nothing */
    drop(&watched);
}

static void no_shrinker_no_thread(void **state)
{
    (void)state;
    await_background();
    questions = 0;
    tarn__reclaim_wake(always_short);
    assert_false(tarn__worker_lives());
    pause_ms(5);
    assert_int_equal(questions, 0);
}

/* Forks */

static void prepare(void)
{
    tarn__forking = true;
    tarn__worker_each_lock(tarn__lock_for_fork);
    tarn__shrinkers_each_lock(tarn__lock_for_fork);
}

static void parent(void)
{
    tarn__worker_each_lock(tarn__unlock_after_fork);
    tarn__shrinkers_each_lock(tarn__unlock_after_fork);
    tarn__forking = false;
}

static void child(void)
{
    parent();
    tarn__shrinkers_child();
    tarn__worker_child();
    tarn__sleep_child();
}

static void use_in_child(void *value)
{
    struct cache *cache = value;
    alarm(10);
    cache->shrinker->scan_objects = scan;
    if (tarn_shrink_all(TARN_GFP_KERNEL, 0) != 100)
        _exit(1);
    tarn_shrinker_free(cache->shrinker); /* no walk of the parent's holds it here */
}

static void children(void **state)
{
    struct cache cache;
    pthread_t walk;
    (void)state;
    if (!check_children_bear_threads())
        return;
    make(&cache, 100);
    cache.shrinker->scan_objects = stay;
    inside = go_on = 0;
    pthread_create(&walk, NULL, run_all, NULL);
    while (!inside)
        pause_ms(1);
    check_lives(use_in_child, &cache);
    go_on = 1;
    pthread_join(walk, NULL);
    drop(&cache);
}

/* A callback that forks: the child's walk goes on in it, and there is only that one. */
static unsigned long fork_there(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    struct cache *cache = shrinker->private_data;
    int status = 0;
    (void)control;
    pid_t pid = fork();
    cache->objects += pid == 0;
    if (pid > 0) {
        waitpid(pid, &status, 0);
        cache->objects += status == 0 ? 2 : 0;
    } else {
        alarm(10);
    }
    return TARN_SHRINK_STOP;
}

static void a_callback_forks(void **state)
{
    struct cache cache;
    pid_t before = getpid();
    (void)state;
    if (!check_children_bear_threads())
        return;
    make(&cache, 100);
    cache.shrinker->scan_objects = fork_there;
    tarn_shrink_all(TARN_GFP_KERNEL, 0);
    if (getpid() != before) {
        tarn_shrinker_free(cache.shrinker);
        _exit(cache.objects == 101 ? 0 : 1);
    }
    assert_int_equal(cache.objects, 102);
    drop(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_they_are_told),
        cmocka_unit_test(in_order_of_registration),
        cmocka_unit_test(freed_by_all),
        cmocka_unit_test(wrong_registrations),
        cmocka_unit_test(wrong_frees),
        cmocka_unit_test(free_waits_for_those_inside),
        cmocka_unit_test(callbacks_change_the_list),
        cmocka_unit_test(short_lives),
        cmocka_unit_test(background_until_enough),
        cmocka_unit_test(background_gives_up),
        cmocka_unit_test(no_shrinker_no_thread),
        cmocka_unit_test(children),
        cmocka_unit_test(a_callback_forks),
    };
    tarn__thread_at_fork(prepare, parent, child);
    return cmocka_run_group_tests_name("reclaim", tests, NULL, NULL);
}
