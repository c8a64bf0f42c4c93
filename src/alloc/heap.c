/* The heap's beginning, its trimming, and its behaviour at a fork. */
#include "alloc/heap.h"

#include "alloc/care_large.h"
#include "alloc/ended.h"
#include "alloc/describe.h"
#include "alloc/fast.h"
#include "alloc/guard.h"
#include "alloc/hard.h"
#include "alloc/heaps.h"
#include "base/fail.h"
#include "base/inject.h"
#include "mempool/mempool.h"
#include "os/background.h"
#include "os/os.h"
#include "os/pressure.h"
#include "os/report.h"
#include "os/rcu.h"
#include "os/sleep.h"
#include "os/worker.h"
#include "os/records.h"
#include "page/letters.h"
#include "page/lists.h"
#include "page/meta.h"
#include "page/purge.h"
#include "page/shelf.h"
#include "page/shrinker.h"
#include "page/zones.h"
#include "pool/forks.h"
#include "slab/create.h"
#include "slab/quarantine.h"

#include <string.h>

_Static_assert(TARN__CLASSES + 1 == TARN__FIRST_KERNEL_NUMBER, "the numbers of size classes are kept for them");

struct tarn__heap tarn__heap;
void (*tarn__locks_above)(void (*act)(struct tarn__lock *));

static struct tarn__magazine depots[TARN__CLASSES + 1][TARN__DEPOT_DEPTH];
static struct tarn__shelves shelves;
static struct tarn__lock ready_lock = TARN__LOCK_INIT(TARN__RANK_REGISTRY);

void tarn__heap_ready(void)
{
    struct tarn__heap *heap = &tarn__heap;
    if (atomic_load_explicit(&heap->ready, memory_order_acquire))
        return;
    tarn__lock(&ready_lock);
    if (!atomic_load_explicit(&heap->ready, memory_order_relaxed)) {
        tarn__set_fail_exit(tarn__os_die);
        tarn__report_begin();
        tarn__fail_describe = tarn__describe;
        tarn_source_count_init(&heap->source, tarn__window_source());
        tarn__zone_init(&heap->zone, "NORMAL", &heap->source.source);
        tarn__shelves_init(&heap->zone, &shelves);
        tarn__zone_set_normal(&heap->zone);
        tarn__inject_changed = tarn__caches_inject;
        atomic_store_explicit(&heap->ready, 1, memory_order_release);
    }
    tarn__unlock(&ready_lock);
}

void tarn__class_name(char *name, unsigned number)
{
    size_t size = tarn__class_size(number);
    memcpy(name, TARN__CLASS_NAME, sizeof TARN__CLASS_NAME - 1);
    name += sizeof TARN__CLASS_NAME - 1;
    for (size_t rest = size; rest >= 10; rest /= 10)
        name++;
    for (name[1] = '\0'; size > 0; size /= 10)
        *name-- = (char)('0' + size % 10);
}

/*
 * Whoever allocates in a fork hook of its own, while tarn's hold all locks, may make a class. The hooks let go of its locks too, so they must be
 * held.
 */
static void make_class(struct tarn__heap *heap, unsigned number, bool between_hooks)
{
    char name[TARN_CACHE_NAME_MOST + 1];
    struct tarn_cache *cache = &heap->cache[number];
    tarn__class_name(name, number);
    tarn__cache_init(cache, name, number, tarn__class_size(number), &heap->zone, depots[number]);
    if (between_hooks) {
        tarn__lock(&cache->slabs_lock);
        tarn__lock(&cache->depot_lock);
    }
    heap->quick[number] = tarn__alloc_is_slow(number) ? 0 : cache->size;
    tarn__cache_enter(cache, 0, 0);
    atomic_fetch_add_explicit(&heap->classes_made, 1, memory_order_relaxed);
}

struct tarn_cache *tarn__heap_make_class(unsigned number)
{
    tarn__heap_ready();
    bool between_hooks = tarn__lock_is_mine(&ready_lock);
    tarn__lock(&ready_lock);
    if (!tarn__heap_class_made(number))
        make_class(&tarn__heap, number, between_hooks);
    tarn__unlock(&ready_lock);
    return tarn__heap_class_made(number);
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
    tarn__mempool_trim();
    tarn__ended_empty();
    tarn__quarantine_empty();
    tarn__care_large_empty();
    tarn__letters_empty(NULL);
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
    tarn__guard_each_lock(act);
    tarn__hard_each_lock(act);
    act(&ready_lock);
    act(&tarn__registry_lock);
    act(&tarn__care_large_lock);
    act(&tarn__letters_lock);
    tarn__caches_each_lock(act);
    tarn__zones_each_lock(act);
    act(&tarn__meta_lock);
    act(&tarn__window_lock);
    act(&tarn__records_lock);
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
        tarn__purge_adopt(&tarn__heap.zone);
    }
}
