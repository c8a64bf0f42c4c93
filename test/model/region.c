/*
 * Regions by one thread: random strategies, flags, ranges and sources; every kind of block, freed in every way. Blocks must keep their contents and
 * their distance, counters must be exact, every invalid free must be refused with the right answer, and the structure must be right all the time.
 */
#include "test/model/model.h"

#include "tarn/region.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 300, EXTRAS = 4, FIRST = 1 << 18, EXTRA = 1 << 19, GRANULE = 2 * sizeof(void *) };

enum kind { NONE, PLAIN, SIZED, MOVABLE };

struct block {
    char *p;
    size_t size, usable;
    uint64_t stamp;
    enum kind kind;
    tarn_region_handle handle;
    size_t locks;
};

static struct block blocks[BLOCKS];
static size_t live_blocks, live_bytes, peak_bytes;
static uint64_t allocations, failures;
static struct tarn_region *region;
static struct tarn_region_options options;
static _Alignas(64) char first[FIRST + 64];
static _Alignas(64) char extra[EXTRAS][EXTRA];
static size_t extra_size[EXTRAS]; /* 0: it is not in the region */
static char *extra_at[EXTRAS];

static size_t random_size(uint64_t *random)
{
    switch (model_below(random, 8)) {
    case 0:
        return model_below(random, 20000);
    case 1:
        return 64 * GRANULE - 40 + model_below(random, 80); /* where headers begin */
    case 2:
        return 32 * GRANULE - 40 + model_below(random, 80);
    case 3:
        return model_below(random, 3000);
    default:
        return model_below(random, 200);
    }
}

static size_t rounded(size_t size)
{
    if (options.flags & TARN_POOL_RED_ZONE)
        return size;
    return size ? (size + GRANULE - 1) / GRANULE * GRANULE : GRANULE;
}

static struct tarn_pool_stats stats_now(void)
{
    struct tarn_pool_stats stats;
    tarn_region_stats(region, &stats);
    return stats;
}

static void keep(uint64_t *random, struct block *block, char *p, size_t size, enum kind kind)
{
    *block = (struct block){.p = p, .size = size, .usable = rounded(size), .stamp = model_random(random), .kind = kind};
    MODEL_REQUIRE((uintptr_t)p % GRANULE == 0, "a block is aligned to a granule");
    model_stamp(p, block->size, block->stamp);
    live_blocks++;
    live_bytes += block->usable;
    if (live_bytes > peak_bytes)
        peak_bytes = live_bytes;
}

static void forget(struct block *block)
{
    live_blocks--;
    live_bytes -= block->usable;
    block->kind = NONE;
}

static bool starts_as(const char *p, size_t size)
{
    if (options.flags & TARN_POOL_ZERO)
        return model_zero(p, size);
    for (size_t i = 0; (options.flags & TARN_POOL_POISON) && i < size; i++)
        if (p[i] != 0x5a)
            return false;
    return true;
}

/* It is locked so that the test knows where it is; some stay so. */
static void take_movable(uint64_t *random, struct block *block)
{
    size_t size = random_size(random);
    tarn_region_handle handle = tarn_region_handle_alloc(region, size);
    allocations += handle != 0;
    failures += !handle;
    if (!handle)
        return;
    keep(random, block, tarn_region_handle_lock(region, handle), size, MOVABLE);
    block->handle = handle;
    block->locks = 1;
    MODEL_REQUIRE(tarn_region_usable_size(region, block->p) == block->usable, "a movable block's size is as asked, rounded");
    MODEL_REQUIRE(tarn_region_free(region, block->p) == TARN_POOL_INVALID, "it is freed by its handle only");
    MODEL_REQUIRE(!tarn_region_realloc(region, block->p, 10), "and keeps its size");
    failures++;
}

