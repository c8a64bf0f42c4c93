/*
 * What grouping by mobility is for: pages that stay for ever, allocated one by one in the middle of a churn of pages that come and go.
 *
 *   demo_mobility [MIB]     the size of the zone, 256 unless told; exit status 1 if grouping does not help
 *
 * The zone is kept seven eighths full. Twenty times a fifth of its pages go, from everywhere, and others come in their place; with each 64th
 * comes one that stays, until these are a 32nd of the zone. Then all others are freed, and the free blocks are counted: each page
 * that stays costs the 4 MiB, and the 2 MiB, that it lies in.
 */
#include <tarn/pages.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGES_PER_MIB = 256, TURNS = 20 };

static uint64_t state = 88172645463325252u;

/* xorshift64, after Marsaglia: the same load with and without grouping. */
static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

struct load {
    struct tarn_zone *zone;
    struct tarn_page **movable, **staying;
    size_t slots, most_staying, stayed;
};

static void count_blocks(const char *when, struct tarn_zone *zone, size_t *whole, size_t *half)
{
    struct tarn_zone_stats stats;
    tarn_pages_drain();
    tarn_zone_verify(zone);
    tarn_zone_stats(zone, &stats);
    *whole = stats.blocks[TARN_MAX_PAGE_ORDER];
    *half = stats.blocks[TARN_PAGEBLOCK_ORDER] + 2 * *whole;
    printf("  %-22s %6zu MiB free  %4zu of 4 MiB  %4zu of 2 MiB   fallbacks %5llu  conversions %4llu\n", when,
           stats.free / PAGES_PER_MIB, *whole, *half, (unsigned long long)stats.fallbacks,
           (unsigned long long)stats.conversions);
}

/* A fifth of the pages go, from everywhere; others come in their place, and now and then one that stays. */
static void churn(struct load *load)
{
    for (size_t i = 0; i < load->slots; i++)
        if (next_random() % 5 == 0) {
            tarn_pages_free(load->movable[i], 0);
            load->movable[i] = NULL;
        }
    for (size_t i = 0, came = 0; i < load->slots; i++) {
        if (load->movable[i])
            continue;
        load->movable[i] = tarn_pages_alloc(load->zone, 0, TARN_GFP_NOWAIT | TARN_GFP_MOVABLE);
        if (++came % 64 == 0 && load->stayed < load->most_staying)
            load->staying[load->stayed++] = tarn_pages_alloc(load->zone, 0, TARN_GFP_NOWAIT);
    }
}

static void free_all(struct tarn_page **pages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tarn_pages_free(pages[i], 0);
}

/* Free blocks of 2 MiB that are left when only the pages that stay do; SIZE_MAX: no memory for the load. */
static size_t run(size_t mib, unsigned flags)
{
    size_t pages = mib * PAGES_PER_MIB, whole, half;
    struct load load = {.zone = tarn_zone_create("demo", tarn_source_system(), mib << 20, flags),
                        .slots = pages / 8 * 7 - pages / 32,
                        .most_staying = pages / 32};
    load.movable = calloc(load.slots, sizeof *load.movable);
    load.staying = calloc(load.most_staying, sizeof *load.staying);
    if (!load.zone || !load.movable || !load.staying)
        return SIZE_MAX;
    printf("%s\n", flags & TARN_ZONE_NO_GROUPING ? "without grouping" : "with grouping");
    count_blocks("at first", load.zone, &whole, &half);
    for (size_t i = 0; i < load.slots; i++)
        load.movable[i] = tarn_pages_alloc(load.zone, 0, TARN_GFP_NOWAIT | TARN_GFP_MOVABLE);
    for (int turn = 0; turn < TURNS; turn++)
        churn(&load);
    count_blocks("seven eighths full", load.zone, &whole, &half);
    free_all(load.movable, load.slots);
    count_blocks("only what stays", load.zone, &whole, &half);
    free_all(load.staying, load.stayed);
    tarn_pages_drain();
    if (tarn_zone_destroy(load.zone) != 0)
        half = SIZE_MAX;
    free(load.movable);
    free(load.staying);
    return half;
}

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
    if (mib < 32)
        mib = 32; /* smaller zones are not grouped */
    size_t without = run(mib, TARN_ZONE_NO_GROUPING), with = run(mib, 0);
    bool helps = without != SIZE_MAX && with != SIZE_MAX && with > 2 * without && with >= mib / 4;
    printf("%s\n", helps ? "grouping keeps most of the zone in large blocks" : "grouping does not help here");
    return helps ? 0 : 1;
}
