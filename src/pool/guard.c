/*
 * Who is in a pool. (Locks: host.c.)
 *
 * A pool with TARN_POOL_CHECK and without lock has one that waits for nobody: `come` and `leave`, which write down the thread that is inside. A call that
 * finds another one there does not begin. A pool that has ended has `gone`. So pools without checks have no instruction for this.
 *
 * Such a guard also seals the words behind it that it covers, when its thread goes, and verifies them when one comes: whatever was written there between
 * calls, the next one ends before it believes any of it.
 */
#include "pool/bytes.h"
#include "pool/host.h"

/* Of a pool without lock its own address: tarn__guard_enter has nothing to do then. */
static uintptr_t seal_of(const struct tarn__guard *guard)
{
    const uintptr_t *words = (const uintptr_t *)(const void *)&guard->lock;
    return guard->lock.acquire ? tarn__words_mix(words, offsetof(struct tarn__guard, seal) / sizeof *words) : (uintptr_t)guard;
}

static uintptr_t sum_of(const struct tarn__guard *guard)
{
    return tarn__words_mix((const uintptr_t *)(const void *)(guard + 1), guard->covered / sizeof(uintptr_t));
}

/* In place of the sum while a call is inside, and the words may be half changed. */
static uintptr_t inside(const struct tarn__guard *guard) { return ~(uintptr_t)guard; }

/* The call has begun already, and comes back from outside. */
static void come(void *context)
{
    struct tarn__guard *guard = context;
    tarn__guard_claim(guard);
    guard->sum = inside(guard);
}

static void leave(void *context)
{
    struct tarn__guard *guard = context;
    if (!guard->word[1])
        guard->sum = sum_of(guard);
    tarn__guard_unclaim(guard);
}

static void gone(void *guard) { (void)guard; }

void tarn__guard_arm(struct tarn__guard *guard, unsigned flags, const void *end)
{
    if (flags & TARN_POOL_CHECK && !guard->lock.acquire) {
        guard->lock = (struct tarn_pool_lock){come, leave, guard};
        guard->word[0] = guard->word[1] = 0;
        guard->covered = (size_t)((const char *)end - (const char *)(guard + 1));
        guard->sum = sum_of(guard);
    }
    guard->seal = seal_of(guard);
}

/* This thread comes in; or it is inside already, in a callback or in what a signal interrupted. */
static int begin(struct tarn__guard *guard)
{
    if (!tarn__guard_claim(guard))
        return TARN_POOL_RACE;
    if (guard->sum == sum_of(guard)) {
        guard->word[1] = 0; /* nobody was inside, whatever was written there */
    } else if (!guard->word[1] || guard->sum != inside(guard)) {
        tarn__guard_unclaim(guard);
        return TARN_POOL_CORRUPT;
    }
    guard->sum = inside(guard);
    return 0;
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
    if (TARN_POOL_CHECK && guard->lock.acquire == come)
        return begin(guard);
    guard->lock.acquire(guard->lock.context);
    return 0;
}
