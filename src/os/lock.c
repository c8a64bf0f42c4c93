/* The slow halves of the lock in lock.h. */
#include "os/lock.h"

#include "base/fail.h"
#include "os/os.h"

enum { SPINS = 100 };

TARN__TLS bool tarn__forking;

void tarn__lock_init(struct tarn__lock *lock, enum tarn__rank rank)
{
    atomic_init(&lock->word, 0);
    lock->rank = (uint16_t)rank;
    lock->depth = 0;
}

#ifdef TARN_DEBUG_BUILD
TARN__TLS uint32_t tarn__ranks_held;
void (*tarn__lock_taken)(const struct tarn__lock *lock);

void tarn__lock_note(const struct tarn__lock *lock)
{
    if (tarn__forking)
        return;
    TARN__ASSERT(tarn__ranks_held >> lock->rank == 0, "a lock is taken only under locks of lower rank");
}

void tarn__locked_note(const struct tarn__lock *lock)
{
    tarn__ranks_held |= tarn__forking ? 0 : 1u << lock->rank;
    if (tarn__lock_taken)
        tarn__lock_taken(lock);
}

void tarn__unlock_note(const struct tarn__lock *lock)
{
    if (tarn__forking)
        return;
    TARN__ASSERT(tarn__lock_is_mine(lock), "a thread lets go only of locks that it holds");
    tarn__ranks_held &= ~(1u << lock->rank);
}
#endif

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

static bool try_take(struct tarn__lock *lock, uint32_t word)
{
    uint32_t was = 0;
    return atomic_compare_exchange_weak_explicit(&lock->word, &was, word, memory_order_acquire, memory_order_relaxed);
}

/* Whoever has slept takes the lock as waited for: others may still sleep, and the one wake-up it may owe them is cheap. */
void tarn__lock_slow(struct tarn__lock *lock, uint32_t mine)
{
    if (tarn__lock_is_mine(lock)) {
        TARN__ASSERT(tarn__forking, "a thread takes a lock that it holds only between the fork hooks");
        lock->depth++;
        return;
    }
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 && try_take(lock, mine))
            return;
        pause_cpu();
    }
    while (!try_take(lock, mine | 1)) {
        uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
        if (word == 0)
            continue;
        if (!(word & 1) &&
            !atomic_compare_exchange_weak_explicit(&lock->word, &word, word | 1, memory_order_relaxed, memory_order_relaxed))
            continue;
        tarn__os_wait(&lock->word, word | 1);
    }
}

void tarn__unlock_slow(struct tarn__lock *lock) { tarn__os_wake(&lock->word); }

void tarn__lock_for_fork(struct tarn__lock *lock)
{
    if (tarn__lock_is_mine(lock))
        lock->depth++;
    else
        tarn__lock(lock);
}

void tarn__unlock_after_fork(struct tarn__lock *lock) { tarn__unlock(lock); }