static void relock(uint64_t *random, struct block *block)
{
    if (block->locks == 0 || model_below(random, 3) == 0) {
        char *p = tarn_region_handle_lock(region, block->handle);
        MODEL_REQUIRE(p && (!block->locks || p == block->p), "a locked block stays where it is");
        block->p = p;
        block->locks++;
        MODEL_REQUIRE(model_stamped(p, block->size, block->stamp), "a block keeps its contents when it moves");
        return;
    }
    MODEL_REQUIRE(tarn_region_handle_unlock(region, block->handle) == 0, "a lock is let go of");
    if (--block->locks == 0)
        MODEL_REQUIRE(tarn_region_handle_unlock(region, block->handle) == TARN_POOL_INVALID, "but not more often than taken");
}

static void give_movable(struct block *block)
{
    while (block->locks) {
        MODEL_REQUIRE(tarn_region_handle_free(region, block->handle) == TARN_POOL_BUSY, "a locked block is not freed");
        tarn_region_handle_unlock(region, block->handle);
        block->locks--;
    }
    MODEL_REQUIRE(tarn_region_handle_free(region, block->handle) == 0, "a movable block is freed");
    MODEL_REQUIRE(tarn_region_handle_free(region, block->handle) == TARN_POOL_INVALID, "but not twice");
    MODEL_REQUIRE(!tarn_region_handle_lock(region, block->handle), "and not used then");
}

/* Movable blocks that are not locked may be anywhere then; so all are locked and let go of again. */
static void compact(uint64_t *random)
{
    size_t most = 1 + model_below(random, 20000), moved;
    do
        moved = tarn_region_compact(region, most);
    while (moved && model_below(random, 2));
    MODEL_REQUIRE(tarn_region_check(region) == 0, "the structure is right after a compaction");
    for (size_t i = 0; i < BLOCKS; i++) {
        struct block *block = &blocks[i];
        if (block->kind == MOVABLE && !block->locks) {
            block->p = tarn_region_handle_lock(region, block->handle);
            MODEL_REQUIRE(model_stamped(block->p, block->size, block->stamp), "a block keeps its contents when it moves");
            tarn_region_handle_unlock(region, block->handle);
        }
    }
}

static void take(uint64_t *random, struct block *block)
{
    size_t size = random_size(random), align = (size_t)1 << model_below(random, 14), how = model_below(random, 8);
    size_t largest = stats_now().largest_free;
    char *p;
    if (how == 0)
        p = tarn_region_alloc_aligned(region, align, size);
    else
        p = (how < 3 ? tarn_region_alloc_sized : tarn_region_alloc)(region, size);
    MODEL_REQUIRE(p || how == 0 || options.source || size > largest || !largest, "what was said to be possible is possible");
    allocations += p != NULL;
    failures += !p;
    if (!p)
        return;
    MODEL_REQUIRE(how || (uintptr_t)p % align == 0, "a block is aligned as was asked");
    MODEL_REQUIRE(starts_as(p, size), "a block begins as flags say");
    keep(random, block, p, size, how == 1 || how == 2 ? SIZED : PLAIN);
    if (block->kind == PLAIN)
        MODEL_REQUIRE(tarn_region_usable_size(region, p) == block->usable, "a block's size is as asked, rounded");
}

static void give(uint64_t *random, struct block *block)
{
    MODEL_REQUIRE(model_stamped(block->p, block->size, block->stamp), "a block keeps its contents");
    if (block->kind == MOVABLE) {
        give_movable(block);
    } else if (block->kind == SIZED || model_below(random, 8) == 0) {
        size_t right = block->kind == SIZED ? block->size : block->usable;
        size_t wrong = block->size + 1 + GRANULE * (2 + model_below(random, 3));
        if (!(options.flags & TARN_POOL_CHECK))
            wrong = block->size > GRANULE ? block->size - GRANULE : wrong; /* a longer one may end where another ends */
        MODEL_REQUIRE(tarn_region_free_sized(region, block->p, wrong) == TARN_POOL_WRONG_SIZE, "a wrong size is refused");
        MODEL_REQUIRE(tarn_region_free_sized(region, block->p, right) == 0, "a block is freed by its size");
    } else {
        MODEL_REQUIRE(tarn_region_free(region, block->p) == 0, "a block is freed");
    }
    forget(block);
}

