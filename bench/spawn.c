/*
 * bench_spawn [-p LIBRARY] [-t SECONDS] [-w MIB] -o FILE PROGRAM [ARGUMENT…]: runs a program and writes what it used.
 *
 * A process begins with the peak of the memory it was forked from (the kernel carries ru_maxrss of the old
 * image over exec), so a program started from a Python driver would seem to use ten MiB at least. This
 * program is small, starts the other by vfork, and should be linked statically: then the error is under what
 * the smallest dynamic program needs by itself.
 *
 * FILE gets one line: `status S wall W user U system Y peak K minor F switches V N foreign O`; S is the exit status, or
 * 128 + the signal, times are in seconds, K in KiB and F in faults, each of the program and the children it
 * waited for; V and N are voluntary and forced context switches; O is the processor time that others took
 * meanwhile, in seconds, to the 10 ms that the kernel counts in. Exit status: 0 when the program was run
 * (however it ended), else 1. LIBRARY becomes LD_PRELOAD of the program and of nothing else. At SECONDS
 * the program is killed. If this process is killed, the program is too.
 *
 * MIB of memory are written and given back, by a process of their own, just before. In a virtual machine
 * that tells its host of free memory, a page that lay free for two seconds costs ten times as much to touch
 * again; without this, whoever happens to run after a pause loses.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* execvpe, wait4 */
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec * 1e-6; }

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

static void warm_memory(size_t mib)
{
    pid_t pid = mib > 0 ? fork() : -1;

    if (pid == 0) {
        void *memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        _exit(memory == MAP_FAILED);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

/* Seconds for which any processor was busy, or taken away by the host; 0 where that is not told. */
static double busy_seconds(void)
{
    unsigned long long user = 0, nice = 0, system = 0, idle, wait, interrupt = 0, soft = 0, stolen = 0;
    FILE *file = fopen("/proc/stat", "re");

    if (file == NULL)
        return 0;
    int read = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &interrupt,
                      &soft, &stolen);
    fclose(file);
    if (read != 8)
        return 0;
    return (double)(user + nice + system + interrupt + soft + stolen) / (double)sysconf(_SC_CLK_TCK);
}

static int write_figures(int file, int status, double wall, double busy, const struct rusage *used)
{
    char line[256];
    double own = seconds_of(used->ru_utime) + seconds_of(used->ru_stime);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    int length = snprintf(line, sizeof line,
                          "status %d wall %.6f user %.6f system %.6f peak %ld minor %ld switches %ld %ld "
                          "foreign %.3f\n",
                          code, wall, seconds_of(used->ru_utime), seconds_of(used->ru_stime), used->ru_maxrss, used->ru_minflt,
                          used->ru_nvcsw, used->ru_nivcsw, busy > own ? busy - own : 0.0);

    return write(file, line, (size_t)length) == length ? 0 : 1;
}

static int measure(char **command, unsigned limit, int file)
{
    struct sigaction action = {.sa_handler = kill_child};
    struct rusage used;
    int status;

    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    double busy = busy_seconds(), begin = now();
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
    double wall = now() - begin;
    return write_figures(file, status, wall, busy_seconds() - busy, &used);
}

int main(int argc, char **argv)
{
    const char *preload = NULL, *output = NULL;
    unsigned limit = 0;
    size_t warm = 0;
    int option;

    while ((option = getopt(argc, argv, "+p:t:w:o:")) != -1) {
        if (option == 'p')
            preload = optarg;
        else if (option == 't')
            limit = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'w')
            warm = strtoul(optarg, NULL, 10);
        else if (option == 'o')
            output = optarg;
        else
            return 1;
    }
    if (optind == argc || output == NULL) {
        fputs("usage: bench_spawn [-p LIBRARY] [-t SECONDS] [-w MIB] -o FILE PROGRAM [ARGUMENT...]\n", stderr);
        return 1;
    }
    int file = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || unsetenv("LD_PRELOAD") != 0 || (preload != NULL && setenv("LD_PRELOAD", preload, 1) != 0)) {
        perror("bench_spawn");
        return 1;
    }
    warm_memory(warm);
    return measure(argv + optind, limit, file);
}
