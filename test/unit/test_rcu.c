/* Floor 2: grace periods, calls after them, threads' ends, forks; with membarrier and, in children, without. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "test/unit/check.h"

#include "base/atomic.h"
#include "base/fail.h"
#include "os/rcu.h"
#include "os/sleep.h"
#include "os/worker.h"
#include "tarn/fail.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* A thread that enters and leaves readers when told. */
struct reader {
    pthread_t thread;
    _Atomic int wanted, depth; /* -1: end */
};

static void *read_as_told(void *value)
{
    struct reader *reader = value;
    int wanted;
    while ((wanted = reader->wanted) >= 0) {
        for (; reader->depth < wanted; reader->depth++)
            tarn_rcu_read_lock();
        for (; reader->depth > wanted; reader->depth--)
            tarn_rcu_read_unlock();
        sched_yield();
    }
    return NULL;
}

static void tell(struct reader *reader, int depth)
{
    reader->wanted = depth;
    while (reader->depth != depth)
        sched_yield();
}

static void begin_reader(struct reader *reader, int depth)
{
    reader->wanted = reader->depth = 0;
    assert_int_equal(pthread_create(&reader->thread, NULL, read_as_told, reader), 0);
    tell(reader, depth);
}

static void end_reader(struct reader *reader)
{
    reader->wanted = -1;
    pthread_join(reader->thread, NULL);
}

/* A thread that waits for a grace period. */
struct writer {
    pthread_t thread;
    _Atomic bool done;
};

static void *synchronize(void *value)
{
    tarn_rcu_synchronize();
    ((struct writer *)value)->done = true;
    return NULL;
}

static void begin_writer(struct writer *writer)
{
    writer->done = false;
    pthread_create(&writer->thread, NULL, synchronize, writer);
}

static void no_readers(void **state)
{
    (void)state;
    errno = 5;
    for (int i = 0; i < 100; i++)
        tarn_rcu_synchronize();
    tarn_rcu_read_lock();
    tarn_rcu_read_unlock();
    tarn_rcu_synchronize();
    tarn_rcu_barrier();
    assert_int_equal(errno, 5);
    assert_false(tarn__worker_lives()); /* nothing of this needs it */
}

static void waits_for_a_reader(void **state)
{
    (void)state;
    struct reader reader;
    struct writer writer;
    begin_reader(&reader, 1);
    begin_writer(&writer);
    pause_ms(30);
    assert_false(writer.done);
    tell(&reader, 0);
    pthread_join(writer.thread, NULL);
    end_reader(&reader);
}

static void inner_unlock_does_not_end_it(void **state)
{
    (void)state;
    struct reader reader;
    struct writer writer;
    begin_reader(&reader, 3);
    begin_writer(&writer);
    tell(&reader, 1);
    pause_ms(30);
    assert_false(writer.done);
    tell(&reader, 2);
    pause_ms(10);
    assert_false(writer.done);
    tell(&reader, 0);
    pthread_join(writer.thread, NULL);
    end_reader(&reader);
}

/* A reader that began after the grace period did is not waited for. */
static void later_readers_do_not_matter(void **state)
{
    (void)state;
    struct reader first, second;
    struct writer writer;
    begin_reader(&first, 1);
    begin_reader(&second, 0);
    begin_writer(&writer);
    pause_ms(20);
    tell(&second, 1);
    assert_false(writer.done);
    tell(&first, 0);
    pthread_join(writer.thread, NULL);
    begin_writer(&writer); /* but this one is later than it */
    pause_ms(20);
    assert_false(writer.done);
    tell(&second, 0);
    pthread_join(writer.thread, NULL);
    end_reader(&first);
    end_reader(&second);
}