static void resize(uint64_t *random, struct block *block)
{
    size_t size = 1 + random_size(random), kept = size < block->size ? size : block->size;
    if (block->kind != PLAIN)
        return;
    char *p = tarn_region_realloc(region, block->p, size);
    if (!p) {
        failures++;
        return;
    }
    MODEL_REQUIRE(model_stamped(p, kept, block->stamp), "a block's contents go with it");
    allocations = stats_now().allocations; /* in place or not */
    live_blocks--;
    live_bytes -= block->usable;
    keep(random, block, p, size, PLAIN);
    size_t usable = tarn_region_usable_size(region, p);
    MODEL_REQUIRE(usable == block->usable, "a block that moved has the size asked");
    live_bytes += usable - block->usable;
    block->usable = usable;
    peak_bytes = stats_now().peak_bytes;
}

/* Whether an address is the beginning of a live block, or inside one, header and zones not included. */
static const struct block *block_with(const char *p)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].kind && p >= blocks[i].p && p < blocks[i].p + (blocks[i].usable ? blocks[i].usable : 1))
            return &blocks[i];
    return NULL;
}

static void free_wrongly(uint64_t *random)
{
    const struct block *near = &blocks[model_below(random, BLOCKS)];
    char *p = near->kind ? near->p + model_below(random, near->usable + 1) : first + model_below(random, sizeof first);
    const struct block *in = block_with(p);
    if (in && in->p == p && in->kind == PLAIN)
        return;
    if (in && in->p == p) {
        if (in->kind == SIZED && in->size > 64 * GRANULE && !(options.flags & TARN_POOL_RED_ZONE))
            MODEL_REQUIRE(tarn_region_free(region, p) == TARN_POOL_WRONG_SIZE, "a long block without header is known");
        return;
    }
    int error = tarn_region_free(region, p);
    MODEL_REQUIRE(error == TARN_POOL_INSIDE || (!in && (error == TARN_POOL_DOUBLE_FREE || error == TARN_POOL_FOREIGN)),
                  "an invalid free is refused");
    MODEL_REQUIRE(tarn_region_usable_size(region, p) == 0, "and there is no block");
    MODEL_REQUIRE(!tarn_region_realloc(region, p, 100), "so it cannot be moved");
    failures++;
}

static bool movable(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].kind == MOVABLE)
            return true;
    return false;
}

static void change_ranges(uint64_t *random)
{
    size_t i = model_below(random, EXTRAS), size = 600 + model_below(random, EXTRA - 700);
    if (extra_size[i]) {
        size_t inside = 0;
        for (size_t k = 0; k < BLOCKS; k++)
            inside += blocks[k].kind && blocks[k].p >= extra_at[i] && blocks[k].p < extra_at[i] + extra_size[i];
        bool handles = movable();
        int error = tarn_region_remove(region, extra_at[i]);
        MODEL_REQUIRE(error == (inside ? TARN_POOL_BUSY : 0) || (handles && error == TARN_POOL_BUSY),
                      "a range goes exactly when it is empty");
        if (!error)
            extra_size[i] = 0;
        MODEL_REQUIRE(tarn_region_remove(region, first) == TARN_POOL_FOREIGN, "the first one does not");
        return;
    }
    if (model_below(random, 3) == 0)
        size = 600 + model_below(random, 3000);
    extra_at[i] = extra[i] + model_below(random, 64);
    int error = tarn_region_add(region, extra_at[i], size);
    MODEL_REQUIRE(error == 0 || (error == TARN_POOL_INVALID && size < 2000), "a range is added");
    extra_size[i] = error ? 0 : size;
    if (!error)
        MODEL_REQUIRE(tarn_region_add(region, extra_at[i] + size - 1, 5000) == TARN_POOL_EXISTS, "but not twice");
}

static void visit(void *context, void *p, size_t size)
{
    size_t *seen = context;
    const struct block *block = block_with(p);
    MODEL_REQUIRE(block && block->p == p && block->usable == size, "each block is visited with its size");
    seen[0]++;
    seen[1] += size;
}

