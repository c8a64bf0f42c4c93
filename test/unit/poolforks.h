/* Fork hooks for tests of pools alone: what the heap's do for the locks of pools. */
#ifndef TARN_TEST_POOLFORKS_H
#define TARN_TEST_POOLFORKS_H

#include "os/lock.h"
#include "pool/forks.h"

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

#endif
