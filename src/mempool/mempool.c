/*
 * Reserves (tarn/mempool.h): a stack of elements kept back, and a queue of those who wait for them.
 *
 * (After Ingo Molnar's mempool of the Linux kernel, 2001. Other than there, an element goes to the first waiter it suffices for, who finds it
 * in its slot when it wakes: nobody overtakes, and no herd wakes for one element.)
 *
 *     elements   [ e0 | e1 | … | e(curr_nr - 1) |  room up to min_nr  |  room up to capacity ]
 *     waiters    W1 (needs 1) -> W2 (needs 3) -> …   on the stacks of those who wait, by order of arrival
 *
 * Invariants, whenever the lock is free:
 *   - 0 <= curr_nr <= capacity and 1 <= min_nr <= capacity. curr_nr > min_nr only between a resize and its end.
 *   - Each waiter needs more than curr_nr: nobody waits while there is enough for it.
 *   - An element is in the reserve, or in one slot, or with the allocator below.
 *
 * Progress: whoever took from the reserve sees, when it frees, that the reserve is short, unless others have filled it since (the fences in
 * `leave` and `refill`); so as many frees refill as there were elements taken, and each serves the queue. A waiter takes its place under the lock
 * under which it found too little, so no element comes between. test/spin has this as a model, test/litmus the fences.
 *
 * Locks: the registry of pools, then those of pools; neither is held while another is taken (but by the fork hooks), nor in a call of the
 * allocator below. Two things that are not tarn's are touched under a pool's lock: the slots of a request, which it has written to before, and
 * the bytes of poisoned elements, which are the reserve's as long as they are in it.
 *
 * Wrong if: a thread sleeps though the reserve has what it needs, or a program stands still in which everyone frees what it holds.
 */
#include "mempool/mempool.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/fail.h"
#include "base/inject.h"
#include "base/list.h"
#include "base/warn.h"
#include "os/lock.h"
#include "os/os.h"
#include "tarn/source.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum {
    OURS = 1,       /* the struct is tarn's, in a page whose rest is the first array */
    POISON = 2,     /* elements in the reserve are poisoned */
    LONGEST = 5000, /* milliseconds of one sleep */
    BATCH = 16,     /* elements that are given to the reserve under one taking of the lock */
    PAGE = 4096,
};

#ifdef TARN_DEBUG_BUILD
enum { POISON_KNOWN = POISON };
#else
enum { POISON_KNOWN = 0 }; /* of pools whose elements' size their back end tells */
#endif

enum { POISON_FREE = 0x6b, POISON_END = 0xa5, POISON_IN_USE = 0x5a };

/* One who waits, on its own stack; in a pool's queue until it is served or gives up. Guarded by the pool's lock, but for `served`. */
struct waiter {
    struct tarn__list link;
    void **slots; /* the empty ones are to be filled */
    unsigned count;
    int need;         /* how many are empty */
    uint64_t arrival; /* its place; it keeps that when it queues again after a sleep */
    uint32_t forks;   /* the queue's, when it took its place */
    _Atomic uint32_t served;
};

const struct tarn__mempool_backend *tarn__mempool_backends;

static struct tarn__lock registry_lock = TARN__LOCK_INIT(TARN__RANK_MEMPOOLS);

/* All pools, guarded by registry_lock; linked forward so that it can be followed between any two instructions of a change. */
static struct tarn__list *first_pool;

/* How many forks lie between the first process and this one. A queue with another number holds waiters that do not exist here. */
static _Atomic uint32_t forks;

_Static_assert(sizeof(struct tarn__lock) <= sizeof(uint64_t), "a lock fits its place in tarn_mempool");
_Static_assert(sizeof(struct tarn__list) == sizeof(void *[2]), "a link fits its place in tarn_mempool");

static struct tarn__lock *lock_of(struct tarn_mempool *pool) { return (struct tarn__lock *)&pool->lock; }

static struct tarn__list *queue_of(struct tarn_mempool *pool) { return (struct tarn__list *)pool->waiters; }

static struct tarn__list *link_of(struct tarn_mempool *pool) { return (struct tarn__list *)pool->pools; }

static uint32_t forks_now(void) { return atomic_load_explicit(&forks, memory_order_relaxed); }

