/*
 * The stack of elements that a pool keeps back, its lock, and its poison: what mempool.c and make.c share.
 *
 * The members of struct tarn_mempool are public only in that they lie in users' memory. Here is what they are.
 */
#ifndef TARN_MEMPOOL_RESERVE_H
#define TARN_MEMPOOL_RESERVE_H

#include "base/list.h"
#include "os/lock.h"
#include "tarn/mempool.h"

enum tarn__mempool_flags {
    TARN__MEMPOOL_OURS = 1,   /* the struct is tarn's, in a page whose rest is the first array */
    TARN__MEMPOOL_POISON = 2, /* elements in the reserve are poisoned */
    TARN__MEMPOOL_ENDED = 4,  /* tarn_mempool_exit was called */
    TARN__MEMPOOL_KNOWN = 8,  /* with letters: its elements in use are known by address (os/records.h) */
};

_Static_assert(sizeof(struct tarn__lock) <= sizeof(uint64_t), "a lock fits its place in tarn_mempool");
_Static_assert(sizeof(struct tarn__list) == sizeof(void *[2]), "a link fits its place in tarn_mempool");

static inline struct tarn__lock *tarn__mempool_lock_of(struct tarn_mempool *pool) { return (struct tarn__lock *)&pool->lock; }

static inline struct tarn__list *tarn__mempool_queue(struct tarn_mempool *pool) { return (struct tarn__list *)pool->waiters; }

/*
 * How many forks lie between the first process and this one. A queue that has another number holds waiters that do not exist
 * here; whoever locks the pool next begins a new one.
 */
extern _Atomic uint32_t tarn__mempool_forks;
static inline uint32_t tarn__mempool_forks_now(void)
{
    return atomic_load_explicit(&tarn__mempool_forks, memory_order_relaxed);
}

void tarn__mempool_lock(struct tarn_mempool *pool);
void tarn__mempool_unlock(struct tarn_mempool *pool);

/*
 * With letters: an element goes to its user, and comes back. False: it is free already, which was reported; of a pool whose allocator below is known that is left to that
 * one, which knows better.
 */
void tarn__mempool_note(struct tarn_mempool *pool, void *element);
bool tarn__mempool_note_free(struct tarn_mempool *pool, void *element);

/* Whether the pool has ended, which was reported. */
bool tarn__mempool_has_ended(const struct tarn_mempool *pool, const char *where);

/*
 * min_nr, curr_nr and `missing`, which is their difference whenever the lock is free, are changed under the lock only, and read without
 * it: so never by plain accesses.
 */
static inline int tarn__mempool_read(const int *nr) { return __atomic_load_n(nr, __ATOMIC_RELAXED); }
static inline void tarn__mempool_write(int *nr, int value) { __atomic_store_n(nr, value, __ATOMIC_RELAXED); }

/*
 * Whether the reserve is short, read without the lock. That must not be missed when the elements in use and those in the reserve are
 * min_nr together, for then nobody else might come to refill. It is not: whoever took one from the reserve left a difference behind,
 * and this fence, with the one in `leave` (mempool.c), lets this thread see that one or a later one, however the
 * element came here. A later one that is 0 means that others have refilled.
 */
static inline bool tarn__mempool_is_short(const struct tarn_mempool *pool)
{
    atomic_thread_fence(memory_order_acquire); /* pairs with the fence in `leave` */
    return tarn__mempool_read(&pool->missing) > 0;
}

/* An element whose poison was overwritten: the first, to be told once the lock is free. */
struct tarn__reserve_finding {
    const void *element, *bad; /* `bad` NULL: none */
    size_t size;
    uint16_t expected;
};

/*
 * With the lock held, and room, or elements, there. An element that is poisoned was so before, outside of the lock. False: it is free already, and
 * nothing was changed. That is certain for elements of caches; of others, while there are few.
 */
bool tarn__reserve_add(struct tarn_mempool *pool, void *element);
void *tarn__reserve_remove(struct tarn_mempool *pool, struct tarn__reserve_finding *found);

void tarn__reserve_tell(const struct tarn__reserve_finding *found);

/* Where a tool watches, nobody may use what is in the reserve. It is opened while its bytes, or how many they are, change; no lock is taken. */
void tarn__reserve_open(const struct tarn_mempool *pool);
void tarn__reserve_shut(const struct tarn_mempool *pool);

void tarn__reserve_poison(const struct tarn_mempool *pool, void *element);

#endif
