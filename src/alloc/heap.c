/* The heap's beginning, its trimming, and its behaviour at a fork. */
#include "alloc/heap.h"

#include "base/fail.h"
#include "os/os.h"
#include "page/meta.h"

struct tarn__heap tarn__heap;
void (*tarn__locks_above)(void (*act)(struct tarn__lock *));

static struct tarn__magazine depots[TARN__CLASSES + 1][TARN__DEPOT_DEPTH];
static struct tarn__lock ready_lock = TARN__LOCK_INIT(TARN__RANK_REGISTRY);

static const char *const class_names[TARN__CLASSES + 1] = {
    NULL,         "size-16",    "size-32",    "size-48",    "size-64",    "size-80",    "size-96",    "size-112",
    "size-128",   "size-144",   "size-160",   "size-176",   "size-192",   "size-208",   "size-224",   "size-240",
    "size-256",   "size-288",   "size-320",   "size-352",   "size-384",   "size-416",   "size-448",   "size-480",
    "size-512",   "size-576",   "size-640",   "size-704",   "size-768",   "size-832",   "size-896",   "size-960",
    "size-1024",  "size-1152",  "size-1280",  "size-1408",  "size-1536",  "size-1664",  "size-1792",  "size-1920",
    "size-2048",  "size-2304",  "size-2560",  "size-2816",  "size-3072",  "size-3328",  "size-3584",  "size-3840",
    "size-4096",  "size-4608",  "size-5120",  "size-5632",  "size-6144",  "size-6656",  "size-7168",  "size-7680",
    "size-8192",  "size-9216",  "size-10240", "size-11264", "size-12288", "size-13312", "size-14336", "size-15360",
    "size-16384", "size-18432", "size-20480", "size-22528", "size-24576", "size-26624", "size-28672", "size-30720",
    "size-32768",
};

static void make_caches(struct tarn__heap *heap)
{
    for (unsigned i = 1; i <= TARN__CLASSES; i++) {
        tarn__cache_init(&heap->cache[i], class_names[i], i, tarn__class_size(i), &heap->zone, depots[i]);
        heap->by_number[i] = &heap->cache[i];
    }
    tarn__local_caches(heap->by_number);
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
        make_caches(heap);
        atomic_store_explicit(&heap->ready, 1, memory_order_release);
    }
    tarn__unlock(&ready_lock);
}

size_t tarn__heap_trim(size_t keep)
{
    tarn__heap_ready();
    tarn__local_flush();
    for (unsigned i = 1; i <= TARN__CLASSES; i++)
        tarn__depot_reap(&tarn__heap.cache[i], true);
    return tarn__zone_trim(&tarn__heap.zone, keep / TARN__PAGE_SIZE);
}

/* In order of rank. */
static void each_lock(void (*act)(struct tarn__lock *))
{
    if (tarn__locks_above)
        tarn__locks_above(act);
    act(&ready_lock);
    act(&tarn__registry_lock);
    for (unsigned i = 1; i <= TARN__CLASSES; i++)
        act(&tarn__heap.cache[i].slabs_lock);
    for (unsigned i = 1; i <= TARN__CLASSES; i++)
        act(&tarn__heap.cache[i].depot_lock);
    act(&tarn__heap.zone.lock);
    act(&tarn__meta_lock);
    act(&tarn__window_lock);
}

/* Set when the forking thread held a lock before: it forks inside a signal handler that interrupted the allocator. */
static TARN__TLS bool interrupted;

static void note_interruption(struct tarn__lock *lock) { interrupted |= tarn__lock_is_mine(lock); }

void tarn__heap_fork_prepare(void)
{
    tarn__heap_ready();
    interrupted = false;
    each_lock(note_interruption);
    tarn__forking = true;
    each_lock(tarn__lock_for_fork);
}

void tarn__heap_fork_parent(void)
{
    each_lock(tarn__unlock_after_fork);
    tarn__forking = false;
}

/* What the other threads cached is recovered, unless the structures it would go to are in the middle of a change. */
void tarn__heap_fork_child(void)
{
    bool consistent = !interrupted;
    each_lock(tarn__unlock_after_fork);
    tarn__forking = false;
    if (consistent)
        tarn__local_adopt_orphans();
}