static void lock_pool(struct tarn_mempool *pool)
{
    tarn__lock(lock_of(pool));
    if (TARN__UNLIKELY(pool->forks != forks_now())) {
        tarn__list_init(queue_of(pool));
        pool->forks = forks_now();
    }
}

static void unlock_pool(struct tarn_mempool *pool) { tarn__unlock(lock_of(pool)); }

/* Both are changed under the lock only, and read without it, so never by plain accesses. */
static int read_nr(const int *nr) { return __atomic_load_n(nr, __ATOMIC_RELAXED); }

static void write_nr(int *nr, int value) { __atomic_store_n(nr, value, __ATOMIC_RELAXED); }

/* At a moment. `refill` says when it may be relied on. */
static bool is_short(const struct tarn_mempool *pool) { return read_nr(&pool->curr_nr) < read_nr(&pool->min_nr); }

/* Poison */

static unsigned char *memory_of(const struct tarn_mempool *pool, void *element)
{
    return pool->memory ? pool->memory(element) : element;
}

static void poison(const struct tarn_mempool *pool, void *element)
{
    unsigned char *bytes = memory_of(pool, element);
    memset(bytes, POISON_FREE, pool->element_size - 1);
    bytes[pool->element_size - 1] = POISON_END;
}

static void verify_poison(const struct tarn_mempool *pool, void *element)
{
    unsigned char *bytes = memory_of(pool, element);
    for (size_t i = 0; i < pool->element_size; i++)
        if (TARN__UNLIKELY(bytes[i] != (i + 1 < pool->element_size ? POISON_FREE : POISON_END)))
            tarn__fail(TARN__POISONED, "tarn_mempool_alloc", element);
    memset(bytes, POISON_IN_USE, pool->element_size);
}

static void verify_is_new(const struct tarn_mempool *pool, const void *element)
{
    for (int i = 0; i < pool->curr_nr; i++)
        if (TARN__UNLIKELY(pool->elements[i] == element))
            tarn__fail(TARN__DOUBLE_FREE, "tarn_mempool_free", element);
}

/* The stack of elements, under the lock. */

static void add_element(struct tarn_mempool *pool, void *element)
{
    if (TARN__UNLIKELY(pool->flags & POISON))
        verify_is_new(pool, element);
    pool->elements[pool->curr_nr] = element;
    write_nr(&pool->curr_nr, pool->curr_nr + 1);
}

static void *remove_element(struct tarn_mempool *pool)
{
    write_nr(&pool->curr_nr, pool->curr_nr - 1);
    void *element = pool->elements[pool->curr_nr];
    if (TARN__UNLIKELY(pool->flags & POISON))
        verify_poison(pool, element);
    return element;
}

static void fill_slots(struct tarn_mempool *pool, void **slots, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!slots[i])
            slots[i] = remove_element(pool);
}

/* Waiting */

/* By order of arrival: behind all who came before, most often at the end. */
static void enqueue(struct tarn_mempool *pool, struct waiter *waiter)
{
    struct tarn__list *before = queue_of(pool)->prev;
    while (before != queue_of(pool) && TARN__CONTAINER(before, struct waiter, link)->arrival > waiter->arrival)
        before = before->prev;
    tarn__list_insert_between(&waiter->link, before, before->next);
}

/*
 * Serves the first waiter that there is enough for, if any, and returns its word, to be woken once the lock is free. Each needs more than
 * there was before an element came, so that one uses up all there is; one element serves one waiter at most.
 */
