/* The fork hooks of the worker, for tests of what runs on it: each registers these, and a child's of its own. */
#ifndef TARN_TEST_WORKERFORKS_H
#define TARN_TEST_WORKERFORKS_H

#include "os/lock.h"
#include "os/sleep.h"
#include "os/worker.h"

static inline void worker_fork_prepare(void)
{
    tarn__forking = true;
    tarn__worker_each_lock(tarn__lock_for_fork);
}

static inline void worker_fork_parent(void)
{
    tarn__worker_each_lock(tarn__unlock_after_fork);
    tarn__forking = false;
}

#endif
