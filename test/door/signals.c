/*
 * Signals at a high rate through a stress run. Their handlers do not allocate (malloc is not async-signal-safe), but the
 * interrupted operations must be none the worse.
 */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { THREADS = 2, KEPT = 300, SECONDS = 2 };

static _Atomic unsigned long arrived;
static _Atomic bool stop;

/* Deep enough to write over what an interrupted function keeps below its stack pointer, if it keeps anything there. */
static void on_signal(int signal)
{
    volatile char stack[2000];
    int saved = errno;
    for (size_t i = 0; i < sizeof stack; i += 16)
        stack[i] = (char)signal;
    errno = 1234;
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
    errno = saved;
}

struct object {
    void *p;
    size_t size;
    unsigned seed;
};

static bool exchange(struct object *object, uint32_t *state)
{
    uint32_t kind = next_random(state) % 100;
    bool right = stamped(object->p, object->size, object->seed);
    size_t size = next_random(state) % (kind == 0 ? 500000 : kind < 10 ? 30000 : 500) + 1;
    if (kind < 30) {
        size_t least = size < object->size ? size : object->size;
        object->p = realloc(object->p, size);
        right &= stamped(object->p, least, object->seed);
    } else {
        free(object->p);
        object->p = malloc(size);
    }
    object->size = size;
    object->seed = next_random(state) & 255;
    stamp(object->p, size, object->seed);
    return right;
}

static void *stress(void *seed)
{
    uint32_t state = (uint32_t)(uintptr_t)seed;
    struct object objects[KEPT] = {{NULL, 0, 0}};
    uintptr_t wrong = 0;
    struct sigevent here = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    here._sigev_un._tid = gettid();
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &here, &timer) != 0)
        return (void *)(uintptr_t)-1;
    struct itimerspec every = {{0, 50000}, {0, 50000}};
    timer_settime(timer, 0, &every, NULL);
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        wrong += !exchange(&objects[next_random(&state) % KEPT], &state);
    timer_delete(timer);
    for (unsigned i = 0; i < KEPT; i++) {
        wrong += !stamped(objects[i].p, objects[i].size, objects[i].seed);
        free(objects[i].p);
    }
    return (void *)wrong;
}

static void under_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, stress, (void *)(uintptr_t)(i + 1));
    struct timespec rest = {SECONDS, 0};
    while (nanosleep(&rest, &rest) != 0)
        continue;
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK(wrong == NULL, "%ld objects were changed", (long)(intptr_t)wrong);
    }
    CHECK(arrived > 1000, "only %lu signals arrived", arrived);
    printf("# %lu signals\n", arrived);
}

int main(void)
{
    static const struct check_case cases[] = {{"signals through a stress run", under_signals}};
    check_preloaded();
    alarm(100);
    return CASES(cases);
}