static _Atomic uint32_t *serve(struct tarn_mempool *pool)
{
    struct tarn__list *queue = queue_of(pool);
    for (struct tarn__list *item = queue->next; item != queue; item = item->next) {
        struct waiter *waiter = TARN__CONTAINER(item, struct waiter, link);
        if (waiter->need <= pool->curr_nr) {
            tarn__list_remove(item);
            fill_slots(pool, waiter->slots, waiter->count);
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
 * Sleeps in the queue until it is served, or for five seconds. Other ends of a sleep (signals) do not count. In the child of a fork that a
 * signal handler made meanwhile the queue is another one, in which it has no place.
 */
static bool sleep_in_queue(struct tarn_mempool *pool, struct waiter *waiter)
{
    uint64_t begin = tarn__os_now(), now = begin;
    while (!was_served(waiter) && waiter->forks == forks_now() && now - begin < LONGEST) {
        tarn__os_wait_for(&waiter->served, 0, (uint32_t)(LONGEST - (now - begin)));
        now = tarn__os_now();
    }
    if (was_served(waiter))
        return true;
    lock_pool(pool);
    bool served = was_served(waiter);
    if (!served && waiter->forks == pool->forks)
        tarn__list_remove(&waiter->link);
    unlock_pool(pool);
    return served;
}

/*
 * Fills the waiter's slots from the reserve: all that is missing, or nothing. Where that does not suffice, and it may sleep, it sleeps
 * once: having taken its place before the lock was let go, it misses nothing that comes afterwards.
 */
static bool take(struct tarn_mempool *pool, struct waiter *waiter, bool may_sleep)
{
    lock_pool(pool);
    bool enough = pool->curr_nr >= waiter->need;
    if (enough) {
        fill_slots(pool, waiter->slots, waiter->count);
    } else if (may_sleep) {
        waiter->forks = pool->forks;
        if (!waiter->arrival)
            waiter->arrival = ++pool->arrivals;
        enqueue(pool, waiter);
    }
    unlock_pool(pool);
    return enough || (may_sleep && sleep_in_queue(pool, waiter));
}

/* Allocating */

static void *ask_below(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    return tarn__inject(TARN_FAIL_MEMPOOL, flags, 0, pool) ? NULL : pool->alloc(flags, pool->pool_data);
}

/* Fills empty slots from below up to the first failure. Returns how many are empty still. */
static unsigned fill_from_below(struct tarn_mempool *pool, void **slots, unsigned count, tarn_gfp_t flags)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!slots[i] && missing == 0)
            slots[i] = ask_below(pool, flags);
        missing += !slots[i];
    }
    return missing;
}

/*
 * An element leaves the reserve, by whichever way. Its new owner may hand it to another thread by a relaxed store. This fence goes before that
 * store, the one in `refill` after the load that saw it; so that load's thread sees curr_nr as it was after this element left, or later.
 */
static void leave(void) { atomic_thread_fence(memory_order_release); }

