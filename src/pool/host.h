/*
 * What pools ask of where they run. host.c keeps this on Linux, bare.c where there is nothing: one of them is linked.
 */
#ifndef TARN_POOL_HOST_H
#define TARN_POOL_HOST_H

#include "base/list.h"
#include "tarn/pool.h"
#include "tarn/source.h"

/* A pool's lock, part of its struct. No `acquire`: the pool has none. With TARN_POOL_CHECK that is a lock that waits for nobody, but knows who holds it. */
struct tarn__guard {
    struct tarn_pool_lock lock;
    size_t covered; /* with TARN_POOL_CHECK and without lock: bytes behind the guard of which `sum` is the seal between calls */
    uintptr_t
        seal; /* of these; they are believed by tarn__guard_enter only while they have it. The guard's own address: there is no lock */
    uintptr_t sum;
    uint32_t
        word[2]; /* the built-in lock's own; of a pool with checks and without lock, the thread that is in it, and how deep */
    struct tarn__list link; /* of those with the built-in lock, for forks; under their lock */
};

/* `lock` as given at the pool's creation. The guard stays where it is from then on. */
void tarn__guard_init(struct tarn__guard *guard, const struct tarn_pool_lock *lock);

/*
 * When the pool is complete: with TARN_POOL_CHECK and without lock two threads at once are found out from now on, and the words behind the guard, up to `end`, are
 * sealed between calls. (guard.c, as what follows.)
 */
void tarn__guard_arm(struct tarn__guard *guard, unsigned flags, const void *end);

/* To be called when the pool ends; nobody holds it. Who had something to do with the guard is told by tarn__guard_enter, as long as the memory stays. */
void tarn__guard_end(struct tarn__guard *guard);

/* The part of it that differs by host. */
void tarn__guard_leave(struct tarn__guard *guard);

int tarn__guard_enter_slowly(struct tarn__guard *guard);

/* Takes the guard at the beginning of a call. @return 0, or why the call must not go on: TARN_POOL_RACE, _DESTROYED, _CORRUPT; then it is not taken */
static inline int tarn__guard_enter(struct tarn__guard *guard)
{
    return __builtin_expect(guard->seal != (uintptr_t)guard, 0) ? tarn__guard_enter_slowly(guard) : 0;
}

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

/*
 * Notes that this thread is in a pool that has no lock. A call within a call, of a callback or of a signal handler, is counted. False: another thread is inside. Where
 * threads cannot be told apart it is always true.
 */
bool tarn__guard_claim(struct tarn__guard *guard);
void tarn__guard_unclaim(struct tarn__guard *guard);

/* One lock for all that modules race for (a class pool's first opening). */
void tarn__host_lock(void);
void tarn__host_unlock(void);

/* The system's source; NULL: there is none. */
struct tarn_source *tarn__host_source(void);

/* malloc and free of the C library; all NULL where there is none. */
extern const struct tarn_pool_fallback tarn__host_fallback;

#endif
