/*
 * Users' caches of all kinds against a shadow model, by threads that come and go: objects are allocated one by one, zeroed, in bulk and from
 * sheaves, freed here or elsewhere, by name or not; caches are shrunk, checked, made and destroyed, also with live objects. An object's stamp
 * follows from its address. Each thread counts what it does to each cache; together that is what the cache must count.
 */
#include "test/model/model.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "tarn/alloc.h"
#include "tarn/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { CACHES = 12, THREADS = 4, HELD = 150, SHARED = 100, STEPS = 15000, BULK = 70, CONSTRUCTED = 0x5a, MARK = 8 };

static const struct kind {
    size_t size, align;
    unsigned flags;
    bool constructs;
} kinds[CACHES] = {
    {8, 0, 0, false},
    {24, 0, 0, true},
    {64, 0, TARN_CACHE_HWCACHE_ALIGN, false},
    {100, 0, TARN_CACHE_TYPESAFE_BY_RCU, false},
    {200, 0, TARN_CACHE_RED_ZONE | TARN_CACHE_POISON, false},
    {333, 0, TARN_CACHE_STORE_USER, true},
    {1000, 256, 0, false},
    {1000, 0, TARN_CACHE_NO_MERGE, true},
    {4096, 4096, 0, false},
    {9000, 0, TARN_CACHE_CONSISTENCY_CHECKS | TARN_CACHE_RED_ZONE, false},
    {40000, 0, 0, true},
    {70000, 0, 0, false},
};

static struct tarn_cache *caches[CACHES];
static _Atomic long live[CACHES];
static _Atomic uint64_t constructed[CACHES], destructed[CACHES];

struct object {
    void *p;
    unsigned kind;
};

static _Atomic(void *) shared[CACHES][SHARED];
static uint64_t seed_of_all, generation;

static size_t mark_of(unsigned kind) { return kinds[kind].constructs ? MARK : 0; }

/* What a constructor made stays in front; the stamp lies behind it. */
static void verify_marks(const void *p, unsigned kind)
{
    for (size_t i = 0; i < mark_of(kind); i++)
        MODEL_REQUIRE(((const unsigned char *)p)[i] == CONSTRUCTED, "an object is as its constructor made it");
}

static void verify(const struct object *object)
{
    size_t mark = mark_of(object->kind);
    verify_marks(object->p, object->kind);
    MODEL_REQUIRE(model_stamped((char *)object->p + mark, kinds[object->kind].size - mark, (uintptr_t)object->p),
                  "an object's contents are its owner's");
}

static struct object received(void *p, unsigned kind)
{
    size_t mark = mark_of(kind), align = kinds[kind].align ? kinds[kind].align : 8;
    MODEL_REQUIRE(p, "there is memory");
    MODEL_REQUIRE(tarn_cache_of(p) == caches[kind], "an object is of its cache");
    MODEL_REQUIRE((uintptr_t)p % align == 0, "an object is aligned");
    verify_marks(p, kind);
    model_stamp((char *)p + mark, kinds[kind].size - mark, (uintptr_t)p);
    return (struct object){p, kind};
}

static struct object take(uint64_t *random)
{
    unsigned kind = (unsigned)model_below(random, CACHES);
    bool zeroed = !kinds[kind].constructs && model_below(random, 3) == 0;
    void *p = zeroed ? tarn_cache_zalloc(caches[kind], TARN_GFP_KERNEL) : tarn_cache_alloc(caches[kind], TARN_GFP_ATOMIC);
    MODEL_REQUIRE(!zeroed || (p && model_zero(p, kinds[kind].size)), "a zeroed object is zero");
    atomic_fetch_add(&live[kind], 1);
    return received(p, kind);
}

static void give(uint64_t *random, struct object *object)
{
    verify(object);
    atomic_fetch_sub(&live[object->kind], 1);
    if (model_below(random, 8))
        tarn_cache_free(caches[object->kind], object->p);
    else
        tarn_free(object->p);
    object->p = NULL;
}

static void use_bulk(uint64_t *random)
{
    unsigned kind = (unsigned)model_below(random, CACHES);
    size_t count = model_below(random, BULK);
    void *some[BULK];
    MODEL_REQUIRE(tarn_cache_alloc_bulk(caches[kind], TARN_GFP_KERNEL, count, some) == count, "there is memory");
    for (size_t i = 0; i < count; i++)
        received(some[i], kind);
    for (size_t i = 0; i < count; i++)
        verify(&(struct object){some[i], kind});
    tarn_cache_free_bulk(model_below(random, 2) ? caches[kind] : NULL, count, some);
}

static void use_sheaf(uint64_t *random)
{
    unsigned kind = (unsigned)model_below(random, CACHES), size = 1 + (unsigned)model_below(random, 40);
    struct tarn_cache *cache = caches[kind];
    struct tarn_sheaf *sheaf = tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL, size);
    MODEL_REQUIRE(sheaf && tarn_sheaf_size(sheaf) == size, "a sheaf holds what was asked for");
    for (size_t i = model_below(random, size); i > 0; i--) {
        void *p = tarn_cache_alloc_from_sheaf(cache, 0, sheaf);
        received(p, kind);
        tarn_cache_free(cache, p);
    }
    MODEL_REQUIRE(tarn_cache_refill_sheaf(cache, TARN_GFP_KERNEL, &sheaf, size + 10) == 0, "there is memory");
    MODEL_REQUIRE(tarn_sheaf_size(sheaf) == size + 10, "a sheaf is full again");
    tarn_cache_return_sheaf(cache, TARN_GFP_KERNEL, sheaf);
}

