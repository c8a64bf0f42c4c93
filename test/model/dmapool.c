/* dma_pool by one thread: pools of random shapes, whose blocks must keep their contents and their distance. */
#include "test/model/model.h"

#include "base/bits.h"
#include "base/fail.h"
#include "tarn/dmapool.h"

enum { BLOCKS = 700 };

struct block {
    char *p;
    uint64_t stamp;
};

struct shape {
    size_t size, align, boundary;
};

static struct block blocks[BLOCKS];
static struct tarn_dma_pool *pool;

static struct shape random_shape(uint64_t *random)
{
    struct shape shape;
    shape.size = 1 + model_below(random, model_below(random, 5) ? 300 : 20000);
    shape.align = model_below(random, 3) ? (size_t)1 << model_below(random, 10) : 0;
    size_t rounded = tarn__align_up(tarn__max(shape.size, 4), shape.align ? shape.align : 1);
    shape.boundary = model_below(random, 3) ? ((size_t)1 << tarn__log2_ceil(rounded)) << model_below(random, 8) : 0;
    return shape;
}

static void take(uint64_t *random, struct block *block, const struct shape *shape)
{
    bool zero = model_below(random, 4) == 0;
    char *p = tarn_dma_pool_alloc(pool, zero ? TARN_GFP_KERNEL | TARN_GFP_ZERO : TARN_GFP_KERNEL, NULL);
    MODEL_REQUIRE(p, "there is memory");
    MODEL_REQUIRE(!shape->align || (uintptr_t)p % shape->align == 0, "a block is aligned");
    MODEL_REQUIRE(!shape->boundary || (uintptr_t)p / shape->boundary == ((uintptr_t)p + shape->size - 1) / shape->boundary,
                  "a block crosses no boundary");
    MODEL_REQUIRE(!zero || model_zero(p, shape->size), "a block is zeroed when that is asked for");
    *block = (struct block){p, model_random(random)};
    model_stamp(p, shape->size, block->stamp);
}

static void give(struct block *block, const struct shape *shape)
{
    MODEL_REQUIRE(model_stamped(block->p, shape->size, block->stamp), "a block keeps its contents");
    tarn_dma_pool_free(pool, block->p, (uintptr_t)block->p);
    block->p = NULL;
}

static void verify_all(size_t live)
{
    struct tarn_dma_pool_stats stats;
    tarn_dma_pool_stats(pool, &stats);
    MODEL_REQUIRE(stats.active == live, "the count of blocks in use is right");
    tarn_dma_pool_verify(pool);
}

static void one_pool(uint64_t *random)
{
    struct shape shape = random_shape(random);
    size_t live = 0;
    pool = tarn_dma_pool_create("model", shape.size, shape.align, shape.boundary);
    MODEL_REQUIRE(pool, "the arguments go together");
    tarn__set_fail_exit(model_fail_exit);
    tarn_dma_pool_poison(pool, model_below(random, 2));
    for (size_t i = 0; i < 8000 && model_goes_on(); i++) {
        struct block *block = &blocks[model_below(random, BLOCKS)];
        if (block->p)
            give(block, &shape), live--;
        else
            take(random, block, &shape), live++;
        if (i % 1000 == 0)
            verify_all(live);
    }
    verify_all(live);
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].p)
            give(&blocks[i], &shape);
    verify_all(0);
    tarn_dma_pool_destroy(pool);
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    while (model_goes_on())
        one_pool(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
