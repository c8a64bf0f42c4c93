/*
 * Object caches below the malloc family: slabs asked directly and through bins, by threads that come and go and pass objects on. An
 * object's stamp follows from its address, so whoever gets it can tell whether it is still what its first owner wrote.
 */
#include "test/model/model.h"

#include "base/fail.h"
#include "slab/local.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CACHES = 5, THREADS = 4, HELD = 300, SHARED = 200, STEPS = 20000 };

static const size_t sizes[CACHES] = {16, 96, 208, 1792, 32768};
static struct tarn_zone zone;
static struct tarn_cache caches[CACHES + 1];
static const char *const names[CACHES + 1] = {NULL, "first", "second", "third", "fourth", "fifth"};
static struct tarn__magazine depots[CACHES + 1][TARN__DEPOT_DEPTH];
static _Atomic(void *) shared[SHARED];
static _Atomic long direct_live[CACHES + 1]; /* taken from slabs directly, less those put back so */
static uint64_t seed_of_all, generation;

static size_t size_of(void *object) { return tarn__slab_of(object)->cache->size; }

static void verify(void *object)
{
    struct tarn__slab *slab = tarn__slab_of(object);
    MODEL_REQUIRE(slab, "an object is found from its address");
    MODEL_REQUIRE(model_stamped(object, size_of(object), (uintptr_t)object), "an object's contents are its owner's");
}

static void *take(uint64_t *random)
{
    struct tarn_cache *cache = &caches[1 + model_below(random, CACHES)];
    void *object = NULL;
    if (model_below(random, 10)) {
        object = tarn__local_alloc(cache, cache->size, TARN_GFP_KERNEL);
    } else {
        if (tarn__cache_take(cache, &object, 1) == 0)
            tarn__cache_take_new(cache, &object, 1, TARN_GFP_KERNEL);
        atomic_fetch_add(&direct_live[cache->number], 1);
    }
    MODEL_REQUIRE(object, "there is memory");
    MODEL_REQUIRE(tarn__slab_of(object) && tarn__slab_of(object)->cache == cache, "an object is of its cache");
    model_stamp(object, cache->size, (uintptr_t)object);
    return object;
}

static void give(uint64_t *random, void *object)
{
    verify(object);
    struct tarn_cache *cache = tarn__slab_of(object)->cache;
    if (model_below(random, 10)) {
        tarn__local_free(cache, object);
    } else {
        tarn__cache_put(cache, object);
        atomic_fetch_sub(&direct_live[cache->number], 1);
    }
}

static void *work(void *number)
{
    uint64_t random = model_state(seed_of_all + generation * 1000, (unsigned)(uintptr_t)number);
    void *held[HELD] = {NULL};
    for (int i = 0; i < STEPS && model_goes_on(); i++) {
        void **object = &held[model_below(&random, HELD)];
        size_t kind = model_below(&random, 100);
        if (kind < 20) {
            *object = atomic_exchange(&shared[model_below(&random, SHARED)], *object);
            if (*object)
                verify(*object);
        } else if (!*object) {
            *object = take(&random);
        } else {
            give(&random, *object);
            *object = NULL;
        }
        if (model_below(&random, 4000) == 0)
            tarn__local_flush();
        if (model_below(&random, 4000) == 0)
            tarn__cache_check(&caches[1 + model_below(&random, CACHES)]);
    }
    for (int i = 0; i < HELD; i++)
        if (held[i])
            give(&random, held[i]);
    return NULL;
}

/* What slabs, magazines and counts say together: no thread runs. */
static void check_all(size_t live)
{
    long counted = 0;
    tarn__zone_check(&zone);
    for (unsigned i = 1; i <= CACHES; i++) {
        struct tarn_cache *cache = &caches[i];
        struct tarn__local_sums sums;
        tarn__cache_check(cache);
        tarn__local_sum(&caches[i], &sums);
        counted += (long)(sums.allocs - sums.frees) + atomic_load(&direct_live[i]);
    }
    MODEL_REQUIRE(counted == (long)live, "the counts of live objects are right");
}

static size_t live_shared(void)
{
    size_t live = 0;
    for (size_t i = 0; i < SHARED; i++)
        live += atomic_load(&shared[i]) != NULL;
    return live;
}

static void give_back_all(uint64_t *random)
{
    for (size_t i = 0; i < SHARED; i++) {
        void *object = atomic_exchange(&shared[i], NULL);
        if (object)
            give(random, object);
    }
    tarn__local_flush();
    for (unsigned i = 1; i <= CACHES; i++) {
        tarn__depot_reap(&caches[i], true);
        MODEL_REQUIRE(caches[i].slabs == 0, "empty slabs go back");
    }
    check_all(0);
    tarn__zone_trim(&zone, 0);
    MODEL_REQUIRE(zone.pages == 0, "a zone that is all free can be given back");
}

static void begin(void)
{
    if (caches[1].size)
        return;
    tarn__zone_init(&zone, "model", tarn__window_source());
    for (unsigned i = 1; i <= CACHES; i++) {
        tarn__cache_init(&caches[i], names[i], i, sizes[i - 1], &zone, depots[i]);
        tarn__cache_enter(&caches[i], 0, 0);
    }
    tarn__set_fail_exit(model_fail_exit);
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 1000);
    begin();
    seed_of_all = seed;
    for (generation = 0; generation == 0 || model_goes_on(); generation++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, work, (void *)i);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        check_all(live_shared());
    }
    give_back_all(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
