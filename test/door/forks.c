/*
 * fork, while other threads allocate and inside a signal handler that interrupts allocation. A child must be able to allocate, to
 * free what its parent had, to start threads, and to end. A child that hangs is killed by its alarm and counts as a failure.
 *
 *     forks [FORKS [THREADS]]     so many of the first kind, beside so many threads
 */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 4, MOST_THREADS = 64, KEPT = 200, FORKS = 300, HANDLER_FORKS = 200, CHILD_SECONDS = 20 };

static unsigned thread_count = THREADS;
static int fork_count = FORKS;

static _Atomic bool stop;

static size_t any_size(uint32_t *state)
{
    uint32_t kind = next_random(state) % 64;
    return next_random(state) % (kind == 0 ? 300000 : kind < 8 ? 20000 : 600) + 1;
}

/* Exchanges objects of all sizes until told to stop. */
static void *churn(void *seed)
{
    uint32_t state = (uint32_t)(uintptr_t)seed;
    void *kept[KEPT] = {NULL};
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        unsigned i = next_random(&state) % KEPT;
        free(kept[i]);
        kept[i] = malloc(any_size(&state));
        *(char *)kept[i] = 1;
    }
    for (unsigned i = 0; i < KEPT; i++)
        free(kept[i]);
    return NULL;
}

struct load {
    pthread_t threads[MOST_THREADS];
};

static void begin(struct load *load)
{
    atomic_store(&stop, false);
    for (unsigned i = 0; i < thread_count; i++)
        pthread_create(&load->threads[i], NULL, churn, (void *)(uintptr_t)(i + 77));
}

static void end(struct load *load)
{
    atomic_store(&stop, true);
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(load->threads[i], NULL);
}

struct object {
    void *p;
    size_t size;
};
static struct object objects[KEPT];

static void keep_objects(void)
{
    uint32_t state = 99;
    for (unsigned i = 0; i < KEPT; i++) {
        objects[i].size = any_size(&state);
        objects[i].p = malloc(objects[i].size);
        stamp(objects[i].p, objects[i].size, i);
    }
}

static bool drop_objects(void)
{
    bool right = true;
    for (unsigned i = 0; i < KEPT; i++) {
        right &= stamped(objects[i].p, objects[i].size, i);
        free(objects[i].p);
    }
    return right;
}

static void *short_thread(void *unused)
{
    (void)unused;
    uint32_t state = 5;
    for (int i = 0; i < 200; i++)
        free(malloc(any_size(&state)));
    return malloc(100);
}

/* Many objects at once, stamped: nothing may be given twice. */
static bool fresh_objects(void)
{
    enum { COUNT = 1500 };
    static struct object fresh[COUNT];
    uint32_t state = 31;
    bool right = true;
    for (unsigned i = 0; i < COUNT; i++) {
        fresh[i].size = any_size(&state) % 5000 + 1;
        fresh[i].p = malloc(fresh[i].size);
        stamp(fresh[i].p, fresh[i].size, i);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        right &= stamped(fresh[i].p, fresh[i].size, i);
        free(fresh[i].p);
    }
    return right;
}

/* What every child does; its exit status says what went wrong. */
static int child_status(void)
{
    alarm(CHILD_SECONDS);
    if (!fresh_objects())
        return 11;
    if (!drop_objects())
        return 12;
    pthread_t thread;
    void *object;
    if (pthread_create(&thread, NULL, short_thread, NULL) != 0 || pthread_join(thread, &object) != 0)
        return 13;
    free(object);
    pid_t grandchild = fork();
    if (grandchild == 0)
        _exit(fresh_objects() ? 0 : 11);
    int status;
    return waitpid(grandchild, &status, 0) == grandchild && status == 0 ? 0 : 14;
}

static void fork_under_threads(void)
{
    struct load load;
    keep_objects();
    begin(&load);
    for (int i = 0; i < fork_count && check_failures == 0; i++) {
        pid_t pid = fork();
        ENOUGH(pid >= 0, "fork: %s", strerror(errno));
        if (pid == 0)
            _exit(child_status());
        free(malloc(1000));
        int status;
        waitpid(pid, &status, 0);
        CHECK(status == 0, "child %d: %s %d", i, WIFSIGNALED(status) ? "killed by signal" : "ended with",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    end(&load);
    CHECK(drop_objects(), "the parent's objects were changed");
}

/* Children run exit handlers too: the allocator must bear a normal exit. */
static void fork_and_exit(void)
{
    struct load load;
    begin(&load);
    for (int i = 0; i < 50 && check_failures == 0; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(CHILD_SECONDS);
            free(malloc(100000));
            exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        CHECK(status == 0, "child %d ended with %#x", i, status);
    }
    end(&load);
}

static volatile sig_atomic_t forks_made, failed_status;
static volatile bool in_child;

/* The child returns to what was interrupted and goes on from there; the parent waits for it here. */
static void fork_here(int signal)
{
    (void)signal;
    int saved = errno;
    pid_t pid = in_child || forks_made >= HANDLER_FORKS ? -1 : fork();
    if (pid == 0) {
        in_child = true;
        alarm(CHILD_SECONDS);
    } else if (pid > 0) {
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        forks_made++;
        if (status != 0)
            failed_status = status;
    }
    errno = saved;
}

/* Allocates mostly what takes locks: pages, and magazines that run out and fill up. */
static void allocate_until_forked(void)
{
    enum { COUNT = 400 };
    static void *held[COUNT];
    uint32_t state = 4242;
    while (forks_made < HANDLER_FORKS && !in_child && failed_status == 0) {
        size_t size = any_size(&state);
        for (int i = 0; i < COUNT && !in_child; i++)
            held[i] = malloc(i % 8 ? size % 1500 : size + 40000);
        for (int i = 0; i < COUNT; i++) {
            free(held[i]);
            held[i] = NULL;
        }
    }
}

static void fork_in_handler(void)
{
    struct load load;
    keep_objects();
    begin(&load);
    struct sigaction action = {.sa_handler = fork_here, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    timer_t timer;
    struct sigevent to_this_thread = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    to_this_thread._sigev_un._tid = gettid();
    ENOUGH(timer_create(CLOCK_MONOTONIC, &to_this_thread, &timer) == 0, "timer_create: %s", strerror(errno));
    struct itimerspec every = {{0, 700000}, {0, 700000}}, never = {{0, 0}, {0, 0}};
    timer_settime(timer, 0, &every, NULL);
    allocate_until_forked();
    if (in_child)
        _exit(child_status());
    timer_settime(timer, 0, &never, NULL);
    timer_delete(timer);
    end(&load);
    CHECK(failed_status == 0, "a child ended with %#x, after %d", (unsigned)failed_status, (int)forks_made);
    CHECK(drop_objects(), "the parent's objects were changed");
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"fork while threads allocate", fork_under_threads},
        {"fork while threads allocate, exit", fork_and_exit},
        {"fork inside a handler that interrupts allocation", fork_in_handler},
    };
    check_preloaded();
    if (argc > 1)
        fork_count = atoi(argv[1]);
    if (argc > 2 && atoi(argv[2]) <= MOST_THREADS)
        thread_count = (unsigned)atoi(argv[2]);
    alarm(200 + (unsigned)fork_count / 8);
    return CASES(cases);
}