static void many_wait_at_once(void **state)
{
    (void)state;
    enum { WRITERS = 6, READERS = 3 };
    struct reader readers[READERS];
    struct writer writers[WRITERS];
    for (int i = 0; i < READERS; i++)
        begin_reader(&readers[i], 1);
    for (int i = 0; i < WRITERS; i++)
        begin_writer(&writers[i]);
    pause_ms(20);
    for (int i = 0; i < READERS; i++) {
        for (int j = 0; j < WRITERS; j++)
            assert_false(writers[j].done);
        tell(&readers[i], 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    for (int i = 0; i < READERS; i++)
        end_reader(&readers[i]);
}

/* A thread that ends inside a reader, which is wrong, holds nobody up for ever. */
static void an_ended_thread_reads_no_more(void **state)
{
    (void)state;
    struct reader reader;
    struct writer writer;
    begin_reader(&reader, 1);
    begin_writer(&writer);
    pause_ms(20);
    assert_false(writer.done);
    end_reader(&reader);
    pthread_join(writer.thread, NULL);
}

static char warned[256];
static void keep_warning(const char *line) { strcpy(warned, line); }

static void inside_a_reader(void **state)
{
    (void)state;
    tarn_warn_to(keep_warning);
    tarn_rcu_read_lock();
    tarn_rcu_synchronize();
    tarn_rcu_read_unlock();
    tarn_warn_to(NULL);
    assert_string_equal(warned, "tarn_rcu_synchronize inside a reader: it does not wait for that one");
}

/* Threads that cannot be listed: their exit call has been made already. */

static _Thread_local struct tarn__thread_exit read_again;
static struct reader late;

static void read_at_end(struct tarn__thread_exit *exit)
{
    (void)exit;
    read_as_told(&late);
}

static void *read_after_end(void *value)
{
    read_again.at_exit = read_at_end;
    tarn__thread_at_exit(&read_again); /* registered first, called last */
    tarn_rcu_read_lock();
    tarn_rcu_read_unlock();
    return value;
}

static void only_synchronize(void *value)
{
    (void)value;
    alarm(10);
    tarn_rcu_synchronize();
}

static void readers_at_a_threads_end(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    struct writer writer;
    late.wanted = late.depth = 0;
    pthread_create(&late.thread, NULL, read_after_end, NULL);
    tell(&late, 2);
    begin_writer(&writer);
    pause_ms(20);
    tell(&late, 1);
    pause_ms(10);
    assert_false(writer.done);
    check_lives(only_synchronize, NULL); /* in a child there is no such reader */
    tell(&late, 0);
    pthread_join(writer.thread, NULL);
    end_reader(&late);
}

/* Calls */

static _Atomic int called;
static _Atomic pid_t called_on;

static void count_call(struct tarn_rcu_head *head)
{
    (void)head;
    called_on = (pid_t)syscall(SYS_gettid);
    atomic_fetch_add(&called, 1);
}

static void calls_come_after_readers(void **state)
{
    (void)state;
    struct tarn_rcu_head heads[3];
    struct reader reader;
    called = 0;
    begin_reader(&reader, 1);
    for (int i = 0; i < 3; i++)
        tarn_rcu_call(&heads[i], count_call);
    pause_ms(30);
    assert_int_equal(called, 0);
    tell(&reader, 0);
    tarn_rcu_barrier();
    assert_int_equal(called, 3);
    assert_true(called_on != (pid_t)syscall(SYS_gettid));
    end_reader(&reader);
}

static struct tarn_rcu_head again_head;

static void call_again(struct tarn_rcu_head *head)
{
    if (atomic_fetch_add(&called, 1) < 4)
        tarn_rcu_call(head, call_again);
}

static void a_call_may_call(void **state)
{
    (void)state;
    called = 0;
    tarn_rcu_call(&again_head, call_again);
    for (int i = 1; i <= 5; i++) {
        tarn_rcu_barrier();
        assert_in_range(called, i, 5);
    }
}

enum { CALLERS = 4, CALLS = 3000 };
static struct tarn_rcu_head many[CALLERS][CALLS];

static void *call_many(void *value)
{
    struct tarn_rcu_head *heads = value;
    for (int i = 0; i < CALLS; i++) {
        tarn_rcu_call(&heads[i], count_call);
        if (i % 500 == 499)
            tarn_rcu_barrier();
    }
    return NULL;
}

static void no_call_is_lost(void **state)
{
    (void)state;
    pthread_t threads[CALLERS];
    called = 0;
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&threads[i], NULL, call_many, many[i]);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    tarn_rcu_barrier();
    assert_int_equal(called, CALLERS * CALLS);
}

static void barrier_in_call(struct tarn_rcu_head *head)
{
    tarn_rcu_barrier(); /* wrong; it returns */
    count_call(head);
}

static void no_barrier_in_a_call(void **state)
{
    (void)state;
    struct tarn_rcu_head head;
    called = 0;
    tarn_warn_to(keep_warning);
    tarn_rcu_call(&head, barrier_in_call);
    tarn_rcu_barrier();
    tarn_warn_to(NULL);
    assert_int_equal(called, 1);
    assert_string_equal(warned, "a call on the background thread waits for that thread");
}

/* Forks */

static void prepare(void)
{
    tarn__forking = true;
    tarn__worker_each_lock(tarn__lock_for_fork);
    tarn__rcu_each_lock(tarn__lock_for_fork);
}

static void parent(void)
{
    tarn__worker_each_lock(tarn__unlock_after_fork);
    tarn__rcu_each_lock(tarn__unlock_after_fork);
    tarn__forking = false;
}

static void child(void)
{
    parent();
    tarn__rcu_child();
    tarn__worker_child();
    tarn__sleep_child();
}

static void *synchronize_too(void *value)
{
    tarn_rcu_synchronize();
    return value;
}

/* The other threads' readers are gone; the forking thread's is not. Calls that the parent made are made here too. */
static void use_in_child(void *value)
{
    pthread_t thread;
    struct tarn_rcu_head head;
    int before = called;
    alarm(10);
    if (value) { /* inside a reader */
        struct writer writer;
        begin_writer(&writer);
        pause_ms(20);
        if (writer.done)
            _exit(1);
        tarn_rcu_read_unlock();
        pthread_join(writer.thread, NULL);
    }
    tarn_rcu_synchronize();
    pthread_create(&thread, NULL, synchronize_too, NULL);
    pthread_join(thread, NULL);
    tarn_rcu_call(&head, count_call);
    tarn_rcu_barrier();
    if (called != before + 3)
        _exit(2);
}

static void children(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    struct tarn_rcu_head heads[2];
    struct reader reader;
    struct writer writer;
    called = 0;
    begin_reader(&reader, 1);
    tarn_rcu_call(&heads[0], count_call);
    pause_ms(20); /* the background thread waits for the reader now */
    tarn_rcu_call(&heads[1], count_call);
    begin_writer(&writer);
    pause_ms(10);
    check_lives(use_in_child, NULL);
    tarn_rcu_read_lock();
    check_lives(use_in_child, &heads);
    tarn_rcu_read_unlock();
    assert_false(writer.done);
    tell(&reader, 0);
    pthread_join(writer.thread, NULL);
    tarn_rcu_barrier();
    assert_int_equal(called, 2);
    end_reader(&reader);
}

/* Without membarrier */

static bool forbid_membarrier(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           syscall(SYS_membarrier, 0, 0, 0) == -1;
}

/* Two cells, of which the reader takes the current one; the other is spoilt after a grace period. */
static int cells[2];
static _Atomic int current_cell;
static _Atomic bool stop;
static _Atomic int spoilt_seen;

static void *read_cells(void *value)
{
    while (!stop) {
        tarn_rcu_read_lock();
        int *cell = &cells[atomic_load_explicit(&current_cell, memory_order_acquire)];
        for (int i = 0; i < 3; i++)
            if (*(volatile int *)cell != 1)
                spoilt_seen = 1;
        tarn_rcu_read_unlock();
    }
    return value;
}

static void swap_cells(void *late_sandbox)
{
    pthread_t threads[2];
    alarm(20);
    if (!late_sandbox && !forbid_membarrier()) {
        printf("# not tested: no seccomp here\n");
        fflush(stdout);
        return;
    }
    cells[0] = 1;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, read_cells, NULL);
    pause_ms(5);
    if (late_sandbox)
        forbid_membarrier();
    for (int i = 0; i < (late_sandbox ? 10 : 3000); i++) {
        int old = current_cell;
        cells[!old] = 1;
        atomic_store_explicit(&current_cell, !old, memory_order_release);
        tarn_rcu_synchronize();
        cells[old] = 2;
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    if (spoilt_seen)
        _exit(1);
}

static void without_membarrier(void **state)
{
    (void)state;
    if (!check_children_bear_threads())
        return;
    check_lives(swap_cells, NULL);
    check_lives(swap_cells, &cells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_membarrier), /* before who makes the fences is decided */
        cmocka_unit_test(no_readers),
        cmocka_unit_test(waits_for_a_reader),
        cmocka_unit_test(inner_unlock_does_not_end_it),
        cmocka_unit_test(later_readers_do_not_matter),
        cmocka_unit_test(many_wait_at_once),
        cmocka_unit_test(an_ended_thread_reads_no_more),
        cmocka_unit_test(inside_a_reader),
        cmocka_unit_test(readers_at_a_threads_end),
        cmocka_unit_test(calls_come_after_readers),
        cmocka_unit_test(a_call_may_call),
        cmocka_unit_test(no_call_is_lost),
        cmocka_unit_test(no_barrier_in_a_call),
        cmocka_unit_test(children),
    };
    tarn__thread_at_fork(prepare, parent, child);
    return cmocka_run_group_tests_name("rcu", tests, NULL, NULL);
}
