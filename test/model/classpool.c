/* Class pools by one thread: buffers of random sizes, whose blocks must keep their contents, and counters that must agree. */
#include "test/model/model.h"

#include "tarn/classpool.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 500, ROOM = 3 << 20 };

struct block {
    char *p;
    size_t size;
    uint64_t stamp;
};

static struct block blocks[BLOCKS];
static _Alignas(16) char memory[ROOM + 16];
static struct tarn_classpool *pool;
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

static bool in_buffer(const struct block *block) { return block->p >= memory && block->p < memory + sizeof memory; }

/* As a visitor is told it: nobody is asked for 0 bytes. */
static size_t asked(const struct block *block) { return block->size || in_buffer(block) ? block->size : TARN_CLASSPOOL_LEAST; }

static size_t random_size(uint64_t *random)
{
    size_t size = (size_t)1 << model_below(random, 17);
    switch (model_below(random, 4)) {
    case 0:
        return size + model_below(random, 3) - 1;
    case 1:
        return model_below(random, 200000);
    default:
        return model_below(random, size);
    }
}

static void adopt(struct block *block, char *p, size_t size, uint64_t stamp)
{
    MODEL_REQUIRE((uintptr_t)p % (_Alignof(max_align_t) < 16 ? _Alignof(max_align_t) : 16) == 0, "a block is aligned");
    *block = (struct block){p, size, stamp};
    model_stamp(p, size, stamp);
}

static void take(uint64_t *random, struct block *block, bool zero)
{
    size_t size = random_size(random);
    char *p = tarn_classpool_alloc(pool, size);
    if (!p)
        return;
    MODEL_REQUIRE(!zero || model_zero(p, size), "a block is zeroed when that is asked for");
    adopt(block, p, size, model_random(random));
    live++;
}

static void give(struct block *block)
{
    MODEL_REQUIRE(model_stamped(block->p, block->size, block->stamp), "a block keeps its contents");
    MODEL_REQUIRE(tarn_classpool_free(pool, block->p) == 0, "a live block can be freed");
    block->p = NULL;
    live--;
}

static void resize(uint64_t *random, struct block *block)
{
    size_t size = random_size(random) + 1;
    char *p = tarn_classpool_realloc(pool, block->p, size);
    size_t kept = p && size < block->size ? size : block->size;
    MODEL_REQUIRE(model_stamped(p ? p : block->p, kept, block->stamp), "contents stay as a block changes its size");
    if (p)
        adopt(block, p, size, model_random(random));
}

/* A change behind what was asked for must be found; once undone, all is as it was. */
static void overrun(uint64_t *random, const struct block *block)
{
    if (!in_buffer(block))
        return;
    MODEL_REQUIRE(tarn_classpool_realloc(pool, block->p, block->size) == block->p, "its class has room");
    size_t at = block->size + model_below(random, 4);
    block->p[at] ^= (char)(1 + model_below(random, 255));
    MODEL_REQUIRE(tarn_classpool_free(pool, block->p) == TARN_POOL_CORRUPT, "an overrun is found");
    MODEL_REQUIRE(tarn_classpool_check(pool) == TARN_POOL_CORRUPT, "the checker finds it, too");
    for (int value = 0; value < 256 && tarn_classpool_usable_size(pool, block->p) == 0; value++)
        block->p[at] = (char)value;
    MODEL_REQUIRE(tarn_classpool_usable_size(pool, block->p) != 0, "with the right byte the block is sound again");
    MODEL_REQUIRE(tarn_classpool_realloc(pool, block->p, block->size) == block->p, "the guard goes back to where it was");
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
    MODEL_REQUIRE(tarn_classpool_check(pool) == 0, "the pool is sound");
    tarn_classpool_stats(pool, &stats);
    tarn_classpool_each(pool, sum_up, seen);
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].p)
            bytes += asked(&blocks[i]);
    MODEL_REQUIRE(stats.live_blocks == live && stats.allocations - stats.frees == live, "live blocks are counted");
    MODEL_REQUIRE(stats.live_bytes >= bytes && stats.peak_bytes >= stats.live_bytes, "bytes are counted");
    MODEL_REQUIRE(seen[0] == live && seen[1] == bytes, "each live block is visited");
}

static void step(uint64_t *random, const struct tarn_classpool_options *options)
{
    struct block *block = &blocks[model_below(random, BLOCKS)];
    size_t what = model_below(random, 20);
    if (!block->p)
        take(random, block, options->flags & TARN_POOL_ZERO);
    else if (what < 4)
        resize(random, block);
    else if (what == 4 && model_below(random, 10) == 0 && block->size)
        overrun(random, block);
    else if (what == 5)
        MODEL_REQUIRE(tarn_classpool_usable_size(pool, block->p) >= block->size, "the usable size is as large");
    else
        give(block);
    if (what == 6)
        MODEL_REQUIRE(tarn_classpool_free(pool, memory + model_below(random, ROOM) / 16 * 16 + 3) == TARN_POOL_FOREIGN,
                      "no block begins there");
}

static void one_pool(uint64_t *random)
{
    struct tarn_classpool_options options = {.fallback = {outside_alloc, outside_free, random}};
    options.flags = (unsigned)(model_below(random, 16) | model_below(random, 4) << 8);
    options.lock = model_below(random, 2) ? TARN_POOL_LOCK_BUILTIN : NULL;
    size_t size = TARN_CLASSPOOL_BUFFER_LEAST + model_below(random, (size_t)1 << (8 + model_below(random, 14)));
    live = 0;
    MODEL_REQUIRE(tarn_classpool_open(&pool, memory + model_below(random, 16), size, &options) == 0,
                  "the buffer is large enough");
    for (size_t i = 0; i < 8000 && model_goes_on(); i++) {
        step(random, &options);
        if (i % 500 == 0)
            verify_all();
    }
    verify_all();
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].p && model_below(random, 8))
            give(&blocks[i]);
    verify_all();
    int error = tarn_classpool_close(&pool, NULL);
    MODEL_REQUIRE(error == (live ? TARN_POOL_BUSY : 0), "the last close tells what is left");
    MODEL_REQUIRE(outside == 0, "what was passed on has come back");
    memset(blocks, 0, sizeof blocks);
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    while (model_goes_on())
        one_pool(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
