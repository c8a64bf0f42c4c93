/*
 * What pools ask of where they run. host.c keeps this on Linux, bare.c where there is nothing: one of them is linked.
 */
#ifndef TARN_POOL_HOST_H
#define TARN_POOL_HOST_H

#include "base/list.h"
#include "tarn/pool.h"
#include "tarn/source.h"

/* A pool's lock, part of its struct. No `acquire`: the pool has none. */
struct tarn__guard {
    struct tarn_pool_lock lock;
    uint32_t word[2];       /* the built-in lock's own */
    struct tarn__list link; /* of those with the built-in lock, for forks; under their lock */
};

/* `lock` as given at the pool's creation. The guard stays where it is from then on. */
void tarn__guard_init(struct tarn__guard *guard, const struct tarn_pool_lock *lock);

/* To be called when the pool ends; nobody holds it. */
void tarn__guard_end(struct tarn__guard *guard);

static inline void tarn__guard_take(struct tarn__guard *guard)
{
    if (__builtin_expect(guard->lock.acquire != NULL, 0))
        guard->lock.acquire(guard->lock.context);
}

static inline void tarn__guard_drop(struct tarn__guard *guard)
{
    if (__builtin_expect(guard->lock.release != NULL, 0))
        guard->lock.release(guard->lock.context);
}

/* One lock for all that modules race for (a class pool's first opening). */
void tarn__host_lock(void);
void tarn__host_unlock(void);

/* The system's source; NULL: there is none. */
struct tarn_source *tarn__host_source(void);

/* malloc and free of the C library; all NULL where there is none. */
extern const struct tarn_pool_fallback tarn__host_fallback;

#endif