static void make_one_more(uint64_t *random, unsigned thread)
{
    struct tarn_cache *cache;
    char name[40];
    snprintf(name, sizeof name, "own-%u", thread);
    size_t size = 16 + 8 * model_below(random, 30);
    MODEL_REQUIRE(tarn_cache_make(&cache, name, size, NULL, model_below(random, 2) ? TARN_CACHE_NO_MERGE : 0) == 0,
                  "a cache can be made");
    void *p = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
    MODEL_REQUIRE(p && tarn_cache_of(p) == cache, "an object is of its cache");
    model_stamp(p, size, (uintptr_t)p);
    MODEL_REQUIRE(model_stamped(p, size, (uintptr_t)p), "an object's contents are its owner's");
    tarn_cache_free(cache, p);
    MODEL_REQUIRE(tarn_cache_destroy(cache) == 0, "a cache without live objects can be destroyed");
}

static void do_rarely(uint64_t *random, unsigned thread)
{
    struct tarn_cache *cache = caches[model_below(random, CACHES)];
    switch (model_below(random, 12)) {
    case 0:
        tarn_cache_shrink(cache);
        break;
    case 1:
        tarn__cache_check(cache);
        break;
    case 2:
        tarn_trim(model_below(random, 2) << 20);
        break;
    case 3:
        make_one_more(random, thread);
        break;
    case 4:
    case 5:
        use_sheaf(random);
        break;
    default:
        use_bulk(random);
    }
}

static void *work(void *number)
{
    unsigned thread = (unsigned)(uintptr_t)number;
    uint64_t random = model_state(seed_of_all + generation * 1000, thread);
    struct object held[HELD] = {{NULL, 0}};
    for (int i = 0; i < STEPS && model_goes_on(); i++) {
        struct object *object = &held[model_below(&random, HELD)];
        if (model_below(&random, 60) == 0)
            do_rarely(&random, thread);
        else if (!object->p)
            *object = take(&random);
        else if (model_below(&random, 100) < 25) {
            object->p = atomic_exchange(&shared[object->kind][model_below(&random, SHARED)], object->p);
            if (object->p)
                verify(object);
        } else
            give(&random, object);
    }
    for (int i = 0; i < HELD; i++)
        if (held[i].p)
            give(&random, &held[i]);
    return NULL;
}

/* No thread runs: counts and walks are exact. */

static void count_object(void *object, void *count)
{
    (void)object;
    ++*(long *)count;
}

static void check_all(void)
{
    for (unsigned kind = 0; kind < CACHES; kind++) {
        struct tarn_cache_stats stats;
        long walked = 0, expected = atomic_load(&live[kind]);
        tarn_cache_stats(caches[kind], &stats);
        tarn_cache_verify(caches[kind]);
        MODEL_REQUIRE((long)stats.active == expected, "the count of live objects is right");
        tarn_cache_walk(caches[kind], count_object, &walked);
        MODEL_REQUIRE(walked == expected, "a walk meets each live object");
        MODEL_REQUIRE(!kinds[kind].constructs || constructed[kind] - destructed[kind] <= stats.objects,
                      "each object is constructed once");
    }
    tarn__zone_check(&tarn__heap.zone);
}

#define CALLBACKS(n)                                                                                                           \
    static void construct_##n(void *object)                                                                                    \
    {                                                                                                                          \
        for (size_t i = 0; i < MARK; i++)                                                                                      \
            ((unsigned char *)object)[i] = CONSTRUCTED;                                                                        \
        atomic_fetch_add(&constructed[n], 1);                                                                                  \
    }                                                                                                                          \
    static void destruct_##n(void *object)                                                                                     \
    {                                                                                                                          \
        verify_marks(object, n);                                                                                               \
        ((unsigned char *)object)[0] = 0;                                                                                      \
        atomic_fetch_add(&destructed[n], 1);                                                                                   \
    }
CALLBACKS(1)
CALLBACKS(5)
CALLBACKS(7)
CALLBACKS(10)

static void (*const constructors[CACHES])(void *) = {
    [1] = construct_1, [5] = construct_5, [7] = construct_7, [10] = construct_10};
static void (*const destructors[CACHES])(void *) = {[1] = destruct_1, [5] = destruct_5, [7] = destruct_7, [10] = destruct_10};

static void make_caches(void)
{
    for (unsigned kind = 0; kind < CACHES; kind++) {
        char name[40];
        struct tarn_cache_args args = {.align = kinds[kind].align, .ctor = constructors[kind], .dtor = destructors[kind]};
        snprintf(name, sizeof name, "model-%u", kind);
        constructed[kind] = destructed[kind] = 0;
        MODEL_REQUIRE(tarn_cache_make(&caches[kind], name, kinds[kind].size, &args, kinds[kind].flags) == 0,
                      "a cache can be made");
    }
}

static void end_caches(uint64_t *random)
{
    for (unsigned kind = 0; kind < CACHES; kind++) {
        bool busy = atomic_load(&live[kind]) > 0;
        if (busy)
            MODEL_REQUIRE(tarn_cache_destroy(caches[kind]) != 0, "a cache with live objects is kept");
        for (size_t i = 0; i < SHARED; i++) {
            struct object object = {atomic_exchange(&shared[kind][i], NULL), kind};
            if (object.p)
                give(random, &object);
        }
        MODEL_REQUIRE(tarn_cache_destroy(caches[kind]) == 0, "a cache without live objects can be destroyed");
        MODEL_REQUIRE(constructed[kind] == destructed[kind], "what was constructed is destructed");
    }
    tarn_trim(0);
    MODEL_REQUIRE(tarn__heap.zone.pages == 0, "a heap that is all free can be given back");
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 1000);
    seed_of_all = seed;
    tarn__heap_ready();
    tarn__set_fail_exit(model_fail_exit);
    make_caches();
    for (generation = 0; generation == 0 || model_goes_on(); generation++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, work, (void *)i);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        check_all();
    }
    end_caches(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
