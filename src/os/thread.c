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
TARN__TLS bool tarn__thread_ending;

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
static TARN__TLS struct tarn__thread_exit *exits;

static void run_exits(void *value)
{
    (void)value;
    tarn__thread_ending = true;
    while (exits) {
        struct tarn__thread_exit *exit = exits;
        exits = exit->next;
        exit->at_exit(exit);
    }
    tarn__thread_ending = false;
}

static void make_key(void) { key_error = -pthread_key_create(&key, run_exits); }

int tarn__thread_at_exit(struct tarn__thread_exit *exit)
{
    pthread_once(&key_once, make_key);
    int error = key_error ? key_error : -pthread_setspecific(key, &key);
    if (error)
        return error;
    exit->next = exits;
    exits = exit;
    return 0;
}

int tarn__thread_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return -pthread_atfork(prepare, parent, child);
}
