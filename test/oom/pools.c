/*
 * Each call to the system fails in its turn, under the pools that stand on a source of it:  oom_pools [on [n]]     (as heap.c, which see)
 *
 * A request ends with NULL or with success; blocks keep their contents; each pool's check holds after each part; when the system works
 * again all succeeds. What it refuses to take back when a pool gives it is lost, and no more.
 */
#include "test/oom/oom.h"

#include "base/fail.h"
#include "os/fake.h"
#include "tarn/blockpool.h"
#include "tarn/bump.h"
#include "tarn/classpool.h"
#include "tarn/levelpool.h"
#include "tarn/region.h"

#include <string.h>

#define KIB ((size_t)1024)
enum { BLOCKS = 700 };

static struct block {
    unsigned char *p;
    size_t size;
} blocks[BLOCKS];
static size_t count;

static void keep(void *p, size_t size)
{
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    if (!p || count == BLOCKS)
        return;
    memset(p, (int)count + 1, size);
    blocks[count++] = (struct block){p, size};
}

static void verify(size_t i)
{
    for (size_t at = 0; blocks[i].p && at < blocks[i].size; at++)
        REQUIRE(blocks[i].p[at] == (unsigned char)(i + 1), "contents are intact");
}

static void verify_all(void)
{
    for (size_t i = 0; i < count; i++)
        verify(i);
}

/* What a realloc gave. */
static void resized(size_t i, void *p, size_t size)
{
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    REQUIRE(p || size > blocks[i].size, "a smaller size never fails");
    if (p) {
        size_t least = size < blocks[i].size ? size : blocks[i].size;
        blocks[i] = (struct block){p, least};
        verify(i);
        blocks[i].size = size;
        memset(p, (int)i + 1, size);
    }
    verify(i);
}

/* One kind of pool: its calls, for the script that all share. `resize` and `release` may be NULL. */
struct kind {
    void *(*make)(unsigned flags);
    void *(*alloc)(void *pool, size_t size);
    void *(*resize)(void *pool, void *p, size_t size);
    int (*release)(void *pool, void *p);
    int (*check)(void *pool);
    void (*trim)(void *pool);
    void (*end)(void *pool);
    size_t largest;
};

static void free_from(const struct kind *kind, void *pool, size_t first)
{
    for (size_t i = first; i < count; i++)
        REQUIRE(kind->release(pool, blocks[i].p) == 0, "a live block can be freed");
    count = count < first ? count : first;
}

static void use(const struct kind *kind, unsigned flags)
{
    void *pool = kind->make(flags);
    REQUIRE(pool || !oom_must, "a pool can be made when the system works");
    if (!pool)
        return;
    count = 0;
    for (size_t round = 0; round < 12; round++)
        for (size_t size = 8; size <= kind->largest; size *= 3)
            keep(kind->alloc(pool, size + round), size + round);
    REQUIRE(kind->check(pool) == 0, "the pool's invariants hold");
    for (size_t i = 0; kind->resize && i < count; i += 5)
        resized(i, kind->resize(pool, blocks[i].p, i % 2 ? blocks[i].size / 2 + 1 : kind->largest),
                i % 2 ? blocks[i].size / 2 + 1 : kind->largest);
    verify_all();
    REQUIRE(kind->check(pool) == 0, "the pool's invariants hold");
    for (size_t left = count; kind->release && left > 0; left /= 2) {
        free_from(kind, pool, left / 2);
        kind->trim(pool);
        verify_all();
        REQUIRE(kind->check(pool) == 0, "the pool's invariants hold");
        if (left > 100)
            keep(kind->alloc(pool, kind->largest), kind->largest);
    }
    kind->end(pool);
}

static enum tarn_region_strategy strategy;

static void *make_region(unsigned flags)
{
    struct tarn_region_options options = {
        .strategy = strategy, .flags = flags, .source = tarn_source_system(), .increment = 64 * KIB};
    return tarn_region_create(NULL, 64 * KIB, &options);
}
static void *region_alloc(void *pool, size_t size) { return tarn_region_alloc(pool, size); }
static void *region_resize(void *pool, void *p, size_t size) { return tarn_region_realloc(pool, p, size); }
static int region_release(void *pool, void *p) { return tarn_region_free(pool, p); }
static int region_check(void *pool) { return tarn_region_check(pool); }
static void region_trim(void *pool) { tarn_region_trim(pool); }
static void region_end(void *pool) { REQUIRE(tarn_region_destroy(pool) == 0, "an empty region can be ended"); }

static struct tarn_classpool *classes;

static void *no_fallback(void *context, size_t size)
{
    (void)context, (void)size;
    return NULL;
}
static void no_free(void *context, void *p, size_t size)
{
    (void)context, (void)size;
    REQUIRE(!p, "nothing was passed on");
}

