/* Floor 2: the background thread: its jobs, its beginning and end, forks, and what happens where it cannot be made. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "test/unit/check.h"
#include "test/unit/workerforks.h"

#include "base/atomic.h"
#include "base/fail.h"
#include "os/sleep.h"
#include "os/worker.h"
#include "tarn/fail.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int runs, at_once, most_at_once;
static _Atomic pid_t ran_on;
static _Atomic uint32_t gate; /* 0: a run of `held` waits */

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

static void count_run(struct tarn__job *job)
{
    (void)job;
    int now = atomic_fetch_add(&at_once, 1) + 1;
    if (now > most_at_once)
        most_at_once = now;
    ran_on = (pid_t)syscall(SYS_gettid);
    atomic_fetch_add(&runs, 1);
    atomic_fetch_sub(&at_once, 1);
}

static void hold(struct tarn__job *job)
{
    count_run(job);
    while (!gate)
        pause_ms(1);
}

static struct tarn__job counted = {.run = count_run}, other = {.run = count_run}, held = {.run = hold};

static bool wait_until_gone(void)
{
    for (int i = 0; i < 3000 && tarn__worker_lives(); i++)
        pause_ms(1);
    return !tarn__worker_lives();
}

static int begin(void **state)
{
    (void)state;
    assert_true(wait_until_gone());
    runs = most_at_once = 0;
    ran_on = 0;
    gate = 0;
    return 0;
}

/* Threads of that name, in the whole process. */
static int workers_now(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks));) {
        char path[300], comm[16] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file && fgets(comm, sizeof comm, file))
            count += strcmp(comm, "tarn\n") == 0;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return count;
}

static void none_at_first(void **state)
{
    (void)state;
    assert_false(tarn__worker_lives());
    assert_int_equal(workers_now(), 0);
    assert_true(tarn__worker_wait(&counted));
    assert_int_equal(runs, 0);
    assert_int_equal(workers_now(), 0);
}

static void runs_a_job(void **state)
{
    (void)state;
    errno = 5;
    assert_true(tarn__worker_ask(&counted));
    assert_true(tarn__worker_wait(&counted));
    assert_int_equal(errno, 5);
    assert_int_equal(runs, 1);
    assert_true(ran_on != 0 && ran_on != (pid_t)syscall(SYS_gettid));
    assert_true(tarn__worker_ask(&other));
    assert_true(tarn__worker_wait(&other));
    assert_int_equal(runs, 2);
    assert_int_equal(workers_now(), 1);
}

/* The thread's name and its signals, seen from inside. */
static char name[16];
static sigset_t blocked;

static void look_around(struct tarn__job *job)
{
    (void)job;
    prctl(PR_GET_NAME, name);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
}

static void is_named_and_deaf(void **state)
{
    (void)state;
    static struct tarn__job job = {.run = look_around};
    sigset_t before, after;
    memset(&before, 0, sizeof before);
    memset(&after, 0, sizeof after);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    tarn__worker_ask(&job);
    tarn__worker_wait(&job);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_string_equal(name, "tarn");
    for (int s = 1; s < SIGRTMIN; s++)
        if (s != SIGKILL && s != SIGSTOP && s < 32) /* 32 and 33 are the C library's */
            assert_true(sigismember(&blocked, s));
    assert_memory_equal(&before, &after, sizeof before);
}

static void asking_twice_is_once(void **state)
{
    (void)state;
    tarn__worker_ask(&held);
    while (runs == 0)
        pause_ms(1);
    for (int i = 0; i < 5; i++) {
        tarn__worker_ask(&counted);
        tarn__worker_ask(&other);
    }
    tarn__worker_ask(&held); /* while it runs: once more */
    gate = 1;
    tarn__worker_wait(&held);
    tarn__worker_wait(&other);
    tarn__worker_wait(&counted);
    assert_int_equal(runs, 4);
    assert_int_equal(most_at_once, 1);
}

static void *wait_for_held(void *value)
{
    tarn__worker_wait(&held);
    *(int *)value = gate ? 1 : -1;
    return NULL;
}

static void all_who_wait_are_woken(void **state)
{
    (void)state;
    enum { WAITERS = 5 };
    pthread_t threads[WAITERS];
    int results[WAITERS] = {0};
    tarn__worker_ask(&held);
    for (int i = 0; i < WAITERS; i++)
        pthread_create(&threads[i], NULL, wait_for_held, &results[i]);
    pause_ms(20);
    gate = 1;
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(results[i], 1);
    }
}

static void ends_when_idle_and_begins_again(void **state)
{
    (void)state;
    for (int i = 1; i <= 2; i++) {
        tarn__worker_ask(&counted);
        tarn__worker_wait(&counted);
        assert_int_equal(runs, i);
        assert_true(wait_until_gone());
    }
    for (int i = 0; i < 1000 && workers_now() > 0; i++)
        pause_ms(1);
    assert_int_equal(workers_now(), 0);
}

