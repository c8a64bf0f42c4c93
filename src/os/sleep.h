/*
 * Waiting for what another thread will do: each sleeper has a word of its own, so one wake-up reaches exactly whom it is for.
 *
 * A condition and a list of sleepers are guarded by one lock. Who finds the condition false puts itself on the list under that
 * lock, lets go of it and sleeps; who makes the condition true takes the whole list under the lock, lets go, and wakes. No
 * wake-up is lost, and no system call is made under the lock. Being woken says nothing: the sleeper looks at the condition
 * again.
 *
 * A fork: in the child the other sleepers do not exist, so lists are emptied. The forking thread sleeps only if it forks in a
 * signal handler; it is then woken in the child, and puts itself on a list again if it must.
 */
#ifndef TARN_OS_SLEEP_H
#define TARN_OS_SLEEP_H

#include "os/os.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stddef.h>

struct tarn__sleeper {
    struct tarn__sleeper *next;
    _Atomic uint32_t awake;
};

/* What the calling thread sleeps as; NULL when it does not. */
extern TARN__TLS struct tarn__sleeper *tarn__asleep;

/* Under the lock of the list. */
static inline void tarn__sleeper_push(struct tarn__sleeper **list, struct tarn__sleeper *sleeper)
{
    atomic_store_explicit(&sleeper->awake, 0, memory_order_relaxed);
    sleeper->next = *list;
    *list = sleeper;
}

/* Under the lock of the list. */
static inline struct tarn__sleeper *tarn__sleepers_take(struct tarn__sleeper **list)
{
    struct tarn__sleeper *taken = *list;
    *list = NULL;
    return taken;
}

/* Sleeps until it is woken. The sleeper was pushed; on return no list holds it. With no lock held. */
void tarn__sleep(struct tarn__sleeper *sleeper);

/* Wakes all of a list that was taken. With no lock held. */
void tarn__wake_all(struct tarn__sleeper *taken);

/* In the child of a fork, when the lists have been emptied. */
void tarn__sleep_child(void);

#endif
