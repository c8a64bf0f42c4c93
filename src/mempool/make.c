/*
 * Pools from their beginning to their end: arrays, the registry for the fork hooks, changes of size.
 *
 * A pool's array of elements is whole pages of the system's source, so that a pool needs nothing of the floors that may stand
 * on it, or that it may stand on. A pool that tarn_mempool_create made lies in a page, whose rest is its first array.
 *
 * Locks: see mempool.c.
 */
#include "mempool/mempool.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/fail.h"
#include "base/modes.h"
#include "base/warn.h"
#include "mempool/reserve.h"
#include "os/records.h"
#include "tarn/source.h"

#include <errno.h>
#include <string.h>

enum { PAGE = 4096, ENDED_KEPT = 16 };

#ifdef TARN_DEBUG_BUILD
enum { POISON_KNOWN = TARN__MEMPOOL_POISON };
#else
enum { POISON_KNOWN = 0 }; /* of pools whose elements' size their back end tells */
#endif

const struct tarn__mempool_backend *tarn__mempool_backends;

static struct tarn__lock registry_lock = TARN__LOCK_INIT(TARN__RANK_MEMPOOLS);

/* All pools, guarded by registry_lock; linked forward so that it can be followed between any two instructions of a change. */
static struct tarn__list *first_pool;

/* Pools as a whole: their arrays */

static size_t array_bytes(uint32_t capacity) { return tarn__align_up(capacity * sizeof(void *), PAGE); }

static bool has_own_array(struct tarn_mempool *pool)
{
    return !(pool->flags & TARN__MEMPOOL_OURS) || pool->elements != (void **)(pool + 1);
}

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
    tarn__mempool_lock(pool);
    uint32_t capacity = pool->capacity;
    tarn__mempool_unlock(pool);
    if (wanted <= capacity)
        return 0;
    void **array = acquire_array(wanted), **given_back = array;
    if (!array)
        return -ENOMEM;
    memset(array, 0, capacity * sizeof *array); /* no page fault of these under the lock */
    tarn__mempool_lock(pool);
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
    tarn__mempool_unlock(pool);
    if (given_back)
        release_pages(given_back, array_bytes(capacity));
    return 0;
}

/* The registry */

static struct tarn__list *link_of(struct tarn_mempool *pool) { return (struct tarn__list *)pool->pools; }

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
        act(tarn__mempool_lock_of(TARN__CONTAINER(link, struct tarn_mempool, pools)));
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
    atomic_fetch_add_explicit(&tarn__mempool_forks, 1, memory_order_relaxed);
    tarn__mempool_fork_parent();
}

/* Making, changing and ending pools */

/* Asks below until the reserve is full. What comes goes to waiters first, as freed elements do. */
static int fill_reserve(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    while (tarn__mempool_is_short(pool)) {
        void *element = tarn__mempool_ask(pool, flags);
        if (!element)
            return -ENOMEM;
        if (!tarn__mempool_give(pool, &element, 1))
            pool->free(element, pool->pool_data); /* others were quicker */
    }
    return 0;
}

/* Takes out what is more than `most`. */
static void trim_reserve(struct tarn_mempool *pool, const int *most)
{
    void *element;
    do {
        struct tarn__reserve_finding found = {0};
        tarn__mempool_lock(pool);
        element = pool->curr_nr > *most ? tarn__reserve_remove(pool, &found) : NULL;
        tarn__mempool_unlock(pool);
        tarn__reserve_tell(&found);
        if (element)
            pool->free(element, pool->pool_data);
    } while (element);
}

const struct tarn__mempool_backend *tarn__mempool_backend_of(const struct tarn_mempool *pool)
{
    const struct tarn__mempool_backend *backend = tarn__mempool_backends;
    while (backend && backend->alloc && backend->alloc != pool->alloc)
        backend++;
    return backend && backend->alloc ? backend : NULL;
}

