/*
 * Shrinkers and grace periods in whole programs: with forks, with exits, and with all memory given back. Linked with
 * libtarn.so.
 */
#include "check.h"

#include "tarn/alloc.h"
#include "tarn/rcu.h"
#include "tarn/shrinker.h"
#include "tarn/stats.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

enum { OBJECTS = 4000, SIZE = 1000, FORKS = 20 };

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* A user's cache of objects that it can do without. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *objects[OBJECTS];
static unsigned long held;

static void fill(void)
{
    pthread_mutex_lock(&lock);
    while (held < OBJECTS)
        memset(objects[held++] = tarn_malloc(SIZE), 1, SIZE);
    pthread_mutex_unlock(&lock);
}

static unsigned long count(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    (void)shrinker, (void)control;
    pthread_mutex_lock(&lock);
    unsigned long n = held;
    pthread_mutex_unlock(&lock);
    return n ? n : TARN_SHRINK_EMPTY;
}

/* Allocates too, under a lock of its own: no lock of tarn's may be held. */
static unsigned long scan(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    unsigned long freed = 0;
    (void)shrinker;
    pthread_mutex_lock(&lock);
    for (; freed < control->nr_to_scan && held > 0; freed++)
        tarn_free(objects[--held]);
    tarn_free(tarn_malloc(100000));
    pthread_mutex_unlock(&lock);
    return freed;
}

static struct tarn_shrinker *register_one(void)
{
    struct tarn_shrinker *shrinker = tarn_shrinker_alloc(0, "objects");
    shrinker->count_objects = count;
    shrinker->scan_objects = scan;
    CHECK(tarn_shrinker_register(shrinker) == 0, "not registered");
    return shrinker;
}

static void drops_all(void)
{
    struct tarn_stats before, after;
    struct tarn_shrinker *shrinker = register_one();
    fill();
    tarn_stats(&before);
    size_t given = tarn_drop_caches();
    tarn_stats(&after);
    CHECK(held == 0, "%lu objects are held", held);
    CHECK(before.live_objects - after.live_objects == OBJECTS, "%ld objects were freed",
          (long)(before.live_objects - after.live_objects));
    CHECK(given >= OBJECTS * SIZE, "only %zu bytes were given back", given);
    CHECK(after.dirty_bytes == 0, "%zu bytes stay", (size_t)after.dirty_bytes);
    tarn_shrinker_free(shrinker);
    CHECK(tarn_drop_caches() == 0, "the second time something is left");
}

static _Atomic int called;

static void free_head(struct tarn_rcu_head *head)
{
    tarn_free(head);
    called++;
}

static _Atomic int stop;

static void *read_and_call(void *unused)
{
    while (!stop) {
        tarn_rcu_read_lock();
        tarn_rcu_call(tarn_malloc(64), free_head);
        tarn_rcu_read_unlock();
        if (called % 8 == 0)
            tarn_rcu_barrier();
        if (called % 64 == 0)
            tarn_rcu_synchronize();
    }
    return unused;
}

static void *shrink(void *unused)
{
    while (!stop) {
        fill();
        tarn_shrink_all(TARN_GFP_KERNEL, 3);
        struct tarn_shrinker *shrinker = register_one();
        tarn_shrink_all(TARN_GFP_KERNEL, 0);
        tarn_shrinker_free(shrinker);
    }
    return unused;
}

/* What a child does: everything, with a background thread of its own. `lock` may be held by a thread that it does not have. */
static int child_status(void)
{
    alarm(20);
    stop = 1;
    tarn_rcu_read_lock();
    tarn_rcu_read_unlock();
    tarn_rcu_synchronize();
    tarn_rcu_barrier();
    int before = called;
    for (int i = 0; i < 100; i++)
        tarn_rcu_call(tarn_malloc(64), free_head);
    tarn_rcu_barrier();
    struct tarn_shrinker *shrinker = tarn_shrinker_alloc(0, "child's");
    tarn_shrinker_free(shrinker);
    return called - before == 100 ? 0 : 11;
}

static void forks(void)
{
    pthread_t threads[3];
    stop = 0;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, i < 2 ? read_and_call : shrink, NULL);
    for (int i = 0; i < FORKS && check_failures == 0; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            if (i % 2)
                exit(child_status());
            _exit(child_status());
        }
        int status;
        waitpid(pid, &status, 0);
        CHECK(status == 0, "child %d ended with %#x", i, status);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    tarn_rcu_barrier();
}

/* main's thread ends first; the process ends with the last thread of the program's own. */
static void *end_last(void *unused)
{
    pause_ms(20);
    return unused;
}

static void ends(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        alarm(20);
        tarn_rcu_call(tarn_malloc(64), free_head);
        pthread_create(&thread, NULL, end_last, NULL);
        pthread_exit(NULL);
    }
    int status;
    waitpid(pid, &status, 0);
    CHECK(status == 0, "it ended with %#x", status);
}

int main(void)
{
    static const struct check_case cases[] = {
        {"drop_caches gives back what shrinkers free", drops_all},
        {"fork beside readers, calls, shrinkers", forks},
        {"the background thread keeps no process", ends},
    };
    alarm(100);
    return CASES(cases);
}
