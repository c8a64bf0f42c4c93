/* Floor 5: threads' bins over slabs: magazines, counts, the ends of threads. On the real system, for its threads. */
#include "test/unit/check.h"

#include "base/bits.h"
#include "base/fail.h"
#include "os/os.h"
#include "slab/local.h"

#include <pthread.h>
#include <string.h>

enum { SMALL = 1, LARGE = 2, OBJECTS = 2000 }; /* two caches, by their numbers */

static struct tarn_zone zone;
static struct tarn_cache caches[3];
static struct tarn__magazine depots[3][TARN__DEPOT_DEPTH];
static void *objects[OBJECTS];

static void *take(unsigned number) { return tarn__local_alloc(&caches[number], caches[number].size - 1, TARN_GFP_KERNEL); }

static void give(void *object)
{
    struct tarn__slab *slab = tarn__slab_of(object);
    assert_non_null(slab);
    tarn__local_free(slab->cache, object);
}

static struct tarn__local_sums sums_of(unsigned number)
{
    struct tarn__local_sums sums;
    tarn__local_sum(&caches[number], &sums);
    return sums;
}

static size_t in_magazines(unsigned number)
{
    struct tarn_cache *cache = &caches[number];
    struct tarn__local_sums sums = sums_of(number);
    return cache->slabs * cache->objects - cache->free_objects - (size_t)(sums.allocs - sums.frees);
}

static void check_all(void)
{
    tarn__cache_check(&caches[SMALL]);
    tarn__cache_check(&caches[LARGE]);
    tarn__zone_check(&zone);
}

/* After a test: nothing is live, everything can be flushed and given back. */
static int end(void **state)
{
    (void)state;
    tarn__local_flush();
    tarn__depot_reap(&caches[SMALL], true);
    tarn__depot_reap(&caches[LARGE], true);
    check_all();
    for (unsigned i = SMALL; i <= LARGE; i++) {
        assert_int_equal(sums_of(i).allocs, sums_of(i).frees);
        assert_int_equal(caches[i].slabs, 0);
    }
    tarn__zone_trim(&zone, 0);
    assert_int_equal(zone.pages, 0);
    return 0;
}

static void counts_exactly(void **state)
{
    (void)state;
    for (unsigned number = SMALL; number <= LARGE; number++) {
        struct tarn__local_sums before = sums_of(number);
        for (size_t i = 0; i < OBJECTS; i++) {
            objects[i] = take(number);
            assert_non_null(objects[i]);
            memset(objects[i], (int)i, caches[number].size);
            assert_int_equal(sums_of(number).allocs, before.allocs + i + 1);
        }
        for (size_t i = 0; i < OBJECTS; i++) {
            assert_true(check_all_bytes(objects[i], caches[number].size, (unsigned char)i));
            give(objects[i]);
            assert_int_equal(sums_of(number).frees, before.frees + i + 1);
        }
        assert_int_equal(sums_of(number).allocs, before.allocs + OBJECTS);
        assert_true(sums_of(number).samples > before.samples);
        assert_int_equal(sums_of(number).sampled_bytes - before.sampled_bytes,
                         (sums_of(number).samples - before.samples) * (caches[number].size - 1));
    }
    check_all();
}

static void magazines_are_bounded(void **state)
{
    (void)state;
    size_t capacity = caches[LARGE].capacity, most = (3 + caches[LARGE].depot_depth) * capacity;
    for (size_t i = 0; i < OBJECTS; i++)
        objects[i] = take(LARGE);
    size_t deepest = 0;
    for (size_t i = 0; i < OBJECTS / 2; i++) {
        give(objects[i]);
        assert_true(in_magazines(LARGE) <= most);
        deepest = tarn__max(deepest, caches[LARGE].depth);
    }
    assert_true(in_magazines(LARGE) > 0);
    assert_in_range(deepest, 2, caches[LARGE].depot_depth);
    assert_true(caches[LARGE].depth <= deepest / 2); /* a sweep does not leave the depot full */
    for (size_t i = OBJECTS / 2; i < OBJECTS; i++) {
        give(objects[i]);
        assert_true(in_magazines(LARGE) <= most);
    }
    assert_true(in_magazines(LARGE) <= capacity); /* what has lost all it had keeps nearly nothing */
    tarn__local_flush();
    assert_int_equal(in_magazines(LARGE), caches[LARGE].depot_objects);
    tarn__depot_reap(&caches[LARGE], true);
    assert_int_equal(in_magazines(LARGE), 0);
}

