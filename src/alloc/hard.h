/*
 * Hardened objects (TARN_HARDEN=1). Called by care.c, from malloc's slow path.
 */
#ifndef TARN_ALLOC_HARD_H
#define TARN_ALLOC_HARD_H

#include <stdbool.h>
#include <stddef.h>

/* Any size. NULL: no memory. `zeroed`, if there is one to tell: whether it reads as zero. */
static inline void *tarn__hard_alloc(size_t size, size_t align, bool *zeroed)
{
    (void)size, (void)align, (void)zeroed;
    return NULL;
}

/* False: the address is in no hardened object. What is wrong with one that is is reported, and then it is true. */
static inline bool tarn__hard_free(void *p)
{
    (void)p;
    return false;
}

/* Bytes that may be used; 0: no live hardened object begins there. */
static inline size_t tarn__hard_size(const void *p)
{
    (void)p;
    return 0;
}

#endif
