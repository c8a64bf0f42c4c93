/* Block pools by one thread, against a map of blocks: what is found where, kept contents, the counters, and the answer to every wrong free. */
#include "test/model/model.h"

#include "tarn/blockpool.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS = 500, MEMORY = 65536 };

struct run {
    char *p;
    size_t size, blocks; /* asked for; taken */
    uint64_t stamp;
};

static struct run runs[RUNS];
static struct tarn_blockpool *pool;
static struct tarn_blockpool_options options;
static struct tarn_source_count counted;
static _Alignas(16) char memory[MEMORY + 16];
static size_t live, used, peak, block;

static size_t blocks_of(size_t size)
{
    size_t zones = options.flags & TARN_POOL_RED_ZONE ? 3 * sizeof(size_t) : 0;
    return ((size ? size : 1) + zones + block - 1) / block;
}

static void note(size_t more, size_t fewer)
{
    used = used + more - fewer;
    peak = used > peak ? used : peak;
}

static void adopt(uint64_t *random, struct run *run, char *p, size_t size)
{
    *run = (struct run){p, size, blocks_of(size), model_random(random)};
    for (const struct run *other = runs; other < runs + RUNS; other++)
        MODEL_REQUIRE(other == run || !other->p || p >= other->p + other->size || p + size <= other->p, "runs lie apart");
    model_stamp(p, size, run->stamp);
}

static void take(uint64_t *random, struct run *run)
{
    size_t size = model_below(random, model_below(random, 20) ? block * 4 : block * 150);
    struct tarn_pool_stats stats;
    bool look = model_below(random, 4) == 0; /* seldom: a look unparks what is parked */
    if (look)
        tarn_blockpool_stats(pool, &stats);
    char *p = tarn_blockpool_alloc(pool, size);
    if (look)
        MODEL_REQUIRE(!p == (!options.increment && (size ? size : 1) > stats.largest_free), "what is free can be had");
    if (!p)
        return;
    live++;
    note(blocks_of(size), 0);
    adopt(random, run, p, size);
}

static void give(uint64_t *random, struct run *run)
{
    MODEL_REQUIRE(model_stamped(run->p, run->size, run->stamp), "a run keeps its contents");
    MODEL_REQUIRE(tarn_blockpool_free(pool, run->p) == 0, "a live run is freed");
    if (model_below(random, 4) == 0)
        MODEL_REQUIRE(tarn_blockpool_free(pool, run->p) == TARN_POOL_DOUBLE_FREE, "what is free is not freed again");
    note(0, run->blocks);
    live--;
    run->p = NULL;
}

static void resize(uint64_t *random, struct run *run)
{
    struct run was = *run;
    size_t size = 1 + model_below(random, model_below(random, 20) ? block * 4 : block * 150),
           kept = size < was.size ? size : was.size;
    char *p = tarn_blockpool_realloc(pool, was.p, size);
    MODEL_REQUIRE(p || !options.increment, "a pool that grows has memory");
    MODEL_REQUIRE(model_stamped(p ? p : was.p, p ? kept : was.size, was.stamp), "a run keeps its contents");
    if (!p)
        return;
    if (p != was.p) /* for a moment there were two */
        note(blocks_of(size), 0), note(0, was.blocks);
    else
        note(blocks_of(size), was.blocks);
    run->p = NULL;
    adopt(random, run, p, size);
}

/* An address in or beside a run, that is not its beginning. */
static void free_wrongly(uint64_t *random, const struct run *run)
{
    size_t at = 1 + model_below(random, run->blocks * block);
    char *p = run->p + at;
    int error = tarn_blockpool_free(pool, p);
    bool inside = at < run->blocks * block;
    MODEL_REQUIRE(inside ? error == TARN_POOL_INSIDE : error == TARN_POOL_DOUBLE_FREE || error == TARN_POOL_FOREIGN,
                  "a wrong free gets its answer");
}

