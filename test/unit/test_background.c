/* Floor 2: work on the background thread: when it begins, how often it wakes, when it ends, and what a fork does to it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "test/unit/check.h"
#include "test/unit/workerforks.h"

#include "os/background.h"
#include "os/lock.h"
#include "os/os.h"
#include "os/sleep.h"
#include "os/worker.h"
#include "tarn/background.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static _Atomic int ticks, left, most_at_once, at_once; /* left: ticks that say there is more; negative: all do */

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

static bool tick(void)
{
    int now = ++at_once;
    if (now > most_at_once)
        most_at_once = now;
    ticks++;
    bool more = left != 0;
    if (left > 0)
        left--;
    at_once--;
    return more;
}

/* Threads of the name; how often they went to sleep. */
static int workers_now(long *sleeps)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks));) {
        char path[300], line[200] = "";
        bool is = false;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file)) {
            is |= strcmp(line, "Name:\ttarn\n") == 0;
            if (is && sleeps && strncmp(line, "voluntary_ctxt_switches:", 24) == 0)
                *sleeps = atol(line + 24);
        }
        count += is;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return count;
}

static bool wait_for(_Atomic int *value, int at_least)
{
    for (int i = 0; i < 5000 && *value < at_least; i++)
        pause_ms(1);
    return *value >= at_least;
}

static bool wait_until_gone(void)
{
    for (int i = 0; i < 5000 && (tarn__worker_lives() || workers_now(NULL) > 0); i++)
        pause_ms(1);
    return !tarn__worker_lives() && workers_now(NULL) == 0;
}

static int begin(void **state)
{
    (void)state;
    tarn_background(0);
    assert_true(wait_until_gone());
    tarn__background_tick = tick;
    ticks = left = most_at_once = 0;
    return 0;
}

static void off_by_default(void **state)
{
    (void)state;
    assert_int_equal(tarn__background_state, TARN__BACKGROUND_OFF);
    for (int i = 0; i < 1000; i++)
        tarn__background_need();
    assert_int_equal(workers_now(NULL), 0);
    assert_false(tarn__background_works());
    assert_int_equal(ticks, 0);
}

/* Turned on it looks once, as something may lie idle already, and the thread ends. */
static void nothing_to_do(void **state)
{
    (void)state;
    errno = 5;
    assert_int_equal(tarn_background(1), 0);
    assert_int_equal(errno, 5);
    assert_true(wait_for(&ticks, 1));
    assert_true(wait_until_gone());
    pause_ms(250);
    assert_int_equal(ticks, 1);
    assert_int_equal(workers_now(NULL), 0);
    assert_int_equal(tarn_background(1), 0); /* it is on */
    pause_ms(150);
    assert_int_equal(ticks, 1);
}

/* As by the environment: on, but nothing begins before there is a need. */
static void begins_at_need(void **state)
{
    (void)state;
    tarn__background_begin();
    pause_ms(50);
    assert_int_equal(workers_now(NULL), 0);
    left = 3;
    tarn__background_need();
    assert_true(tarn__background_works());
    assert_true(wait_for(&ticks, 4));
    assert_true(wait_until_gone());
    assert_int_equal(ticks, 4);
    assert_false(tarn__background_works());
    left = 1;
    tarn__background_need();
    assert_true(wait_for(&ticks, 6));
    assert_true(wait_until_gone());
    assert_int_equal(ticks, 6);
}

/* A tenth of a second lies between the calls; however slow the machine, they are not more. The thread wakes for them and for nothing else. */
static void wakes_for_ticks_only(void **state)
{
    (void)state;
    long first = 0, last = 0;
    left = -1;
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, 2));
    pause_ms(20);
    int ticks_first = ticks;
    assert_int_equal(workers_now(&first), 1);
    uint64_t began = tarn__os_now();
    assert_true(wait_for(&ticks, ticks_first + 5));
    uint64_t passed = tarn__os_now() - began;
    pause_ms(20);
    int made = ticks - ticks_first;
    assert_int_equal(workers_now(&last), 1);
    assert_true(passed >= (uint64_t)(made - 1) * 90);
    assert_in_range(last - first, 1, 2 * made + 4); /* nearly one sleep a tick; a lock may be another */
}

/* Needs that come while the function runs have it run again, a tenth of a second later and once. */
static _Atomic int needs_in_tick;

static bool tick_with_needs(void)
{
    for (int i = 0; i < 1000; i++)
        tarn__background_need();
    ticks++;
    return needs_in_tick++ < 0;
}

static bool tick_with_one_need(void)
{
    if (ticks++ == 0)
        tarn__background_need();
    return false;
}

