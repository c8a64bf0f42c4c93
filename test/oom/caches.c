/*
 * Each call to the system fails in its turn, while users' caches are made, used and destroyed:  oom_caches [on [n]]
 *
 * As in heap.c: a script runs in a child process over the fake system, whose n-th call fails; with "on", that one and all that follow. Each
 * request ends with NULL, an error or success, bulk and sheaves with all or none; objects keep their contents, constructed ones their
 * state; then the system works again, the whole script must succeed, and everything be given back.
 */
#include "test/oom/oom.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "os/fake.h"
#include "tarn/alloc.h"
#include "tarn/cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CACHES = 6, BULK = 900, STATE = 0x5a };

static _Atomic long constructed, destructed;

static void construct(void *object)
{
    memset(object, STATE, 8);
    constructed++;
}

static void destruct(void *object)
{
    REQUIRE(*(unsigned char *)object == STATE, "what is destructed was constructed");
    destructed++;
}

static const struct kind {
    size_t size;
    unsigned flags;
    bool constructs;
} kinds[CACHES] = {
    {40, 0, false},
    {200, 0, true},
    {700, TARN_CACHE_RED_ZONE | TARN_CACHE_POISON, false},
    {3000, TARN_CACHE_TYPESAFE_BY_RCU, false},
    {30000, 0, false},
    {500000, 0, false},
};

static struct tarn_cache *make(unsigned k, const char *name)
{
    struct tarn_cache *cache = NULL;
    struct tarn_cache_args args = {.ctor = kinds[k].constructs ? construct : NULL,
                                   .dtor = kinds[k].constructs ? destruct : NULL};
    int error = tarn_cache_make(&cache, name, kinds[k].size, &args, kinds[k].flags);
    REQUIRE(error == 0 ? cache != NULL : error == -ENOMEM && !cache, "a cache is made, or there is no memory");
    REQUIRE(cache || !oom_must, "a request succeeds when the system works");
    return cache;
}

static void mark(void *object, unsigned k, size_t i)
{
    size_t skip = kinds[k].constructs ? 8 : 0;
    REQUIRE(!skip || *(unsigned char *)object == STATE, "an object is constructed");
    memset((char *)object + skip, (int)i, 32);
}

static void verify(const void *object, unsigned k, size_t i)
{
    const unsigned char *p = (const unsigned char *)object + (kinds[k].constructs ? 8 : 0);
    for (int at = 0; at < 32; at++)
        REQUIRE(p[at] == (unsigned char)i, "contents are intact");
}

static size_t take_some(struct tarn_cache *cache, unsigned k, void **objects, size_t count)
{
    size_t got = 0;
    for (size_t i = 0; i < count; i++) {
        void *object = tarn_cache_alloc(cache, i % 2 ? TARN_GFP_KERNEL : TARN_GFP_ATOMIC);
        REQUIRE(object || !oom_must, "a request succeeds when the system works");
        if (object)
            mark(objects[got] = object, k, got), got++;
    }
    return got;
}

static void use_bulk(struct tarn_cache *cache, unsigned k, size_t count)
{
    static void *objects[BULK];
    size_t got = tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, count, objects);
    REQUIRE(got == count || (got == 0 && !oom_must), "bulk is all or none");
    for (size_t i = 0; i < got; i++)
        mark(objects[i], k, i);
    for (size_t i = 0; i < got; i++)
        verify(objects[i], k, i);
    tarn_cache_free_bulk(cache, got, objects);
}

static void use_sheaf(struct tarn_cache *cache, unsigned size)
{
    struct tarn_sheaf *sheaf = tarn_cache_prefill_sheaf(cache, TARN_GFP_KERNEL, size);
    REQUIRE(sheaf || !oom_must, "a request succeeds when the system works");
    if (!sheaf)
        return;
    for (unsigned i = 0; i < size; i++) {
        void *object = tarn_cache_alloc_from_sheaf(cache, 0, sheaf);
        REQUIRE(object, "a sheaf does not fail until it is empty");
        tarn_cache_free(cache, object);
    }
    int error = tarn_cache_refill_sheaf(cache, TARN_GFP_KERNEL, &sheaf, 2 * size);
    REQUIRE(error == 0 ? tarn_sheaf_size(sheaf) == 2 * size : error == -ENOMEM && !oom_must, "a sheaf is filled or not");
    tarn_cache_return_sheaf(cache, TARN_GFP_KERNEL, sheaf);
}

struct shared {
    struct tarn_cache *cache;
    unsigned kind;
};

static void *use_in_thread(void *value)
{
    struct shared *shared = value;
    void *objects[20];
    size_t got = take_some(shared->cache, shared->kind, objects, 20);
    tarn_cache_free_bulk(shared->cache, got, objects);
    return NULL;
}

static void use_cache(struct tarn_cache *cache, unsigned k)
{
    void *objects[60];
    pthread_t thread;
    struct shared shared = {cache, k};
    size_t bulk = kinds[k].size > 10000 ? 30 : BULK, got = take_some(cache, k, objects, kinds[k].size > 10000 ? 10 : 60);
    use_bulk(cache, k, bulk);
    use_sheaf(cache, kinds[k].size > 10000 ? 5 : 50);
    REQUIRE(pthread_create(&thread, NULL, use_in_thread, &shared) == 0, "a thread starts");
    pthread_join(thread, NULL);
    REQUIRE(got == 0 || tarn_cache_destroy(cache) == -EBUSY, "a cache with live objects is kept");
    for (size_t i = 0; i < got; i++) {
        verify(objects[i], k, i);
        tarn_cache_free(cache, objects[i]);
    }
    tarn_cache_verify(cache);
    tarn_cache_shrink(cache);
}

static void script(void)
{
    struct tarn_cache *cache[CACHES], *like = NULL;
    char name[20];
    for (unsigned k = 0; k < CACHES; k++) {
        snprintf(name, sizeof name, "oom-%u", k);
        cache[k] = make(k, name);
    }
    for (unsigned k = 0; k < CACHES; k++)
        if (cache[k])
            use_cache(cache[k], k);
    if (cache[0]) {
        like = make(0, "oom-like"); /* an alias needs memory too */
        REQUIRE(!like || like == cache[0], "like caches are shared");
    }
    REQUIRE(!like || tarn_cache_destroy(like) == 0, "a shared cache is left");
    for (unsigned k = 0; k < CACHES; k++)
        REQUIRE(tarn_cache_destroy(cache[k]) == 0, "a cache without live objects can be destroyed");
    tarn_rcu_barrier();
    REQUIRE(constructed == destructed, "what was constructed is destructed");
}

int oom_run(uint64_t n, uint64_t times)
{
    tarn__heap_ready();
    tarn__fake_fail(TARN__FAKE_ANY, n, times);
    script();
    uint64_t failed = tarn__fake_failed();
    tarn__fake_fail(0, 0, 0);
    tarn__zone_check(&tarn__heap.zone);
    oom_must = true;
    script();
    tarn_trim(0);
    REQUIRE(tarn__heap.zone.pages == 0, "every page is given back");
    return failed ? 0 : OOM_NO_FAILURE;
}
