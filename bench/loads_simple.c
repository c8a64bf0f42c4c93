/*
 * Loads of one thread and one pattern each: pairs, batches, random replacement, large blocks.
 */
#include "harness.h"
#include "loads.h"

double load_pair_ns, load_floor_ns;

/* The floor: what malloc and free of one size could cost at the least, a list of free objects inlined. */
struct floor_list {
    struct floor_list *next;
};
static struct floor_list *floor_head;

static double floor_pairs(size_t size, uint64_t pairs)
{
    double begin = bench_seconds();

    for (uint64_t i = 0; i < pairs; i++) {
        struct floor_list *object = floor_head;
        floor_head = object->next;
        unsigned char *bytes = bench_opaque(object);
        bytes[0] = (unsigned char)i;
        bytes[size - 1] = (unsigned char)i;
        object = bench_opaque(bytes);
        object->next = floor_head;
        floor_head = object;
        bench_opaque(object);
    }
    return bench_seconds() - begin;
}

static double malloc_pairs(size_t size, uint64_t pairs)
{
    double begin = bench_seconds();

    for (uint64_t i = 0; i < pairs; i++) {
        unsigned char *bytes = bench_opaque(malloc(size));
        bytes[0] = (unsigned char)i;
        bytes[size - 1] = (unsigned char)i;
        free(bench_opaque(bytes));
    }
    return bench_seconds() - begin;
}

/* The simplest question: one size, one object at a time. The floor takes a quarter as many rounds. */
uint64_t load_pair(double scale)
{
    static const size_t sizes[] = {16, 24, 32, 48, 64, 96, 128, 256, 512, 1024};
    const unsigned count = sizeof sizes / sizeof sizes[0];
    uint64_t pairs = bench_scaled(5000000, scale);
    uint64_t floor = pairs / 4 + 1;
    double malloc_seconds = 0, floor_seconds = 0;

    for (unsigned i = 0; i < count; i++) {
        malloc_seconds += malloc_pairs(sizes[i], pairs);
        struct floor_list *objects[4];
        for (unsigned k = 0; k < 4; k++) {
            objects[k] = bench_opaque(malloc(sizes[i]));
            objects[k]->next = floor_head;
            floor_head = objects[k];
        }
        floor_seconds += floor_pairs(sizes[i], floor);
        floor_head = NULL;
        for (unsigned k = 0; k < 4; k++)
            free(objects[k]);
    }
    load_pair_ns = malloc_seconds * 1e9 / (double)(pairs * count);
    load_floor_ns = floor_seconds * 1e9 / (double)(floor * count);
    return pairs * count;
}

#define BATCH_MAX 1000u
#define BATCH_ORDERS 8u /* permutations, drawn once: shuffling would cost more than freeing */

static void shuffle(uint16_t *order, uint32_t count, struct bench_random *random)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = (uint16_t)i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t k = bench_below(random, i);
        uint16_t kept = order[i - 1];
        order[i - 1] = order[k];
        order[k] = kept;
    }
}

static void batch_rounds(uint32_t count, uint64_t rounds, struct bench_random *random)
{
    static uint16_t orders[BATCH_ORDERS][BATCH_MAX];
    static void *objects[BATCH_MAX];

    for (unsigned i = 0; i < BATCH_ORDERS; i++)
        shuffle(orders[i], count, random);
    for (uint64_t round = 0; round < rounds; round++) {
        const uint16_t *order = orders[round % BATCH_ORDERS];
        size_t one_size = 16 + bench_below(random, 497);
        if (round & 1)
            for (uint32_t i = 0; i < count; i++)
                objects[i] = object_new(one_size, i);
        else
            for (uint32_t i = 0; i < count; i++)
                objects[i] = object_new(16 + bench_below(random, 497), i);
        for (uint32_t i = 0; i < count; i++)
            object_drop(objects[order[i]]);
    }
}

