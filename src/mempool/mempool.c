/*
 * Reserves (tarn/mempool.h): a stack of elements kept back, and a queue of those who wait for them.
 *
 * (After Ingo Molnar's mempool of the Linux kernel, 2001. Other than there, an element goes to the first waiter it suffices
 * for, who finds it in its slot when it wakes: nobody overtakes, and no herd wakes for one element.)
 *
 *     elements   [ e0 | e1 | … | e(curr_nr - 1) |  room up to min_nr  |  room up to capacity ]
 *     waiters    W1 (needs 1) -> W2 (needs 3) -> …   on the stacks of those who wait, by order of arrival
 *
 * Invariants, whenever the lock is free:
 *   - 0 <= curr_nr <= capacity and 1 <= min_nr <= capacity. curr_nr > min_nr only between a resize and its end.
 *   - Each waiter needs more than curr_nr: nobody waits while there is enough for it.
 *   - An element is in the reserve, or in one slot, or with the allocator below.
 *
 * Progress: whoever took from the reserve sees, when it frees, that the reserve is short, unless others have filled it since
 * (the fences in `leave` and `tarn__mempool_is_short`); so as many frees refill as there were elements taken, and each serves the
 * queue. A waiter takes its place under the lock under which it found too little, so no element comes between. test/spin has
 * this as a model, test/litmus the fences.
 *
 * Locks: the registry of pools, then those of pools; neither is held while another is taken (but by the fork hooks), nor in a
 * call of the allocator below. Two things that are not tarn's are touched under a pool's lock: the slots of a request, which it
 * has written to before, and the bytes of poisoned elements, which are the reserve's as long as they are in it.
 *
 * Wrong if: a thread sleeps though the reserve has what it needs, or a program stands still in which everyone frees what it
 * holds.
 */
#include "mempool/mempool.h"

#include "base/atomic.h"
#include "base/fail.h"
#include "base/inject.h"
#include "base/warn.h"
#include "mempool/reserve.h"
#include "os/records.h"
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum {
    LONGEST = 5000, /* milliseconds of one sleep */
    BATCH = 16,     /* elements that are given to the reserve under one taking of the lock */
};

/*
 * One who waits, on its own stack; in a pool's queue until it is served or gives up. Guarded by the pool's lock, but for
 * `served`.
 */
struct waiter {
    struct tarn__list link;
    void **slots; /* the empty ones are to be filled */
    unsigned count;
    int need;         /* how many are empty */
    uint64_t arrival; /* its place; it keeps that when it queues again after a sleep */
    uint32_t forks;   /* the queue's, when it took its place */
    _Atomic uint32_t served;
};

static void fill_slots(struct tarn_mempool *pool, void **slots, unsigned count, struct tarn__reserve_finding *found)
{
    for (unsigned i = 0; i < count; i++)
        if (!slots[i])
            slots[i] = tarn__reserve_remove(pool, found);
}

/* Waiting */

/* By order of arrival: behind all who came before, most often at the end. */
static void enqueue(struct tarn_mempool *pool, struct waiter *waiter)
{
    struct tarn__list *before = tarn__mempool_queue(pool)->prev;
    while (before != tarn__mempool_queue(pool) && TARN__CONTAINER(before, struct waiter, link)->arrival > waiter->arrival)
        before = before->prev;
    tarn__list_insert_between(&waiter->link, before, before->next);
}

/*
 * Serves the first waiter that there is enough for, if any, and returns its word, to be woken once the lock is free. Each needs
 * more than there was before an element came, so that one uses up all there is; one element serves one waiter at most.
 */
static _Atomic uint32_t *serve(struct tarn_mempool *pool, struct tarn__reserve_finding *found)
{
    struct tarn__list *queue = tarn__mempool_queue(pool);
    for (struct tarn__list *item = queue->next; item != queue; item = item->next) {
        struct waiter *waiter = TARN__CONTAINER(item, struct waiter, link);
        if (waiter->need <= pool->curr_nr) {
            tarn__list_remove(item);
            fill_slots(pool, waiter->slots, waiter->count, found);
            atomic_store_explicit(&waiter->served, 1, memory_order_release); /* pairs with the load in `was_served` */
            return &waiter->served;
        }
    }
    return NULL;
}

static bool was_served(const struct waiter *waiter)
{
    return atomic_load_explicit(&waiter->served, memory_order_acquire) != 0; /* pairs with the store in `serve` */
}

/*
 * Sleeps in the queue until it is served, or for five seconds. Other ends of a sleep (signals) do not count. In the child of a
 * fork that a signal handler made meanwhile the queue is another one, in which it has no place.
 */
static bool sleep_in_queue(struct tarn_mempool *pool, struct waiter *waiter)
{
    uint64_t begin = tarn__os_now(), now = begin;
    while (!was_served(waiter) && waiter->forks == tarn__mempool_forks_now() && now - begin < LONGEST) {
        tarn__os_wait_for(&waiter->served, 0, (uint32_t)(LONGEST - (now - begin)));
        now = tarn__os_now();
    }
    if (was_served(waiter))
        return true;
    tarn__mempool_lock(pool);
    bool served = was_served(waiter);
    if (!served && waiter->forks == pool->forks)
        tarn__list_remove(&waiter->link);
    tarn__mempool_unlock(pool);
    return served;
}

