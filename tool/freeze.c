/*
 * Stopping a process; see freeze.h.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT, not PTRACE_ATTACH: no signal is sent, so none can be mixed up with the program's own. Threads that are made meanwhile
 * are found by reading the list again until nothing new is on it: only a thread that still runs can make another.
 */
#define _GNU_SOURCE 1
#include "freeze.h"

#include "common.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS UINT64_C(5000000000) /* until a thread must have stopped */

/* The sets of registers that may hold pointers, and where in the first of them the stack pointer is. */
static const int sets[] = {
    NT_PRSTATUS,
    NT_PRFPREG,
#if defined(__x86_64__) || defined(__i386__)
    NT_X86_XSTATE,
#elif defined(__aarch64__)
    NT_ARM_TLS,
#endif
};

static void take_pointers(struct tool_thread *thread, const uintptr_t *words, size_t bytes)
{
#if defined(__x86_64__)
    struct user_regs_struct registers;
    if (bytes == sizeof registers) {
        memcpy(&registers, words, sizeof registers);
        thread->stack = registers.rsp;
        thread->local = registers.fs_base;
    }
#elif defined(__i386__)
    struct user_regs_struct registers;
    if (bytes == sizeof registers) {
        memcpy(&registers, words, sizeof registers);
        thread->stack = (uintptr_t)registers.esp;
    }
#elif defined(__aarch64__)
    struct user_regs_struct registers;
    if (bytes == sizeof registers) {
        memcpy(&registers, words, sizeof registers);
        thread->stack = registers.sp;
    }
#elif defined(__riscv)
    if (bytes > 2 * sizeof *words)
        thread->stack = words[2]; /* pc, ra, sp, … */
#else
    (void)thread, (void)words, (void)bytes;
#endif
}

/* In a system call vector registers hold what happened to be left there: no function keeps anything in them over a call. */
static bool has_vectors(const struct tool_thread *thread)
{
#if defined(__x86_64__)
    struct user_regs_struct registers;
    memcpy(&registers, thread->words, sizeof registers);
    return thread->count * sizeof *thread->words < sizeof registers || (long)registers.orig_rax < 0;
#elif defined(__i386__)
    struct user_regs_struct registers;
    memcpy(&registers, thread->words, sizeof registers);
    return thread->count * sizeof *thread->words < sizeof registers || registers.orig_eax < 0;
#else
    (void)thread;
    return true;
#endif
}

static void read_registers(struct tool_thread *thread)
{
    for (size_t i = 0; i < sizeof sets / sizeof sets[0] && (i == 0 || has_vectors(thread)); i++) {
        size_t left = TOOL_REGISTER_WORDS - thread->count;
        struct iovec set = {thread->words + thread->count, left * sizeof *thread->words};

        if (ptrace(PTRACE_GETREGSET, thread->tid, sets[i], &set) != 0)
            continue;
        if (sets[i] == NT_PRSTATUS)
            take_pointers(thread, thread->words, set.iov_len);
#if defined(__aarch64__)
        if (sets[i] == NT_ARM_TLS)
            thread->local = thread->words[thread->count];
#endif
        thread->count += set.iov_len / sizeof *thread->words;
    }
}

/* The number behind a word of /proc/PID/status; 0 if there is none. */
static int status_of(const struct tool_live *live, const char *word)
{
    char text[4096];
    int fd = tool_live_file(live, "status");
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    const char *at;

    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = 0;
    at = strstr(text, word);
    return at ? atoi(at + strlen(word)) : 0;
}

static int say_refused(const struct tool_live *live, int error)
{
    int tracer = status_of(live, "\nTracerPid:");

    if (error == ESRCH)
        return tool_live_failed(live);
    if (tracer > 0)
        tool_complain("process %d (%s) cannot be stopped: process %d traces it, a debugger or strace; end that first",
                      (int)live->pid, live->program, tracer);
    else
        tool_complain(
            "process %d (%s) cannot be stopped: %s; run tarn as its user where kernel.yama.ptrace_scope is 0, or as root",
            (int)live->pid, live->program, strerror(error));
    return TOOL_STATUS_TROUBLE;
}