static void needs_while_it_runs(void **state)
{
    (void)state;
    tarn__background_tick = tick_with_one_need;
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, 2));
    assert_true(wait_until_gone());
    assert_int_equal(ticks, 2);
    tarn_background(0);
    tarn__background_tick = tick_with_needs;
    ticks = 0;
    uint64_t began = tarn__os_now();
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, 4));
    assert_true(tarn__os_now() - began >= 270);
    tarn_background(0);
}

static void off_again(void **state)
{
    (void)state;
    left = -1;
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, 3));
    assert_int_equal(tarn_background(0), 0);
    assert_true(wait_until_gone());
    int after = ticks;
    tarn__background_need();
    pause_ms(250);
    assert_int_equal(ticks, after);
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, after + 2));
}

/* Turned off while the thread is yet to come to it. */
static _Atomic int released;
static void hold_thread(struct tarn__job *job)
{
    (void)job;
    while (!released)
        pause_ms(1);
}
static struct tarn__job holding = {.run = hold_thread};

static void off_before_it_runs(void **state)
{
    (void)state;
    released = 0;
    assert_true(tarn__worker_ask(&holding));
    assert_int_equal(tarn_background(1), 0);
    assert_int_equal(tarn_background(0), 0);
    released = 1;
    assert_true(wait_until_gone());
    assert_int_equal(ticks, 0);
}

/* Other jobs are run meanwhile, at once. */
static _Atomic int other_runs;
static void run_other(struct tarn__job *job)
{
    (void)job;
    other_runs++;
}
static struct tarn__job other = {.run = run_other};

static void other_jobs_go_between(void **state)
{
    (void)state;
    left = -1;
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, 1));
    int first = ticks;
    other_runs = 0;
    for (int i = 0; i < 500; i++) {
        assert_true(tarn__worker_ask(&other));
        assert_true(tarn__worker_wait(&other));
    }
    assert_int_equal(other_runs, 500);
    assert_true(wait_for(&ticks, first + 3)); /* and they do not keep it from its time */
}

/* Many threads turn it on and off and need it: never two runs at once, and at last what is left is done. */
static void *turn_on_and_off(void *value)
{
    for (uintptr_t i = 0; i < 300; i++) {
        if ((i + (uintptr_t)value) % 16 == 0)
            tarn_background(i / 16 % 2 == 0);
        tarn__background_need();
        if (i % 16 == 0)
            pause_ms(1);
    }
    return NULL;
}

static void turned_by_many(void **state)
{
    (void)state;
    enum { TURNERS = 4 };
    pthread_t threads[TURNERS];
    left = -1;
    for (uintptr_t i = 0; i < TURNERS; i++)
        pthread_create(&threads[i], NULL, turn_on_and_off, (void *)i);
    for (int i = 0; i < TURNERS; i++)
        pthread_join(threads[i], NULL);
    tarn_background(1);
    tarn__background_need();
    int after = ticks;
    assert_true(wait_for(&ticks, after + 2));
    left = 0;
    assert_true(wait_until_gone());
    assert_int_equal(most_at_once, 1);
    assert_int_equal(tarn__background_state, TARN__BACKGROUND_IDLE);
}

/* Where no thread can be made */

static void *nothing(void *value) { return value; }

static void need_without_threads(void *value)
{
    (void)value;
    struct rlimit before, none;
    pthread_t thread;
    if ((geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) || getrlimit(RLIMIT_NPROC, &before) != 0)
        _exit(4);
    none = (struct rlimit){0, before.rlim_max};
    if (setrlimit(RLIMIT_NPROC, &none) != 0 || pthread_create(&thread, NULL, nothing, NULL) == 0) {
        printf("# not tested: no limit on threads holds here\n");
        fflush(stdout);
        _exit(0);
    }
    uint64_t began = tarn__os_now();
    if (tarn_background(1) != -EAGAIN || tarn__background_state != TARN__BACKGROUND_OFF)
        _exit(1);
    tarn__background_begin();
    for (int i = 0; i < 100; i++)
        tarn__background_need();
    if (tarn__background_state != TARN__BACKGROUND_IDLE || ticks != 0)
        _exit(2);
    setrlimit(RLIMIT_NPROC, &before);
    tarn__background_need();
    if (tarn__background_state != TARN__BACKGROUND_IDLE && tarn__os_now() - began < 900)
        _exit(5); /* tried again at once */
    pause_ms(1100);
    tarn__background_need();
    if (!wait_for(&ticks, 1))
        _exit(6);
    if (tarn_background(0) != 0 || tarn__background_state != TARN__BACKGROUND_OFF)
        _exit(3);
}

static void without_threads(void **state)
{
    (void)state;
    if (check_children_bear_threads())
        check_lives(need_without_threads, NULL);
}