/*
 * Fills the waiter's slots from the reserve: all that is missing, or nothing. Where that does not suffice, and it may sleep, it
 * sleeps once: having taken its place before the lock was let go, it misses nothing that comes afterwards.
 */
static bool take(struct tarn_mempool *pool, struct waiter *waiter, bool may_sleep)
{
    struct tarn__reserve_finding found = {0};
    tarn__mempool_lock(pool);
    bool enough = pool->curr_nr >= waiter->need;
    if (enough) {
        fill_slots(pool, waiter->slots, waiter->count, &found);
    } else if (may_sleep) {
        waiter->forks = pool->forks;
        if (!waiter->arrival)
            waiter->arrival = ++pool->arrivals;
        enqueue(pool, waiter);
    }
    tarn__mempool_unlock(pool);
    tarn__reserve_tell(&found);
    return enough || (may_sleep && sleep_in_queue(pool, waiter));
}

/* Allocating */

void *tarn__mempool_ask(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    return tarn__inject(TARN_FAIL_MEMPOOL, flags, 0, pool) ? NULL : pool->alloc(flags, pool->pool_data);
}

/* Fills empty slots from below up to the first failure. Returns how many are empty still. */
static unsigned fill_from_below(struct tarn_mempool *pool, void **slots, unsigned count, tarn_gfp_t flags)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!slots[i] && missing == 0)
            slots[i] = tarn__mempool_ask(pool, flags);
        missing += !slots[i];
    }
    return missing;
}

/*
 * An element leaves the reserve, by whichever way. Its new owner may hand it to another thread by a relaxed store. This fence
 * goes before that store, the one in `tarn__mempool_is_short` after the load that saw it; so that load's thread sees curr_nr as it
 * was after this element left, or later.
 */
static void leave(void) { atomic_thread_fence(memory_order_release); }

#define ADDED_FLAGS (TARN_GFP_NOMEMALLOC | TARN_GFP_NORETRY | TARN_GFP_NOWARN)

static inline tarn_gfp_t without_sleep(tarn_gfp_t flags)
{
    return (flags | ADDED_FLAGS) & ~(TARN_GFP_DIRECT_RECLAIM | TARN_GFP_IO);
}

/*
 * The order of attempts: below without sleeping (the caller has done that, and found `missing` slots to be empty still), the reserve,
 * below with all flags, the reserve, and then to wait, and again.
 */
static TARN__NOINLINE int fill(struct tarn_mempool *pool, void **slots, unsigned count, unsigned missing, tarn_gfp_t flags)
{
    tarn_gfp_t asked = without_sleep(flags);
    struct waiter waiter = {.slots = slots, .count = count};
    flags |= ADDED_FLAGS;
    for (;; missing = fill_from_below(pool, slots, count, asked)) {
        if (missing == 0)
            return 0;
        waiter.need = missing <= INT_MAX ? (int)missing : INT_MAX;
        if (take(pool, &waiter, asked & TARN_GFP_DIRECT_RECLAIM)) {
            leave();
            return 0;
        }
        if (asked == flags && !(flags & TARN_GFP_DIRECT_RECLAIM))
            return -ENOMEM;
        asked = flags;
    }
}

TARN__COLD bool tarn__mempool_refuses(tarn_gfp_t flags)
{
    if (flags & TARN_GFP_ZERO)
        tarn__warn("mempool: elements of a reserve are not zero: TARN_GFP_ZERO is refused");
    return flags & TARN_GFP_ZERO;
}

static TARN__NOINLINE void *alloc_patiently(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    void *element = NULL;
    fill(pool, &element, 1, 1, flags);
    return element;
}

void *tarn__mempool_alloc(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    if (TARN__UNLIKELY(flags & TARN_GFP_ZERO) && tarn__mempool_refuses(flags))
        return NULL;
    void *element = tarn__mempool_ask(pool, without_sleep(flags));
    return TARN__LIKELY(element != NULL) ? element : alloc_patiently(pool, flags);
}

void *tarn_mempool_alloc(struct tarn_mempool *pool, tarn_gfp_t flags) { return pool->quick_alloc(pool, flags); }

void *tarn_mempool_alloc_preallocated(struct tarn_mempool *pool)
{
    void *element = NULL;
    struct waiter waiter = {.slots = &element, .count = 1, .need = 1};
    if (tarn__mempool_has_ended(pool, "tarn_mempool_alloc_preallocated"))
        return NULL;
    take(pool, &waiter, false);
    leave();
    if (TARN__UNLIKELY(pool->flags & TARN__MEMPOOL_KNOWN))
        tarn__mempool_note(pool, element);
    return element;
}

