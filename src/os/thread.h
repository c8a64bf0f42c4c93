/*
 * Threads as tarn sees them: an identity that a lock can hold, a call when a thread ends, and hooks around fork.
 */
#ifndef TARN_OS_THREAD_H
#define TARN_OS_THREAD_H

#include "base/atomic.h"

#include <stdbool.h>
#include <stdint.h>

extern TARN__TLS uint32_t tarn__thread_number; /* 0 before the first use; read it by tarn__thread_id */
uint32_t tarn__thread_number_take(void);

/* A number below 2^31 that no other living thread has; never 0. Stays the same in the child of a fork. */
static inline uint32_t tarn__thread_id(void)
{
    uint32_t number = tarn__thread_number;
    return __builtin_expect(number != 0, 1) ? number : tarn__thread_number_take();
}

/* A call when the thread ends. It lies in thread-local memory of whoever registers it, and must stay as it is until then. */
struct tarn__thread_exit {
    void (*at_exit)(struct tarn__thread_exit *self);
    struct tarn__thread_exit *next;
};

/*
 * Calls `exit->at_exit` on the calling thread when it ends (not when the process exits), last registered first. A call may
 * register itself or others again. 0, or -errno when the system has no slot left: nothing is registered then.
 */
int tarn__thread_at_exit(struct tarn__thread_exit *exit);

/* Whether the calling thread's calls at its end are being made. */
extern TARN__TLS bool tarn__thread_ending;

/*
 * Calls `prepare` on the forking thread before each fork, then `parent` there and `child` in the new process. Once per process.
 */
int tarn__thread_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

#endif
