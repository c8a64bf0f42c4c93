/* The heap's beginning, its trimming, and its behaviour at a fork. */
#include "alloc/heap.h"

#include "alloc/heaps.h"
#include "base/fail.h"
#include "base/inject.h"
#include "mempool/mempool.h"
#include "os/background.h"
#include "os/os.h"
#include "os/pressure.h"
#include "os/rcu.h"
#include "os/sleep.h"
#include "os/worker.h"
#include "page/lists.h"
#include "page/meta.h"
#include "page/shelf.h"
#include "page/shrinker.h"
#include "page/zones.h"
#include "pool/forks.h"
#include "slab/create.h"

struct tarn__heap tarn__heap;
void (*tarn__locks_above)(void (*act)(struct tarn__lock *));

static struct tarn__magazine depots[TARN__CLASSES + 1][TARN__DEPOT_DEPTH];
static struct tarn__shelves shelves;
static struct tarn__lock ready_lock = TARN__LOCK_INIT(TARN__RANK_REGISTRY);

static const char *const class_names[TARN__CLASSES + 1] = {
    NULL,           "malloc-16",    "malloc-32",    "malloc-48",    "malloc-64",    "malloc-80",    "malloc-96",
    "malloc-112",   "malloc-128",   "malloc-144",   "malloc-160",   "malloc-176",   "malloc-192",   "malloc-208",
    "malloc-224",   "malloc-240",   "malloc-256",   "malloc-288",   "malloc-320",   "malloc-352",   "malloc-384",
    "malloc-416",   "malloc-448",   "malloc-480",   "malloc-512",   "malloc-576",   "malloc-640",   "malloc-704",
    "malloc-768",   "malloc-832",   "malloc-896",   "malloc-960",   "malloc-1024",  "malloc-1152",  "malloc-1280",
    "malloc-1408",  "malloc-1536",  "malloc-1664",  "malloc-1792",  "malloc-1920",  "malloc-2048",  "malloc-2304",
    "malloc-2560",  "malloc-2816",  "malloc-3072",  "malloc-3328",  "malloc-3584",  "malloc-3840",  "malloc-4096",
    "malloc-4608",  "malloc-5120",  "malloc-5632",  "malloc-6144",  "malloc-6656",  "malloc-7168",  "malloc-7680",
    "malloc-8192",  "malloc-9216",  "malloc-10240", "malloc-11264", "malloc-12288", "malloc-13312", "malloc-14336",
    "malloc-15360", "malloc-16384", "malloc-18432", "malloc-20480", "malloc-22528", "malloc-24576", "malloc-26624",
    "malloc-28672", "malloc-30720", "malloc-32768",
};

static void make_caches(struct tarn__heap *heap)
{
    for (unsigned i = 1; i <= TARN__CLASSES; i++) {
        tarn__cache_init(&heap->cache[i], class_names[i], i, tarn__class_size(i), &heap->zone, depots[i]);
        tarn__cache_enter(&heap->cache[i], 0, 0);
    }
}

void tarn__heap_ready(void)
{
    struct tarn__heap *heap = &tarn__heap;
    if (atomic_load_explicit(&heap->ready, memory_order_acquire))
        return;
    tarn__lock(&ready_lock);
    if (!atomic_load_explicit(&heap->ready, memory_order_relaxed)) {
        tarn__set_fail_exit(tarn__os_die);
        tarn_source_count_init(&heap->source, tarn__window_source());
        tarn__zone_init(&heap->zone, "NORMAL", &heap->source.source);
        tarn__shelves_init(&heap->zone, &shelves);
        tarn__zone_set_normal(&heap->zone);
        make_caches(heap);
        tarn__inject_changed = tarn__caches_inject;
        atomic_store_explicit(&heap->ready, 1, memory_order_release);
    }
    tarn__unlock(&ready_lock);
}

/* So that who asks for pages first finds the heap too. */
__attribute__((constructor(101))) static void announce(void) { tarn__zone_on_normal(tarn__heap_ready); }

static void reap(struct tarn_cache *cache, void *context)
{
    (void)context;
    tarn__depot_reap(cache, true);
}

size_t tarn__heap_trim(size_t keep)
{
    tarn__heap_ready();
    tarn__local_flush();
    tarn_cache_each(reap, NULL);
    tarn__shelves_empty(&tarn__heap.zone);
    return tarn__zone_trim(&tarn__heap.zone, keep / TARN__PAGE_SIZE);
}

/* In order of rank. */
static void each_lock(void (*act)(struct tarn__lock *))
{
    tarn__guards_each_lock(act);
    tarn__heaps_each_lock(act);
    if (tarn__locks_above)
        tarn__locks_above(act);
    tarn__worker_each_lock(act);
    tarn__rcu_each_lock(act);
    tarn__shrinkers_each_lock(act);
    act(&ready_lock);
    act(&tarn__registry_lock);
    tarn__caches_each_lock(act);
    tarn__zones_each_lock(act);
    act(&tarn__meta_lock);
    act(&tarn__window_lock);
}

/* Set when the forking thread held a lock before: it forks inside a signal handler that interrupted the allocator. */
static TARN__TLS bool interrupted;

/* In one walk: the list of caches may be walked only under its lock. */
static void take_for_fork(struct tarn__lock *lock)
{
    interrupted |= tarn__lock_is_mine(lock);
    tarn__lock_for_fork(lock);
}

void tarn__heap_fork_prepare(void)
{
    tarn__heap_ready();
    interrupted = false;
    tarn__forking = true;
    tarn__mempool_fork_prepare();
    each_lock(take_for_fork);
}

void tarn__heap_fork_parent(void)
{
    each_lock(tarn__unlock_after_fork);
    tarn__mempool_fork_parent();
    tarn__forking = false;
}

/* What the other threads cached is recovered, unless the structures it would go to are in the middle of a change. */
void tarn__heap_fork_child(void)
{
    bool consistent = !interrupted;
    each_lock(tarn__unlock_after_fork);
    tarn__mempool_fork_child();
    if (consistent)
        tarn__heaps_child();
    tarn__forking = false;
    tarn__caches_after_fork();
    tarn__rcu_child();
    tarn__shrinkers_child();
    tarn__worker_child();
    tarn__background_child();
    tarn__pressure_child();
    tarn__sleep_child();
    if (consistent) {
        tarn__local_adopt_orphans();
        tarn__lists_adopt_orphans();
    }
}
