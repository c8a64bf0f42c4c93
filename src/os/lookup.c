/*
 * Running the command; see lookup.h.
 *
 * The process may be broken and full of threads, so it is not forked: a child that shares its memory, on a stack of its own, does nothing but system calls
 * until it is another program; the calling thread waits for that. Whoever is executed sends SIGCHLD when it ends, whatever was agreed, and a program's own
 * waiting would find it; so it is the child of a child that ends at once, and that one is found only by who asks for such children. Its environment is
 * PATH alone, so it runs on the system's malloc. A process that carries on after reports, again and again, has names in the first 256 only.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/lookup.h"

#include "os/message.h"
#include "os/os.h"
#include "os/where.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_LOOKUPS = 256, MOST_ARGUMENTS = 200, WAIT = 10000, CHILD_STACK = 8192 };

static const char whole[] = "end\n"; /* the last that the command writes */

struct job {
    const char *arguments[MOST_ARGUMENTS];
    const char *environment[2];
    struct tarn__message texts; /* what they point to; one text each time it ended */
    char directory[512], command[640];
    const char *given; /* TARN_COMMAND */
    const char *path;
    int out;
    char *stack; /* of the command until it runs: its end */
    pid_t pid;   /* the command's */
};

/* A finished text of those that were added since `begin`. */
static char *close_text(struct job *job, size_t begin)
{
    char *text = job->texts.text + begin;
    if (job->texts.length + 1 < job->texts.room)
        job->texts.text[++job->texts.length] = 0;
    return text;
}

static void make_arguments(struct job *job, const struct tarn__lookup_stack *stacks, size_t count)
{
    size_t n = 0, begin;
    job->arguments[n++] = "tarn";
    job->arguments[n++] = "symbolize";
    begin = job->texts.length;
    tarn__add_count(&job->texts, (uint64_t)getpid());
    job->arguments[n++] = close_text(job, begin);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < stacks[i].count && n < MOST_ARGUMENTS - 2 && job->texts.length + 24 < job->texts.room; k++) {
            begin = job->texts.length;
            tarn__add_number(&job->texts, stacks[i].frames[k], 16, 1);
            job->arguments[n++] = close_text(job, begin);
        }
        if (i + 1 < count && n < MOST_ARGUMENTS - 1)
            job->arguments[n++] = "/";
    }
    job->arguments[n] = NULL;
}

/* Whether such a file can be executed; it is the command then. */
static bool try_command(struct job *job, const char *directory, size_t length, const char *name)
{
    struct tarn__message command = {job->command, 0, sizeof job->command};
    tarn__add_bytes(&command, directory, length);
    tarn__add(&command, name);
    if (command.length >= sizeof job->command)
        return false;
    job->command[command.length] = 0;
    return syscall(SYS_faccessat, AT_FDCWD, job->command, X_OK) == 0;
}