static void verify_all(void)
{
    size_t seen[2] = {0, 0};
    struct tarn_pool_stats stats = stats_now();
    MODEL_REQUIRE(tarn_region_check(region) == 0, "the structure is right");
    MODEL_REQUIRE(stats.live_blocks == live_blocks && stats.live_bytes == live_bytes, "what is live is counted");
    MODEL_REQUIRE(stats.peak_bytes == peak_bytes, "the peak is right");
    MODEL_REQUIRE(stats.allocations == allocations && stats.frees == allocations - live_blocks, "requests are counted");
    MODEL_REQUIRE(stats.failures == failures, "failures are counted");
    tarn_region_each(region, visit, seen);
    MODEL_REQUIRE(seen[0] == live_blocks && seen[1] == live_bytes, "each block is visited once");
}

static void step(uint64_t *random, size_t bias)
{
    struct block *block = &blocks[model_below(random, BLOCKS)];
    size_t what = model_below(random, 40);
    if (what == 0)
        free_wrongly(random);
    else if (what == 1 && model_below(random, 4) == 0)
        change_ranges(random);
    else if (what == 2 && model_below(random, 4) == 0)
        compact(random);
    else if (block->kind == MOVABLE && model_below(random, 10) >= bias)
        relock(random, block);
    else if (what < 10 && block->kind)
        resize(random, block);
    else if (block->kind && model_below(random, 10) < bias)
        give(random, block);
    else if (!block->kind && model_below(random, 5) == 0)
        take_movable(random, block);
    else if (!block->kind)
        take(random, block);
}

static void end(uint64_t *random, struct tarn_source_count *count)
{
    if (live_blocks)
        MODEL_REQUIRE(tarn_region_destroy(region) == TARN_POOL_BUSY, "a region with blocks does not end");
    if (model_below(random, 4) == 0) {
        tarn_region_reset(region);
        memset(blocks, 0, sizeof blocks);
        live_blocks = live_bytes = 0;
        verify_all();
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].kind)
            give(random, &blocks[i]);
    verify_all();
    tarn_region_trim(region);
    struct tarn_pool_stats stats = stats_now();
    size_t expected = 1;
    for (size_t i = 0; i < EXTRAS; i++)
        expected += extra_size[i] != 0;
    MODEL_REQUIRE(stats.segments == expected, "empty ranges go back to their source");
    MODEL_REQUIRE(tarn_region_destroy(region) == 0, "an empty region ends");
    MODEL_REQUIRE(count->acquired == count->released, "nothing of the source is left");
}

static void one_region(uint64_t *random)
{
    struct tarn_source_count count;
    struct tarn_source_fail fail;
    tarn_source_fail_init(&fail, tarn_source_system(), 1 + model_below(random, 30), model_below(random, 20));
    tarn_source_count_init(&count, &fail.source);
    options = (struct tarn_region_options){.strategy = model_below(random, 3)};
    if (model_below(random, 2))
        options.flags = model_random(random) & (TARN_POOL_CHECK | TARN_POOL_POISON | TARN_POOL_RED_ZONE | TARN_POOL_ZERO);
    if (model_below(random, 2))
        options.lock = TARN_POOL_LOCK_BUILTIN;
    bool grows = model_below(random, 2);
    options.source = grows ? &count.source : NULL;
    options.increment = model_below(random, 2) * 4096;
    size_t size = TARN_REGION_LEAST + model_below(random, FIRST - TARN_REGION_LEAST), steps = 1000 + model_below(random, 8000);
    region = tarn_region_create(first + model_below(random, 64), size, &options);
    MODEL_REQUIRE(region, "a region is made");
    memset(extra_size, 0, sizeof extra_size);
    live_blocks = live_bytes = peak_bytes = allocations = failures = 0;
    size_t bias = 3 + model_below(random, 6);
    for (size_t i = 0; i < steps && model_goes_on(); i++) {
        step(random, bias);
        if (i % 500 == 0)
            verify_all();
    }
    fail.times = 0;
    end(random, &count);
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    while (model_goes_on())
        one_region(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