/* Between the fork hooks no thread is made, which bars nobody from having one right after. */
static void not_between_hooks(void **state)
{
    (void)state;
    tarn__background_begin();
    tarn__forking = true;
    tarn__background_need();
    tarn__forking = false;
    assert_int_equal(workers_now(NULL), 0);
    tarn__background_need();
    assert_true(wait_for(&ticks, 1));
}

/* Needed in a job that a waiter runs, where no thread follows: the next need has one made. */
static void need_it(struct tarn__job *job)
{
    (void)job;
    tarn__background_need();
}
static struct tarn__job needing = {.run = need_it};

static void needed_without_a_thread(void **state)
{
    (void)state;
    tarn__background_begin();
    tarn__forking = true;
    assert_false(tarn__worker_ask(&needing));
    assert_true(tarn__worker_wait(&needing));
    tarn__forking = false;
    assert_int_equal(tarn__background_state, TARN__BACKGROUND_IDLE);
    assert_int_equal(ticks, 0);
    tarn__background_need();
    assert_true(wait_for(&ticks, 1));
}

/* Forks, and the process's end */

static void child(void)
{
    worker_fork_parent();
    tarn__worker_child();
    tarn__background_child();
    tarn__sleep_child();
}

static void use_in_child(void *value)
{
    (void)value;
    alarm(20);
    if (workers_now(NULL) != 0)
        _exit(1);
    ticks = 0;
    left = 2;
    pause_ms(150);
    if (ticks != 0)
        _exit(2);
    tarn__background_need();
    if (!wait_for(&ticks, 3) || !wait_until_gone() || ticks != 3)
        _exit(3);
}

static void children_begin_their_own(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    left = -1;
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, 1));
    for (int i = 0; i < 5; i++) {
        check_lives(use_in_child, NULL);
        pause_ms(23);
    }
    int after = ticks;
    assert_true(wait_for(&ticks, after + 2)); /* here it goes on */
}

/* In the middle of the function. */
static _Atomic int hold_tick;

static bool tick_held(void)
{
    ticks++;
    while (hold_tick)
        pause_ms(1);
    return left != 0;
}

static void use_in_child_of_held(void *value)
{
    hold_tick = 0;
    tarn__background_tick = tick;
    use_in_child(value);
}

static void forks_while_it_runs(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    tarn__background_tick = tick_held;
    hold_tick = 1;
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, 1));
    check_lives(use_in_child_of_held, NULL);
    hold_tick = 0;
    assert_true(wait_until_gone());
    assert_int_equal(ticks, 1);
}

static void end_while_it_ticks(void *value)
{
    alarm(10);
    tarn__background_tick = tick_held;
    hold_tick = value != NULL;
    left = -1;
    ticks = 0;
    tarn_background(1);
    if (!wait_for(&ticks, 1))
        _exit(1);
    exit(0);
}

/* main's thread ends; the process does when the work is done. */
static void end_main_thread(void *value)
{
    (void)value;
    alarm(10);
    left = 2;
    tarn_background(1);
    pthread_exit(NULL);
}

static void keeps_no_process(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    check_lives(end_while_it_ticks, NULL);
    check_lives(end_while_it_ticks, &hold_tick);
#ifdef __GLIBC__
    check_lives(end_main_thread, NULL);
#endif
}

static char name[16];
static sigset_t blocked;

static bool look_around(void)
{
    prctl(PR_GET_NAME, name);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    ticks++;
    return false;
}

static void is_named_and_deaf(void **state)
{
    (void)state;
    tarn__background_tick = look_around;
    assert_int_equal(tarn_background(1), 0);
    assert_true(wait_for(&ticks, 1));
    assert_string_equal(name, "tarn");
    for (int s = 1; s < 32; s++)
        if (s != SIGKILL && s != SIGSTOP)
            assert_true(sigismember(&blocked, s));
}

#define BACKGROUND_TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BACKGROUND_TEST(off_by_default),           BACKGROUND_TEST(nothing_to_do),
        BACKGROUND_TEST(begins_at_need),           BACKGROUND_TEST(wakes_for_ticks_only),
        BACKGROUND_TEST(needs_while_it_runs),      BACKGROUND_TEST(off_again),
        BACKGROUND_TEST(off_before_it_runs),       BACKGROUND_TEST(needed_without_a_thread),
        BACKGROUND_TEST(other_jobs_go_between),    BACKGROUND_TEST(turned_by_many),
        BACKGROUND_TEST(without_threads),          BACKGROUND_TEST(not_between_hooks),
        BACKGROUND_TEST(children_begin_their_own), BACKGROUND_TEST(forks_while_it_runs),
        BACKGROUND_TEST(keeps_no_process),         BACKGROUND_TEST(is_named_and_deaf),
    };
    tarn__thread_at_fork(worker_fork_prepare, worker_fork_parent, child);
    return cmocka_run_group_tests_name("background", tests, NULL, NULL);
}
