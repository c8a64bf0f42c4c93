/*
 * Counts the instructions of one call, exactly.
 *
 * Two ways. On x86-64 the processor's trap flag: each instruction ends in a signal, whose handler counts; that works wherever
 * signals do, at a microsecond an instruction. Under QEMU a plugin counts (plugin.c), on any machine, at full emulated speed;
 * it is asked by a system call that fails, and answers through a pipe. Around the call stands the same code each time, so what
 * an empty function costs there is subtracted.
 */
#ifndef TARN_BENCH_WORST_COUNT_H
#define TARN_BENCH_WORST_COUNT_H

#include <stdint.h>

/* Functions of up to three words are called as this. That is not C's to promise, but every calling convention here does. */
typedef uintptr_t count_call(uintptr_t a, uintptr_t b, uintptr_t c);

/* How instructions are counted here; NULL: they cannot be. To be called first. */
const char *count_method(void);

/* Calls, stores the answer, and returns the number of instructions from the function's first to its return. */
unsigned long count_of(count_call *function, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t *answer);

/* What the guest and the plugin agree on: the first two arguments of fcntl. The third: where the answer goes; -1: begin to count. */
enum { COUNT_ASK_FIRST = 0x7461726e, COUNT_ASK_SECOND = 0x636f756e };

#endif