static bool beside_a_run(const struct run *run)
{
    for (size_t i = 0; i < RUNS; i++)
        if (runs[i].p == run->p + run->blocks * block)
            return true;
    return false;
}

static size_t seen;
static void see(void *context, void *p, size_t size)
{
    (void)context;
    for (size_t i = 0; i < RUNS; i++)
        if (runs[i].p == p) {
            MODEL_REQUIRE(options.flags & TARN_POOL_RED_ZONE ? size == (runs[i].size ? runs[i].size : 1)
                                                             : size == runs[i].blocks * block,
                          "a run is shown with its size");
            seen++;
            return;
        }
    model_failed("what is shown is a run");
}

static void verify_all(void)
{
    struct tarn_pool_stats stats;
    MODEL_REQUIRE(tarn_blockpool_check(pool) == 0, "the pool holds together");
    tarn_blockpool_stats(pool, &stats);
    MODEL_REQUIRE(stats.live_blocks == live && stats.live_bytes == used * block && stats.peak_bytes == peak * block,
                  "the counters are right");
    MODEL_REQUIRE(tarn_blockpool_used(pool) == used * block, "the bytes in use are right");
    seen = 0;
    tarn_blockpool_each(pool, see, NULL);
    MODEL_REQUIRE(seen == live, "all runs are shown, once");
}

static void random_options(uint64_t *random)
{
    static const unsigned bits[] = {TARN_POOL_CHECK, TARN_POOL_RED_ZONE, TARN_POOL_POISON, TARN_POOL_ZERO};
    options = (struct tarn_blockpool_options){.source = &counted.source};
    bool flags = model_below(random, 2);
    for (size_t i = 0; flags && i < sizeof bits / sizeof *bits; i++)
        options.flags |= model_below(random, 3) == 0 ? bits[i] : 0;
    block = 8 * (1 + model_below(random, model_below(random, 4) ? 20 : 700));
    options.block_size = block;
    options.fit = model_below(random, 2) ? TARN_BLOCKPOOL_NEXT_FIT : TARN_BLOCKPOOL_FIRST_FIT;
    options.increment = model_below(random, 2) ? 1 + model_below(random, 30000) : 0;
    if (model_below(random, 3) == 0)
        options.lock = TARN_POOL_LOCK_BUILTIN;
}

static void one_pool(uint64_t *random)
{
    random_options(random);
    bool given = model_below(random, 2);
    pool = tarn_blockpool_create_in(given ? memory + model_below(random, 16) : NULL,
                                    given ? MEMORY : 1 + model_below(random, MEMORY), &options);
    MODEL_REQUIRE(pool, "the options go together");
    used = live = peak = 0;
    size_t wanted = 1 + model_below(random, RUNS);
    for (size_t i = 0; i < 5000 && model_goes_on(); i++) {
        struct run *run = &runs[model_below(random, wanted)];
        size_t what = model_below(random, 20);
        if (!run->p)
            take(random, run);
        else if (what < 4)
            resize(random, run);
        else if (what < 6 && !beside_a_run(run))
            free_wrongly(random, run);
        else if (give(random, run), what < 12)
            take(random, run);
        if (what == 19 && model_below(random, 20) == 0)
            tarn_blockpool_trim(pool);
        if (i % 100 == 0)
            verify_all();
    }
    verify_all();
    MODEL_REQUIRE((tarn_blockpool_destroy(pool) == TARN_POOL_BUSY) == (live > 0), "a pool in use is not ended");
    if (live == 0)
        return;
    for (size_t i = 0; i < RUNS; i++)
        if (runs[i].p)
            give(random, &runs[i]);
    verify_all();
    MODEL_REQUIRE(tarn_blockpool_destroy(pool) == 0, "an empty pool is ended");
    MODEL_REQUIRE(counted.acquired == counted.released, "all memory is given back");
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    tarn_source_count_init(&counted, tarn_source_system());
    while (model_goes_on())
        one_pool(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