int tarn_mempool_alloc_bulk(struct tarn_mempool *pool, void **elements, unsigned count, unsigned allocated, tarn_gfp_t flags)
{
    (void)allocated; /* the slots themselves tell */
    if (tarn__mempool_has_ended(pool, "tarn_mempool_alloc_bulk"))
        return -EINVAL;
    if (TARN__UNLIKELY(flags & TARN_GFP_ZERO) && tarn__mempool_refuses(flags))
        return -EINVAL;
    if (TARN__UNLIKELY(count > (unsigned)tarn__mempool_read(&pool->min_nr)))
        tarn__warn("mempool: a request for %u elements from a reserve of %d", count, tarn__mempool_read(&pool->min_nr));
    int error = fill(pool, elements, count, fill_from_below(pool, elements, count, without_sleep(flags)), flags);
    for (unsigned i = 0; TARN__UNLIKELY(pool->flags & TARN__MEMPOOL_KNOWN) && i < count; i++)
        tarn__mempool_note(pool, elements[i]);
    return error;
}

/* Freeing */

/*
 * Gives up to BATCH elements to the reserve, as long as that is short, and to those who wait. Returns how many, from the first
 * on; one that is found to be free already is the last of them, and stays out.
 */
unsigned tarn__mempool_give(struct tarn_mempool *pool, void **elements, unsigned count)
{
    _Atomic uint32_t *wake[BATCH];
    unsigned given = 0, served = 0;
    const void *twice = NULL;
    struct tarn__reserve_finding found = {0};
    if (TARN__LIKELY(!tarn__mempool_is_short(pool)))
        return 0;
    if (count > BATCH)
        count = BATCH;
    if (TARN__UNLIKELY(pool->flags & TARN__MEMPOOL_POISON))
        for (unsigned i = 0; i < count; i++)
            tarn__reserve_poison(pool, elements[i]);
    tarn__mempool_lock(pool);
    for (; given < count && pool->curr_nr < pool->min_nr && !twice; given++)
        if (!tarn__reserve_add(pool, elements[given]))
            twice = elements[given];
    while (served < given && (wake[served] = serve(pool, &found)))
        served++;
    tarn__mempool_unlock(pool);
    for (unsigned i = 0; i < served; i++)
        tarn__os_wake(wake[i]);
    if (TARN__UNLIKELY(twice != NULL))
        tarn__report(TARN__DOUBLE_FREE, "tarn_mempool_free", twice, NULL);
    tarn__reserve_tell(&found);
    return given;
}

static TARN__NOINLINE void refill(void *element, struct tarn_mempool *pool)
{
    if (element && !tarn__mempool_give(pool, &element, 1))
        pool->free(element, pool->pool_data);
}

void tarn__mempool_free(void *element, struct tarn_mempool *pool)
{
    if (TARN__UNLIKELY(!element || tarn__mempool_is_short(pool)))
        refill(element, pool);
    else
        pool->free(element, pool->pool_data);
}

void tarn_mempool_free(void *element, struct tarn_mempool *pool) { pool->quick_free(element, pool); }

unsigned tarn_mempool_free_bulk(struct tarn_mempool *pool, void **elements, unsigned count)
{
    unsigned done = 0, run, given;
    if (tarn__mempool_has_ended(pool, "tarn_mempool_free_bulk"))
        return 0;
    for (unsigned i = 0; TARN__UNLIKELY(pool->flags & TARN__MEMPOOL_KNOWN) && i < count; i++) /* the rest is freed below */
        tarn__record_free(pool, elements[i], TARN__RECORD_FREED, 0);
    do {
        while (done < count && !elements[done])
            done++;
        for (run = 0; run < BATCH && done + run < count && elements[done + run];)
            run++;
        given = run ? tarn__mempool_give(pool, elements + done, run) : 0;
        memset(elements + done, 0, given * sizeof *elements);
        done += given;
    } while (given);
    return done;
}

void tarn__mempool_check(struct tarn_mempool *pool)
{
    uint64_t last = 0;
    tarn__mempool_lock(pool);
    TARN__ASSERT(pool->min_nr >= 1 && (uint32_t)pool->min_nr <= pool->capacity,
                 "a reserve has room for min_nr elements, at least 1");
    TARN__ASSERT(pool->curr_nr >= 0 && (uint32_t)pool->curr_nr <= pool->capacity,
                 "a reserve holds as many elements as it has room for");
    for (int i = 0; i < pool->curr_nr; i++)
        TARN__ASSERT(pool->elements[i], "what is in a reserve is an element");
    for (struct tarn__list *item = tarn__mempool_queue(pool)->next; item != tarn__mempool_queue(pool); item = item->next) {
        struct waiter *waiter = TARN__CONTAINER(item, struct waiter, link);
        TARN__ASSERT(waiter->need > pool->curr_nr, "nobody waits while there is enough for it");
        TARN__ASSERT(waiter->arrival > last, "who came first is first in the queue");
        TARN__ASSERT(!was_served(waiter), "who is served waits no more");
        last = waiter->arrival;
    }
    tarn__mempool_unlock(pool);
}