static char warned[256];
static void keep_warning(const char *line) { strcpy(warned, line); }
static _Atomic int nested_result;

static void wait_for_itself(struct tarn__job *job) { nested_result = tarn__worker_wait(job); }

static void a_job_does_not_wait(void **state)
{
    (void)state;
    static struct tarn__job job = {.run = wait_for_itself};
    nested_result = -1;
    tarn_warn_to(keep_warning);
    tarn__worker_ask(&job);
    tarn__worker_wait(&job);
    tarn_warn_to(NULL);
    assert_int_equal(nested_result, 0);
    assert_string_equal(warned, "a call on the background thread waits for that thread");
}

/* Every asking from many threads is followed by a run that began after it. */

enum { ASKERS = 4, TURNS = 300 };
static _Atomic int asked, seen;

static void see(struct tarn__job *job)
{
    count_run(job);
    seen = asked;
}

static struct tarn__job seeing = {.run = see};

static void *ask_and_check(void *value)
{
    for (int i = 0; i < TURNS; i++) {
        int mine = atomic_fetch_add(&asked, 1) + 1;
        tarn__worker_ask(&seeing);
        tarn__worker_wait(&seeing);
        if (seen < mine)
            *(int *)value = 1;
    }
    return NULL;
}

static void no_asking_is_lost(void **state)
{
    (void)state;
    pthread_t threads[ASKERS];
    int wrong[ASKERS] = {0};
    for (int i = 0; i < ASKERS; i++)
        pthread_create(&threads[i], NULL, ask_and_check, &wrong[i]);
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
    assert_int_equal(most_at_once, 1);
    assert_in_range(runs, 1, ASKERS * TURNS);
}

/* Where threads cannot be made */

static void forbid_threads(void)
{
    struct rlimit none = {0, 0};
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(77);
    if (setrlimit(RLIMIT_NPROC, &none) != 0)
        _exit(77);
}

static void *nothing(void *value) { return value; }

static void work_without_threads(void *value)
{
    pthread_t thread;
    (void)value;
    forbid_threads();
    if (pthread_create(&thread, NULL, nothing, NULL) == 0) {
        printf("# not tested: no limit on threads holds here\n");
        fflush(stdout);
        _exit(0);
    }
    if (tarn__worker_ask(&counted) || tarn__worker_ask(&other) || runs != 0)
        _exit(1);
    if (!tarn__worker_wait(&other) || runs != 1 || ran_on != (pid_t)syscall(SYS_gettid))
        _exit(2); /* only that one, in the caller */
    if (!tarn__worker_wait(&counted) || runs != 2 || tarn__worker_lives())
        _exit(3);
}

static void without_threads_waiters_do_it(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    check_lives(work_without_threads, NULL);
}

/* Forks */

static void child(void)
{
    worker_fork_parent();
    tarn__worker_child();
    tarn__sleep_child();
}

static void use_in_child(void *value)
{
    (void)value;
    alarm(10);
    int before = runs;
    gate = 1;
    if (tarn__worker_lives())
        _exit(1);
    tarn__worker_wait(&held);  /* was running in the parent: again */
    tarn__worker_wait(&other); /* was queued there */
    if (runs != before + 2)
        _exit(2);
    if (!tarn__worker_ask(&counted) || !tarn__worker_wait(&counted) || runs != before + 3 || !tarn__worker_lives())
        _exit(3);
}

static void children_begin_their_own(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    tarn__worker_ask(&held);
    while (runs == 0)
        pause_ms(1);
    tarn__worker_ask(&other);
    check_lives(use_in_child, NULL);
    gate = 1;
    tarn__worker_wait(&held);
    tarn__worker_wait(&other);
    assert_int_equal(runs, 2);
}

static void ask_between_hooks(void **state)
{
    (void)state;
    tarn__forking = true;
    assert_false(tarn__worker_ask(&counted));
    tarn__forking = false;
    assert_false(tarn__worker_lives());
    assert_true(tarn__worker_ask(&other)); /* this starts it, for both */
    tarn__worker_wait(&counted);
    tarn__worker_wait(&other);
    assert_int_equal(runs, 2);
    assert_true(ran_on != (pid_t)syscall(SYS_gettid));
}

/* A job that wants to know is told when it stays queued and nobody is there to run it. */
static _Atomic int told;
static void note_stranded(struct tarn__job *job)
{
    (void)job;
    told++;
}
static struct tarn__job noted = {.run = count_run, .stranded = note_stranded};

static void stranded_jobs_are_told(void **state)
{
    (void)state;
    told = 0;
    tarn__forking = true; /* so that no thread begins */
    assert_false(tarn__worker_ask(&noted));
    assert_false(tarn__worker_ask(&counted));
    assert_true(tarn__worker_wait(&counted));
    tarn__forking = false;
    assert_int_equal(told, 1);
    assert_int_equal(runs, 1);
    assert_true(tarn__worker_wait(&noted));
    assert_int_equal(told, 1);
    assert_int_equal(runs, 2);
}

