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

/* A call of the same thread within a call, of a callback or of a signal handler, is counted. False: another thread is inside. */
static bool begin(struct tarn__guard *guard)
{
    uint32_t me = tarn__host_thread(), nobody = 0;
    if (__atomic_compare_exchange_n(&guard->word[0], &nobody, me, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return true;
    if (nobody == me)
        guard->word[1]++;
    return nobody == me;
}

/* The call has begun already, and comes back from outside. */
static void come(void *guard) { begin(guard); }

static void leave(void *context)
{
    struct tarn__guard *guard = context;
    if (__atomic_load_n(&guard->word[0], __ATOMIC_RELAXED) != tarn__host_thread())
        return;
    if (guard->word[1])
        guard->word[1]--;
    else
        __atomic_store_n(&guard->word[0], 0, __ATOMIC_RELAXED);
}

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
        return begin(guard) ? 0 : TARN_POOL_RACE;
    guard->lock.acquire(guard->lock.context);
    return 0;
}
