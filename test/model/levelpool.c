/* Level pools by one thread: of random classes and marks, whose blocks must keep their contents, and counters that must agree. */
#include "test/model/model.h"

#include "tarn/levelpool.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 1500, ROOM = 1 << 20 };

struct block {
    char *p;
    size_t size;
    uint64_t stamp;
};

static struct block blocks[BLOCKS];
static _Alignas(16) char memory[ROOM + 16];
static struct tarn_levelpool *pool;
static struct tarn_levelpool_options options;
static size_t outside, live;

static void *outside_alloc(void *context, size_t size)
{
    uint64_t *random = context;
    void *p = model_below(random, 10) ? malloc(size) : NULL;
    outside += p != NULL;
    return p;
}

static void outside_free(void *context, void *p, size_t size)
{
    (void)context;
    memset(p, 0xdd, size); /* it has that size */
    free(p);
    outside--;
}

/* A source that fails now and then. */
static void *acquire(struct tarn_source *source, size_t size, size_t align)
{
    static uint64_t random = 77;
    return model_below(&random, 4) ? source->parent->ops->acquire(source->parent, size, align) : NULL;
}

static int release(struct tarn_source *source, void *p, size_t size)
{
    return source->parent->ops->release(source->parent, p, size);
}

static const struct tarn_source_ops moody = {.acquire = acquire, .release = release};

static size_t most(void) { return (size_t)options.classes * TARN_LEVELPOOL_STEP; }

static size_t class_bytes(size_t size)
{
    return size == 0 ? TARN_LEVELPOOL_STEP : (size + TARN_LEVELPOOL_STEP - 1) / TARN_LEVELPOOL_STEP * TARN_LEVELPOOL_STEP;
}

static size_t random_size(uint64_t *random) { return model_below(random, model_below(random, 4) ? most() + 1 : most() * 2); }

static void adopt(struct block *block, char *p, size_t size, uint64_t stamp)
{
    MODEL_REQUIRE((uintptr_t)p % (class_bytes(size) % 16 || _Alignof(max_align_t) < 16 ? 8 : 16) == 0, "a block is aligned");
    *block = (struct block){p, size, stamp};
    model_stamp(p, size, stamp);
}

static void take(uint64_t *random, struct block *block)
{
    size_t size = random_size(random), ready = tarn_levelpool_ready(pool, size);
    char *p = tarn_levelpool_alloc(pool, size);
    MODEL_REQUIRE(p || ready == 0, "a ready block is handed out");
    MODEL_REQUIRE(!p || size > most() || tarn_levelpool_ready(pool, size) + 1 >= ready, "one block is taken at most");
    if (!p)
        return;
    MODEL_REQUIRE(!(options.flags & TARN_POOL_ZERO) || model_zero(p, size), "a block is zeroed when that is asked for");
    adopt(block, p, size, model_random(random));
    live++;
}

static void give(struct block *block)
{
    MODEL_REQUIRE(model_stamped(block->p, block->size, block->stamp), "a block keeps its contents");
    MODEL_REQUIRE(tarn_levelpool_free(pool, block->p) == 0, "a live block can be freed");
    int error = tarn_levelpool_free(pool, block->p);
    MODEL_REQUIRE(error == (block->size > most() ? TARN_POOL_FOREIGN : TARN_POOL_DOUBLE_FREE), "once only");
    block->p = NULL;
    live--;
}

static void resize(uint64_t *random, struct block *block)
{
    size_t size = random_size(random) + 1;
    bool stays = block->size <= most() && size <= class_bytes(block->size);
    char *p = tarn_levelpool_realloc(pool, block->p, size);
    MODEL_REQUIRE(!stays || p == block->p, "a block whose class has room stays");
    size_t kept = p && size < block->size ? size : block->size;
    MODEL_REQUIRE(model_stamped(p ? p : block->p, kept, block->stamp), "contents stay as a block changes its size");
    if (!p)
        return;
    size_t usable = tarn_levelpool_usable_size(pool, p);
    adopt(block, p, stays ? usable : size, model_random(random));
}

static void sum_up(void *context, void *p, size_t size)
{
    size_t *sum = context;
    MODEL_REQUIRE(p, "a block is somewhere");
    sum[0]++;
    sum[1] += size;
}

static void verify_all(void)
{
    struct tarn_pool_stats stats;
    size_t seen[2] = {0, 0}, bytes = 0;
    MODEL_REQUIRE(tarn_levelpool_check(pool) == 0, "the pool is sound");
    tarn_levelpool_stats(pool, &stats);
    tarn_levelpool_each(pool, sum_up, seen);
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].p)
            bytes += blocks[i].size > most() ? blocks[i].size : class_bytes(blocks[i].size);
    MODEL_REQUIRE(stats.live_blocks == live && stats.allocations - stats.frees == live, "live blocks are counted");
    MODEL_REQUIRE(stats.live_bytes == bytes && stats.peak_bytes >= bytes, "bytes are counted");
    MODEL_REQUIRE(seen[0] == live && seen[1] == bytes, "each live block is visited");
}

static void step(uint64_t *random)
{
    struct block *block = &blocks[model_below(random, BLOCKS)];
    size_t what = model_below(random, 20);
    if (!block->p)
        take(random, block);
    else if (what < 4)
        resize(random, block);
    else if (what == 4 && block->size > 1 && block->size <= most())
        MODEL_REQUIRE(tarn_levelpool_free(pool, block->p + 1 + model_below(random, block->size - 1)) == TARN_POOL_INSIDE,
                      "the inside of a block is known");
    else if (what < 14)
        give(block);
}

static void one_pool(uint64_t *random)
{
    struct tarn_source source = {&moody, tarn_source_system()};
    options = (struct tarn_levelpool_options){.fallback = {outside_alloc, outside_free, random}};
    options.flags = (unsigned)model_below(random, 16);
    options.classes = 1 + (unsigned)model_below(random, 64);
    options.blocks = 1 + (unsigned)model_below(random, 40);
    options.low_water = (unsigned)model_below(random, options.blocks);
    options.lock = model_below(random, 2) ? TARN_POOL_LOCK_BUILTIN : NULL;
    options.source = model_below(random, 3) ? &source : NULL;
    bool given = !options.source || model_below(random, 2);
    size_t size = model_below(random, ROOM);
    pool = tarn_levelpool_create(given ? memory + model_below(random, 16) : NULL, size, &options);
    if (!pool)
        return;
    live = 0;
    for (size_t i = 0; i < 20000 && model_goes_on(); i++) {
        step(random);
        if (i % 2000 == 0)
            verify_all();
    }
    verify_all();
    MODEL_REQUIRE(live == 0 || tarn_levelpool_destroy(pool) == TARN_POOL_BUSY, "a pool with live blocks stays");
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].p)
            give(&blocks[i]);
    verify_all();
    MODEL_REQUIRE(tarn_levelpool_destroy(pool) == 0, "an empty pool can end");
    MODEL_REQUIRE(outside == 0, "what was passed on has come back, and the table of it");
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    while (model_goes_on())
        one_pool(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
