/*
 * A fork while another thread is in the middle of a change under a lock: of each rank in turn.
 *
 * The library is one with checks, whose locks tell who has taken one. Threads use all parts, each with something that is shared; the first that takes a
 * lock of the rank in question stays under it until the fork has begun, and a while longer. The child must then be able to use every part, the
 * shared things included, to start threads, and to end; one that finds a lock held by a thread that it does not have is ended by its alarm.
 */
#define _GNU_SOURCE
#include "test/door/check.h"

#include "os/lock.h"
#include "tarn/tarn.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#define MIB ((size_t)1 << 20)
enum { RANKS = TARN__RANK_SOURCE + 1, OBJECTS = 3000, CHILD_SECONDS = 30, FORKS = 3 };

/* Locks of modes that are off here have no name: nobody need take them. */
static const char *const names[RANKS] = {
    [TARN__RANK_GUARD_RACE] = "a pool's first use",
    [TARN__RANK_GUARDS] = "list of pools",
    [TARN__RANK_GUARD] = "pool",
    [TARN__RANK_HEAPS] = "tree of heaps",
    [TARN__RANK_HEAP] = "heap",
    [TARN__RANK_POOLS] = "list of dma pools",
    [TARN__RANK_POOL] = "dma pool",
    [TARN__RANK_MEMPOOLS] = "list of mempools",
    [TARN__RANK_MEMPOOL] = "mempool",
    [TARN__RANK_WORKER] = "worker",
    [TARN__RANK_RCU] = "rcu",
    [TARN__RANK_SHRINKERS] = "shrinkers",
    [TARN__RANK_REGISTRY] = "registry",
    [TARN__RANK_CACHES] = "list of caches",
    [TARN__RANK_ZONES] = "list of zones",
    [TARN__RANK_QUARANTINE] = "quarantine",
    [TARN__RANK_SLABS] = "slabs",
    [TARN__RANK_DEPOT] = "depot",
    [TARN__RANK_SHELF] = "shelf",
    [TARN__RANK_ZONE] = "zone",
    [TARN__RANK_META] = "descriptors",
    [TARN__RANK_SOURCE] = "source",
};

static struct {
    struct tarn_heap *heap;
    struct tarn_region *region;
    struct tarn_dma_pool *blocks;
    struct tarn_mempool *elements;
    struct tarn_cache *cache;
    struct tarn_zone *zone;
} shared;

static void require(bool holds, const char *sentence)
{
    if (holds)
        return;
    printf("# does not hold: %s\n", sentence);
    fflush(stdout);
    _exit(17);
}

static void use_region(void)
{
    void *p = tarn_region_alloc(shared.region, 700);
    struct tarn_classpool *pool = NULL;
    require(p && tarn_region_free(shared.region, p) == 0, "a shared region serves");
    struct tarn_classpool_options options = {.lock = TARN_POOL_LOCK_BUILTIN};
    require(tarn_classpool_open(&pool, NULL, 8192, &options) == 0, "a class pool can be opened");
    require(tarn_classpool_close(&pool, NULL) == 0, "a class pool can be closed");
}

static void use_heap(void)
{
    struct tarn_heap *heap = tarn_heap_create(&(struct tarn_heap_options){.name = "child", .parent = shared.heap});
    void *p = tarn_heap_alloc(shared.heap, 100), *q = heap ? tarn_heap_alloc(heap, 3000) : NULL;
    require(p && q, "heaps serve");
    tarn_heap_free(p);
    require(tarn_heap_destroy(heap) == 1, "a heap ends with its object");
}

static void use_dma_pool(void)
{
    char name[30];
    snprintf(name, sizeof name, "held-%u", tarn__thread_id());
    struct tarn_dma_pool *pool = tarn_dma_pool_create(name, 64, 64, 0);
    tarn_dma_t handle;
    void *p = tarn_dma_pool_alloc(shared.blocks, TARN_GFP_KERNEL, &handle);
    require(pool && p, "dma pools serve");
    tarn_dma_pool_free(shared.blocks, p, handle);
    tarn_dma_pool_destroy(pool);
}

static void use_mempool(void)
{
    void *p[40];
    struct tarn_mempool *pool = tarn_mempool_create(3, tarn_mempool_kmalloc, tarn_mempool_kfree, (void *)(uintptr_t)500);
    require(pool, "a mempool can be made");
    p[0] = tarn_mempool_alloc_preallocated(pool);
    require(p[0], "what is kept back is there");
    tarn_mempool_free(p[0], pool);
    tarn_mempool_destroy(pool);
    for (int i = 0; i < 40; i++)
        p[i] = i == 0 ? tarn_mempool_alloc_preallocated(shared.elements) : tarn_mempool_alloc(shared.elements, TARN_GFP_ATOMIC);
    for (int i = 0; i < 40; i++)
        tarn_mempool_free(p[i], shared.elements);
}

static void free_head(struct tarn_rcu_head *head) { tarn_free(head); }

static void use_rcu(void)
{
    struct tarn_rcu_head *head = tarn_malloc(64);
    require(head, "malloc serves");
    tarn_rcu_read_lock();
    tarn_rcu_read_unlock();
    tarn_rcu_call(head, free_head);
    tarn_rcu_barrier();
}

static unsigned long count_none(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    (void)shrinker, (void)control;
    return TARN_SHRINK_EMPTY;
}

static void use_shrinker(void)
{
    struct tarn_shrinker *shrinker = tarn_shrinker_alloc(0, "held");
    require(shrinker, "a shrinker can be made");
    shrinker->count_objects = shrinker->scan_objects = count_none;
    require(tarn_shrinker_register(shrinker) == 0, "a shrinker can be registered");
    tarn_shrinker_free(shrinker);
}

