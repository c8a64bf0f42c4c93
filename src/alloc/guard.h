/*
 * Objects on pages of their own (TARN_DEBUG=G), and one in a number of allocations so (TARN_SAMPLE). Called by care.c, from malloc's slow path.
 */
#ifndef TARN_ALLOC_GUARD_H
#define TARN_ALLOC_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Whether this allocation is one of those that TARN_SAMPLE picks. Asked at each one that takes the slow path. */
static inline bool tarn__guard_picks(size_t size)
{
    (void)size;
    return false;
}

/* NULL: it cannot have pages of its own now, and the caller serves it otherwise. */
static inline void *tarn__guard_alloc(size_t size, size_t align, const char *pool)
{
    (void)size, (void)align, (void)pool;
    return NULL;
}

/* False: the address lies in no guarded pages. What is wrong with one that does is reported, and then it is true. */
static inline bool tarn__guard_free(void *p)
{
    (void)p;
    return false;
}

/* Bytes asked for; 0: no live guarded object begins there. */
static inline size_t tarn__guard_size(const void *p)
{
    (void)p;
    return 0;
}

#endif
