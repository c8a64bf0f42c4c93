/*
 * bench_spawn [-p LIBRARY] [-t SECONDS] -o FILE PROGRAM [ARGUMENT…]: runs a program and writes what it used.
 *
 * A process begins with the peak of the memory it was forked from (the kernel carries ru_maxrss of the old
 * image over exec), so a program started from a Python driver would seem to use ten MiB at least. This
 * program is small, starts the other by vfork, and should be linked statically: then the error is under what
 * the smallest dynamic program needs by itself.
 *
 * FILE gets one line: `status S wall W user U system Y peak K minor F switches V N`; S is the exit status, or
 * 128 + the signal, times are in seconds, K in KiB and F in faults, each of the program and the children it
 * waited for; V and N are voluntary and forced context switches. Exit status: 0 when the program was run
 * (however it ended), else 1. LIBRARY becomes LD_PRELOAD of the program and of nothing else. At SECONDS
 * the program is killed. If this process is killed, the program is too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child_pid;

static void kill_child(int signal_number)
{
    (void)signal_number;
    if (child_pid > 0)
        kill((pid_t)child_pid, SIGKILL);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Returns the pid, or -errno. The child shares our memory until it execs, so it only makes system calls. */
static pid_t start(char **command, char **environment)
{
    volatile int failure = 0;
    pid_t pid = vfork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvpe(command[0], command, environment);
        failure = errno;
        _exit(127);
    }
    if (pid < 0)
        return -errno;
    if (failure == 0)
        return pid;
    waitpid(pid, NULL, 0);
    return -failure;
}

static int write_figures(int file, int status, double wall, const struct rusage *used)
{
    char line[256];
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    int length = snprintf(line, sizeof line,
                          "status %d wall %.6f user %.6f system %.6f peak %ld minor %ld switches %ld %ld\n", code, wall,
                          seconds_of(used->ru_utime), seconds_of(used->ru_stime), used->ru_maxrss, used->ru_minflt,
                          used->ru_nvcsw, used->ru_nivcsw);

    return write(file, line, (size_t)length) == length ? 0 : 1;
}

static int measure(char **command, unsigned limit, int file)
{
    struct sigaction action = {.sa_handler = kill_child};
    struct rusage used;
    int status;

    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    double begin = now();
    pid_t pid = start(command, environ);
    if (pid < 0) {
        fprintf(stderr, "bench_spawn: %s: %s\n", command[0], strerror(-pid));
        return 1;
    }
    child_pid = pid;
    alarm(limit);
    while (wait4(pid, &status, 0, &used) < 0)
        if (errno != EINTR)
            return 1;
    return write_figures(file, status, now() - begin, &used);
}

int main(int argc, char **argv)
{
    const char *preload = NULL, *output = NULL;
    unsigned limit = 0;
    int option;

    while ((option = getopt(argc, argv, "+p:t:o:")) != -1) {
        if (option == 'p')
            preload = optarg;
        else if (option == 't')
            limit = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'o')
            output = optarg;
        else
            return 1;
    }
    if (optind == argc || output == NULL) {
        fputs("usage: bench_spawn [-p LIBRARY] [-t SECONDS] -o FILE PROGRAM [ARGUMENT...]\n", stderr);
        return 1;
    }
    int file = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || unsetenv("LD_PRELOAD") != 0 || (preload != NULL && setenv("LD_PRELOAD", preload, 1) != 0)) {
        perror("bench_spawn");
        return 1;
    }
    return measure(argv + optind, limit, file);
}
