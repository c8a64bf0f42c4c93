/* What the unit tests share: cmocka with what it wants before it, an assertion about ends of the process, and random numbers. */
#ifndef TARN_TEST_CHECK_H
#define TARN_TEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#define CHECK_BITS (8 * sizeof(size_t))

/* 2^bit; where sizes are shorter than that, the largest power of two there is. */
#define CHECK_HUGE(bit) ((size_t)1 << ((bit) < CHECK_BITS ? (bit) : CHECK_BITS - 1))

/* Runs `act(value)` in a child process and requires that a signal ends it after it wrote `message` (among other things) to stderr. */
void check_dies(void (*act)(void *), void *value, const char *message);

/* The same without a death: runs `act(value)` in a child process, which must end on its own with status 0. */
void check_lives(void (*act)(void *), void *value);

/* Whether the machine that the test is for is emulated: then it does less of what is slow. */
bool check_emulated(void);

/*
 * Whether threads may begin in the child of a process with threads. ThreadSanitizer does not bear that, nor do emulators of other
 * machines; a line says then what is not tested.
 */
bool check_children_bear_threads(void);

/* The next of a sequence of numbers that look random (xorshift64*, after Vigna). The state is not 0. */
static inline uint64_t check_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Whether all bytes are `value`. */
bool check_all_bytes(const void *p, size_t size, unsigned char value);

#endif