static void *make_classpool(unsigned flags)
{
    struct tarn_classpool_options options = {
        .flags = flags, .source = tarn_source_system(), .fallback = {no_fallback, no_free, NULL}};
    int error = tarn_classpool_open(&classes, NULL, 4096 * KIB, &options);
    REQUIRE(error == 0 || (error == TARN_POOL_NO_MEMORY && !classes), "a class pool is made, or there is no memory");
    return classes;
}
static void *classpool_alloc(void *pool, size_t size) { return tarn_classpool_alloc(pool, size); }
static void *classpool_resize(void *pool, void *p, size_t size) { return tarn_classpool_realloc(pool, p, size); }
static int classpool_release(void *pool, void *p) { return tarn_classpool_free(pool, p); }
static int classpool_check(void *pool) { return tarn_classpool_check(pool); }
static void no_trim(void *pool) { (void)pool; }
static void classpool_end(void *pool)
{
    (void)pool;
    REQUIRE(tarn_classpool_close(&classes, NULL) == 0, "an empty class pool can be ended");
}

static void *make_levelpool(unsigned flags)
{
    struct tarn_levelpool_options options = {
        .flags = flags, .source = tarn_source_system(), .fallback = {no_fallback, no_free, NULL}};
    return tarn_levelpool_create(NULL, 0, &options);
}
static void *levelpool_alloc(void *pool, size_t size) { return tarn_levelpool_alloc(pool, size); }
static void *levelpool_resize(void *pool, void *p, size_t size) { return tarn_levelpool_realloc(pool, p, size); }
static int levelpool_release(void *pool, void *p) { return tarn_levelpool_free(pool, p); }
static int levelpool_check(void *pool) { return tarn_levelpool_check(pool); }
static void levelpool_end(void *pool) { REQUIRE(tarn_levelpool_destroy(pool) == 0, "an empty level pool can be ended"); }

static void *make_blockpool(unsigned flags)
{
    struct tarn_blockpool_options options = {.flags = flags, .increment = 16 * KIB, .source = tarn_source_system()};
    return tarn_blockpool_create_in(NULL, 8 * KIB, &options);
}
static void *blockpool_alloc(void *pool, size_t size) { return tarn_blockpool_alloc(pool, size); }
static void *blockpool_resize(void *pool, void *p, size_t size) { return tarn_blockpool_realloc(pool, p, size); }
static int blockpool_release(void *pool, void *p) { return tarn_blockpool_free(pool, p); }
static int blockpool_check(void *pool) { return tarn_blockpool_check(pool); }
static void blockpool_trim(void *pool) { tarn_blockpool_trim(pool); }
static void blockpool_end(void *pool) { REQUIRE(tarn_blockpool_destroy(pool) == 0, "an empty block pool can be ended"); }

static size_t cleanups_due, cleanups_run;

static void clean(void *argument)
{
    (void)argument;
    cleanups_run++;
}

static void *make_bump(unsigned flags)
{
    struct tarn_bump_options options = {.flags = flags, .source = tarn_source_system(), .chunk = 16 * KIB, .keep = 1};
    return tarn_bump_create(NULL, 0, &options);
}

static void *bump_alloc(void *pool, size_t size)
{
    int error = tarn_bump_cleanup(pool, clean, NULL);
    REQUIRE(error == 0 || (error == TARN_POOL_NO_MEMORY && !oom_must), "a cleanup is registered, or there is no memory");
    cleanups_due += error == 0;
    return tarn_bump_alloc(pool, size);
}

static int bump_check(void *pool) { return tarn_bump_check(pool); }

static void bump_end(void *pool)
{
    struct tarn_bump_mark mark = tarn_bump_mark(pool);
    for (int i = 0; i < 20; i++)
        tarn_bump_alloc(pool, 5000);
    REQUIRE(tarn_bump_rewind(pool, mark) == 0, "a mark can be gone back to");
    verify_all();
    tarn_bump_reset(pool);
    REQUIRE(cleanups_run == cleanups_due, "each cleanup is run once");
    REQUIRE(tarn_bump_check(pool) == 0, "the pool's invariants hold");
    tarn_bump_destroy(pool);
}

static const struct kind kinds[] = {
    {make_region, region_alloc, region_resize, region_release, region_check, region_trim, region_end, 20000},
    {make_classpool, classpool_alloc, classpool_resize, classpool_release, classpool_check, no_trim, classpool_end, 7000},
    {make_levelpool, levelpool_alloc, levelpool_resize, levelpool_release, levelpool_check, no_trim, levelpool_end, 100},
    {make_blockpool, blockpool_alloc, blockpool_resize, blockpool_release, blockpool_check, blockpool_trim, blockpool_end,
     9000},
    {make_bump, bump_alloc, NULL, NULL, bump_check, NULL, bump_end, 30000},
};

static void script(void)
{
    static const unsigned flags[] = {0, TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON};
    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            use(&kinds[i], flags[f]);
        for (strategy = TARN_REGION_BEST_FIT; strategy <= TARN_REGION_FIRST_FIT; strategy++)
            use(&kinds[0], flags[f]);
        strategy = TARN_REGION_TLSF;
    }
}

/* Returns 0 or OOM_NO_FAILURE. */
int oom_run(uint64_t n, uint64_t times)
{
    tarn__fake_fail(TARN__FAKE_ANY, n, times);
    script();
    uint64_t failed = tarn__fake_failed();
    tarn__fake_fail(0, 0, 0);
    oom_must = true;
    size_t lost = tarn__fake_mapped();
    script();
    REQUIRE(tarn__fake_mapped() == lost, "every page is given back");
    REQUIRE(lost <= failed * ((size_t)4 << 20), "nothing is lost but what the system refused to take back");
    return failed ? 0 : OOM_NO_FAILURE;
}
