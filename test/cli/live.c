/*
 * A process to be looked at from outside, for the tests of the command. Built three times: with libtarn.so, with libtarn.a, and without either
 * (-DPLAIN), to be run with libtarn-malloc.so preloaded.
 *
 *      live hold       holds what is known: see hold(); prints "ready", and waits for a signal
 *      live traffic    threads that allocate and free, and threads that come and go, until it is killed; prints "ready" first
 *      live brief      allocates for about 20 ms, and ends
 */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef PLAIN
#include <tarn/tarn.h>

#define malloc tarn_malloc
#define free tarn_free
#endif

enum { SMALL = 500, FRAMES = 1000, FREED = 300, STEADY = 1000, IN_HAND = 16, WORKERS = 3, GIVEN = 200 };

enum { DATA = 1 << 19, BSS = 5 << 20, STACK = 1 << 18 };

char initialised[DATA] = {1}; /* so that there is data, and below bss, of sizes that are known at least */
char zeroed[BSS];

static void *volatile kept[8 * 1024];
static size_t count;

static void *keep(void *p)
{
    if (!p)
        abort();
    kept[count++] = p;
    return p;
}

static void fill(void *p, size_t size) { memset(p, 1, size); }

static void wait_to_be_killed(void)
{
    puts("ready");
    fflush(stdout);
    alarm(100);
    for (;;)
        pause();
}

#ifndef PLAIN
/* A zone over a buffer; of its pages, `blocks` blocks of four are taken, and written. */
static struct tarn_zone *zone_over(const char *name, void *buffer, size_t size, unsigned blocks)
{
    static struct tarn_source_buffer sources[6];
    static unsigned used;
    struct tarn_source_buffer *source = &sources[used++];
    struct tarn_zone *zone = NULL;

    if (tarn_source_buffer_init(source, buffer, size) == 0)
        zone = tarn_zone_create(name, &source->source, size / 2, 0);
    for (unsigned i = 0; i < blocks; i++) {
        struct tarn_page *page = zone ? tarn_pages_alloc(zone, 2, TARN_GFP_KERNEL) : NULL;
        if (!page)
            abort();
        fill(tarn_page_address(page), 4 * 4096);
    }
    return zone;
}

static void *shared_memory(void)
{
    int fd = memfd_create("live", MFD_CLOEXEC);
    void *p =
        fd >= 0 && ftruncate(fd, 1 << 20) == 0 ? mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (p == MAP_FAILED)
        abort();
    return p;
}

/*
 * In each segment, in a block of malloc, in a file, and from the first page of a block of eight pages on, which is the heap's; and another run of
 * its pages, in sections that it shares.
 */
static void hold_zones(void *stack, void *block)
{
    struct tarn_cache_args args = {.zone = zone_over("in-bss", zeroed, BSS, 3)};
    struct tarn_cache *cache;

    zone_over("in-data", initialised, DATA, 1);
    zone_over("in-stack", stack, STACK, 2);
    zone_over("in-block", block, 1 << 20, 5);
    if (tarn_cache_make(&cache, "zoned", 300, &args, TARN_CACHE_NO_MERGE) != 0)
        abort();
    for (int i = 0; i < 400; i++)
        keep(tarn_cache_alloc(cache, TARN_GFP_KERNEL));
    zone_over("in-shared", shared_memory(), 1 << 20, 1);
    zone_over("in-pages", tarn_page_address(keep(tarn_pages_alloc(NULL, 3, TARN_GFP_KERNEL))), 8 * 4096, 0);
    keep(tarn_pages_alloc_run(NULL, 1500, TARN_GFP_KERNEL));
}

/* A heap and one below it: in each a page of small objects; and one object of 25 pages, written. */
static void hold_heaps(void)
{
    struct tarn_heap *heap = tarn_heap_create(&(struct tarn_heap_options){.name = "held"});
    struct tarn_heap *child = tarn_heap_create(&(struct tarn_heap_options){.parent = heap});

    for (int i = 0; i < 10; i++)
        fill(keep(tarn_heap_alloc(i % 2 ? heap : child, 100)), 100);
    fill(keep(tarn_heap_alloc(child, 25 * 4096)), 25 * 4096);
}
#endif