/* Many at once, freed in another order; every second batch is of one size, the others of 16 to 512 bytes. */
uint64_t load_batch(double scale)
{
    static const uint32_t counts[] = {10, 100, 1000};
    struct bench_random random = bench_seed(11);
    uint64_t objects = bench_scaled(6000000, scale), ops = 0;

    for (unsigned i = 0; i < 3; i++) {
        uint64_t rounds = objects / counts[i] + 1;
        batch_rounds(counts[i], rounds, &random);
        ops += rounds * counts[i];
    }
    return ops;
}

/* Random replacement: each step frees one of the live objects at random and allocates another, of a size from the table. */
static void replace(void **slots, uint32_t live, uint64_t steps, const uint16_t *sizes, struct bench_random *random)
{
    for (uint64_t i = 0; i < steps; i++) {
        uint32_t slot = bench_below(random, live);
        object_drop(slots[slot]);
        slots[slot] = object_new(sizes[bench_next(random) >> 53], (uint32_t)i);
    }
}

static void **fill(uint32_t live, const uint16_t *sizes, struct bench_random *random)
{
    void **slots = malloc(live * sizeof *slots);

    if (slots == NULL)
        bench_fail("no memory for the slots", NULL);
    for (uint32_t i = 0; i < live; i++)
        slots[i] = object_new(sizes[bench_next(random) >> 53], i);
    return slots;
}

static void empty(void **slots, uint32_t live)
{
    for (uint32_t i = 0; i < live; i++)
        object_drop(slots[i]);
    free(slots);
}

static uint64_t churn(uint32_t live, uint64_t steps, const uint16_t *sizes)
{
    struct bench_random random = bench_seed(live);
    void **slots = fill(live, sizes, &random);

    replace(slots, live, steps, sizes, &random);
    empty(slots, live);
    return steps + live;
}

/* Small objects; as many steps as there are objects go before, so that what is measured does not lie in the order of its allocation. */
double load_live_by(uint32_t live, uint64_t steps)
{
    struct bench_random random = bench_seed(live);
    void **slots = fill(live, bench_small_sizes, &random);

    replace(slots, live, live, bench_small_sizes, &random);
    double begin = bench_seconds();
    replace(slots, live, steps, bench_small_sizes, &random);
    double seconds = bench_seconds() - begin;
    empty(slots, live);
    return seconds;
}

uint64_t load_churn_1k(double scale) { return churn(1000, bench_scaled(12000000, scale), bench_program_sizes); }

uint64_t load_churn_100k(double scale) { return churn(100000, bench_scaled(2500000, scale), bench_program_sizes); }

/* Without the tail above 1 KiB: the same misses in 100 MB, not 220, whose page faults would be most of the time. */
uint64_t load_churn_1m(double scale) { return churn(1000000, bench_scaled(1000000, scale), bench_small_sizes); }

/* Every size class in turn, eight live: refills and the sizes between, not the caches' depth. */
uint64_t load_sizes(double scale)
{
    void *ring[8] = {0};
    uint64_t each = bench_scaled(100000, scale), ops = 0;

    for (unsigned sweep = 0; sweep < 2; sweep++)
        for (size_t size = 8; size <= 32768; size += size < 128 ? 8 : size / 12 / 8 * 8) {
            for (uint64_t i = 0; i < each; i++) {
                object_drop(ring[i % 8]);
                ring[i % 8] = object_new(size - (i & 3 & (size > 16 ? 3 : 0)), (uint32_t)i);
            }
            ops += each;
        }
    for (unsigned i = 0; i < 8; i++)
        object_drop(ring[i]);
    return ops;
}

/* 32 KiB to 1 MiB, every doubling as likely as another; one in 64 is of 4 to 16 MiB. */
static size_t large_size(struct bench_random *random)
{
    uint32_t draw = bench_below(random, 64);

    if (draw == 0)
        return ((size_t)4 << 20) + bench_below(random, 12u << 20);
    size_t base = (size_t)32768 << draw % 5;
    return base + bench_below(random, (uint32_t)base);
}

