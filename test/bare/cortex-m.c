/*
 * What a Cortex-M needs to run the self test: vectors, the setting up of memory, output and an end by semihosting. A fault ends it with status 2.
 */
#include "selftest.h"

#include <stddef.h>
#include <stdint.h>

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };

extern uint32_t data_begin[], data_end[], data_source[], bss_begin[], bss_end[], stack_top[];

static void ask_host(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void say(const char *line)
{
    ask_host(SYS_WRITE0, line);
    ask_host(SYS_WRITE0, "\n");
}

static void finish(uint32_t status)
{
    const uint32_t argument[] = {APPLICATION_EXIT, status};
    for (;;)
        ask_host(SYS_EXIT_EXTENDED, argument);
}

static char *put_number(char *end, unsigned number)
{
    do
        *--end = (char)('0' + number % 10);
    while (number /= 10);
    return end;
}

static void fault(void)
{
    say("not ok: the processor faulted");
    finish(2);
}

void reset(void);

void reset(void)
{
    for (uint32_t *to = data_begin, *from = data_source; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_begin; to < bss_end;)
        *to++ = 0;
    struct selftest_result result = selftest(say);
    uint32_t masked;
    __asm__ volatile("mrs %0, primask" : "=r"(masked));
    if (masked) {
        say("not ok: interrupts are still masked");
        finish(1);
    }
    char number[12] = {0};
    ask_host(SYS_WRITE0, result.failures ? "not ok " : "ok ");
    ask_host(SYS_WRITE0, put_number(number + sizeof number - 1, result.failures ? result.failures : result.checks));
    say(result.failures ? " failures" : " checks");
    finish(result.failures != 0);
}

__attribute__((used, section(".vectors"))) static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors = {stack_top,
             {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault}};

/* What a compiler may call wherever it likes. The self test's own assignments of structs are such places. */
void *memset(void *to, int value, size_t size)
{
    for (volatile char *at = to; size > 0; size--)
        *at++ = (char)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    volatile char *at = to;
    for (const char *byte = from; size > 0; size--)
        *at++ = *byte++;
    return to;
}
