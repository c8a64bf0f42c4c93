/*
 * What is no live object is found at the call that takes it for one, each time: ten thousand random trials of each kind (a thousand among other tests;
 * `./dev trials` makes all of them), of all sizes, from the thread that freed it and from another, wherever the object has gone since and whatever was written to it.
 */
#include "test/unit/heap.h"

#include "os/os.h"
#include "slab/local.h"
#include "tarn/cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { TRIALS = 10000, QUICKER = 10, LOT = 100, THREADS = 8, NEIGHBOURS = 2000, ROUNDS = 60, MOST_SIZE = 40000 };

static size_t trials = TRIALS / QUICKER;
static bool told;

static _Thread_local jmp_buf back;
static _Thread_local bool expected;
static _Thread_local char said[256];

static void caught(const char *message, size_t length)
{
    if (!expected)
        fprintf(stderr, "%.*s", (int)length, message), abort();
    expected = false;
    memcpy(said, message, length < sizeof said ? length : sizeof said - 1);
    longjmp(back, 1);
}

static void listen(void)
{
    tarn_free(tarn_malloc(1));
    tarn__set_fail_exit(caught);
}

static void stop_listening(void) { tarn__set_fail_exit(tarn__os_die); }

static void use_free(void *p) { tarn_free(p); }
static void use_realloc(void *p) { tarn_realloc(p, 100); }
static void use_size(void *p) { tarn_usable_size(p); }
static void use_sized(void *p) { tarn_free_sized(p, 1); }
static void use_zero(void *p) { tarn_realloc(p, 0); }

static void (*const uses[])(void *) = {use_free, use_realloc, use_size, use_sized, use_zero};

/* Whether `use` of the address is reported, as one of both. */
static bool is_found(void (*use)(void *), void *p, const char *what)
{
    memset(said, 0, sizeof said);
    expected = true;
    if (setjmp(back) == 0)
        use(p);
    bool found = !expected && strstr(said, what);
    expected = false;
    return found;
}

/* All were found; `./dev trials` says so. */
static void assert_found(const char *name, size_t found)
{
    if (told)
        print_message("%-45s %5zu of %zu\n", name, found, trials);
    assert_int_equal(found, trials);
}

