/*
 * Memory that runs out: under an address-space limit from the start, every request is served or refused with ENOMEM, the
 * program goes on, and what was freed can be had again.
 *
 * Each case runs in a process of its own: this program again, `limits CASE MIB`, under the limit of so many MiB.
 */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MIB ((size_t)1 << 20)

static size_t limit; /* bytes; what the program had at its start is taken off */

static size_t mapped_already(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld", &pages) != 1)
        abort();
    fclose(file);
    return (size_t)pages * 4096;
}

/* A list through the objects themselves: nothing else is at hand when memory has run out. */
struct link {
    struct link *next;
};

static struct link *exhaust(size_t size, size_t *count)
{
    struct link *all = NULL, *one;
    errno = 0;
    while ((one = malloc(size))) {
        one->next = all;
        ((char *)one)[size - 1] = 1;
        all = one;
        ++*count;
    }
    CHECK(errno == ENOMEM, "errno is %d, not ENOMEM", errno);
    return all;
}

static void drop(struct link *all)
{
    while (all) {
        struct link *next = all->next;
        free(all);
        all = next;
    }
}

/* Most of the limit must be usable, and all of that again after it was freed. */
static void sizes_in_turn(void)
{
    static const size_t sizes[] = {48, 16, 1000, 4096, 20000, 40000, 300000, 3 * MIB, 16, 30 * MIB, 48};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t count = 0;
        drop(exhaust(sizes[i], &count));
        size_t got = count * sizes[i];
        CHECK(got >= limit / 4 * 3 || sizes[i] > MIB, "of %zu MiB only %zu were had in objects of %zu bytes", limit / MIB,
              got / MIB, sizes[i]);
        CHECK(sizes[i] < 20 * MIB || limit < 256 * MIB || count >= 8, "%zu blocks of %zu MiB", count, sizes[i] / MIB);
    }
}

static void big_after_small(void)
{
    for (int round = 0; round < 3; round++) {
        size_t count = 0;
        struct link *all = exhaust(100, &count);
        char *none = malloc(limit / 2);
        CHECK(!none && errno == ENOMEM, "memory ran out, and then half the limit was had");
        drop(all);
        char *big = malloc(limit / 2);
        CHECK(big != NULL, "half the limit cannot be had after small objects were freed");
        if (big)
            big[0] = big[limit / 2 - 1] = 1;
        free(big);
    }
}

static void refused_realloc(void)
{
    size_t count = 0;
    char *p = malloc(2 * MIB), *small = malloc(100);
    ENOUGH(p && small, "nothing to begin with");
    stamp(p, 2 * MIB, 1);
    stamp(small, 100, 2);
    struct link *all = exhaust(64, &count);
    errno = 0;
    CHECK(!realloc(p, limit) && errno == ENOMEM, "realloc to the limit: errno %d", errno);
    CHECK(!realloc(small, 50 * MIB) && errno == ENOMEM, "realloc to 50 MiB: errno %d", errno);
    CHECK(stamped(p, 2 * MIB, 1) && stamped(small, 100, 2), "a realloc that failed changed the object");
    CHECK(!calloc(1, 20 * MIB) && !aligned_alloc(4096, 20 * MIB), "memory ran out, and then 20 MiB were had");
    char *less = realloc(p, 1000);
    CHECK(less && stamped(less, 1000, 1), "a realloc to a smaller size failed");
    drop(all);
    char *more = realloc(less, 4 * MIB);
    CHECK(more && stamped(more, 1000, 1), "realloc fails after memory was freed");
    free(more), free(small);
}

static void *exhaust_here(void *unused)
{
    (void)unused;
    for (int round = 0; round < 4; round++) {
        size_t count = 0;
        drop(exhaust(round % 2 ? 60000 : 200, &count));
    }
    return NULL;
}

/* All run dry at once; each must be refused, not stuck, and threads that begin and end meanwhile must bear it. */
static void by_threads(void)
{
    pthread_t threads[4];
    unsigned begun = 0;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    while (begun < 4 && pthread_create(&threads[begun], &small, exhaust_here, NULL) == 0)
        begun++;
    CHECK(begun > 0, "no thread could be made");
    while (begun > 0)
        pthread_join(threads[--begun], NULL);
    size_t count = 0;
    drop(exhaust(1000, &count));
    CHECK(count * 1000 >= limit / 2, "afterwards only %zu MiB were had", count * 1000 / MIB);
}

static void after_fork(void)
{
    size_t count = 0;
    struct link *all = exhaust(500, &count);
    pid_t pid = fork();
    if (pid == 0) {
        size_t again = 0;
        drop(all);
        drop(exhaust(700, &again));
        _exit(again * 700 >= count * 500 / 2 && check_failures == 0 ? 0 : 1);
    }
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "a child could not free and allocate: %#x", status);
    drop(all);
}

static const struct check_case cases[] = {
    {"all sizes, one after another", sizes_in_turn},
    {"a big block after small ones", big_after_small},
    {"realloc", refused_realloc},
    {"threads", by_threads},
    {"a child", after_fork},
};
enum { CASE_COUNT = sizeof cases / sizeof *cases };

static void run_limited(const char *program, unsigned number, unsigned mib)
{
    char which[16], size[16];
    snprintf(which, sizeof which, "%u", number);
    snprintf(size, sizeof size, "%u", mib);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_AS, &(struct rlimit){mib * MIB, mib * MIB});
        execl(program, program, which, size, (char *)NULL);
        _exit(99);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK(status == 0, "the process under the limit ended with %#x", status);
}

int main(int argc, char **argv)
{
    check_preloaded();
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(100);
    if (argc == 3) {
        limit = strtoul(argv[2], NULL, 10) * MIB - mapped_already();
        cases[strtoul(argv[1], NULL, 10) % CASE_COUNT].run();
        return check_failures != 0;
    }
    static const unsigned limits[] = {512, 128, 48};
    check_plan(3 * CASE_COUNT);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < CASE_COUNT; k++) {
            char name[100];
            run_limited("/proc/self/exe", k, limits[i]);
            snprintf(name, sizeof name, "limit of %u MiB: %s", limits[i], cases[k].name);
            check_result(name);
        }
    return check_failed_cases != 0;
}
