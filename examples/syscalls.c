/*
 * How many system calls do ten requests for memory cost, with their frees: by
 * the C library's malloc, by tarn_malloc, by a region, a pool of 16 MiB?
 *
 * Nothing is estimated: each trial has a process of its own, stopped at each
 * system call, as strace does. Counted are brk, mmap, munmap, mremap, madvise
 * and mprotect; for the making and the end of the region, too.
 */
#include <tarn/alloc.h>
#include <tarn/region.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum way { C_LIBRARY, TARN, REGION, WAYS };

static int trial(enum way way, size_t size)
{
    struct tarn_region_options on_system = {.source = tarn_source_system()};
    struct tarn_region *region =
        way == REGION ? tarn_region_create(NULL, 16 << 20, &on_system) : NULL;
    void *volatile p[10]; /* volatile: so no compiler leaves requests out */

    for (int i = 0; i < 10; i++)
        if (!(p[i] = way == C_LIBRARY ? malloc(size)
                     : way == TARN    ? tarn_malloc(size)
                                      : tarn_region_alloc(region, size)))
            return 1;
    for (int i = 0; i < 10; i++)
        way == C_LIBRARY ? free(p[i])
        : way == TARN    ? tarn_free(p[i])
                         : (void)tarn_region_free(region, p[i]);
    return way == REGION ? tarn_region_destroy(region) : 0;
}

static int is_for_memory(unsigned long long call)
{
    return call == SYS_brk || call == SYS_mmap || call == SYS_munmap ||
           call == SYS_mremap || call == SYS_madvise || call == SYS_mprotect;
}

/* A trial's system calls for memory; -1: they cannot be counted here. */
static int count(enum way way, size_t size)
{
    int status, calls = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP) ||
              trial(way, size));
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        struct __ptrace_syscall_info at = {0};
        ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD);
        ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof at, &at);
        if (at.op == PTRACE_SYSCALL_INFO_ENTRY && is_for_memory(at.entry.nr))
            calls++;
        ptrace(PTRACE_SYSCALL, child, NULL, NULL); /* on to the next one */
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? calls : -1;
}

int main(void)
{
    const size_t sizes[] = {100, 100 * 1024, 1024 * 1024};
    int calls[3][WAYS];
    /* Before anything is printed, so that no heap has been begun yet. */
    for (int i = 0; i < 3 * WAYS; i++)
        if ((calls[i / WAYS][i % WAYS] = count(i % WAYS, sizes[i / WAYS])) < 0)
            return puts("not counted: processes cannot be traced here"), 77;
    printf("system calls for 10 of    malloc  tarn_malloc  a region\n");
    for (int i = 0; i < 3; i++)
        printf("%10zu bytes %15d %12d %9d\n", sizes[i], calls[i][0],
               calls[i][1], calls[i][2]);
    return 0;
}
