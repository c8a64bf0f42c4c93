/*
 * The background thread of worker.h.
 *
 *     NOBODY -> STARTING -> THREAD -> NOBODY     the thread begins when asked, and ends itself after LINGER milliseconds
 *               STARTING -> NOBODY               it could not be made
 *     NOBODY -> HELPER -> NOBODY                 who waits runs the job itself
 *
 * One lock guards the state, the queue and the jobs' marks; it is held for a few instructions, never over a run or a system
 * call. Whoever makes the state NOBODY, or ends a run, wakes all who wait.
 *
 * Wrong if: a job that was asked for is not run though threads can be made, two runs of it are at one time, a wait returns
 * before a run that was asked for ended, or a process lives on for this thread's sake.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/worker.h"

#include "base/fail.h"
#include "base/warn.h"
#include "os/sleep.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

enum { LINGER = 200, STACK = 256 * 1024 };

enum state { NOBODY, STARTING, THREAD, HELPER };

static struct tarn__lock lock = TARN__LOCK_INIT(TARN__RANK_WORKER);
static enum state state;
static uint32_t runner; /* the number of the thread that is THREAD or HELPER */
static struct tarn__job *queue, **queue_end = &queue;
static struct tarn__job *later; /* to be queued at `due`, if it is not asked for before; the state is THREAD */
static uint64_t due;
static struct tarn__job *current; /* its run has begun and not ended */
static struct tarn__sleeper *waiters;

/* 1: something was queued since the thread looked. */
static _Atomic uint32_t called;

static void push(struct tarn__job *job)
{
    if (job->queued)
        return;
    job->queued = true;
    job->next = NULL;
    *queue_end = job;
    queue_end = &job->next;
}

static void take_out(struct tarn__job *job)
{
    struct tarn__job **at = &queue;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (!*at)
        queue_end = at;
    job->queued = false;
}

/* Runs one queued job; the lock is held, and is let go of meanwhile. */
static void run(struct tarn__job *job)
{
    take_out(job);
    if (later == job)
        later = NULL;
    job->begun++;
    current = job;
    tarn__unlock(&lock);
    job->run(job);
    tarn__lock(&lock);
    job->ended++;
    current = NULL;
    struct tarn__sleeper *woken = tarn__sleepers_take(&waiters);
    tarn__unlock(&lock);
    tarn__wake_all(woken);
    tarn__lock(&lock);
}

/* Under the lock, which is let go of. */
static void set_nobody_and_unlock(void)
{
    state = NOBODY;
    runner = 0;
    for (struct tarn__job *job = queue; job; job = job->next)
        if (job->stranded)
            job->stranded(job);
    struct tarn__sleeper *woken = tarn__sleepers_take(&waiters);
    tarn__unlock(&lock);
    tarn__wake_all(woken);
}

/* Sleeps until it is called, or for its time. The lock is held, and let go of meanwhile. Returns whether nothing will be to do. */
static bool rest(void)
{
    uint64_t now = later ? tarn__os_now() : 0;
    uint32_t wait = !later ? LINGER : due > now ? (uint32_t)(due - now) : 1;
    tarn__unlock(&lock);
    tarn__os_wait_for(&called, 0, wait);
    bool had_rest = atomic_exchange_explicit(&called, 0, memory_order_relaxed) == 0;
    tarn__lock(&lock);
    if (!later)
        return had_rest && !queue;
    if (had_rest || tarn__os_now() >= due) { /* the clock may lag behind the sleep */
        push(later);
        later = NULL;
    }
    return false;
}

static void *work(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "tarn");
    tarn__lock(&lock);
    runner = tarn__thread_id();
    state = THREAD;
    do {
        while (queue)
            run(queue);
    } while (!rest());
    set_nobody_and_unlock();
    return NULL;
}

/* A detached thread with no signals, with a small stack if thread-local variables leave room in it. 0 or an error. */
static int make_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    size_t usual = 0;
    pthread_attr_getstacksize(&attributes, &usual);
    pthread_attr_setstacksize(&attributes, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, work, NULL);
    if (error == EINVAL && pthread_attr_setstacksize(&attributes, usual) == 0)
        error = pthread_create(&thread, &attributes, work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* The state is STARTING, by the caller. */
static bool start(void)
{
    int saved = errno;
    bool made = make_thread() == 0;
    errno = saved;
    if (!made) {
        tarn__lock(&lock);
        set_nobody_and_unlock();
    }
    return made;
}

static bool may_start(void) { return !tarn__forking && !tarn__thread_ending; }

bool tarn__worker_ask(struct tarn__job *job)
{
    tarn__lock(&lock);
    push(job);
    enum state was = state;
    bool starts = was == NOBODY && may_start();
    if (starts)
        state = STARTING;
    tarn__unlock(&lock);
    if (starts)
        return start();
    if (was == THREAD && atomic_exchange_explicit(&called, 1, memory_order_relaxed) == 0)
        tarn__os_wake(&called);
    return was != NOBODY;
}

void tarn__worker_again(struct tarn__job *job, uint32_t milliseconds)
{
    tarn__lock(&lock);
    if (state == THREAD) {
        later = job;
        due = tarn__os_now() + milliseconds;
    } else {
        push(job);
    }
    tarn__unlock(&lock);
}

/* Runs the queued job in the caller; the state is HELPER, the lock held, and let go of. */
static void help(struct tarn__job *job)
{
    runner = tarn__thread_id();
    run(job);
    bool more = queue != NULL && may_start();
    if (!more) {
        set_nobody_and_unlock();
        return;
    }
    state = STARTING;
    runner = 0;
    tarn__unlock(&lock);
    start();
}

bool tarn__worker_wait(struct tarn__job *job)
{
    tarn__lock(&lock);
    if (runner == tarn__thread_id()) {
        tarn__unlock(&lock);
        tarn__warn("a call on the background thread waits for that thread");
        return false;
    }
    uint32_t target = job->begun + job->queued;
    while ((int32_t)(job->ended - target) < 0) {
        if (state == NOBODY) {
            state = HELPER;
            help(job);
        } else {
            struct tarn__sleeper me;
            tarn__sleeper_push(&waiters, &me);
            tarn__unlock(&lock);
            tarn__sleep(&me);
        }
        tarn__lock(&lock);
    }
    tarn__unlock(&lock);
    return true;
}

bool tarn__worker_lives(void)
{
    tarn__lock(&lock);
    bool lives = state == THREAD || state == STARTING;
    tarn__unlock(&lock);
    return lives;
}

void tarn__worker_each_lock(void (*act)(struct tarn__lock *)) { act(&lock); }

/* Unless the forking thread is it, the runner is gone, and with it the run it was in the middle of: that is to be run again. */
void tarn__worker_child(void)
{
    waiters = NULL;
    if (runner != 0 && runner == tarn__thread_id())
        return;
    state = NOBODY;
    runner = 0;
    later = NULL;
    if (tarn__lock_is_mine(&lock) || !current) /* mine: the fork interrupted a change of the queue */
        return;
    current->ended = current->begun;
    push(current);
    current = NULL;
}
