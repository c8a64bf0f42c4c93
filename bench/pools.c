/*
 * tarn's pools that stand alone, and its heaps, under the loads of pools.h. Without a lock, as most pools are used; what one
 * costs is measured too.
 */
#include "pools.h"

#include <tarn/alloc.h>
#include <tarn/blockpool.h>
#include <tarn/bump.h>
#include <tarn/classpool.h>
#include <tarn/heap.h>
#include <tarn/levelpool.h>
#include <tarn/region.h>

#include <string.h>
#include <sys/mman.h>

enum { BUFFER = 16 << 20, MILLION = 1 << 20, FEW = 200 };

static char buffer[BUFFER];
static struct tarn_classpool *classes;
static struct tarn_levelpool *levels;
static struct tarn_blockpool *blocks;
static struct tarn_region *region;
static struct tarn_bump *bump;
static struct tarn_heap *heap;

static void *class_take(size_t size) { return tarn_classpool_alloc(classes, size); }
static void class_give(void *p, size_t size) { (void)size, (void)tarn_classpool_free(classes, p); }
static void *level_take(size_t size) { return tarn_levelpool_alloc(levels, size); }
static void level_give(void *p, size_t size) { (void)size, (void)tarn_levelpool_free(levels, p); }
static void *block_take(size_t size) { return tarn_blockpool_alloc(blocks, size); }
static void block_give(void *p, size_t size) { (void)size, (void)tarn_blockpool_free(blocks, p); }
static void *region_take(size_t size) { return tarn_region_alloc(region, size); }
static void region_give(void *p, size_t size) { (void)size, (void)tarn_region_free(region, p); }
static void *sized_take(size_t size) { return tarn_region_alloc_sized(region, size); }
static void sized_give(void *p, size_t size) { (void)tarn_region_free_sized(region, p, size); }
static void *bump_take(size_t size) { return tarn_bump_alloc(bump, size); }
static void bump_give(void *p, size_t size) { (void)size, (void)p; }
static void bump_forget(void) { tarn_bump_reset(bump); }
static void *heap_take(size_t size) { return tarn_heap_alloc(heap, size); }
static void heap_give(void *p, size_t size) { (void)size, tarn_heap_free(p); }
static void heap_forget(void) { tarn_heap_reset(heap); }

static void require(const void *made, const char *what)
{
    if (made)
        return;
    fprintf(stderr, "bench: no %s could be made\n", what);
    exit(1);
}

static void class_pool(const char *name, const struct tarn_pool_lock *lock)
{
    const struct pools_peer peer = {class_take, class_give, NULL};
    const struct tarn_classpool_options options = {.lock = lock};
    (void)tarn_classpool_open(&classes, buffer, sizeof buffer, &options);
    require(classes, "class pool");
    pools_pair(name, peer);
    if (!lock) {
        pools_batches(name, peer);
        pools_random(name, peer, "random-128", 128);
        pools_random(name, peer, "random-1024", 1024);
    }
    (void)tarn_classpool_close(&classes, NULL);
}

static void level_pool(const char *name, const struct tarn_pool_lock *lock)
{
    const struct pools_peer peer = {level_take, level_give, NULL};
    const struct tarn_levelpool_options options = {.lock = lock};
    levels = tarn_levelpool_create(buffer, sizeof buffer, &options);
    require(levels, "level pool");
    pools_pair(name, peer);
    if (!lock) {
        pools_batches(name, peer);
        pools_random(name, peer, "random-128", 128);
    }
    (void)tarn_levelpool_destroy(levels);
}

static void block_pool(const char *name, const struct tarn_pool_lock *lock, enum tarn_blockpool_fit fit)
{
    const struct pools_peer peer = {block_take, block_give, NULL};
    const struct tarn_blockpool_options options = {.lock = lock, .fit = fit};
    blocks = tarn_blockpool_create_in(buffer, sizeof buffer, &options);
    require(blocks, "block pool");
    pools_pair(name, peer);
    if (!lock) {
        pools_batches(name, peer);
        pools_random(name, peer, "random-128", 128);
        pools_random(name, peer, "random-1024", 1024);
    }
    (void)tarn_blockpool_destroy(blocks);
}

