/*
 * Launching a program; see launch.h.
 *
 * No handler is installed: all signals of interest are blocked and taken one by one with sigwaitinfo,
 * so there is nothing asynchronous. The program starts with the mask and dispositions that this
 * command was started with.
 *
 * The program shares the terminal's foreground group with this command. What the terminal sends (si_code
 * SI_KERNEL) has reached it already; what another process sends to this command alone is passed on.
 */
#define _GNU_SOURCE 1
#include "launch.h"

#include "common.h"
#include "format/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t held;         /* the signals dealt with here */
static sigset_t program_mask; /* the mask to start programs with */
static struct sigaction program_child_action;

void tool_hold_signals(void)
{
    static const int numbers[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,  SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP,  SIGCHLD,
                                  SIGPIPE, SIGALRM, SIGIO,   SIGWINCH, SIGURG,  SIGPWR,  SIGPROF, SIGVTALRM};
    struct sigaction by_default = {.sa_handler = SIG_DFL};

    sigemptyset(&held);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&held, numbers[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        sigaddset(&held, number);
    sigprocmask(SIG_BLOCK, &held, &program_mask);
    /* A parent that ignores SIGCHLD would make children vanish before they can be waited for. */
    sigaction(SIGCHLD, &by_default, &program_child_action);
}

static void set_preload(const char *library)
{
    const char *before = getenv("LD_PRELOAD");
    char *value;

    if (!before || !*before) {
        setenv("LD_PRELOAD", library, 1);
    } else if (asprintf(&value, "%s:%s", library, before) >= 0) {
        setenv("LD_PRELOAD", value, 1);
        free(value);
    }
}

/* For reports of misuse, which this command looks up functions for. */
static void name_command(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    if (length > 0) {
        path[length] = 0;
        setenv("TARN_COMMAND", path, 0);
    }
}

static void redirect(int from, int to)
{
    if (from >= 0 && dup2(from, to) < 0)
        _exit(TOOL_STATUS_TROUBLE);
}

/* In the child. Returns only if the program cannot be run. */
static void become_program(const struct tool_launch *launch)
{
    if (launch->preload)
        set_preload(launch->preload);
    name_command();
    if (launch->snapshot)
        setenv(TARN_SNAPSHOT_ENV, launch->snapshot, 1);
    if (launch->leaks)
        setenv("TARN_LEAKS", launch->leaks, 1);
    if (launch->debug)
        setenv("TARN_DEBUG", launch->debug, 1);
    redirect(launch->in, STDIN_FILENO);
    redirect(launch->out, STDOUT_FILENO);
    redirect(launch->err, STDERR_FILENO);
    sigaction(SIGCHLD, &program_child_action, NULL);
    sigprocmask(SIG_SETMASK, &program_mask, NULL);
    if (launch->file)
        execv(launch->file, launch->argv);
    else
        execvp(launch->argv[0], launch->argv);
}

/* Stops this command as the terminal's Ctrl-Z asks for; returns when it is continued. */
static void stop_with_program(void)
{
    sigset_t only;

    /* By TSTP's own default action: the kernel knows that an orphaned group must not stop. */
    sigemptyset(&only);
    sigaddset(&only, SIGTSTP);
    raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    sigprocmask(SIG_BLOCK, &only, NULL);
}

static void deal_with(const siginfo_t *info, pid_t pid, struct tool_outcome *outcome)
{
    int number = info->si_signo;

    if (number == SIGPIPE || number == SIGCHLD)
        return;
    if (number == SIGINT || number == SIGQUIT || number == SIGHUP || number == SIGTERM)
        outcome->interrupted = number;
    if (info->si_code != SI_KERNEL && info->si_code != SI_QUEUE)
        kill(pid, number);
    else if (info->si_code == SI_QUEUE)
        sigqueue(pid, number, info->si_value);
    if (number == SIGTSTP)
        stop_with_program();
}

static uint64_t nanoseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_usec * 1000;
}

static void await(const struct tool_launch *launch, pid_t pid, struct tool_outcome *outcome)
{
    struct rusage usage;
    siginfo_t info;
    pid_t ended;

    while ((ended = wait4(pid, &outcome->status, WNOHANG, &usage)) != pid) {
        if (ended < 0 && errno != EINTR)
            tool_die("lost sight of the program: %s", strerror(errno));
        if (sigwaitinfo(&held, &info) <= 0)
            continue;
        if (info.si_signo == SIGIO && launch->attend && info.si_code != SI_USER)
            launch->attend(launch->context, pid);
        else
            deal_with(&info, pid, outcome);
    }
    outcome->end_ns = tool_now();
    outcome->user_ns = nanoseconds(usage.ru_utime);
    outcome->system_ns = nanoseconds(usage.ru_stime);
    outcome->peak_resident_bytes = (uint64_t)usage.ru_maxrss * 1024;
    /* What arrived together with the end still counts as an interruption. */
    while (sigtimedwait(&held, &info, &(struct timespec){0}) > 0)
        if (info.si_signo == SIGINT || info.si_signo == SIGQUIT || info.si_signo == SIGHUP || info.si_signo == SIGTERM)
            outcome->interrupted = info.si_signo;
}

int tool_launch(const struct tool_launch *launch, struct tool_outcome *outcome)
{
    int trouble[2]; /* carries errno when the program cannot be run; closed unused by a successful exec */
    ssize_t got;
    pid_t pid;

    memset(outcome, 0, sizeof *outcome);
    if (pipe2(trouble, O_CLOEXEC) != 0)
        return -errno;
    outcome->begin_ns = tool_now();
    pid = fork();
    if (pid == 0) {
        int error;

        become_program(launch);
        error = errno;
        (void)tool_write(trouble[1], &error, sizeof error);
        _exit(TOOL_STATUS_NOT_FOUND);
    }
    close(trouble[1]);
    if (pid < 0) {
        int error = errno;

        close(trouble[0]);
        return -error;
    }
    outcome->pid = pid;
    do
        got = read(trouble[0], &outcome->error, sizeof outcome->error);
    while (got < 0 && errno == EINTR);
    if (got != sizeof outcome->error)
        outcome->error = 0;
    close(trouble[0]);
    await(launch, pid, outcome);
    return 0;
}

int tool_exit_status(const struct tool_outcome *outcome)
{
    return WIFSIGNALED(outcome->status) ? 128 + WTERMSIG(outcome->status) : WEXITSTATUS(outcome->status);
}
