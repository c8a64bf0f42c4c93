/*
 * The three strategies of a region measured: time, instructions, and how much larger than what is live a region must be.
 *
 *     region time STRATEGY LIVE            nanoseconds for a free and an allocation, LIVE blocks being live
 *     region count STRATEGY LIVE BUDGET    instructions of each of the two, exactly (count.h); ends after BUDGET instructions
 *     region room STRATEGY LOAD SEEDS      fragmentation under a load (loads.h), of so many seeds
 *     region loads                         what loads there are
 *
 * The state of `time` and `count` is one that is old and the same for all: one and a half times as many blocks as are to be
 * live lie side by side, of sizes that are geometric, 166 bytes in the mean; a third, chosen by chance, is free. Then any live
 * block is freed, and one of another size is allocated.
 *
 * Fragmentation, as Johnstone and Wilson (ISMM 1998) and the papers of TLSF define it, with the region in the place of the
 * heap: let a load run in the least region in which no request fails. `external` is how much more that region can hold than is
 * live at the load's peak, in granules, in per cent of the latter: what the holes and headers cost. A block whose size changes
 * counts twice at that moment. `all` is the region's whole size over the bytes that were asked for at the peak, in per cent
 * more: rounding and bitmaps, too. The least region is found by halving an interval, to 0.2 per cent of the peak.
 */
#include "bench/region/loads.h"
#include "bench/worst/count.h"
#include "tarn/region.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LARGEST ((size_t)768 << 20)
enum { COUNTED_MOST = 20000, ROUND = 50, GRANULE = 2 * sizeof(void *) };

static char *memory;
static struct tarn_region *region;
static void **blocks;
static uint32_t live;
static uint64_t random_state = 88172645463325252u;

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "bench_region: %s\n", what);
    exit(1);
}