/*
 * 500 objects of 64 bytes, three blocks of 1 MiB, one of 9 and one of 80 MiB, of which 1 MiB was written. With libtarn also 700 objects of a cache
 * "frames", and of "checked", which has no magazines, 10; of kmalloc
 * three of 90 bytes; and the heaps and zones above.
 */
static void hold(void)
{
    char *large, *block;

    for (int i = 0; i < SMALL; i++)
        keep(malloc(64));
    for (int i = 0; i < 3; i++)
        fill(keep(malloc(1 << 20)), 1 << 20);
    block = keep(malloc(9 << 20));
    large = keep(malloc((size_t)80 << 20));
    fill(large, 1 << 20);
#ifndef PLAIN
    struct tarn_cache *frames = tarn_cache_create("frames", 200, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    struct tarn_cache *checked = tarn_cache_create("checked", 100, 0, TARN_CACHE_CONSISTENCY_CHECKS, NULL, NULL);
    size_t first = count;

    for (int i = 0; i < FRAMES; i++)
        keep(tarn_cache_alloc(frames, TARN_GFP_KERNEL));
    for (int i = 0; i < FREED; i++)
        tarn_cache_free(frames, kept[first + (size_t)i]);
    for (int i = 0; i < 10; i++)
        keep(tarn_cache_alloc(checked, TARN_GFP_KERNEL));
    for (int i = 0; i < 3; i++)
        keep(tarn_kmalloc(90, TARN_GFP_KERNEL));
    hold_heaps();
    char stack[STACK];
    hold_zones(stack, block);
#else
    block[0] = 1;
#endif
    wait_to_be_killed();
}

static _Atomic int stop_at_once;

/* Objects of 4096 bytes: each worker has between 0 and IN_HAND of them. And others of all sizes, some large. */
static void *work(void *argument)
{
    unsigned random = (unsigned)(uintptr_t)argument;
    void *hand[IN_HAND] = {NULL}, *other = NULL;

    while (!stop_at_once) {
        unsigned i = (random = random * 1664525u + 1013904223u) >> 16;
        free(hand[i % IN_HAND]);
        hand[i % IN_HAND] = i & 64 ? malloc(4000) : NULL;
        free(other);
        other = malloc(i % 256 == 0 ? (size_t)i * 20 : i % 3000);
    }
    for (int i = 0; i < IN_HAND; i++)
        free(hand[i]);
    free(other);
    return NULL;
}

/* A thread that ends with more frees than allocations: what it was given. */
static void *briefly(void *given)
{
    for (int i = 0; i < GIVEN; i++)
        free(((void **)given)[i]);
    return NULL;
}

static void traffic(void)
{
    void *given[GIVEN];
    pthread_t worker;

    for (int i = 0; i < STEADY; i++)
        keep(malloc(4000));
    for (uintptr_t i = 1; i <= WORKERS; i++)
        if (pthread_create(&worker, NULL, work, (void *)i) != 0)
            abort();
    puts("ready");
    fflush(stdout);
    alarm(100);
    for (;;) {
        for (int i = 0; i < GIVEN; i++)
            given[i] = malloc(4000);
        if (pthread_create(&worker, NULL, briefly, given) != 0)
            abort();
        pthread_join(worker, NULL);
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
}

static void brief(void)
{
    struct timespec begin, now;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        for (int i = 0; i < 100; i++)
            kept[i] = malloc((size_t)i * 100);
        for (int i = 0; i < 100; i++)
            free(kept[i]);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < 20000000);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    initialised[1] = zeroed[1] = 1;
    if (strcmp(what, "hold") == 0)
        hold();
    if (strcmp(what, "traffic") == 0)
        traffic();
    if (strcmp(what, "brief") == 0)
        brief();
    return 0;
}