/* 60 live blocks, every page of them written once, as by a program that reads files into buffers. */
uint64_t load_large(double scale)
{
    enum { LIVE = 60 };
    struct bench_random random = bench_seed(31);
    void *slots[LIVE] = {0};
    uint64_t steps = bench_scaled(15000, scale);

    for (uint64_t i = 0; i < steps; i++) {
        uint32_t slot = bench_below(&random, LIVE);
        object_drop(slots[slot]);
        slots[slot] = object_new(large_size(&random), (uint32_t)i);
    }
    for (unsigned i = 0; i < LIVE; i++)
        object_drop(slots[i]);
    return steps;
}

/* Small objects, and one in 64 of 32 to 70 KiB: just above or below where the size classes of many end. */
uint64_t load_mixed_70k(double scale)
{
    enum { LIVE = 10000 };
    struct bench_random random = bench_seed(41);
    static void *slots[LIVE];
    uint64_t steps = bench_scaled(4000000, scale);

    for (uint64_t i = 0; i < steps; i++) {
        uint32_t slot = bench_below(&random, LIVE);
        object_drop(slots[slot]);
        size_t size = bench_small_size(&random);
        if (bench_below(&random, 64) == 0)
            size = 32768 + bench_below(&random, 38u << 10);
        slots[slot] = object_new(size, (uint32_t)i);
    }
    for (unsigned i = 0; i < LIVE; i++)
        object_drop(slots[i]);
    return steps + LIVE;
}

/* Zeroed memory, checked at both ends and in the middle; whole for one in 32. */
static void *object_zeroed(size_t size, uint32_t serial)
{
    unsigned char *bytes = calloc(1, size);

    if (bytes == NULL)
        bench_fail("an allocation failed", bytes);
    if (bytes[0] | bytes[7] | bytes[size / 2] | bytes[size - 1])
        bench_fail("calloc gave memory that is not zero", bytes);
    if (serial % 32 == 0)
        for (size_t i = 0; i + 8 <= size; i += 8) {
            uint64_t word;
            memcpy(&word, bytes + i, sizeof word);
            if (word != 0)
                bench_fail("calloc gave memory that is not zero", bytes);
        }
    return object_accept(bytes, size, serial);
}

uint64_t load_calloc_churn(double scale)
{
    enum { LIVE = 2000 };
    struct bench_random random = bench_seed(51);
    static void *slots[LIVE];
    uint64_t steps = bench_scaled(8000000, scale);

    for (uint64_t i = 0; i < steps; i++) {
        uint32_t slot = bench_below(&random, LIVE);
        object_drop(slots[slot]);
        size_t size = bench_program_size(&random);
        if (i % 4096 == 0)
            size = 65536 + bench_below(&random, 192u << 10);
        slots[slot] = object_zeroed(size, (uint32_t)i);
    }
    for (unsigned i = 0; i < LIVE; i++)
        object_drop(slots[i]);
    return steps;
}

/*
 * Alignments of vectors (32, 64), of cache-line pairs (128) and of pages, beside ordinary requests. 256 to
 * 1024 are left out because one packaged peer (mimalloc 2.0.9) answers them with misaligned memory.
 */
uint64_t load_aligned_churn(double scale)
{
    enum { LIVE = 2000 };
    static const uint16_t alignments[8] = {32, 64, 64, 64, 128, 32, 128, 4096};
    struct bench_random random = bench_seed(61);
    static void *slots[LIVE];
    uint64_t steps = bench_scaled(9000000, scale);

    for (uint64_t i = 0; i < steps; i++) {
        uint32_t slot = bench_below(&random, LIVE);
        object_drop(slots[slot]);
        size_t size = bench_small_size(&random);
        if (i & 1) {
            slots[slot] = object_new(size, (uint32_t)i);
            continue;
        }
        size_t alignment = alignments[i / 2 % 8];
        size = (size + alignment - 1) & ~(alignment - 1);
        void *object = aligned_alloc(alignment, size);
        if ((uintptr_t)object & (alignment - 1))
            bench_fail("an object is not aligned as asked", object);
        slots[slot] = object_accept(object, size, (uint32_t)i);
    }
    for (unsigned i = 0; i < LIVE; i++)
        object_drop(slots[i]);
    return steps;
}