static void use_cache(void)
{
    void *objects[200];
    char name[30];
    snprintf(name, sizeof name, "held-%u", tarn__thread_id());
    struct tarn_cache *cache = tarn_cache_create(name, 3333, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    require(cache, "a cache can be made");
    for (int i = 0; i < 3; i++) {
        require(tarn_cache_alloc_bulk(shared.cache, TARN_GFP_KERNEL, 200, objects) == 200, "a shared cache serves");
        tarn_cache_free_bulk(shared.cache, 200, objects);
    }
    tarn_cache_shrink(shared.cache);
    require(tarn_cache_destroy(cache) == 0, "a cache without objects can be destroyed");
}

static void use_zone(void)
{
    char name[30];
    snprintf(name, sizeof name, "held-%u", tarn__thread_id());
    struct tarn_zone *zone = tarn_zone_create(name, tarn_source_system(), 1 * MIB, 0);
    struct tarn_page *page = tarn_pages_alloc(shared.zone, 3, TARN_GFP_KERNEL);
    require(zone && page, "zones serve");
    tarn_pages_free(page, 3);
    require(tarn_zone_destroy(zone) == 0, "a zone without pages in use can be ended");
}

static void use_malloc(void)
{
    static const size_t sizes[] = {24, 100, 700, 5000, 40000, 300000};
    void **p = tarn_malloc(OBJECTS * sizeof *p);
    require(p, "malloc serves");
    for (unsigned i = 0; i < OBJECTS; i++) {
        size_t size = sizes[i % (i % 50 ? 4 : 6)];
        require((p[i] = tarn_malloc(size)), "malloc serves");
        stamp(p[i], 24, i);
    }
    for (unsigned i = 0; i < OBJECTS; i++) {
        require(stamped(p[i], 24, i), "contents are intact");
        tarn_free(p[i]);
    }
    tarn_free(p);
    p = tarn_malloc(70 * MIB);
    require(p, "malloc serves");
    tarn_free(p);
    tarn_trim(0);
}

static void use_all(void)
{
    static void (*const parts[])(void) = {use_region,   use_heap,  use_dma_pool, use_mempool, use_rcu,
                                          use_shrinker, use_cache, use_zone,     use_malloc};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        parts[i]();
}

static void *use_in_thread(void *unused)
{
    use_all();
    return unused;
}

static bool thread_works(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, use_in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static _Atomic int wanted = -1;          /* the rank whose lock is to be held; -1: none */
static _Atomic bool held, forking, over; /* someone holds it; the fork begins; threads shall end */
static _Thread_local bool stays;         /* this thread may be the one */

static void rest(long ms) { nanosleep(&(struct timespec){0, ms * 1000000}, NULL); }

static void taken(const struct tarn__lock *lock)
{
    int rank = lock->rank;
    if (!stays || rank != wanted || !atomic_compare_exchange_strong(&wanted, &rank, -1))
        return;
    held = true;
    for (int i = 0; i < 10000 && !forking; i++)
        rest(1);
    rest(5); /* so that the fork waits for this very lock */
}

static void *live(void *unused)
{
    while (!over) {
        stays = true;
        use_all();
        stays = false;
        thread_works(); /* the registry's lock */
    }
    return unused;
}

/* Threads that begin take locks of their own accord. */
static void *begin_and_end(void *unused)
{
    stays = true;
    tarn_free(tarn_malloc(10));
    return unused;
}

static void *live_shortly(void *unused)
{
    pthread_t thread;
    while (!over)
        if (pthread_create(&thread, NULL, begin_and_end, NULL) == 0)
            pthread_join(thread, NULL);
    return unused;
}

static bool fork_under(int rank)
{
    int status = -1;
    held = forking = false;
    wanted = rank;
    for (int i = 0; i < (names[rank] ? 20000 : 2000) && !held; i++)
        rest(1);
    wanted = -1;
    if (!held && !names[rank])
        return false;
    if (!CHECK(held, "nobody takes such a lock"))
        return false;
    forking = true;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        over = true;
        use_all();
        use_all();
        _exit(thread_works() ? 0 : 18);
    }
    waitpid(pid, &status, 0);
    return CHECK(pid > 0 && status == 0, "the child ended with %#x", status);
}

static void make_shared(void)
{
    struct tarn_region_options options = {.lock = TARN_POOL_LOCK_BUILTIN};
    shared.heap = tarn_heap_create(&(struct tarn_heap_options){.name = "shared"});
    shared.region = tarn_region_create(malloc(65536), 65536, &options);
    shared.blocks = tarn_dma_pool_create("shared", 128, 128, 0);
    shared.elements = tarn_mempool_create(4, tarn_mempool_kmalloc, tarn_mempool_kfree, (void *)(uintptr_t)300);
    shared.cache = tarn_cache_create("shared", 120, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    shared.zone = tarn_zone_normal();
    require(shared.heap && shared.region && shared.blocks && shared.elements && shared.cache && shared.zone, "there is memory");
}

int main(void)
{
    pthread_t threads[3];
    make_shared();
    tarn__lock_taken = taken;
    alarm(280);
    check_plan(RANKS);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, i < 2 ? live : live_shortly, NULL);
    for (int rank = 0; rank < RANKS; rank++) {
        char name[80];
        for (int i = 0; i < FORKS && fork_under(rank); i++)
            continue;
        snprintf(name, sizeof name, "a fork while a lock is held: %s",
                 names[rank] ? names[rank] : "of a mode, if anybody takes it");
        check_result(name);
    }
    over = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return check_failed_cases != 0;
}
