/*
 * gen_pool by one thread, with each algorithm, against an array with a byte for each unit that is searched place by place.
 */
#include "test/model/model.h"

#include "base/fail.h"
#include "tarn/genpool.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNKS = 3, MOST_UNITS = 400, RANGES = 200 };

struct chunk {
    unsigned long start;
    size_t units, size;
    bool taken[MOST_UNITS];
};

struct range {
    unsigned long address;
    size_t size;
};

/* What a search is for: the arguments of the algorithm, and the distance of the place from the best one; the least wins, then the lowest. */
struct search {
    enum { FIRST, ALIGN, ORDER_ALIGN, FIXED, BEST, KINDS } kind;
    size_t units, align, offset;
};

static struct chunk chunks[CHUNKS]; /* the newest last */
static size_t chunk_count, unit;
static struct range ranges[RANGES];
static struct tarn_gen_pool *pool;

static tarn_gen_pool_algo_t *const algos[KINDS] = {tarn_gen_pool_first_fit, tarn_gen_pool_first_fit_align,
                                                   tarn_gen_pool_first_fit_order_align, tarn_gen_pool_fixed_alloc,
                                                   tarn_gen_pool_best_fit};

static size_t gap_at(const struct chunk *chunk, size_t at)
{
    size_t gap = 0;
    while (at + gap < chunk->units && !chunk->taken[at + gap])
        gap++;
    return gap;
}

static bool suits(const struct chunk *chunk, size_t at, const struct search *search)
{
    size_t power = 1;
    while (power < search->units)
        power *= 2;
    if (gap_at(chunk, at) < search->units)
        return false;
    switch (search->kind) {
    case ALIGN:
        return (chunk->start + at * unit) % search->align == 0;
    case ORDER_ALIGN:
        return at % power == 0;
    case FIXED:
        return at * unit == search->offset;
    default:
        return true;
    }
}

/* The unit that the range must begin at; the chunk's count of units if there is none. */
static size_t expected_in(const struct chunk *chunk, const struct search *search)
{
    size_t best = chunk->units, least = SIZE_MAX;
    for (size_t at = 0; at < chunk->units; at++) {
        bool begins_gap = at == 0 || chunk->taken[at - 1];
        size_t cost = search->kind == BEST ? gap_at(chunk, at) : 0;
        if (suits(chunk, at, search) && (search->kind != BEST || begins_gap) && cost < least) {
            best = at;
            least = cost;
        }
    }
    return best;
}

static unsigned long expected(const struct search *search)
{
    for (size_t i = chunk_count; i-- > 0;) {
        size_t at = expected_in(&chunks[i], search);
        if (at < chunks[i].units)
            return chunks[i].start + at * unit;
    }
    return 0;
}

static void mark(unsigned long address, size_t size, bool taken)
{
    for (size_t i = 0; i < chunk_count; i++)
        if (address >= chunks[i].start && address < chunks[i].start + chunks[i].size)
            for (size_t at = (address - chunks[i].start) / unit, n = (size + unit - 1) / unit; n > 0; n--, at++) {
                MODEL_REQUIRE(chunks[i].taken[at] != taken, "a unit is taken once and given back once");
                chunks[i].taken[at] = taken;
            }
}

static void take(uint64_t *random, struct range *range)
{
    size_t size = 1 + model_below(random, unit * (model_below(random, 8) ? 20 : 200));
    struct search search = {.kind = (int)model_below(random, KINDS), .units = (size + unit - 1) / unit};
    struct tarn_gen_pool_align align = {1 << model_below(random, 16)};
    struct tarn_gen_pool_fixed fixed = {model_below(random, MOST_UNITS) * unit};
    search.align = (size_t)align.align;
    search.offset = fixed.offset;
    void *data = search.kind == ALIGN ? (void *)&align : search.kind == FIXED ? (void *)&fixed : NULL;
    unsigned long due = expected(&search), got = tarn_gen_pool_alloc(pool, size, algos[search.kind], data, NULL);
    MODEL_REQUIRE(got == due, "the range is where the algorithm says");
    if (got) {
        mark(got, size, true);
        *range = (struct range){got, size};
    }
}

/* All of it, or its end. */
static void give(uint64_t *random, struct range *range)
{
    size_t keep = model_below(random, 3) ? 0 : model_below(random, (range->size + unit - 1) / unit) * unit;
    tarn_gen_pool_free(pool, range->address + keep, range->size - keep, NULL);
    mark(range->address + keep, range->size - keep, false);
    range->size = keep;
    if (keep == 0)
        range->address = 0;
}

/* Chunks begin anywhere, within units too. */
static void add(uint64_t *random)
{
    struct chunk *chunk = &chunks[chunk_count];
    chunk->size = 1 + model_below(random, MOST_UNITS * unit);
    chunk->units = chunk->size / unit;
    chunk->start = (unsigned long)(chunk_count + 1 + model_below(random, 2)) * 0x10000000;
    chunk->start += model_below(random, 4) ? model_below(random, 64) * unit : model_below(random, 100000);
    memset(chunk->taken, 0, sizeof chunk->taken);
    if (tarn_gen_pool_add(pool, chunk->start, 0, chunk->size, NULL) == 0)
        chunk_count++;
}

static void verify_all(void)
{
    size_t free_bytes = 0, size = 0;
    for (size_t i = 0; i < chunk_count; i++) {
        free_bytes += chunks[i].size;
        size += chunks[i].size;
        for (size_t at = 0; at < chunks[i].units; at++)
            free_bytes -= chunks[i].taken[at] ? unit : 0;
    }
    MODEL_REQUIRE(tarn_gen_pool_available(pool) == free_bytes, "the count of available bytes is right");
    MODEL_REQUIRE(tarn_gen_pool_size(pool) == size, "the size is that of all chunks");
    tarn_gen_pool_verify(pool);
}

static void one_pool(uint64_t *random)
{
    int order = (int)model_below(random, 13);
    unit = (size_t)1 << order;
    chunk_count = 0;
    memset(ranges, 0, sizeof ranges);
    pool = tarn_gen_pool_create(order, 0);
    tarn__set_fail_exit(model_fail_exit);
    for (size_t i = 0; i < 3000 && model_goes_on(); i++) {
        if (chunk_count < CHUNKS && model_below(random, 100) == 0)
            add(random);
        struct range *range = &ranges[model_below(random, RANGES)];
        range->address ? give(random, range) : take(random, range);
        if (i % 500 == 0)
            verify_all();
    }
    verify_all();
    for (size_t i = 0; i < RANGES; i++)
        if (ranges[i].address)
            tarn_gen_pool_free(pool, ranges[i].address, ranges[i].size, NULL);
    MODEL_REQUIRE(tarn_gen_pool_destroy(pool) == 0, "a pool without ranges can be destroyed");
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    while (model_goes_on())
        one_pool(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
