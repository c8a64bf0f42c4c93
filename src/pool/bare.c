/*
 * Pools on nothing: a lock that spins (or, where it cannot, masks interrupts), no memory but what they are given. In place of host.c.
 */
#include "pool/host.h"

static uint32_t race_word;

#if defined(__ARM_ARCH_6M__)

/* Cortex-M0 has no atomic exchange, and one processor: interrupts wait. The word keeps whether they did before. */
static void take(void *word)
{
    uint32_t masked;
    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(masked)::"memory");
    *(uint32_t *)word = masked;
}

static void drop(void *word) { __asm__ volatile("msr primask, %0" ::"r"(*(uint32_t *)word) : "memory"); }

#else

static void take(void *word)
{
    while (__atomic_exchange_n((uint32_t *)word, 1, __ATOMIC_ACQUIRE))
        ;
}

static void drop(void *word) { __atomic_store_n((uint32_t *)word, 0, __ATOMIC_RELEASE); }

#endif

void tarn__guard_init(struct tarn__guard *guard, const struct tarn_pool_lock *lock)
{
    guard->lock.acquire = NULL;
    guard->lock.release = NULL;
    guard->word[0] = guard->word[1] = 0;
    if (lock == TARN_POOL_LOCK_BUILTIN)
        guard->lock = (struct tarn_pool_lock){take, drop, guard->word};
    else if (lock)
        guard->lock = *lock;
}

void tarn__guard_leave(struct tarn__guard *guard) { (void)guard; }

bool tarn__guard_claim(struct tarn__guard *guard)
{
    guard->word[1] += guard->word[0];
    guard->word[0] = 1;
    return true;
}

void tarn__guard_unclaim(struct tarn__guard *guard)
{
    if (guard->word[1])
        guard->word[1]--;
    else
        guard->word[0] = 0;
}

void tarn__host_lock(void) { take(&race_word); }

void tarn__host_unlock(void) { drop(&race_word); }

struct tarn_source *tarn__host_source(void) { return NULL; }

const struct tarn_pool_fallback tarn__host_fallback;
