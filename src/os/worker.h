/*
 * One background thread for the whole process, for what must not be done, or waited for, where it is asked for: calls after a
 * grace period, reclaim. It begins at the first need and ends when it had nothing to do for a while, so a program that never
 * needs it never has it, and a process whose other threads have ended is not kept.
 *
 * A job is a static object. Asking for it is idempotent until its run begins; one run at a time.
 */
#ifndef TARN_OS_WORKER_H
#define TARN_OS_WORKER_H

#include "os/lock.h"

#include <stdbool.h>
#include <stdint.h>

/* Zeroed but for `run` and `stranded`. What is guarded is worker.c's. */
struct tarn__job {
    void (*run)(
        struct tarn__job *job); /* on the thread, with no lock held, signals blocked; after a fork it may be run again */

    /* NULL, or told that it is queued and there is no thread any more, or none can be made; under the worker's lock, so it only notes that */
    void (*stranded)(struct tarn__job *job);

    struct tarn__job *next; /* in the queue */
    bool queued;
    uint32_t begun, ended; /* runs */
};

/*
 * Has the job run soon. Returns whether there is a thread for it; without one it stays queued, until a later call starts the
 * thread or someone waits for the job. Starts the thread, which may allocate: call it with no lock held. At a thread's end and
 * between the fork hooks it never does.
 */
bool tarn__worker_ask(struct tarn__job *job);

/*
 * Within the job's run: has it run again in so many milliseconds, or earlier if it is asked for. The thread lasts until then. One job at a time may wait for a
 * time: the one that says so last. In the child of a fork none does. Where a waiter ran the job in the thread's place, the job is queued at once.
 */
void tarn__worker_again(struct tarn__job *job, uint32_t milliseconds);

/*
 * Returns when no run of the job that was asked for before is still to be done. Where there is no thread, runs the job itself.
 * False, at once, when called from a job, which would wait for itself.
 */
bool tarn__worker_wait(struct tarn__job *job);

/* Whether there is a thread now, or one begins. */
bool tarn__worker_lives(void);

/*
 * For the fork hooks; `tarn__worker_child` when the locks are free again. Jobs that were queued or running are queued in the
 * child.
 */
void tarn__worker_each_lock(void (*act)(struct tarn__lock *));
void tarn__worker_child(void);

#endif
