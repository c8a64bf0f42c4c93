/*
 * Unpredictable numbers, and places in the address space that nothing else comes near.
 */
#ifndef TARN_OS_RANDOM_H
#define TARN_OS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* 64 bits from the system; where it has none to give, from what differs between processes. One system call. */
uint64_t tarn__random_seed(void);

/* The next of a sequence (xorshift64*, after Vigna): quick, not for keys. The state is not 0. */
static inline uint64_t tarn__random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/*
 * A place of `size` bytes at a multiple of 4 MiB, apart from those that were given before, between the usual places of programs and of the
 * system's mappings; nothing is mapped there as far as a look at both ends tells. It is a decision about addresses: nothing is reserved. 0: there is none (32-bit machines).
 */
uintptr_t tarn__random_place(size_t size);

#endif
