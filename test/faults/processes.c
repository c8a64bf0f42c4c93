/*
 * Children by the other ways than fork, threads with hardly any stack, and signals on stacks of their own, while threads allocate.
 *
 *     processes [MANY]     so many children of each kind
 */
#include "../door/check.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 4, KEPT = 200, DEEP = 3000 };

extern char **environ;

static unsigned many = 100;
static _Atomic bool stop;

static size_t any_size(uint32_t *state)
{
    uint32_t kind = next_random(state) % 64;
    return next_random(state) % (kind == 0 ? 300000 : kind < 8 ? 20000 : 600) + 1;
}

static void *churn(void *seed)
{
    uint32_t state = (uint32_t)(uintptr_t)seed;
    unsigned char *kept[KEPT] = {NULL};
    uintptr_t wrong = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        unsigned i = next_random(&state) % KEPT;
        wrong += kept[i] && *kept[i] != i;
        free(kept[i]);
        kept[i] = malloc(any_size(&state));
        *kept[i] = (unsigned char)i;
    }
    for (unsigned i = 0; i < KEPT; i++)
        free(kept[i]);
    return (void *)wrong;
}

static pthread_t threads[THREADS];

static void begin(void)
{
    atomic_store(&stop, false);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(uintptr_t)(i + 7));
}

static void end(void)
{
    void *wrong;
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &wrong);
        CHECK(wrong == NULL, "%ld objects were changed", (long)(intptr_t)wrong);
    }
}

static void is_well(pid_t pid)
{
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "a child ended with %#x", status);
}

static char *const self[] = {(char[]){"processes"}, (char[]){"child"}, NULL};

static void by_posix_spawn(void)
{
    begin();
    for (unsigned i = 0; i < many && !check_failures; i++) {
        pid_t pid = -1;
        int error = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, self, environ);
        CHECK(error == 0, "posix_spawn: %s", strerror(error));
        free(malloc(700));
        is_well(pid);
    }
    end();
}

/* The child has its parent's memory, and returns to none of its code. */
static void by_vfork(void)
{
    begin();
    for (unsigned i = 0; i < many && !check_failures; i++) {
        void *volatile object = malloc(i * 50 + 1);
        pid_t pid = vfork();
        if (pid == 0) {
            execve("/proc/self/exe", self, environ);
            _exit(99);
        }
        is_well(pid);
        free(object);
    }
    end();
}

static void by_popen(void)
{
    begin();
    for (unsigned i = 0; i < many / 10 + 1 && !check_failures; i++) {
        char line[20] = "";
        FILE *stream = popen("echo some words", "r");
        ENOUGH(stream, "popen: %s", strerror(errno));
        CHECK(fgets(line, sizeof line, stream) && strcmp(line, "some words\n") == 0, "popen reads %s", line);
        CHECK(pclose(stream) == 0, "pclose");
    }
    end();
}

/* All slow paths: first uses, growth, purging, pages, large blocks. */
static void *all_ways(void *unused)
{
    void **p = malloc(DEEP * sizeof *p);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < DEEP; i++)
            p[i] = i % 500 ? malloc(i % 2000 + 1) : aligned_alloc(4096, 1 << 20);
        for (unsigned i = 0; i < DEEP; i++)
            free(p[i]);
        free(realloc(malloc(40 << 20), 60 << 20));
    }
    free(p);
    return unused;
}

/* Beyond the least stack it may be that the C library takes more of it for itself. */
static void with_least_stacks(void)
{
    for (unsigned i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_attr_t least;
        pthread_attr_init(&least);
        ENOUGH(pthread_attr_setstacksize(&least, (size_t)PTHREAD_STACK_MIN) == 0, "no such stack");
        int error = pthread_create(&thread, &least, all_ways, NULL);
        ENOUGH(error == 0, "pthread_create: %s", strerror(error));
        pthread_join(thread, NULL);
    }
}

static _Atomic unsigned long arrived;

static void on_signal(int signal)
{
    (void)signal;
    arrived++;
}

/* Handlers on a stack that has room for nothing else, at a high rate; the page below it may not be touched. */
static void on_small_stacks(void)
{
    size_t least = getauxval(AT_MINSIGSTKSZ), page = 4096,
           size = ((least > 2048 ? least : 2048) + 1024 + page - 1) / page * page;
    char *room = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ENOUGH(room != MAP_FAILED && mprotect(room, page, PROT_NONE) == 0, "no stack");
    stack_t stack = {.ss_sp = room + page, .ss_size = size}, none = {.ss_flags = SS_DISABLE};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct sigevent here = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    struct itimerspec every = {{0, 100000}, {0, 100000}};
    timer_t timer;
    here._sigev_un._tid = gettid();
    ENOUGH(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0, "no such stack for signals");
    ENOUGH(timer_create(CLOCK_MONOTONIC, &here, &timer) == 0, "no timer");
    timer_settime(timer, 0, &every, NULL);
    for (unsigned i = 0; i < 10000 && arrived < 2000; i++)
        all_ways(NULL);
    timer_delete(timer);
    sigaltstack(&none, NULL);
    munmap(room, size + page);
    CHECK(arrived >= 100, "only %lu signals arrived", arrived);
}

/* Whatever a signal interrupts, it may not come back to: the process ends in the handler, and what runs at its end allocates nothing. */
static void end_here(int signal) { _exit(signal == SIGUSR2 ? 0 : 1); }

static void end_in_handler(void)
{
    for (unsigned i = 0; i < many && !check_failures; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct sigaction action = {.sa_handler = end_here};
            sigaction(SIGUSR2, &action, NULL);
            struct sigevent here = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
            struct itimerspec once = {{0, 0}, {0, 10000 + 37000 * (long)i}};
            timer_t timer;
            timer_create(CLOCK_MONOTONIC, &here, &timer);
            timer_settime(timer, 0, &once, NULL);
            for (;;)
                all_ways(NULL);
        }
        is_well(pid);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"posix_spawn while threads allocate", by_posix_spawn},
        {"vfork while threads allocate", by_vfork},
        {"popen while threads allocate", by_popen},
        {"threads with the least stack", with_least_stacks},
        {"signals on a small stack of their own", on_small_stacks},
        {"an end inside a handler", end_in_handler},
    };
    check_preloaded();
    if (argc > 1 && strcmp(argv[1], "child") == 0) {
        free(malloc(100));
        return 0;
    }
    many = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : many;
    alarm(100 + many / 4);
    return CASES(cases);
}
