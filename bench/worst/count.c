#include "bench/worst/count.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned long overhead; /* of the code around a call, and of all but one instruction of an empty function */
static unsigned long (*count_around)(count_call *, uintptr_t, uintptr_t, uintptr_t, uintptr_t *);

/* Under QEMU */

static int answers[2];

static void ask(int answer) { syscall(SYS_fcntl, COUNT_ASK_FIRST, COUNT_ASK_SECOND, answer); }

__attribute__((noinline)) static unsigned long around_plugin(count_call *function, uintptr_t a, uintptr_t b, uintptr_t c,
                                                             uintptr_t *answer)
{
    uint64_t counted = 0;
    ask(-1);
    *answer = function(a, b, c);
    ask(answers[1]);
    return read(answers[0], &counted, sizeof counted) == sizeof counted ? (unsigned long)counted : 0;
}

/* Without the plugin the pipe stays empty. */
static bool plugin_answers(void)
{
    uint64_t counted;
    if (pipe(answers))
        return false;
    ask(-1);
    ask(answers[1]);
    close(answers[1]);
    if (read(answers[0], &counted, sizeof counted) != sizeof counted)
        return false;
    close(answers[0]);
    return pipe(answers) == 0;
}

/* By the trap flag */

#ifdef __x86_64__
#include <x86intrin.h>

static volatile unsigned long traps;

static void trapped(int signal)
{
    (void)signal;
    traps++;
}

__attribute__((noinline)) static unsigned long around_trap(count_call *function, uintptr_t a, uintptr_t b, uintptr_t c,
                                                           uintptr_t *answer)
{
    const unsigned long long flags = __readeflags();
    traps = 0;
    __writeeflags(flags | 0x100);
    *answer = function(a, b, c);
    __writeeflags(flags);
    return traps;
}

static bool traps_come(void)
{
    struct sigaction action = {.sa_handler = trapped};
    uintptr_t ignored;
    extern count_call count_empty;
    return sigaction(SIGTRAP, &action, NULL) == 0 && around_trap(count_empty, 0, 0, 0, &ignored) > 0;
}
#else
static bool traps_come(void) { return false; }
#define around_trap NULL
#endif

/* One instruction: it returns. */
count_call count_empty;
#if defined(__x86_64__) || defined(__riscv)
__asm__(".text\n.globl count_empty\n.type count_empty, %function\ncount_empty:\n\tret\n");
#elif defined(__arm__)
__asm__(".text\n.globl count_empty\n.type count_empty, %function\n.arm\ncount_empty:\n\tbx lr\n");
#else
__asm__(".text\n.globl count_empty\ncount_empty:\n\tret\n");
#endif

const char *count_method(void)
{
    const char *method = NULL;
    uintptr_t ignored;
    if (plugin_answers())
        method = "counted by QEMU", count_around = around_plugin;
    else if (traps_come())
        method = "single-stepped by the processor", count_around = around_trap;
    if (!method)
        return NULL;
    overhead = count_around(count_empty, 0, 0, 0, &ignored) - 1;
    return overhead == count_around(count_empty, 1, 2, 3, &ignored) - 1 ? method : NULL;
}

unsigned long count_of(count_call *function, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t *answer)
{
    return count_around(function, a, b, c, answer) - overhead;
}
