/* Fork hooks for tests of pools alone: what the heap's do for the locks of pools. */
#ifndef TARN_TEST_POOLFORKS_H
#define TARN_TEST_POOLFORKS_H

#include "test/unit/check.h"

#include "os/lock.h"
#include "pool/forks.h"

#include <sys/wait.h>
#include <unistd.h>

static void poolforks_prepare(void)
{
    tarn__forking = true;
    tarn__guards_each_lock(tarn__lock_for_fork);
}

static void poolforks_after(void)
{
    tarn__guards_each_lock(tarn__unlock_after_fork);
    tarn__forking = false;
}

static inline void poolforks_install(void) { tarn__thread_at_fork(poolforks_prepare, poolforks_after, poolforks_after); }

/* Forks so often; in each child `works` must say so within ten seconds. */
static inline void poolforks_children(int count, bool (*works)(void))
{
    for (int i = 0; i < count; i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(10);
            _exit(!works());
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

#endif