/* Finds out how large elements are, and who allocates and frees them. False: the allocator below cannot be used for a pool. */
static bool ask_backend(struct tarn_mempool *pool)
{
    const struct tarn__mempool_backend *backend = tarn__mempool_backend_of(pool);
    size_t size = backend ? backend->element_size(pool->pool_data) : 0;
    if (size == SIZE_MAX) {
        tarn__warn("mempool: a cache with a constructor cannot be under a mempool");
        return false;
    }
    bool quick = backend && backend->quick_alloc;
    pool->quick_alloc = quick ? backend->quick_alloc : tarn__mempool_alloc;
    pool->quick_free = quick ? backend->quick_free : tarn__mempool_free;
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

/* A page of the pool's own has room behind the struct; who needs more, or has no such page, gets an array of its own. */
static bool give_array(struct tarn_mempool *pool, int min_nr)
{
    uint32_t inside = pool->flags & TARN__MEMPOOL_OURS ? (PAGE - sizeof *pool) / sizeof(void *) : 0;
    bool fits = (uint32_t)min_nr <= inside;
    pool->elements = fits ? (void **)(pool + 1) : acquire_array((uint32_t)min_nr);
    pool->capacity = fits ? inside : (uint32_t)(array_bytes((uint32_t)min_nr) / sizeof(void *));
    return pool->elements != NULL;
}

static void *known_alloc(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    void *element = tarn__mempool_alloc(pool, flags);
    tarn__mempool_note(pool, element);
    return element;
}

static void known_free(void *element, struct tarn_mempool *pool)
{
    if (!element || tarn__mempool_note_free(pool, element))
        tarn__mempool_free(element, pool);
}

/* Makes a pool of zeroed memory, in which nothing but `flags` is said. */
static int form(struct tarn_mempool *pool, int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free, void *pool_data,
                tarn_gfp_t flags)
{
    pool->min_nr = pool->missing = min_nr + (min_nr == 0);
    pool->pool_data = pool_data;
    pool->alloc = alloc;
    pool->free = free;
    pool->forks = tarn__mempool_forks_now();
    tarn__lock_init(tarn__mempool_lock_of(pool), TARN__RANK_MEMPOOL);
    tarn__list_init(tarn__mempool_queue(pool));
    if (min_nr < 0 || !alloc || !free || tarn__mempool_refuses(flags) || !ask_backend(pool))
        return -EINVAL;
    if (!give_array(pool, pool->min_nr))
        return -ENOMEM;
    int error = fill_reserve(pool, flags);
    unsigned letters = tarn__modes_any ? tarn__letters_for("mempool") : 0;
    if (!error && (letters & (TARN__LETTER_F | TARN__LETTER_P)))
        tarn_mempool_poison(pool, 0); /* as far as the size of elements is known */
    if (!error && letters && tarn__letters_anywhere()) {
        pool->flags |= TARN__MEMPOOL_KNOWN;
        pool->quick_alloc = known_alloc;
        pool->quick_free = known_free;
    }
    if (error)
        dissolve(pool);
    else
        add_pool(pool);
    return error;
}

int tarn_mempool_init(struct tarn_mempool *pool, int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free,
                      void *pool_data, tarn_gfp_t flags)
{
    memset(pool, 0, sizeof *pool);
    return form(pool, min_nr, alloc, free, pool_data, flags);
}

struct tarn_mempool *tarn_mempool_create(int min_nr, tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free, void *pool_data)
{
    struct tarn_mempool *pool = tarn_source_acquire(tarn_source_system(), PAGE, PAGE);
    if (!pool)
        return NULL;
    pool->flags = TARN__MEMPOOL_OURS;
    if (form(pool, min_nr, alloc, free, pool_data, TARN_GFP_KERNEL) == 0)
        return pool;
    release_pages(pool, PAGE);
    return NULL;
}

bool tarn__mempool_has_ended(const struct tarn_mempool *pool, const char *where)
{
    bool has = TARN__UNLIKELY(pool->flags & TARN__MEMPOOL_ENDED);
    if (has)
        tarn__report(TARN__DESTROYED_POOL, where, pool, &(struct tarn__suspect){.pool = "mempool"});
    return has;
}

/* What requests of a pool that has ended come to, as long as its struct is there. */

static void *ended_alloc(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    (void)flags;
    tarn__mempool_has_ended(pool, "tarn_mempool_alloc");
    return NULL;
}

static void ended_free(void *element, struct tarn_mempool *pool)
{
    if (element)
        tarn__mempool_has_ended(pool, "tarn_mempool_free");
}

/* With letters: that an element is in use. It stays its user's if the process goes on. */
static void report_live(struct tarn_mempool *pool)
{
    if (!(pool->flags & TARN__MEMPOOL_KNOWN))
        return;
    struct tarn__record live = tarn__record_first(pool);
    struct tarn__suspect suspect = {.pool = "mempool", .object = tarn__record_start(&live)};
    if (live.state != TARN__RECORD_NONE) {
        tarn__record_tell(&suspect);
        tarn__report(TARN__LIVE_OBJECTS, "tarn_mempool_exit", suspect.object, &suspect);
    }
    tarn__records_end(pool);
}

void tarn_mempool_exit(struct tarn_mempool *pool)
{
    if (!pool->elements)
        return;
    remove_pool(pool);
    TARN__DEBUG_ASSERT(pool->forks != tarn__mempool_forks_now() || tarn__list_empty(tarn__mempool_queue(pool)),
                       "nobody waits for elements of a pool that ends");
    report_live(pool);
    dissolve(pool);
    pool->quick_alloc = ended_alloc;
    pool->quick_free = ended_free;
    pool->flags |= TARN__MEMPOOL_ENDED;
}

static struct tarn_mempool *kept[ENDED_KEPT]; /* under the registry's lock, as the next */
static unsigned next;

/* The page of a pool that has ended is kept until others have come after it: so who uses it nevertheless is told. */
static void keep_ended(struct tarn_mempool *pool)
{
    tarn__lock(&registry_lock);
    struct tarn_mempool *oldest = kept[next];
    kept[next] = pool;
    next = (next + 1) % ENDED_KEPT;
    tarn__unlock(&registry_lock);
    if (oldest)
        release_pages(oldest, PAGE);
}

void tarn__mempool_trim(void)
{
    for (int i = 0; i < ENDED_KEPT; i++)
        keep_ended(NULL);
}

void tarn_mempool_destroy(struct tarn_mempool *pool)
{
    if (!pool)
        return;
    if (!(pool->flags & TARN__MEMPOOL_OURS)) {
        tarn__report(TARN__INVALID_FREE, "tarn_mempool_destroy", pool, NULL);
        return;
    }
    if (tarn__mempool_has_ended(pool, "tarn_mempool_destroy"))
        return;
    tarn_mempool_exit(pool);
    keep_ended(pool);
}

int tarn_mempool_resize(struct tarn_mempool *pool, int min_nr)
{
    if (min_nr <= 0 || tarn__mempool_has_ended(pool, "tarn_mempool_resize"))
        return -EINVAL;
    int error = make_room(pool, (uint32_t)min_nr);
    if (error)
        return error;
    tarn__mempool_lock(pool);
    tarn__mempool_write(&pool->min_nr, min_nr);
    tarn__mempool_unlock(pool);
    trim_reserve(pool, &pool->min_nr);
    fill_reserve(pool, TARN_GFP_KERNEL); /* as far as it goes; frees do the rest */
    return 0;
}

int tarn_mempool_poison(struct tarn_mempool *pool, size_t element_size)
{
    tarn__reserve_open(pool);
    if (element_size)
        pool->element_size = element_size;
    if (!pool->element_size)
        return -EINVAL;
    for (int i = 0; i < pool->curr_nr; i++)
        tarn__reserve_poison(pool, pool->elements[i]);
    tarn__reserve_shut(pool);
    pool->flags |= TARN__MEMPOOL_POISON;
    return 0;
}

bool tarn_mempool_initialized(const struct tarn_mempool *pool)
{
    return __atomic_load_n(&pool->elements, __ATOMIC_RELAXED) != NULL; /* pairs with the store in `make_room` */
}

bool tarn_mempool_is_saturated(const struct tarn_mempool *pool) { return !tarn__mempool_is_short(pool); }
