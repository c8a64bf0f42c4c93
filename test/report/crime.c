/*
 * Programs that do one wrong thing each, for run.sh: the report names this file, its functions and lines. Linked as any program; libtarn-malloc.so is
 * preloaded.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tarn/tarn.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONE __attribute__((noinline, noclone))

static int fixed[64];
static volatile int sink;

LONE static void release(void *p)
{
    free(p); /* the line that run.sh knows */
    sink++;
}

LONE static void *make(size_t size)
{
    char *p = malloc(size);
    memset(p, 'a', 16);
    memset(p + 16, 0, 16);
    return p;
}

LONE static void release_fixed(void)
{
    release(fixed + 2);
    sink++;
}

static void large(void)
{
    char *p = make(1 << 20);
    release(p + 4096);
}

static void stack(void)
{
    volatile char here[64];
    release((void *)(here + 8));
}

static void mapping(void)
{
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    release(p + 16);
}

static void unmapped(void)
{
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p, 65536);
    release(p);
}

static void code(void) { release((void *)(uintptr_t)&strtol); }

static void low(void) { release((void *)16); }

static void *in_thread(void *unused)
{
    release_fixed();
    return unused;
}

static void thread(void)
{
    pthread_t other;
    pthread_create(&other, NULL, in_thread, NULL);
    pthread_join(other, NULL);
}

static void child(void)
{
    pid_t pid = fork();
    int status = 0;
    if (pid == 0)
        release_fixed();
    waitpid(pid, &status, 0);
    exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 0 : 1);
}

static pthread_barrier_t both;

static void *at_once(void *unused)
{
    pthread_barrier_wait(&both);
    release_fixed();
    return unused;
}

static void two(void)
{
    pthread_t other[2];
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 2; i++)
        pthread_create(&other[i], NULL, at_once, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(other[i], NULL);
}

/* Ends the process where it opens, makes a process or a pipe, or reads memory by the system. */
static void filtered(void)
{
#define KILL(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        KILL(SYS_openat),
        KILL(SYS_execve),
        KILL(SYS_pipe2),
        KILL(SYS_clone),
        KILL(SYS_process_vm_readv),
        KILL(SYS_futex),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        exit(77);
    release_fixed();
}

static void closed(void)
{
    close(0);
    close(1);
    close(2);
    release_fixed();
}

static void broken_pipe(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    release_fixed();
}

static sigjmp_buf back;

static void leave(int number) { siglongjmp(back, number); }

/* A program that outlives SIGABRT has all that it had. */
static void handled(void)
{
    sigset_t blocked;
    signal(SIGABRT, leave);
    for (int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0)
            release_fixed();
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    free(malloc(100));
    exit(sigismember(&blocked, SIGTERM) || sigismember(&blocked, SIGABRT));
}

static int reports;
static volatile int child_signals;
static int descriptors;

static void *by_name(const char *name)
{
    void *p = dlsym(RTLD_DEFAULT, name);
    if (!p)
        exit(1);
    return p;
}

static enum tarn_report_answer go_on(const struct tarn_report *report, void *context)
{
    *(int *)context += report->kind == TARN_REPORT_INVALID_FREE && !report->final && report->address == fixed + 2 &&
                       report->here.count > 2 && report->here.thread == 1;
    free(malloc(1000));
    fputs(report->text, stdout);
    return TARN_REPORT_CONTINUE;
}

static enum tarn_report_answer look_up(const struct tarn_report *report, void *context)
{
    const char *(*text)(const struct tarn_report *);
    *(void **)&text = by_name("tarn_report_text");
    text(report);
    return go_on(report, context);
}

static enum tarn_report_answer give_up(const struct tarn_report *report, void *context)
{
    (void)report;
    *(int *)context += 1;
    return TARN_REPORT_ABORT;
}

static enum tarn_report_answer err_again(const struct tarn_report *report, void *context)
{
    (void)report;
    (void)context;
    release(fixed + 4);
    return TARN_REPORT_CONTINUE;
}

static sigjmp_buf out_of_handler;

static enum tarn_report_answer jump(const struct tarn_report *report, void *context)
{
    (void)report;
    *(int *)context += 1;
    siglongjmp(out_of_handler, 1);
}

static void set_handler(tarn_report_handler handler)
{
    void (*set)(tarn_report_handler, void *);
    *(void **)&set = by_name("tarn_report_to");
    set(handler, &reports);
}

static void count_signal(int number)
{
    (void)number;
    child_signals++;
}

static void continued(void)
{
    set_handler(go_on);
    errno = 77;
    release_fixed();
    release_fixed();
    exit(reports != 2 || errno != 77);
}

/* The looking up leaves nothing behind: no child to wait for, no signal, no descriptor. */
static void looked_up(void)
{
    descriptors = dup(1);
    close(descriptors);
    signal(SIGCHLD, count_signal);
    set_handler(look_up);
    release_fixed();
    exit(reports != 1 || child_signals || dup(1) != descriptors || waitpid(-1, NULL, __WALL) != -1 || errno != ECHILD);
}

static void aborted(void)
{
    set_handler(give_up);
    release_fixed();
}

static void nested(void)
{
    set_handler(err_again);
    release_fixed();
}

static void jumped(void)
{
    set_handler(jump);
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(out_of_handler, 1) == 0)
            release_fixed();
    free(malloc(100));
    exit(reports != 3);
}

static const struct {
    const char *name;
    void (*act)(void);
} crimes[] = {
    {"large", large},
    {"stack", stack},
    {"mapping", mapping},
    {"unmapped", unmapped},
    {"code", code},
    {"low", low},
    {"data", release_fixed},
    {"thread", thread},
    {"child", child},
    {"two", two},
    {"filtered", filtered},
    {"closed", closed},
    {"broken-pipe", broken_pipe},
    {"handled", handled},
    {"continued", continued},
    {"looked-up", looked_up},
    {"aborted", aborted},
    {"nested", nested},
    {"jumped", jumped},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof crimes / sizeof *crimes; i++) {
        if (strcmp(argv[1], crimes[i].name) == 0) {
            crimes[i].act();
            return 0;
        }
    }
    return 2;
}