/* The libraries of the build lie beside the command, installed ones in lib beside bin. */
static bool find_command(struct job *job)
{
    const char *directory = job->directory;
    size_t length = strlen(directory);
    if (job->given)
        return try_command(job, job->given, strlen(job->given), "");
    if (length > 0 && (try_command(job, directory, length, "tarn") || try_command(job, directory, length, "../bin/tarn") ||
                       try_command(job, directory, length, "../../bin/tarn")))
        return true;
    for (const char *at = job->path ? job->path : ""; *at;) {
        length = strcspn(at, ":");
        if (length > 0 && at[0] == '/' && try_command(job, at, length, "/tarn"))
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

/* In the child. */
static int run_command(void *argument)
{
    struct job *job = argument;
    syscall(SYS_fcntl, job->out, F_SETFD, 0);
    if (syscall(SYS_dup3, job->out, STDOUT_FILENO, 0) < 0 && job->out != STDOUT_FILENO)
        syscall(SYS_exit_group, 127);
#ifdef SYS_close_range
    syscall(SYS_close_range, 3u, ~0u, 0u);
#endif
    syscall(SYS_close, STDIN_FILENO);
    syscall(SYS_close, STDERR_FILENO);
    syscall(SYS_execve, job->command, job->arguments, job->environment);
    syscall(SYS_exit_group, 127);
    return 127;
}

/* In the first child. */
static int begin_command(void *argument)
{
    struct job *job = argument;
    job->pid = clone(run_command, job->stack, CLONE_VM | CLONE_VFORK | SIGCHLD, job);
    syscall(SYS_exit_group, 0);
    return 0;
}

/* Until the end of what is written, or of the time. Returns how much there is. */
static size_t collect(int in, char *to, size_t room, bool *late)
{
    uint64_t end = tarn__os_now() + WAIT;
    size_t length = 0;
    *late = false;
    while (length < room) {
        uint64_t now = tarn__os_now();
        struct timespec rest = {now < end ? (time_t)((end - now) / 1000) : 0,
                                now < end ? (long)((end - now) % 1000) * 1000000 : 0};
        struct pollfd wait = {.fd = in, .events = POLLIN};
        int ready = ppoll(&wait, 1, &rest, NULL);
        if (ready < 0 && errno == EINTR)
            continue;
        long count = ready > 0 ? syscall(SYS_read, in, to + length, room - length) : -1;
        if (count <= 0) {
            *late = ready <= 0;
            break;
        }
        length += (size_t)count;
    }
    return length;
}

static size_t run_job(struct job *job, char *stack, char *to, size_t room)
{
    const size_t mark = sizeof whole - 1;
    int ends[2];
    bool late = false;
    size_t length = 0;
    if (syscall(SYS_pipe2, ends, O_CLOEXEC) != 0)
        return 0;
    job->out = ends[1];
    pid_t child = clone(begin_command, stack, CLONE_VM | CLONE_VFORK, job);
    syscall(SYS_close, ends[1]);
    while (child > 0 && syscall(SYS_wait4, child, NULL, __WALL, NULL) < 0 && errno == EINTR)
        ;
    if (child > 0 && job->pid > 0) {
        length = collect(ends[0], to, room, &late);
        if (late || length == room)
            syscall(SYS_kill, job->pid, SIGKILL);
    }
    syscall(SYS_close, ends[0]);
    return length > mark && memcmp(to + length - mark, whole, mark) == 0 ? length - mark : 0;
}

size_t tarn__lookup(const struct tarn__lookup_stack *stacks, size_t count, char *to, size_t room, void *work, size_t work_size)
{
    const size_t stack = 2 * CHILD_STACK + 64;
    int saved = errno;
    static _Atomic unsigned lookups;
    if (work_size < sizeof(struct job) + stack + 4096 || getauxval(AT_SECURE) || tarn__os_filtered() ||
        atomic_fetch_add_explicit(&lookups, 1, memory_order_relaxed) >= MOST_LOOKUPS)
        return 0;
    struct job *job = work;
    char *texts = (char *)(job + 1) + stack;
    uintptr_t top = ((uintptr_t)(job + 1) + 2 * CHILD_STACK) & ~(uintptr_t)63;
    *job = (struct job){.texts = {texts, 0, work_size - sizeof *job - stack}};
    job->stack = (char *)top - CHILD_STACK; /* NOLINT: an address */
    job->given = getenv("TARN_COMMAND");
    if (job->given && !*job->given)
        return 0;
    job->path = getenv("PATH");
    if (job->path) {
        size_t begin = job->texts.length;
        tarn__add(&job->texts, "PATH=");
        tarn__add_bytes(&job->texts, job->path, strnlen(job->path, 2048));
        job->environment[0] = close_text(job, begin);
    }
    tarn__where_directory((uintptr_t)&tarn__lookup, job->directory, sizeof job->directory);
    if (!find_command(job)) {
        errno = saved;
        return 0;
    }
    make_arguments(job, stacks, count);
    size_t length = run_job(job, (char *)top, to, room); /* NOLINT: an address */
    errno = saved;
    return length;
}
