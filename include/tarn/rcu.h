/**
 * @file rcu.h
 * Grace periods: when memory that readers may still look at can be reused.
 *
 * Readers mark what they do by tarn_rcu_read_lock and unlock. A grace period has passed when every reader that was inside when
 * it began has left. In a program that uses liburcu (its memb flavour, found at run time), that library's readers are waited
 * for as well, so kernel-style code over liburcu works unchanged. (McKenney and Slingwine 1998.)
 *
 * A reader may not wait for a grace period. The work that follows one is done by tarn's background thread, which is started
 * when first needed; where it cannot be, by whoever asks.
 *
 * Any thread may call these functions, and the child of a fork; none is async-signal-safe.
 */
#ifndef TARN_RCU_H
#define TARN_RCU_H

#include "api.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Lies in the object that waits; two pointers, as the kernel's struct rcu_head. */
struct tarn_rcu_head {
    struct tarn_rcu_head *next;
    void (*func)(struct tarn_rcu_head *head);
};

/** Nests, up to 65535 deep. A few instructions; where the kernel has no membarrier(2), a fence at the outermost. Any thread. */
TARN_API void tarn_rcu_read_lock(void);
TARN_API void tarn_rcu_read_unlock(void);

/** Waits for a grace period. Inside a reader, which is wrong, it warns and does not wait for that one. */
TARN_API void tarn_rcu_synchronize(void);

/**
 * Calls `func(head)` after a grace period, on the background thread, in any order. Never waits. Calls still to be made at a
 * fork are made in both processes.
 */
TARN_API void tarn_rcu_call(struct tarn_rcu_head *head, void (*func)(struct tarn_rcu_head *head));

/** Waits until all calls made before have been done. Not inside a reader; in a call it warns and returns at once. */
TARN_API void tarn_rcu_barrier(void);

#ifdef __cplusplus
}
#endif

#endif
