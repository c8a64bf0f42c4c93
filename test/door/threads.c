/*
 * Threads come and go, leave objects to others, and allocate and free in their destructors: of pthread keys, and those
 * that C++ makes of thread_local objects (here through the function that C++ calls for it). No memory may be lost by it.
 *
 *     threads [LIVES]     so many threads
 */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *library);
extern void *__dso_handle;

enum { TOGETHER = 4, WARM = 2000, LIVES = 20000, LEFT = 64 };

static unsigned life_count = LIVES;

static pthread_key_t keys[2];
static _Atomic unsigned destructors_run;
static _Atomic(void *) left[LEFT];

/* Leaves an object for whoever comes by, and frees what lay there. */
static void leave(void *p, unsigned at) { free(atomic_exchange(&left[at % LEFT], p)); }

/* Comes back twice: what it allocates the second time is freed when the thread has no cache any more. */
static void at_key(void *value)
{
    unsigned *times = value;
    atomic_fetch_add(&destructors_run, 1);
    void *p = malloc(300), *q = malloc(50000);
    leave(malloc(80), (unsigned)(uintptr_t)p >> 6);
    free(p), free(q);
    if (--*times > 0)
        pthread_setspecific(keys[*times % 2], times);
    else
        free(times);
}

static void at_thread_local(void *object)
{
    atomic_fetch_add(&destructors_run, 1);
    char *p = realloc(object, 700);
    leave(malloc(150), (unsigned)(uintptr_t)p >> 4);
    free(p);
}

static void *life(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number;
    uint32_t state = seed + 1;
    void *own[20];
    unsigned *times = malloc(sizeof *times);
    *times = 2;
    pthread_setspecific(keys[0], times);
    __cxa_thread_atexit_impl(at_thread_local, calloc(1, 40), &__dso_handle);
    for (unsigned i = 0; i < 20; i++) {
        size_t size = next_random(&state) % 2000 + 1;
        own[i] = malloc(size);
        stamp(own[i], size < 100 ? size : 100, i);
    }
    for (unsigned i = 0; i < 20; i++)
        leave(own[i], next_random(&state));
    return NULL;
}

static long resident_kib(void)
{
    long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &all, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool live(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i += TOGETHER) {
        pthread_t threads[TOGETHER];
        for (unsigned k = 0; k < TOGETHER; k++)
            if (pthread_create(&threads[k], NULL, life, (void *)(uintptr_t)(i + k)) != 0)
                return false;
        for (unsigned k = 0; k < TOGETHER; k++)
            pthread_join(threads[k], NULL);
    }
    return true;
}

static void lives(void)
{
    ENOUGH(pthread_key_create(&keys[0], at_key) == 0 && pthread_key_create(&keys[1], at_key) == 0, "no keys");
    ENOUGH(live(0, WARM), "pthread_create failed");
    long before = resident_kib();
    ENOUGH(live(WARM, WARM + life_count), "pthread_create failed");
    long growth = resident_kib() - before;
    CHECK(growth <= 1024, "%u threads made the process grow by %ld KiB", life_count, growth);
    CHECK(destructors_run == 3 * (WARM + life_count), "%u destructors ran, not %u", destructors_run, 3 * (WARM + life_count));
    printf("# grew by %ld KiB\n", growth);
}

/* One thread allocates, another frees, for long: a pool must not grow with the traffic. */
enum { RING = 1024, PASSED = 2000000 };
static _Atomic(void *) ring[RING];

static void *consumer(void *unused)
{
    (void)unused;
    uintptr_t wrong = 0;
    for (unsigned i = 0; i < PASSED; i++) {
        unsigned *p;
        while (!(p = atomic_exchange(&ring[i % RING], NULL)))
            sched_yield();
        wrong += *p != i;
        free(p);
    }
    return (void *)wrong;
}

static void produce(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        unsigned *p = malloc(16 + i % 500);
        *p = i;
        while (atomic_load(&ring[i % RING]))
            sched_yield();
        atomic_store(&ring[i % RING], p);
    }
}

static void pass_on(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, consumer, NULL);
    produce(0, PASSED / 4);
    long before = resident_kib();
    produce(PASSED / 4, PASSED);
    long growth = resident_kib() - before;
    void *wrong;
    pthread_join(thread, &wrong);
    CHECK(wrong == NULL, "%lu objects were changed on their way", (unsigned long)(uintptr_t)wrong);
    CHECK(growth <= 1024, "passing objects on made the process grow by %ld KiB", growth);
}

/* What an ended thread left can be used, resized and freed by others. */
static void *inherit(void *unused)
{
    (void)unused;
    char **p = calloc(1000, sizeof *p);
    for (unsigned i = 0; i < 1000; i++) {
        p[i] = malloc(i * 7 + 1);
        stamp(p[i], i * 7 + 1, i);
    }
    return p;
}

static void inheritance(void)
{
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, inherit, NULL);
        pthread_join(thread, &result);
        char **p = result;
        for (unsigned i = 0; i < 1000; i++) {
            CHECK(stamped(p[i], i * 7 + 1, i), "an object of an ended thread was changed");
            p[i] = realloc(p[i], i * 9 + 1);
            CHECK(stamped(p[i], i * 7 + 1, i), "realloc of an ended thread's object lost contents");
            free(p[i]);
        }
        free(p);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"threads by the thousand with destructors: no growth", lives},
        {"objects passed from thread to thread: no growth", pass_on},
        {"objects of ended threads", inheritance},
    };
    check_preloaded();
    if (argc > 1)
        life_count = (unsigned)strtoul(argv[1], NULL, 10) / TOGETHER * TOGETHER;
    alarm(200 + life_count / 500);
    return CASES(cases);
}
