/*
 * A program with known leaks, and with objects that are reached in every way there is: for check_leaks.sh.
 *
 *     leaks hold       prints "ready", and waits
 *     leaks churn      the same, while threads and processes begin and end all the time
 *     leaks shut       the same, and may not be traced but by root
 *     leaks exit N     ends with status N; also: quick, _exit, thread (a thread calls exit), abort, fork (a child leaks, too), filter (system calls are
 *                      filtered)
 *
 * Each object has a length of its own, by which the reports are compared.
 */
#define _GNU_SOURCE 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile global, *volatile inside, *volatile cookie;
static void *volatile noted, *volatile sized, *volatile shared, *volatile base; /* to the inside, and as good as a beginning */
static void *volatile unaligned[3];
static void *volatile freed;
static void *volatile *mapped;
static _Thread_local void *volatile local;
static pthread_barrier_t barrier;
static volatile int held; /* the address is in its register */

/* What earlier calls left below the stack pointer, and in registers, is written over. */
static NOINLINE void scrub(void)
{
    volatile char room[32768];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
}

/* The same right below the caller's frame only, where the functions that it calls next leave gaps. */
static NOINLINE void scrub_top(void)
{
    volatile char room[2048];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
}

static void *get(size_t size)
{
    void *p = malloc(size);
    if (!p)
        abort();
    return memset(p, 0, size);
}

static NOINLINE void leak_alone(void)
{
    for (volatile int i = 0; i < 3; i++)
        get(1000);
    get(100000);
    get(5000000);
}

static NOINLINE void leak_chain(void)
{
    void **a = get(72), **b = get(80), **c = get(88);
    a[3] = b;
    b[4] = c;
}

static NOINLINE void leak_circle(void)
{
    void **a = get(120), **b = get(120);
    a[0] = b;
    b[1] = a;
}

/* The leader of this one comes after what it leads to, in order of address. */
static NOINLINE void leak_backwards(void)
{
    void **a = get(136), **b = get(136), **c = get(136);
    c[0] = b;
    b[0] = a;
}

static NOINLINE void reach(void)
{
    void **first = get(300);
    first[0] = get(310);
    global = first;
    inside = (char *)get(200) + 24;
    uint64_t *array = get(8 + 10 * 24);
    array[0] = 10;
    cookie = array + 1;
    uint64_t *behind_length = get(264); /* by an allocator that notes lengths in front */
    behind_length[0] = 250;
    noted = behind_length + 1;
    uint64_t *behind_both = get(16 + 10 * 24); /* an array with the size of an element in front, too */
    behind_both[0] = 24;
    behind_both[1] = 10;
    sized = behind_both + 2;
    uint64_t *string = get(280); /* of shared strings: length, room, count of users */
    string[0] = 10;
    string[1] = 255;
    string[2] = 1;
    shared = string + 3;
    static const int table[2]; /* of functions, it might be: in memory of a file that nobody writes to */
    const void **object = get(296);
    object[0] = &table[0];
    object[4] = &table[0];
    base = object + 4;
    local = get(330);
    mapped[100] = get(360);
    char *odd = (char *)(uintptr_t)unaligned + 3;
    void *p = get(390);
    memcpy(odd, &p, sizeof p);
    freed = get(380);
    ((void **)freed)[1] = get(384);
    free(freed);
}

static NOINLINE void *in_register(void)
{
    static void *p;
    p = (char *)get(370) - 4096; /* not as it is */
    return &p;
}

/* Waits with an address that is nowhere but in a register. */
static void *hold_register(void *unused)
{
    (void)unused;
    void **where = in_register();
    uintptr_t coded = (uintptr_t)*where;
    *where = NULL;
    scrub();
    pthread_barrier_wait(&barrier);
#if defined(__x86_64__)
    __asm__ volatile(
        "add $4096, %0\n\tmov %0, %%r12\n\txor %0, %0\n\tmovl $1, %1\n1:\tmov $34, %%eax\n\tsyscall\n\tjmp 1b" /* pause */
        : "+r"(coded), "=m"(held)
        :
        : "rax", "rcx", "r11", "r12", "memory");
#else
    void *volatile p = (void *)(coded + 4096);
    held = 1;
    for (;;)
        pause();
    (void)p;
#endif
    return NULL;
}

static void *hold_stack(void *unused)
{
    void *volatile mine = get(350);
    (void)unused;
    local = get(334);
    scrub();
    pthread_barrier_wait(&barrier);
    for (;;)
        pause();
    (void)mine;
    return NULL;
}

static NOINLINE void leave_below(unsigned depth)
{
    void *volatile p = depth ? NULL : get(400);
    char *volatile room = __builtin_alloca(4096);
    room[0] = 0;
    if (depth > 0)
        leave_below(depth - 1);
    (void)p;
}

static void *exit_in_thread(void *status)
{
    exit((int)(intptr_t)status);
    return NULL;
}

static void *hold_nothing(void *unused)
{
    free(malloc(48));
    return unused;
}

static void *begin_and_end(void *unused)
{
    (void)unused;
    for (unsigned i = 0;; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, hold_nothing, NULL) == 0)
            pthread_join(thread, NULL);
        pid_t child = i % 16 ? -1 : fork();
        if (child == 0)
            _exit(0);
        if (child > 0)
            waitpid(child, NULL, 0);
    }
    return NULL;
}

/* All are allowed. */
static void filter_calls(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        abort();
}

static void end(const char *how, int status)
{
    pthread_t thread;

    if (strcmp(how, "filter") == 0)
        filter_calls();

    if (strcmp(how, "quick") == 0)
        quick_exit(status);
    if (strcmp(how, "_exit") == 0)
        _exit(status);
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "thread") == 0) {
        pthread_create(&thread, NULL, exit_in_thread, (void *)(intptr_t)status);
        for (;;)
            pause();
    }
    if (strcmp(how, "fork") == 0) {
        pid_t child = fork();
        if (child == 0) {
            get(7777);
            exit(0);
        }
        waitpid(child, NULL, 0);
    }
    exit(status);
}

int main(int argc, char **argv)
{
    pthread_t threads[2];

    if (argc < 2)
        return 2;
    mapped = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_barrier_init(&barrier, NULL, 3);
    pthread_create(&threads[0], NULL, hold_register, NULL);
    pthread_create(&threads[1], NULL, hold_stack, NULL);
    leak_alone();
    leak_chain();
    leak_circle();
    leak_backwards();
    reach();
    pthread_barrier_wait(&barrier);
    while (!held)
        usleep(1000);
    void *volatile mine = get(340);
    scrub();
    leave_below(4);
    scrub_top();
    if (argc > 2)
        end(argv[1], atoi(argv[2]));
    for (int i = 0; strcmp(argv[1], "churn") == 0 && i < 6; i++)
        pthread_create(&threads[0], NULL, begin_and_end, NULL);
    if (strcmp(argv[1], "shut") == 0)
        prctl(PR_SET_DUMPABLE, 0);
    fputs("ready\n", stdout);
    fflush(stdout);
    for (;;)
        pause();
    (void)mine;
    return 0;
}