/* At a magazine's boundary, turns of one allocation and one free do not go to the depot or to slabs. */
static void boundary_is_quiet(void **state)
{
    (void)state;
    size_t capacity = caches[SMALL].capacity;
    for (size_t i = 0; i < 4 * capacity; i++)
        objects[i] = take(SMALL);
    for (size_t i = 0; i < 2 * capacity; i++)
        give(objects[i]);
    for (size_t live = 2 * capacity; live <= 4 * capacity; live++) {
        size_t free_objects = caches[SMALL].free_objects, depth = caches[SMALL].depth, changes = 0;
        for (int turn = 0; turn < 10; turn++) {
            void *p = take(SMALL);
            changes += caches[SMALL].free_objects != free_objects || caches[SMALL].depth != depth;
            free_objects = caches[SMALL].free_objects;
            depth = caches[SMALL].depth;
            give(p);
            changes += caches[SMALL].free_objects != free_objects || caches[SMALL].depth != depth;
            free_objects = caches[SMALL].free_objects;
            depth = caches[SMALL].depth;
        }
        assert_true(changes <= 2);
        if (live < 4 * capacity)
            objects[live - 2 * capacity] = take(SMALL);
    }
    for (size_t i = 0; i < 4 * capacity; i++)
        give(objects[i]);
}

/* What a thread has it gives back when the cache asks for it, once: what is freed afterwards stays in magazines as before. */
static void is_asked_once(void **state)
{
    (void)state;
    size_t capacity = caches[SMALL].capacity, kept[2];
    for (int asked = 0; asked < 2; asked++) {
        for (size_t i = 0; i < 8 * capacity; i++)
            objects[i] = take(SMALL);
        tarn__local_flush();
        tarn__depot_reap(&caches[SMALL], true);
        if (asked)
            atomic_fetch_add(&caches[SMALL].epoch, 1);
        for (size_t i = 0; i < 5 * capacity; i++)
            give(objects[i]);
        kept[asked] = in_magazines(SMALL);
        for (size_t i = 5 * capacity; i < 8 * capacity; i++)
            give(objects[i]);
        tarn__local_flush();
        tarn__depot_reap(&caches[SMALL], true);
    }
    assert_true(kept[0] > 4 * capacity);
    assert_true(kept[1] > 2 * capacity);
}

/* By how much slabs and depot have less then. */
static void *take_first(void *less)
{
    ((size_t *)less)[0] = caches[SMALL].free_objects;
    ((size_t *)less)[1] = caches[SMALL].depot_objects;
    objects[0] = take(SMALL);
    ((size_t *)less)[0] -= caches[SMALL].free_objects;
    ((size_t *)less)[1] -= caches[SMALL].depot_objects;
    return NULL;
}

/* A thread that begins takes a part of another's magazine; the depot keeps the rest. */
static void rests_stay_in_the_depot(void **state)
{
    (void)state;
    pthread_t thread;
    size_t capacity = caches[SMALL].capacity, less[2];
    for (size_t i = 0; i < 4 * capacity; i++)
        objects[i] = take(SMALL);
    for (size_t i = 0; i < 4 * capacity; i++)
        give(objects[i]);
    assert_true(caches[SMALL].depot_objects >= capacity);
    assert_int_equal(pthread_create(&thread, NULL, take_first, less), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(less[0], 0);
    assert_in_range(less[1], 1, capacity - 1);
    give(objects[0]);
}

static void *take_and_end(void *value)
{
    size_t threads = tarn__local_threads();
    for (size_t i = 0; i < OBJECTS / 2; i++) {
        objects[i] = take(SMALL);
        memset(objects[i], (int)i, caches[SMALL].size);
    }
    for (size_t i = 0; i < 100; i++)
        give(take(LARGE));
    *(size_t *)value = tarn__local_threads() - threads;
    return NULL;
}

/* What an ended thread had cached and counted is not lost; what it had allocated lives on. */
static void threads_end(void **state)
{
    (void)state;
    give(take(SMALL));
    size_t threads = tarn__local_threads();
    struct tarn__local_sums before = sums_of(SMALL), large = sums_of(LARGE);
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        size_t added;
        assert_int_equal(pthread_create(&thread, NULL, take_and_end, &added), 0);
        pthread_join(thread, NULL);
        assert_int_equal(added, 1);
        assert_int_equal(tarn__local_threads(), threads);
        assert_int_equal(sums_of(SMALL).allocs - before.allocs, (round + 1) * OBJECTS / 2);
        assert_int_equal(sums_of(LARGE).frees - large.frees, (round + 1) * 100);
        for (size_t i = 0; i < OBJECTS / 2; i++) {
            assert_true(check_all_bytes(objects[i], caches[SMALL].size, (unsigned char)i));
            give(objects[i]);
        }
        check_all();
    }
}

static pthread_key_t key;