static bool is_known(const struct tool_frozen *frozen, pid_t tid)
{
    for (size_t i = 0; i < frozen->count; i++)
        if (frozen->threads[i].tid == tid)
            return true;
    return false;
}

/* Seizes the threads that are not yet. Returns how many; -errno: one cannot be. A thread that has ended meanwhile is none. */
static int seize_new(const struct tool_live *live, struct tool_frozen *frozen)
{
    int fd = openat(live->directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0, error = 0;
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (!directory) {
        if (fd >= 0)
            close(fd);
        return -ESRCH;
    }
    while (!error && (entry = readdir(directory))) {
        pid_t tid = (pid_t)atoi(entry->d_name);
        if (tid <= 0 || is_known(frozen, tid))
            continue;
        if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0) {
            /* A thread that is just ending cannot be seized, and is no obstacle; the process's first can be gone before the others. */
            if (errno != ESRCH && (tid == live->pid ? status_of(live, "\nThreads:") <= 1 : true))
                error = errno;
            continue;
        }
        (void)ptrace(PTRACE_INTERRUPT, tid, 0, 0);
        if (frozen->count == frozen->room) {
            frozen->room = frozen->room ? 2 * frozen->room : 16;
            frozen->threads = tool_grow(frozen->threads, frozen->room * sizeof *frozen->threads);
        }
        frozen->threads[frozen->count++] = (struct tool_thread){.tid = tid};
        found++;
    }
    closedir(directory);
    return error ? -error : found;
}

/* Whether the thread has stopped, or has ended: then it is dropped from what is to go on. */
static bool has_stopped(struct tool_thread *thread)
{
    siginfo_t info = {.si_pid = 0};
    int status;

    /* Looked at without taking it, as the end of a child of ours is for others to see. */
    if (waitid(P_PID, (id_t)thread->tid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) != 0)
        return errno != EINTR;
    if (info.si_pid == 0)
        return false;
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
        return true;
    if (waitpid(thread->tid, &status, WNOHANG | __WALL) != thread->tid || !WIFSTOPPED(status))
        return true;
    thread->stopped = true;
    /* An event's stop is ours; any other is a signal's that was on its way. */
    thread->signal = status >> 16 ? 0 : WSTOPSIG(status);
    return true;
}

static bool await_stops(struct tool_frozen *frozen, size_t from)
{
    uint64_t until = tool_now() + PATIENCE_NS;

    for (size_t i = from; i < frozen->count; i++)
        while (!has_stopped(&frozen->threads[i])) {
            if (tool_now() > until)
                return false;
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        }
    return true;
}

int tool_freeze(const struct tool_live *live, struct tool_frozen *frozen)
{
    size_t stopped = 0;
    int found;

    *frozen = (struct tool_frozen){.threads = NULL};
    while ((found = seize_new(live, frozen)) > 0) {
        if (!await_stops(frozen, stopped)) {
            tool_complain("process %d (%s) cannot be stopped: one of its threads waits in the system and does not come back",
                          (int)live->pid, live->program);
            tool_thaw(frozen);
            return TOOL_STATUS_TROUBLE;
        }
        for (size_t i = stopped; i < frozen->count; i++)
            if (frozen->threads[i].stopped)
                read_registers(&frozen->threads[i]);
        stopped = frozen->count;
    }
    for (size_t i = 0; found == 0 && i < frozen->count; i++)
        if (frozen->threads[i].stopped)
            return 0;
    tool_thaw(frozen);
    return say_refused(live, found < 0 ? -found : ESRCH);
}

void tool_thaw(struct tool_frozen *frozen)
{
    for (size_t i = 0; i < frozen->count; i++)
        if (frozen->threads[i].stopped)
            (void)ptrace(PTRACE_DETACH, frozen->threads[i].tid, 0, frozen->threads[i].signal);
    free(frozen->threads);
    *frozen = (struct tool_frozen){.threads = NULL};
}
