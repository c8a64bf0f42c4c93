/*
 * Without a C library: loops that the compiler must not turn into calls of what they stand in for.
 */
#include "pool/bytes.h"

#include <stdint.h>

bool tarn__bytes_are(const void *p, unsigned char value, size_t size)
{
    const unsigned char *bytes = p;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

#if !__STDC_HOSTED__
/* After each step the compiler knows nothing of memory any more. */
#define STEP_BY_STEP() __asm__ volatile("" ::: "memory")

typedef uintptr_t word __attribute__((may_alias));

void tarn__bytes_fill(void *to, unsigned char value, size_t size)
{
    if (((uintptr_t)to | size) % sizeof(word) == 0) {
        word pattern = ~(word)0 / 255 * value;
        for (size_t i = 0; i < size / sizeof(word); i++) {
            ((word *)to)[i] = pattern;
            STEP_BY_STEP();
        }
        return;
    }
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)to)[i] = value;
        STEP_BY_STEP();
    }
}

void tarn__bytes_copy(void *to, const void *from, size_t size)
{
    if (((uintptr_t)to | (uintptr_t)from | size) % sizeof(word) == 0) {
        for (size_t i = 0; i < size / sizeof(word); i++) {
            ((word *)to)[i] = ((const word *)from)[i];
            STEP_BY_STEP();
        }
        return;
    }
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
        STEP_BY_STEP();
    }
}

void tarn__bytes_move(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to <= (uintptr_t)from) {
        tarn__bytes_copy(to, from, size);
        return;
    }
    for (size_t i = size; i-- > 0;) {
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
        STEP_BY_STEP();
    }
}

/*
 * Compilers call these, by name, where a struct is assigned or cleared. Where all pools are one file (dist/tarn-pools.c), the calls end here,
 * and the program need not have them.
 */
__attribute__((used)) static void *memset(void *to, int value, size_t size)
{
    tarn__bytes_fill(to, (unsigned char)value, size);
    return to;
}

__attribute__((used)) static void *memcpy(void *to, const void *from, size_t size)
{
    tarn__bytes_copy(to, from, size);
    return to;
}

__attribute__((used)) static void *memmove(void *to, const void *from, size_t size)
{
    tarn__bytes_move(to, from, size);
    return to;
}
#endif

static inline uintptr_t mix(uintptr_t sum, uintptr_t next)
{
    sum = (sum ^ next) * (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
    return sum << 13 | sum >> (sizeof sum * 8 - 13);
}

uintptr_t tarn__words_mix(const uintptr_t *words, size_t count)
{
    uintptr_t sum = (uintptr_t)words;
    size_t i = 0;
#ifndef __OPTIMIZE_SIZE__
    uintptr_t second = 1, third = 2, fourth = 3; /* multiplications that do not wait for each other */
    for (; i + 4 <= count; i += 4) {
        sum = mix(sum, words[i]);
        second = mix(second, words[i + 1]);
        third = mix(third, words[i + 2]);
        fourth = mix(fourth, words[i + 3]);
    }
    sum = mix(mix(sum, second), mix(third, fourth));
#endif
    for (; i < count; i++)
        sum = mix(sum, words[i]);
    return sum;
}