static void use_after_detach(void *value)
{
    static __thread int again;
    give(value);
    void *p = take(SMALL), *q = take(LARGE);
    memset(p, 1, caches[SMALL].size);
    memset(q, 1, caches[LARGE].size);
    give(q);
    if (++again < 3)
        pthread_setspecific(key, p); /* once more: by then tarn's own destructor has run */
    else
        give(p);
}

static void *set_key(void *value)
{
    pthread_setspecific(key, take(SMALL));
    return value;
}

static void works_after_a_thread_ended_its_cache(void **state)
{
    (void)state;
    give(take(SMALL));
    size_t threads = tarn__local_threads();
    assert_int_equal(pthread_key_create(&key, use_after_detach), 0);
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, set_key, NULL), 0);
        pthread_join(thread, NULL);
    }
    pthread_key_delete(key);
    assert_int_equal(tarn__local_threads(), threads);
    assert_int_equal(sums_of(SMALL).allocs, sums_of(SMALL).frees);
    check_all();
}

/* Producers and consumers: each object is freed by another thread than took it. */

enum { PAIRS = 2, TURNS = 30000, RING = 256 };

static struct ring {
    _Atomic(void *) slot[RING];
    _Atomic int wrong;
} rings[PAIRS];

static void *produce(void *value)
{
    struct ring *ring = value;
    for (size_t i = 0; i < TURNS; i++) {
        unsigned char *p = take(i % 3 ? SMALL : LARGE);
        memset(p, (int)i, 32);
        while (atomic_load_explicit(&ring->slot[i % RING], memory_order_acquire))
            sched_yield();
        atomic_store_explicit(&ring->slot[i % RING], p, memory_order_release);
    }
    return NULL;
}

static void *consume(void *value)
{
    struct ring *ring = value;
    for (size_t i = 0; i < TURNS; i++) {
        void *p;
        while (!(p = atomic_load_explicit(&ring->slot[i % RING], memory_order_acquire)))
            sched_yield();
        if (!check_all_bytes(p, 32, (unsigned char)i))
            atomic_store(&ring->wrong, 1);
        atomic_store_explicit(&ring->slot[i % RING], NULL, memory_order_release);
        tarn__local_free(tarn__slab_of(p)->cache, p);
    }
    return NULL;
}

static void objects_cross_threads(void **state)
{
    (void)state;
    pthread_t threads[2 * PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(pthread_create(&threads[2 * i], NULL, produce, &rings[i]), 0);
        assert_int_equal(pthread_create(&threads[2 * i + 1], NULL, consume, &rings[i]), 0);
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < PAIRS; i++)
        assert_int_equal(atomic_load(&rings[i].wrong), 0);
    check_all();
}

static unsigned hook_calls;
static void count_hook(void) { hook_calls++; }

static void ledger_and_hook(void **state)
{
    (void)state;
    long live = tarn__ledger.live;
    tarn__slow_path_hook = count_hook;
    for (size_t i = 0; i < 1000; i++)
        objects[i] = take(LARGE);
    tarn__slow_path_hook = NULL;
    assert_true(hook_calls > 0 && hook_calls < 1000);
    long noted = tarn__ledger.live - live, exact = 1000L * (long)caches[LARGE].size;
    long slack = 5L * (long)caches[LARGE].capacity * (long)caches[LARGE].size;
    assert_in_range(noted, exact - slack, exact + slack); /* it was behind before, too */
    assert_true(tarn__ledger.peak >= tarn__ledger.live);
    for (size_t i = 0; i < 1000; i++)
        give(objects[i]);
}

static int begin_all(void **state)
{
    (void)state;
    tarn__set_fail_exit(tarn__os_die);
    tarn__zone_init(&zone, "test", tarn__window_source());
    tarn__cache_init(&caches[SMALL], "small", SMALL, 48, &zone, depots[SMALL]);
    tarn__cache_init(&caches[LARGE], "large", LARGE, 4096, &zone, depots[LARGE]);
    assert_int_equal(tarn__cache_enter(&caches[SMALL], 0, 0), 0);
    assert_int_equal(tarn__cache_enter(&caches[LARGE], 0, 0), 0);
    return 0;
}

#define LOCAL_TEST(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCAL_TEST(counts_exactly),
        LOCAL_TEST(magazines_are_bounded),
        LOCAL_TEST(boundary_is_quiet),
        LOCAL_TEST(is_asked_once),
        LOCAL_TEST(rests_stay_in_the_depot),
        LOCAL_TEST(threads_end),
        LOCAL_TEST(works_after_a_thread_ended_its_cache),
        LOCAL_TEST(objects_cross_threads),
        LOCAL_TEST(ledger_and_hook),
    };
    return cmocka_run_group_tests_name("local", tests, begin_all, NULL);
}