/* The order of attempts: below without sleeping, the reserve, below with all flags, the reserve, and then to wait, and again. */
static int fill(struct tarn_mempool *pool, void **slots, unsigned count, tarn_gfp_t flags)
{
    flags |= TARN_GFP_NOMEMALLOC | TARN_GFP_NORETRY | TARN_GFP_NOWARN;
    tarn_gfp_t asked = flags & ~(TARN_GFP_DIRECT_RECLAIM | TARN_GFP_IO);
    struct waiter waiter = {.slots = slots, .count = count};
    for (;;) {
        unsigned missing = fill_from_below(pool, slots, count, asked);
        if (TARN__LIKELY(missing == 0))
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

static TARN__COLD bool is_misuse(tarn_gfp_t flags)
{
    if (flags & TARN_GFP_ZERO)
        tarn__warn("mempool: elements of a reserve are not zero: TARN_GFP_ZERO is refused");
    return flags & TARN_GFP_ZERO;
}

void *tarn_mempool_alloc(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    void *element = NULL;
    if (TARN__UNLIKELY(flags & TARN_GFP_ZERO) && is_misuse(flags))
        return NULL;
    fill(pool, &element, 1, flags);
    return element;
}

void *tarn_mempool_alloc_preallocated(struct tarn_mempool *pool)
{
    void *element = NULL;
    struct waiter waiter = {.slots = &element, .count = 1, .need = 1};
    take(pool, &waiter, false);
    leave();
    return element;
}

int tarn_mempool_alloc_bulk(struct tarn_mempool *pool, void **elements, unsigned count, unsigned allocated, tarn_gfp_t flags)
{
    (void)allocated; /* the slots themselves tell */
    if (TARN__UNLIKELY(flags & TARN_GFP_ZERO) && is_misuse(flags))
        return -EINVAL;
    if (TARN__UNLIKELY(count > (unsigned)read_nr(&pool->min_nr)))
        tarn__warn("mempool: a request for %u elements from a reserve of %d", count, read_nr(&pool->min_nr));
    return fill(pool, elements, count, flags);
}

/* Freeing */

/*
 * Gives up to BATCH elements to the reserve, as long as that is short, and to those who wait. Returns how many, from the first on.
 *
 * Whether it is short is read without the lock. That must not be missed when the elements in use and those in the reserve are min_nr
 * together, for then nobody else might come to refill. It is not: whoever took one from the reserve had seen curr_nr below min_nr, and this
 * fence, with the one in `leave`, lets this thread see that count or a later one, however the element came here. A later count that is
 * min_nr means that others have refilled.
 */
static unsigned refill(struct tarn_mempool *pool, void **elements, unsigned count)
{
    _Atomic uint32_t *wake[BATCH];
    unsigned given = 0, served = 0;
    atomic_thread_fence(memory_order_acquire); /* pairs with the fence in `leave` */
    if (TARN__LIKELY(!is_short(pool)))
        return 0;
    if (count > BATCH)
        count = BATCH;
    if (TARN__UNLIKELY(pool->flags & POISON))
        for (unsigned i = 0; i < count; i++)
            poison(pool, elements[i]);
    lock_pool(pool);
    while (given < count && pool->curr_nr < pool->min_nr)
        add_element(pool, elements[given++]);
    while (served < given && (wake[served] = serve(pool)))
        served++;
    unlock_pool(pool);
    for (unsigned i = 0; i < served; i++)
        tarn__os_wake(wake[i]);
    return given;
}

void tarn_mempool_free(void *element, struct tarn_mempool *pool)
{
    if (TARN__LIKELY(element != NULL) && !refill(pool, &element, 1))
        pool->free(element, pool->pool_data);
}

unsigned tarn_mempool_free_bulk(struct tarn_mempool *pool, void **elements, unsigned count)
{
    unsigned done = 0, run, given;
    do {
        while (done < count && !elements[done])
            done++;
        for (run = 0; run < BATCH && done + run < count && elements[done + run];)
            run++;
        given = run ? refill(pool, elements + done, run) : 0;
        memset(elements + done, 0, given * sizeof *elements);
        done += given;
    } while (given);
    return done;
}

/* Pools as a whole: their arrays */

static size_t array_bytes(uint32_t capacity) { return tarn__align_up(capacity * sizeof(void *), PAGE); }

static bool has_own_array(struct tarn_mempool *pool) { return !(pool->flags & OURS) || pool->elements != (void **)(pool + 1); }

static void **acquire_array(uint32_t capacity)
{
    return tarn_source_acquire(tarn_source_system(), array_bytes(capacity), PAGE);
}

/* What the system will not take back for want of room for its own notes is at least empty. */
static void release_pages(void *p, size_t size)
{
    if (tarn_source_release(tarn_source_system(), p, size) != 0)
        tarn_source_purge(tarn_source_system(), p, size);
}

/* Changes the array for one of at least `wanted`, unless it is that long. Arrays never become shorter. */
static int make_room(struct tarn_mempool *pool, uint32_t wanted)
{
    lock_pool(pool);
    uint32_t capacity = pool->capacity;
    unlock_pool(pool);
    if (wanted <= capacity)
        return 0;
    void **array = acquire_array(wanted), **given_back = array;
    if (!array)
        return -ENOMEM;
    memset(array, 0, capacity * sizeof *array); /* no page fault of these under the lock */
    lock_pool(pool);
    capacity = pool->capacity;
    bool own = has_own_array(pool);
    if (wanted > capacity) {
        memcpy(array, pool->elements, (size_t)pool->curr_nr * sizeof *array);
        given_back = own ? pool->elements : NULL;
        __atomic_store_n(&pool->elements, array, __ATOMIC_RELAXED); /* tarn_mempool_initialized reads it */
        pool->capacity = (uint32_t)(array_bytes(wanted) / sizeof *array);
    } else {
        capacity = wanted; /* another resize was quicker */
    }
    unlock_pool(pool);
    if (given_back)
        release_pages(given_back, array_bytes(capacity));
    return 0;
}

/* The registry */

static void add_pool(struct tarn_mempool *pool)
{
    struct tarn__list *link = link_of(pool);
    tarn__lock(&registry_lock);
    link->next = first_pool;
    link->prev = NULL;
    if (link->next)
        link->next->prev = link;
    atomic_signal_fence(memory_order_seq_cst); /* for a fork in a signal handler: linked on before it is linked in */
    first_pool = link;
    tarn__unlock(&registry_lock);
}

static void remove_pool(struct tarn_mempool *pool)
{
    struct tarn__list *link = link_of(pool);
    tarn__lock(&registry_lock);
    if (link->prev)
        link->prev->next = link->next;
    else
        first_pool = link->next;
    if (link->next)
        link->next->prev = link->prev;
    tarn__unlock(&registry_lock);
}

static void each_pools_lock(void (*act)(struct tarn__lock *))
{
    for (struct tarn__list *link = first_pool; link; link = link->next)
        act(lock_of(TARN__CONTAINER(link, struct tarn_mempool, pools)));
}

void tarn__mempool_fork_prepare(void)
{
    tarn__lock_for_fork(&registry_lock);
    each_pools_lock(tarn__lock_for_fork);
}

void tarn__mempool_fork_parent(void)
{
    each_pools_lock(tarn__unlock_after_fork);
    tarn__unlock_after_fork(&registry_lock);
}

/* Other threads' waiters do not exist here, and their stacks may be used anew: no queue of before is followed any more. */
void tarn__mempool_fork_child(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
    tarn__mempool_fork_parent();
}

/* Making, changing and ending pools */

/* Asks below until the reserve is full. What comes goes to waiters first, as freed elements do. */
static int fill_reserve(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    while (is_short(pool)) {
        void *element = ask_below(pool, flags);
        if (!element)
            return -ENOMEM;
        if (!refill(pool, &element, 1))
            pool->free(element, pool->pool_data); /* others were quicker */
    }
    return 0;
}

/* Takes out what is more than `most`. */
static void trim_reserve(struct tarn_mempool *pool, const int *most)
{
    void *element;
    do {
        lock_pool(pool);
        element = pool->curr_nr > *most ? remove_element(pool) : NULL;
        unlock_pool(pool);
        if (element)
            pool->free(element, pool->pool_data);
    } while (element);
}

static const struct tarn__mempool_backend *backend_of(const struct tarn_mempool *pool)
{
    const struct tarn__mempool_backend *backend = tarn__mempool_backends;
    while (backend && backend->alloc && backend->alloc != pool->alloc)
        backend++;
    return backend && backend->alloc ? backend : NULL;
}

/* Finds out how large elements are. False: the allocator below cannot be used for a pool. */
static bool ask_backend(struct tarn_mempool *pool)
{
    const struct tarn__mempool_backend *backend = backend_of(pool);
    size_t size = backend ? backend->element_size(pool->pool_data) : 0;
    if (size == SIZE_MAX) {
        tarn__warn("mempool: a cache with a constructor cannot be under a mempool");
        return false;
    }
    pool->element_size = size;
    pool->memory = backend ? backend->memory : NULL;
    pool->flags |= size ? POISON_KNOWN : 0;
    return true;
}

/* The end of a pool in whatever state, as long as it has an array. */
static void dissolve(struct tarn_mempool *pool)
{
    static const int none = 0;
    trim_reserve(pool, &none);
    if (has_own_array(pool))
        release_pages(pool->elements, array_bytes(pool->capacity));
    pool->elements = NULL;
}

static int form(struct tarn_mempool *pool, int min_nr, void **elements, uint32_t capacity, tarn_gfp_t flags)
{
    tarn__lock_init(lock_of(pool), TARN__RANK_MEMPOOL);
    tarn__list_init(queue_of(pool));
    pool->forks = forks_now();
    pool->min_nr = min_nr;
    pool->capacity = capacity;
    pool->elements = elements;
    int error = fill_reserve(pool, flags);
    if (error)
        dissolve(pool);
    else
        add_pool(pool);
    return error;
}

/* All but the array, in zeroed memory. */
static bool describe(struct tarn_mempool *pool, int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free,
                     void *pool_data)
{
    pool->alloc = alloc;
    pool->free = free;
    pool->pool_data = pool_data;
    return min_nr >= 0 && alloc && free && ask_backend(pool);
}

int tarn_mempool_init(struct tarn_mempool *pool, int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free,
                      void *pool_data, tarn_gfp_t flags)
{
    memset(pool, 0, sizeof *pool);
    if (is_misuse(flags) || !describe(pool, min_nr, alloc, free, pool_data))
        return -EINVAL;
    min_nr += min_nr == 0;
    uint32_t capacity = (uint32_t)(array_bytes((uint32_t)min_nr) / sizeof(void *));
    void **elements = acquire_array(capacity);
    return elements ? form(pool, min_nr, elements, capacity, flags) : -ENOMEM;
}

void tarn_mempool_exit(struct tarn_mempool *pool)
{
    if (!pool->elements)
        return;
    remove_pool(pool);
    TARN__DEBUG_ASSERT(pool->forks != forks_now() || tarn__list_empty(queue_of(pool)),
                       "nobody waits for elements of a pool that ends");
    dissolve(pool);
}

struct tarn_mempool *tarn_mempool_create(int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free, void *pool_data)
{
    struct tarn_mempool *pool = tarn_source_acquire(tarn_source_system(), PAGE, PAGE);
    if (!pool)
        return NULL;
    uint32_t capacity = (PAGE - sizeof *pool) / sizeof(void *);
    void **elements = (void **)(pool + 1);
    pool->flags = OURS;
    if (describe(pool, min_nr, alloc, free, pool_data)) {
        min_nr += min_nr == 0;
        if ((uint32_t)min_nr > capacity) {
            capacity = (uint32_t)(array_bytes((uint32_t)min_nr) / sizeof(void *));
            elements = acquire_array(capacity);
        }
        if (elements && form(pool, min_nr, elements, capacity, TARN_GFP_KERNEL) == 0)
            return pool;
    }
    release_pages(pool, PAGE);
    return NULL;
}

void tarn_mempool_destroy(struct tarn_mempool *pool)
{
    if (!pool)
        return;
    if (!(pool->flags & OURS))
        tarn__fail(TARN__INVALID_FREE, "tarn_mempool_destroy", pool);
    tarn_mempool_exit(pool);
    release_pages(pool, PAGE);
}

int tarn_mempool_resize(struct tarn_mempool *pool, int min_nr)
{
    if (min_nr <= 0)
        return -EINVAL;
    int error = make_room(pool, (uint32_t)min_nr);
    if (error)
        return error;
    lock_pool(pool);
    write_nr(&pool->min_nr, min_nr);
    unlock_pool(pool);
    trim_reserve(pool, &pool->min_nr);
    fill_reserve(pool, TARN_GFP_KERNEL); /* as far as it goes; frees do the rest */
    return 0;
}

int tarn_mempool_poison(struct tarn_mempool *pool, size_t element_size)
{
    if (element_size)
        pool->element_size = element_size;
    if (!pool->element_size)
        return -EINVAL;
    for (int i = 0; i < pool->curr_nr; i++)
        poison(pool, pool->elements[i]);
    pool->flags |= POISON;
    return 0;
}

bool tarn_mempool_initialized(const struct tarn_mempool *pool)
{
    return __atomic_load_n(&pool->elements, __ATOMIC_RELAXED) != NULL; /* pairs with the store in `make_room` */
}

bool tarn_mempool_is_saturated(const struct tarn_mempool *pool) { return !is_short(pool); }

void tarn__mempool_check(struct tarn_mempool *pool)
{
    uint64_t last = 0;
    lock_pool(pool);
    TARN__ASSERT(pool->min_nr >= 1 && (uint32_t)pool->min_nr <= pool->capacity,
                 "a reserve has room for min_nr elements, at least 1");
    TARN__ASSERT(pool->curr_nr >= 0 && (uint32_t)pool->curr_nr <= pool->capacity,
                 "a reserve holds as many elements as it has room for");
    for (int i = 0; i < pool->curr_nr; i++)
        TARN__ASSERT(pool->elements[i], "what is in a reserve is an element");
    for (struct tarn__list *item = queue_of(pool)->next; item != queue_of(pool); item = item->next) {
        struct waiter *waiter = TARN__CONTAINER(item, struct waiter, link);
        TARN__ASSERT(waiter->need > pool->curr_nr, "nobody waits while there is enough for it");
        TARN__ASSERT(waiter->arrival > last, "who came first is first in the queue");
        TARN__ASSERT(!was_served(waiter), "who is served waits no more");
        last = waiter->arrival;
    }
    unlock_pool(pool);
}
