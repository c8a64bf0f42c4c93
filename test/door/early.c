/*
 * Allocation before main and after exit, and in libraries that come late: their constructors and destructors allocate too.
 *
 *     early LATE_LIBRARY
 *
 * The last case is printed by the last destructor; if it does not run, the plan is not fulfilled.
 */
#include "check.h"

#include <pthread.h>

enum { COUNT = 300 };

bool first_objects(void); /* first.c */

static void *before_main[COUNT], *from_exit[COUNT];
static const char *late_library;

static void fill(void **p)
{
    for (unsigned i = 0; i < COUNT; i++) {
        p[i] = malloc(i * 200);
        stamp(p[i], i * 200, i);
    }
}

static bool drop(void **p)
{
    bool right = true;
    for (unsigned i = 0; i < COUNT; i++) {
        right &= stamped(p[i], i * 200, i);
        free(p[i]);
    }
    return right;
}

/* The number is of those that programs should leave to the system: as early as can be. */
#pragma GCC diagnostic ignored "-Wprio-ctor-dtor"
__attribute__((constructor(101))) static void first(void) { fill(before_main); }

/* After main: what was allocated in exit handlers, and more. */
__attribute__((destructor(101))) static void last(void)
{
    if (check_number == 0)
        return; /* a child */
    CHECK(drop(from_exit), "objects of the exit handler were changed");
    fill(from_exit);
    CHECK(drop(from_exit), "objects of the last destructor were changed");
    check_result("allocation in the last destructor");
    fflush(stdout);
    if (check_failed_cases)
        _exit(1);
}

static void at_exit(void)
{
    fill(from_exit);
    CHECK(drop(from_exit), "objects were changed");
    fill(from_exit);
    check_result("allocation in an exit handler");
}

static void constructors(void) { CHECK(drop(before_main), "objects of a constructor were changed"); }

static void *with_late_library(void *unused)
{
    (void)unused;
    void *library = dlopen(late_library, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(library != NULL, "dlopen: %s", dlerror()))
        return NULL;
    void *(*give)(void) = (void *(*)(void))dlsym(library, "late_give");
    void *p = give();
    CHECK(p && stamped(p, 5000, 1), "an object of the library's constructor was changed");
    dlclose(library);
    free(p);
    return library;
}

static void late(void)
{
    for (int i = 0; i < 100; i++)
        CHECK(with_late_library(NULL) != NULL, "the library gave nothing");
}

static void late_in_threads(void)
{
    for (int i = 0; i < 50; i++) {
        pthread_t threads[3];
        for (unsigned k = 0; k < 3; k++)
            pthread_create(&threads[k], NULL, with_late_library, NULL);
        for (unsigned k = 0; k < 3; k++)
            pthread_join(threads[k], NULL);
    }
}

int main(int argc, char **argv)
{
    check_preloaded();
    alarm(100);
    late_library = argc > 1 ? argv[1] : "";
    check_plan(6);
    CHECK(first_objects(), "objects of a library's constructor were changed");
    check_result("allocation in a library's constructor, before tarn's");
    constructors();
    check_result("allocation in a constructor of priority 101");
    late();
    check_result("a library that comes late");
    late_in_threads();
    check_result("a library that comes late, in threads");
    atexit(at_exit);
    return check_failed_cases != 0;
}
