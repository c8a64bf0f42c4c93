/*
 * Who is in a pool. (Locks: host.c.)
 *
 * A pool with TARN_POOL_CHECK and without lock has one that waits for nobody: `come` and `leave`, which write down the thread that is inside. A call that
 * finds another one there does not begin. A pool that has ended has `gone`. So pools without checks have no instruction for this.
 */
#include "pool/bytes.h"
#include "pool/host.h"

static uintptr_t seal_of(const struct tarn__guard *guard)
{
    const uintptr_t words[] = {(uintptr_t)guard, (uintptr_t)guard->lock.acquire, (uintptr_t)guard->lock.release,
                               (uintptr_t)guard->lock.context};
    return tarn__words_mix(words, sizeof words / sizeof *words);
}

/* The call has begun already, and comes back from outside. */
static void come(void *guard) { tarn__guard_claim(guard); }

static void leave(void *guard) { tarn__guard_unclaim(guard); }

static void gone(void *guard) { (void)guard; }

void tarn__guard_arm(struct tarn__guard *guard, unsigned flags)
{
    if (flags & TARN_POOL_CHECK && !guard->lock.acquire) {
        guard->lock = (struct tarn_pool_lock){come, leave, guard};
        guard->word[0] = guard->word[1] = 0;
    }
    guard->seal = seal_of(guard);
}

void tarn__guard_end(struct tarn__guard *guard)
{
    tarn__guard_leave(guard);
    if (guard->lock.acquire)
        guard->lock = (struct tarn_pool_lock){gone, gone, guard};
    guard->seal = seal_of(guard);
}

int tarn__guard_enter_slowly(struct tarn__guard *guard)
{
    if (guard->seal != seal_of(guard))
        return TARN_POOL_CORRUPT;
    if (guard->lock.acquire == gone)
        return TARN_POOL_DESTROYED;
    if (guard->lock.acquire == come)
        return tarn__guard_claim(guard) ? 0 : TARN_POOL_RACE;
    guard->lock.acquire(guard->lock.context);
    return 0;
}
