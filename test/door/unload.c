/*
 * libtarn.so opened late, in a program that has the C library's malloc: used from threads, closed while they live.
 *
 *     unload LIBTARN
 */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>

enum { THREADS = 8, COUNT = 500 };

static void *(*tarn_malloc)(size_t size);
static void (*tarn_free)(void *p);
static void *library;
static sem_t used, closed;

static bool open_library(const char *path)
{
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(library != NULL, "dlopen: %s", dlerror()))
        return false;
    tarn_malloc = (void *(*)(size_t))dlsym(library, "tarn_malloc");
    tarn_free = (void (*)(void *))dlsym(library, "tarn_free");
    return CHECK(tarn_malloc && tarn_free, "dlsym: %s", dlerror());
}

static bool use(void)
{
    void *p[COUNT];
    bool right = true;
    for (unsigned i = 0; i < COUNT; i++)
        if ((p[i] = tarn_malloc(i * 100 + 1)))
            stamp(p[i], i * 100 + 1, i);
    for (unsigned i = 0; i < COUNT; i++) {
        right &= p[i] && stamped(p[i], i * 100 + 1, i);
        tarn_free(p[i]);
    }
    return right;
}

static void *live(void *unused)
{
    bool right = use();
    (void)unused;
    sem_post(&used);
    sem_wait(&closed);
    return (void *)(uintptr_t)right;
}

/* The threads end after the library was closed, and their exit calls lead into it. */
static void close_under_threads(const char *path)
{
    pthread_t threads[THREADS];
    sem_init(&used, 0, 0);
    sem_init(&closed, 0, 0);
    if (!open_library(path))
        return;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, live, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        sem_wait(&used);
    CHECK(dlclose(library) == 0, "dlclose: %s", dlerror());
    for (unsigned i = 0; i < THREADS; i++)
        sem_post(&closed);
    for (unsigned i = 0; i < THREADS; i++) {
        void *right;
        pthread_join(threads[i], &right);
        CHECK(right != NULL, "objects were changed");
    }
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "";
    alarm(60);
    check_plan(3);
    CHECK(!dlsym(RTLD_DEFAULT, "tarn_stats"), "tarn is there already");
    if (open_library(path)) {
        CHECK(use(), "objects were changed");
        CHECK(dlclose(library) == 0, "dlclose: %s", dlerror());
    }
    check_result("libtarn.so opened late");
    close_under_threads(path);
    check_result("libtarn.so closed while threads live that used it");
    for (int i = 0; i < 10; i++)
        close_under_threads(path);
    check_result("opened and closed again and again");
    return check_failed_cases != 0;
}