/* In a thread of its own, that has ended when it returns. */
static void elsewhere(void *(*act)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, act, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

struct lot {
    uint64_t random;
    char *object[LOT];
    size_t size[LOT];
    const char *what;
    size_t found;
};

static size_t pick_size(uint64_t *random)
{
    static const size_t most[] = {64, 600, 4096, MOST_SIZE};
    return 1 + check_random(random) % most[check_random(random) % 4];
}

static void fill(struct lot *lot)
{
    for (size_t i = 0; i < LOT; i++) {
        lot->size[i] = pick_size(&lot->random);
        lot->object[i] = tarn_malloc(lot->size[i]);
        assert_non_null(lot->object[i]);
    }
}

static void *free_all(void *argument)
{
    struct lot *lot = argument;
    for (size_t i = 0; i < LOT; i++)
        tarn_free(lot->object[i]);
    return NULL;
}

/* Tries each address of the lot. What is written to a free object is taken back, as it may be a link. */
static void *try_all(void *argument)
{
    struct lot *lot = argument;
    for (size_t i = 0; i < LOT; i++) {
        bool writes = lot->size[i] > 0 && lot->size[i] <= 32768 && check_random(&lot->random) % 2;
        char was[32768];
        if (writes) {
            memcpy(was, lot->object[i], lot->size[i]);
            memset(lot->object[i], (int)check_random(&lot->random), lot->size[i]);
        }
        lot->found += is_found(uses[check_random(&lot->random) % 5], lot->object[i], lot->what);
        if (writes)
            memcpy(lot->object[i], was, lot->size[i]);
    }
    return NULL;
}

enum place { IN_BIN, OF_OTHER, IN_SLAB, PLACES };

static void try_freed(bool from_other, enum place place, uint64_t seed)
{
    struct lot lot = {.random = seed, .what = "double free"}, keeps = {.random = seed + 1};
    for (size_t trial = 0; trial < trials; trial += LOT) {
        fill(&keeps); /* so that slabs stay */
        fill(&lot);
        if (place == OF_OTHER)
            elsewhere(free_all, &lot);
        else
            free_all(&lot);
        if (place == IN_SLAB)
            tarn__local_flush();
        if (from_other)
            elsewhere(try_all, &lot);
        else
            try_all(&lot);
        free_all(&keeps);
    }
    static const char *const names[] = {"second free, in the thread's bin", "second free, after another thread's",
                                        "second free, in its slab"};
    assert_found(names[place], lot.found);
}

static void second_frees_are_found(void **state)
{
    (void)state;
    listen();
    for (enum place place = 0; place < PLACES; place++) {
        try_freed(false, place, 2 * place + 1);
        try_freed(true, place, 2 * place + 2);
    }
    stop_listening();
}

/* Slabs have gone: what is called free may be, or is not there any more. */
static void also_when_pages_were_given_back(void **state)
{
    (void)state;
    struct lot lot = {.random = 77, .what = " free: "};
    listen();
    for (size_t trial = 0; trial < trials; trial += LOT) {
        fill(&lot);
        free_all(&lot);
        tarn_trim(0);
        memset(lot.size, 0, sizeof lot.size); /* nothing may be written */
        try_all(&lot);
    }
    assert_found("second free, pages given back", lot.found);
    stop_listening();
}

static char image[100000];

static void *wrong_address(unsigned kind, struct lot *live, char *mapping, char *stack)
{
    uint64_t *random = &live->random;
    size_t i = check_random(random) % LOT, usable = tarn_usable_size(live->object[i]);
    switch (kind) {
    case 0:
        return live->object[i] + 1 + check_random(random) % (usable - 1);
    case 1:
        return live->object[i] + 1 + check_random(random) % 7;
    case 2:
        return live->object[i] + (usable > 16 ? 16 + check_random(random) % (usable / 16 - 1) * 16 : 8);
    case 3:
        return stack + check_random(random) % 64;
    case 4:
        return image + check_random(random) % sizeof image;
    case 5:
        return mapping + check_random(random) % 65536;
    default:
        return (void *)(uintptr_t)(check_random(random) >> (1 + check_random(random) % 48) | 1);
    }
}

static void wrong_addresses_are_found(void **state)
{
    (void)state;
    char stack[64], *mapping = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct lot live = {.random = 99};
    static const char *const kinds[] = {"inside an object", "a few bytes inside", "inside, aligned", "the stack",
                                        "the image",        "another mapping",    "anywhere"};
    listen();
    for (unsigned kind = 0; kind < 7; kind++) {
        size_t found = 0;
        for (size_t trial = 0; trial < trials; trial++) {
            if (trial % LOT == 0)
                fill(&live);
            found += is_found(uses[check_random(&live.random) % 5], wrong_address(kind, &live, mapping, stack), "invalid free");
            if (trial % LOT == LOT - 1)
                free_all(&live);
        }
        assert_found(kinds[kind], found);
    }
    stop_listening();
    munmap(mapping, 65536);
}

/* Users' caches */

static struct tarn_cache *cache, *other;

static void use_cache_free(void *p) { tarn_cache_free(cache, p); }
static void use_bulk(void *p) { tarn_cache_free_bulk(cache, 1, &p); }
static void use_unnamed(void *p) { tarn_cache_free_bulk(NULL, 1, &p); }

static void (*const cache_uses[])(void *) = {use_cache_free, use_bulk, use_unnamed, use_free};

static void try_cache(size_t size)
{
    void *object[LOT];
    uint64_t random = size;
    size_t twice = 0, inside = 0, wrong = 0;
    cache = tarn_cache_create("marked", size, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    other = tarn_cache_create("other", size, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    void *foreign = tarn_cache_alloc(other, TARN_GFP_KERNEL), *keeps = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
    for (size_t trial = 0; trial < trials; trial += LOT) {
        assert_int_equal(tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, LOT, object), LOT);
        for (size_t i = 0; i < LOT; i++)
            inside += is_found(cache_uses[check_random(&random) % 4],
                               (char *)object[i] + 1 + check_random(&random) % (size - 1), "invalid free");
        for (size_t i = 0; i < LOT; i++)
            wrong += is_found(cache_uses[check_random(&random) % 2], foreign, "wrong cache");
        if (trial % (2 * LOT))
            tarn_cache_free_bulk(cache, LOT, object);
        for (size_t i = 0; i < LOT && trial % (2 * LOT) == 0; i++)
            tarn_cache_free(cache, object[i]);
        if (check_random(&random) % 2)
            tarn_cache_shrink(cache);
        for (size_t i = 0; i < LOT; i++)
            twice += is_found(cache_uses[check_random(&random) % 4], object[i], " free");
    }
    tarn_cache_free(cache, keeps);
    tarn_cache_free(other, foreign);
    assert_found("cache: second free", twice);
    assert_found("cache: inside an object", inside);
    assert_found("cache: another cache's", wrong);
    assert_int_equal(tarn_cache_destroy(cache), 0);
    assert_int_equal(tarn_cache_destroy(other), 0);
}

static void caches_find_them_too(void **state)
{
    (void)state;
    static const size_t sizes[] = {8, 24, 100, 1000, 5000, 40000, 100000};
    listen();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        try_cache(sizes[i]);
    stop_listening();
}

/* A correct program: neighbours are freed and allocated by eight threads at once, each its own. */

static void *neighbours[NEIGHBOURS][THREADS];

static void *churn(void *argument)
{
    size_t mine = (size_t)(uintptr_t)argument;
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < NEIGHBOURS; i++) {
            tarn_free(neighbours[i][mine]);
            neighbours[i][mine] = tarn_malloc(i % 3 ? 16 : 48);
            if (!neighbours[i][mine] || tarn_usable_size(neighbours[i][mine]) < 16)
                abort();
        }
    return NULL;
}

static void neighbours_are_left_alone(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    listen();
    for (size_t i = 0; i < NEIGHBOURS; i++)
        for (size_t k = 0; k < THREADS; k++)
            neighbours[i][k] = tarn_malloc(i % 3 ? 16 : 48);
    for (size_t k = 0; k < THREADS; k++)
        assert_int_equal(pthread_create(&thread[k], NULL, churn, (void *)(uintptr_t)k), 0);
    for (size_t k = 0; k < THREADS; k++)
        assert_int_equal(pthread_join(thread[k], NULL), 0);
    for (size_t i = 0; i < NEIGHBOURS; i++)
        for (size_t k = 0; k < THREADS; k++)
            tarn_free(neighbours[i][k]);
    stop_listening();
}

int main(void)
{
    told = getenv("TRIALS");
    if (told)
        trials = TRIALS;
    const struct CMUnitTest tests[] = {
        HEAP_TEST(second_frees_are_found), HEAP_TEST(also_when_pages_were_given_back), HEAP_TEST(wrong_addresses_are_found),
        HEAP_TEST(caches_find_them_too),   HEAP_TEST(neighbours_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