static void region_loads(const char *name, const struct pools_peer peer, const struct tarn_region_options *options)
{
    region = tarn_region_create(buffer, sizeof buffer, options);
    require(region, "region");
    pools_pair(name, peer);
    if (!options->lock) {
        pools_batches(name, peer);
        pools_random(name, peer, "random-128", 128);
        pools_random(name, peer, "random-1024", 1024);
    }
    (void)tarn_region_destroy(region);
}

static void regions(void)
{
    const struct pools_peer peer = {region_take, region_give, NULL}, sized = {sized_take, sized_give, NULL};
    region_loads("region", peer, &(struct tarn_region_options){0});
    region_loads("region-sized", sized, &(struct tarn_region_options){0});
    region_loads("region-best", peer, &(struct tarn_region_options){.strategy = TARN_REGION_BEST_FIT});
    region_loads("region-first", peer, &(struct tarn_region_options){.strategy = TARN_REGION_FIRST_FIT});
    region_loads("region-locked", peer, &(struct tarn_region_options){.lock = TARN_POOL_LOCK_BUILTIN});
}

static void bumps(void)
{
    const struct pools_peer peer = {bump_take, bump_give, bump_forget};
    bump = tarn_bump_create(NULL, 0, NULL);
    require(bump, "bump arena");
    pools_arena("bump", peer);
    tarn_bump_destroy(bump);
}

/* Heaps that live shortly: made and ended with nothing in them, and with one object. */
static void short_heaps(const char *load, int objects)
{
    double begin = pools_now(), done = 0;
    do {
        for (int i = 0; i < FEW; i++) {
            struct tarn_heap *made = tarn_heap_create(NULL);
            require(made, "heap");
            for (int k = 0; k < objects; k++)
                pools_touch(tarn_heap_alloc(made, POOLS_SIZE));
            tarn_heap_destroy(made);
        }
        done += FEW;
    } while (pools_now() - begin < POOLS_SHARE);
    pools_line("heap", load, (pools_now() - begin) / done);
}

/*
 * The end of a heap with a million live objects, and then of the pages that it gave back to the zone; beside it what the system
 * asks for the return of as many pages that were used.
 */
static void million(void)
{
    struct tarn_heap *made = tarn_heap_create(NULL);
    require(made, "heap");
    for (int i = 0; i < MILLION; i++)
        pools_touch(tarn_heap_alloc(made, POOLS_SIZE));
    double begin = pools_now();
    tarn_heap_destroy(made);
    pools_line("heap", "million-end", pools_now() - begin);
    tarn_trim(0);
    pools_line("heap", "million-end-and-trim", pools_now() - begin);

    size_t size = (size_t)MILLION * POOLS_SIZE;
    char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        exit(1);
    for (size_t at = 0; at < size; at += 4096)
        pools_touch(pages + at);
    begin = pools_now();
    munmap(pages, size);
    pools_line("pages", "million-end", pools_now() - begin);
}

static void heaps(void)
{
    const struct pools_peer peer = {heap_take, heap_give, NULL};
    heap = tarn_heap_create(NULL);
    require(heap, "heap");
    pools_pair("heap", peer);
    pools_batches("heap", peer);
    pools_random("heap", peer, "random-128", 128);
    pools_random("heap", peer, "random-1024", 1024);
    pools_arena("heap", (struct pools_peer){heap_take, heap_give, heap_forget});
    tarn_heap_destroy(heap);
    short_heaps("create-destroy", 0);
    short_heaps("create-one-destroy", 1);
    million();
}

int main(void)
{
    memset(buffer, 0, sizeof buffer);
    class_pool("class", NULL);
    class_pool("class-locked", TARN_POOL_LOCK_BUILTIN);
    level_pool("level", NULL);
    level_pool("level-locked", TARN_POOL_LOCK_BUILTIN);
    block_pool("block", NULL, TARN_BLOCKPOOL_FIRST_FIT);
    block_pool("block-next", NULL, TARN_BLOCKPOOL_NEXT_FIT);
    block_pool("block-locked", TARN_POOL_LOCK_BUILTIN, TARN_BLOCKPOOL_FIRST_FIT);
    regions();
    bumps();
    heaps();
    return 0;
}
