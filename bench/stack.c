/*
 * The kernel's stack measured: object caches, pages and mempools of tarn, beside the malloc of the process, which the driver
 * (stack.py) lets be the system's or, preloaded, another's. One line a figure: name, nanoseconds for an object.
 *
 * Every object is touched as a user would: its first word is read, and written where the load says so.
 */
#include <tarn/cache.h>
#include <tarn/mempool.h>
#include <tarn/pages.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIZE = 64, PAIRS = 8000000, BULK = 64, MOST = 1000, LOT = 100, LOTS = 64, CROSSINGS = 40000 };

static struct tarn_cache *cache;
static struct tarn_mempool *pool;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void use(void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

static void construct(void *object) { memset(object, 1, SIZE); }

/* The allocators under test: an object of SIZE bytes. */
static void *from_cache(void) { return tarn_cache_alloc(cache, TARN_GFP_KERNEL); }
static void to_cache(void *p) { tarn_cache_free(cache, p); }
static void *from_malloc(void) { return malloc(SIZE); }
static void to_malloc(void *p) { free(p); }

static void line(const char *name, double begin, double objects) { printf("%s %.3f\n", name, (now() - begin) / objects); }

#define PAIR(name, alloc, give)                                                                                                \
    do {                                                                                                                       \
        double begin = now();                                                                                                  \
        for (int i = 0; i < PAIRS; i++) {                                                                                      \
            void *p = (alloc);                                                                                                 \
            use(p);                                                                                                            \
            give;                                                                                                              \
        }                                                                                                                      \
        line(name, begin, PAIRS);                                                                                              \
    } while (0)

static void pairs(void)
{
    PAIR("cache-pair", tarn_cache_alloc(cache, TARN_GFP_KERNEL), tarn_cache_free(cache, p));
    PAIR("malloc-pair", malloc(SIZE), free(p));
    PAIR("mempool-pair", tarn_mempool_alloc(pool, TARN_GFP_KERNEL), tarn_mempool_free(p, pool));
    PAIR("page-pair", tarn_pages_alloc(NULL, 0, TARN_GFP_KERNEL), tarn_pages_free(p, 0));
}

static void bulk(void)
{
    void *objects[BULK];
    double begin = now();
    for (int i = 0; i < PAIRS / BULK; i++) {
        tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, BULK, objects);
        use(objects);
        tarn_cache_free_bulk(cache, BULK, objects);
    }
    line("cache-bulk-64", begin, PAIRS);
}

/* Batches: so many allocated and written, then freed in another order. */
static void batches(const char *name, void *(*alloc)(void), void (*give)(void *))
{
    static void *objects[MOST];
    static const int sizes[] = {1, 10, 100, 1000};
    static const int strides[] = {1, 3, 37, 617}; /* prime to the size: a shuffle that costs nothing */
    for (int k = 0; k < 4; k++) {
        char full[64];
        double begin = now();
        for (int done = 0; done < PAIRS; done += sizes[k]) {
            for (int i = 0; i < sizes[k]; i++)
                *(char *)(objects[i] = alloc()) = 1;
            for (int i = 0, at = 0; i < sizes[k]; i++, at += at + strides[k] < sizes[k] ? strides[k] : strides[k] - sizes[k])
                give(objects[at]);
        }
        snprintf(full, sizeof full, "%s-batch-%d", name, sizes[k]);
        line(full, begin, PAIRS);
    }
}

/* A ring of lots of objects, from one who allocates to one who frees. */
struct ring {
    void *object[LOTS][LOT];
    _Alignas(64) _Atomic unsigned filled;
    _Alignas(64) _Atomic unsigned emptied;
    void *(*alloc)(void);
    void (*give)(void *);
};

static void fill_lot(struct ring *ring, unsigned lot)
{
    for (int i = 0; i < LOT; i++)
        *(char *)(ring->object[lot % LOTS][i] = ring->alloc()) = 1;
}

static void empty_lot(struct ring *ring, unsigned lot)
{
    for (int i = 0; i < LOT; i++)
        ring->give(ring->object[lot % LOTS][i]);
}

/* Where the machine is busy, the other side needs this processor. */
static void wait_a_moment(unsigned *spins)
{
    if (++*spins % 1000 == 0)
        sched_yield();
}

static void *consume(void *argument)
{
    struct ring *ring = argument;
    unsigned spins = 0;
    for (unsigned lot = 0; lot < CROSSINGS; lot++) {
        while (atomic_load_explicit(&ring->filled, memory_order_acquire) == lot)
            wait_a_moment(&spins);
        empty_lot(ring, lot);
        atomic_store_explicit(&ring->emptied, lot + 1, memory_order_release);
    }
    return NULL;
}

static void cross(const char *name, void *(*alloc)(void), void (*give)(void *))
{
    static struct ring ring;
    char full[64];
    unsigned spins = 0;
    pthread_t consumer;
    memset(&ring, 0, sizeof ring);
    ring.alloc = alloc;
    ring.give = give;
    double begin = now();
    for (unsigned lot = 0; lot < CROSSINGS; lot++) {
        fill_lot(&ring, lot);
        empty_lot(&ring, lot);
    }
    snprintf(full, sizeof full, "%s-same-thread", name);
    line(full, begin, (double)CROSSINGS * LOT);
    begin = now();
    if (pthread_create(&consumer, NULL, consume, &ring))
        abort();
    for (unsigned lot = 0; lot < CROSSINGS; lot++) {
        while (lot - atomic_load_explicit(&ring.emptied, memory_order_acquire) == LOTS)
            wait_a_moment(&spins);
        fill_lot(&ring, lot);
        atomic_store_explicit(&ring.filled, lot + 1, memory_order_release);
    }
    pthread_join(consumer, NULL);
    snprintf(full, sizeof full, "%s-cross-thread", name);
    line(full, begin, (double)CROSSINGS * LOT);
}

static double resident(void)
{
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &ignored, &pages) != 2)
        abort();
    fclose(file);
    return (double)pages * 4096;
}

/* Resident memory beyond the objects' own, with a million of them in full slabs, in per cent of those. */
static void metadata(void)
{
    enum { MANY = 1 << 20 };
    static void *objects[MANY];
    memset(objects, 1, sizeof objects);
    double before = resident();
    tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, MANY, objects);
    double more = resident() - before, own = (double)MANY * SIZE;
    printf("cache-metadata-percent %.3f\n", 100 * (more - own) / own);
    tarn_cache_free_bulk(cache, MANY, objects);
}

int main(void)
{
    cache = tarn_cache_create("bench", SIZE, 0, TARN_CACHE_NO_MERGE, construct, NULL);
    struct tarn_cache *plain = tarn_cache_create("bench-reserve", SIZE, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    pool = tarn_mempool_create(16, tarn_mempool_alloc_slab, tarn_mempool_free_slab, plain);
    if (!cache || !pool)
        return 1;
    metadata();
    pairs();
    bulk();
    batches("cache", from_cache, to_cache);
    batches("malloc", from_malloc, to_malloc);
    cross("cache", from_cache, to_cache);
    cross("malloc", from_malloc, to_malloc);
    return 0;
}
