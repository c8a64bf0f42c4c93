/*
 * Thread identities, exit calls and fork hooks on POSIX threads.
 *
 * The exit call is a pthread key's destructor and not a C++-style thread_local destructor: those run first, so what they free
 * still finds the thread's cache. A key may need memory from malloc when a thread uses its 33rd key; tarn's is among
 * the first in any program that preloads it.
 */
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

TARN__TLS uint32_t tarn__thread_number;

uint32_t tarn__thread_number_take(void)
{
    static _Atomic uint32_t last;
    while (tarn__thread_number == 0)
        tarn__thread_number = (atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1) & (UINT32_MAX >> 1);
    return tarn__thread_number;
}

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;
static _Atomic(void (*)(void *)) key_at_exit;

static void make_key(void) { key_error = -pthread_key_create(&key, key_at_exit); }

int tarn__thread_at_exit(void (*at_exit)(void *), void *value)
{
    atomic_store_explicit(&key_at_exit, at_exit, memory_order_relaxed);
    pthread_once(&key_once, make_key);
    return key_error ? key_error : -pthread_setspecific(key, value);
}

int tarn__thread_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return -pthread_atfork(prepare, parent, child);
}
