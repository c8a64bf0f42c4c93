/* What correct programs share: each ends with status 0, and says nothing on standard error. */
#ifndef TARN_DEATH_CORRECT_H
#define TARN_DEATH_CORRECT_H

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(holds)                                                                                                           \
    do {                                                                                                                       \
        if (!(holds)) {                                                                                                        \
            printf("%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);                                                  \
            _exit(1);                                                                                                          \
        }                                                                                                                      \
    } while (0)

static inline void *hide(void *p)
{
    __asm__ volatile("" : "+r"(p)::"memory");
    return p;
}

#endif