static struct tarn_region_options strategy_of(const char *name)
{
    static const char *const names[] = {"tlsf", "best", "first"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return (struct tarn_region_options){.strategy = (enum tarn_region_strategy)i};
    fail("a strategy is tlsf, best or first");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t size_of_next(void) { return 16 + load_geometric(&random_state, 150); }

/* Addresses descend as blocks are freed: first fit has to look for a free neighbour, and so it finds one near. */
static void age(const struct tarn_region_options *options, uint32_t want)
{
    uint32_t all = want + want / 2;
    size_t size = (size_t)all * 200 + (1 << 20);
    region = tarn_region_create(memory, size, options);
    blocks = calloc(all, sizeof *blocks);
    if (!region || !blocks || size > LARGEST)
        fail("no memory");
    for (uint32_t i = 0; i < all; i++)
        if (!(blocks[i] = tarn_region_alloc(region, size_of_next())))
            fail("the region is too small");
    live = all;
    for (uint32_t i = all; i-- > 0 && live > want;)
        if (load_below(&random_state, i + 1) < live - want) {
            tarn_region_free(region, blocks[i]);
            blocks[i] = blocks[--live];
        }
}

static void measure_time(void)
{
    static uint32_t at[ROUND], size[ROUND];
    double spent = 0;
    unsigned pairs = 0;
    do {
        for (unsigned i = 0; i < ROUND; i++)
            at[i] = load_below(&random_state, live), size[i] = size_of_next();
        double begin = now();
        for (unsigned i = 0; i < ROUND; i++) {
            tarn_region_free(region, blocks[at[i]]);
            blocks[at[i]] = tarn_region_alloc(region, size[i]);
        }
        spent += now() - begin;
        pairs += ROUND;
    } while (spent < 1e8 && pairs < 1000000);
    printf("pair %.2f\n", spent / pairs);
}

static int by_count(const void *a, const void *b)
{
    unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;
    return x < y ? -1 : x > y;
}

static void print_counts(const char *name, unsigned long *counts, unsigned n)
{
    double sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += (double)counts[i];
    qsort(counts, n, sizeof *counts, by_count);
    printf("%s-mean %.1f\n%s-median %lu\n%s-most %lu\n", name, sum / n, name, counts[n / 2], name, counts[n - 1]);
}

static void measure_counts(unsigned long budget)
{
    static unsigned long allocs[COUNTED_MOST], frees[COUNTED_MOST];
    unsigned n = 0;
    if (!count_method())
        fail("nothing counts instructions here");
    for (unsigned long spent = 0; n < COUNTED_MOST && spent < budget; n++) {
        uint32_t at = load_below(&random_state, live);
        uintptr_t answer;
        frees[n] =
            count_of((count_call *)(void (*)(void))tarn_region_free, (uintptr_t)region, (uintptr_t)blocks[at], 0, &answer);
        allocs[n] = count_of((count_call *)(void (*)(void))tarn_region_alloc, (uintptr_t)region, size_of_next(), 0, &answer);
        blocks[at] = (void *)answer;
        spent += frees[n] + allocs[n];
    }
    print_counts("alloc", allocs, n);
    print_counts("free", frees, n);
    printf("calls %u\n", n);
}

/* The most that a load has live, as it asked and in granules; a block whose size changes counts twice then. And what the region could hold. */
struct peak {
    size_t asked, held, capacity;
};

static size_t in_granules(size_t size) { return (size + GRANULE - 1) & ~(size_t)(GRANULE - 1); }

static void follow(struct peak *now, struct peak *most, size_t old, size_t new)
{
    now->asked += new;
    now->held += in_granules(new);
    most->asked = now->asked > most->asked ? now->asked : most->asked;
    most->held = now->held > most->held ? now->held : most->held;
    now->asked -= old;
    now->held -= in_granules(old);
}

/* Runs a load in a region of that size. False: a request failed. */
static bool fits(const struct load *load, const struct tarn_region_options *options, size_t size, struct peak *peak)
{
    struct peak current = {0, 0, 0};
    uint32_t *sizes = calloc(load->blocks, sizeof *sizes);
    void **held = calloc(load->blocks, sizeof *held);
    bool all = true;
    region = tarn_region_create(memory, size, options);
    if (!sizes || !held || !region)
        fail("no memory");
    *peak = current;
    for (size_t i = 0; i < load->count && all; i++) {
        const struct event event = load->events[i];
        held[event.block] = tarn_region_realloc(region, held[event.block], event.size);
        all = held[event.block] || !event.size;
        follow(&current, peak, sizes[event.block], event.size);
        sizes[event.block] = event.size;
    }
    struct tarn_pool_stats stats;
    tarn_region_stats(region, &stats);
    peak->capacity = stats.capacity;
    free(sizes);
    free(held);
    return all;
}

static void room(const struct tarn_region_options *options, const char *name, unsigned long seed)
{
    struct peak peak, least;
    const struct load_kind *kind = NULL;
    for (unsigned i = 0; i < load_kinds_count; i++)
        if (strcmp(load_kinds[i].name, name) == 0)
            kind = &load_kinds[i];
    if (!kind)
        fail("no such load");
    struct load load = load_make(kind, seed);
    size_t enough = (size_t)64 << 20;
    if (!fits(&load, options, enough, &least))
        fail("a load is too large");
    size_t few = least.held;
    size_t precision = few / 500;
    for (enough = least.held * 4; enough - few > precision;) {
        size_t middle = few + (enough - few) / 2;
        if (fits(&load, options, middle, &peak))
            enough = middle, least = peak;
        else
            few = middle;
    }
    printf("external-%lu %.2f\n", seed, 100.0 * ((double)least.capacity - (double)least.held) / (double)least.held);
    printf("all-%lu %.2f\n", seed, 100.0 * ((double)enough - (double)least.asked) / (double)least.asked);
    printf("peak-%lu %zu\n", seed, least.asked);
    load_free(&load);
}

int main(int argc, char **argv)
{
    memory = mmap(NULL, LARGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        fail("no memory");
    if (argc == 2 && strcmp(argv[1], "loads") == 0) {
        for (unsigned i = 0; i < load_kinds_count; i++)
            printf("%s %s\n", load_kinds[i].name, load_kinds[i].what);
        return 0;
    }
    if (argc < 4)
        fail("time STRATEGY LIVE, count STRATEGY LIVE BUDGET, or room STRATEGY LOAD SEEDS");
    const struct tarn_region_options options = strategy_of(argv[2]);
    if (strcmp(argv[1], "room") == 0) {
        for (unsigned long seed = 1; seed <= (argc > 4 ? strtoul(argv[4], NULL, 10) : 1); seed++)
            room(&options, argv[3], seed);
        return 0;
    }
    age(&options, (uint32_t)strtoul(argv[3], NULL, 10));
    if (strcmp(argv[1], "count") == 0)
        measure_counts(argc > 4 ? strtoul(argv[4], NULL, 10) : 100000);
    else
        measure_time();
    return 0;
}