/* Again: after its time on the thread, which lasts so long; at once where the first run was in a waiter. */
static uint64_t times[4];
static void run_thrice(struct tarn__job *job)
{
    times[runs & 3] = tarn__os_now();
    count_run(job);
    if (runs < 3)
        tarn__worker_again(job, 300); /* longer than an idle thread stays */
}
static struct tarn__job thrice = {.run = run_thrice};

static void runs_again(void **state)
{
    (void)state;
    for (int by_waiter = 0; by_waiter < 2; by_waiter++) {
        runs = 0;
        tarn__forking = by_waiter;
        assert_int_equal(tarn__worker_ask(&thrice), !by_waiter);
        tarn__forking = false;
        assert_true(tarn__worker_wait(&thrice));
        for (int i = 0; i < 3000 && runs < 3; i++)
            pause_ms(1);
        assert_int_equal(runs, 3);
        assert_true(by_waiter || times[1] - times[0] >= 290);
        assert_true(times[2] - times[1] >= 290);
        assert_true(wait_until_gone());
    }
}

/* Asked for before its time, a job runs once, then. */
static void run_twice(struct tarn__job *job)
{
    count_run(job);
    if (runs == 1)
        tarn__worker_again(job, 150);
}
static struct tarn__job twice = {.run = run_twice};

static void asked_before_its_time(void **state)
{
    (void)state;
    tarn__worker_ask(&twice);
    tarn__worker_wait(&twice);
    tarn__worker_ask(&twice);
    tarn__worker_wait(&twice);
    assert_int_equal(runs, 2);
    assert_true(wait_until_gone());
    assert_int_equal(runs, 2);
}

/* In the child of a fork no job waits for its time. */
static void wait_in_child(void *value)
{
    (void)value;
    alarm(10);
    tarn__worker_ask(&other);
    tarn__worker_wait(&other);
    if (!wait_until_gone() || runs != 2)
        _exit(1);
}

static void no_times_in_children(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    tarn__worker_ask(&twice);
    tarn__worker_wait(&twice);
    check_lives(wait_in_child, NULL);
    assert_true(wait_until_gone());
    assert_int_equal(runs, 2);
}

static _Thread_local struct tarn__thread_exit at_end;
static _Atomic int asked_at_end;

static void ask_at_end(struct tarn__thread_exit *exit)
{
    (void)exit;
    asked_at_end = tarn__worker_ask(&counted);
}

static void *end_asking(void *value)
{
    at_end.at_exit = ask_at_end;
    tarn__thread_at_exit(&at_end);
    return value;
}

static void ask_at_a_threads_end(void **state)
{
    (void)state;
    pthread_t thread;
    asked_at_end = -1;
    pthread_create(&thread, NULL, end_asking, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(asked_at_end, 0);
    assert_false(tarn__worker_lives());
    tarn__worker_wait(&counted);
    assert_int_equal(runs, 1);
}

/* main's thread ends while the background thread idles: the process must end too. */
static void end_main_thread(void *value)
{
    (void)value;
    alarm(10);
    tarn__worker_ask(&counted);
    tarn__worker_wait(&counted);
    pthread_exit(NULL);
}

static void keeps_no_process(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
#ifndef __GLIBC__
    print_message(
        "# not tested: a child whose first thread ends before another one never ends under musl 1.2.3, whatever the program\n");
    return;
#endif
    check_lives(end_main_thread, NULL);
}

#ifdef TARN_DEBUG_BUILD
static void ask_under_a_lock(void *value)
{
    static struct tarn__lock lock = TARN__LOCK_INIT(TARN__RANK_ZONE);
    (void)value;
    tarn__set_fail_exit(tarn__os_die);
    tarn__lock(&lock);
    tarn__worker_ask(&counted);
}

static void never_under_a_lock(void **state)
{
    (void)state;
    check_dies(ask_under_a_lock, NULL, "a lock is taken only under locks of lower rank");
}
#endif

#define JOB_TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOB_TEST(none_at_first),
        JOB_TEST(runs_a_job),
        JOB_TEST(is_named_and_deaf),
        JOB_TEST(asking_twice_is_once),
        JOB_TEST(all_who_wait_are_woken),
        JOB_TEST(ends_when_idle_and_begins_again),
        JOB_TEST(a_job_does_not_wait),
        JOB_TEST(no_asking_is_lost),
        JOB_TEST(without_threads_waiters_do_it),
        JOB_TEST(children_begin_their_own),
        JOB_TEST(ask_between_hooks),
        JOB_TEST(stranded_jobs_are_told),
        JOB_TEST(runs_again),
        JOB_TEST(asked_before_its_time),
        JOB_TEST(no_times_in_children),
        JOB_TEST(ask_at_a_threads_end),
        JOB_TEST(keeps_no_process),
#ifdef TARN_DEBUG_BUILD
        JOB_TEST(never_under_a_lock),
#endif
    };
    tarn__thread_at_fork(worker_fork_prepare, worker_fork_parent, child);
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
