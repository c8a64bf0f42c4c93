/* Caches and threads: shrinking, destruction beside living threads, numbers used again, ends of threads. */
#include "test/unit/caches.h"

#include "page/meta.h"

#include <pthread.h>
#include <semaphore.h>

/* A thread that does what it is told, one piece of work after another. */
struct worker {
    pthread_t thread;
    sem_t go, done;
    void (*work)(struct worker *);
    struct tarn_cache *cache;
    void *objects[600];
    size_t count;
};

static void *worker_main(void *value)
{
    struct worker *worker = value;
    for (;;) {
        sem_wait(&worker->go);
        if (!worker->work)
            return NULL;
        worker->work(worker);
        sem_post(&worker->done);
    }
}

static void start(struct worker *worker)
{
    sem_init(&worker->go, 0, 0);
    sem_init(&worker->done, 0, 0);
    assert_int_equal(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
}

static void tell(struct worker *worker, void (*work)(struct worker *), struct tarn_cache *cache, size_t count)
{
    worker->work = work;
    worker->cache = cache;
    worker->count = count;
    sem_post(&worker->go);
    sem_wait(&worker->done);
}

static void stop(struct worker *worker)
{
    worker->work = NULL;
    sem_post(&worker->go);
    pthread_join(worker->thread, NULL);
    sem_destroy(&worker->go);
    sem_destroy(&worker->done);
}

static void take_some(struct worker *worker)
{
    for (size_t i = 0; i < worker->count; i++)
        worker->objects[i] = take(worker->cache);
}

static void give_some(struct worker *worker)
{
    for (size_t i = 0; i < worker->count; i++)
        tarn_cache_free(worker->cache, worker->objects[i]);
}

/* So that its magazines are full. */
static void take_and_give(struct worker *worker)
{
    take_some(worker);
    give_some(worker);
}

/* Objects of a cache in magazines: neither in slabs nor live. */
static uint64_t in_magazines(struct tarn_cache *cache)
{
    struct tarn_cache_stats now = stats_of(cache);
    return now.objects - cache->free_objects - now.active;
}

static struct worker one, two;

/* Shrinking */

static void shrink_empties_what_ended_threads_had(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("shrunk", 100, 0);
    for (int i = 0; i < 5; i++) {
        start(&one);
        start(&two);
        tell(&one, take_some, cache, 600);
        two.cache = cache;
        memcpy(two.objects, one.objects, sizeof one.objects);
        tell(&two, give_some, cache, 600); /* it never allocated: they are set apart */
        tell(&one, take_and_give, cache, 300);
        stop(&one);
        stop(&two);
        assert_true(in_magazines(cache) > 0);
        assert_int_equal(tarn_cache_shrink(cache), 0);
        assert_int_equal(stats_of(cache).slabs, 0);
        assert_int_equal(stats_of(cache).active, 0);
    }
    end_cache(cache);
}

static void use_up_the_bin(struct worker *worker)
{
    struct tarn__bin *bin = &tarn__self->bin[worker->cache->number];
    worker->count = 0;
    while (bin->count > 0)
        worker->objects[worker->count++] = take(worker->cache);
    worker->objects[worker->count++] = take(worker->cache); /* the exchange */
    assert_int_equal(tarn__self->rear[worker->cache->number].spare.count, 0);
}

static void free_until_the_bin_is_full(struct worker *worker)
{
    uint32_t number = worker->cache->number;
    struct tarn__bin *bin = &tarn__self->bin[number];
    while (bin->count < bin->room)
        tarn_cache_free(worker->cache, worker->objects[--worker->count]);
    tarn_cache_free(worker->cache, worker->objects[--worker->count]); /* the exchange */
    assert_int_equal(tarn__self->rear[number].spare.count, 0);
}

static void threads_give_theirs_at_their_next_exchange(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("asked", 100, 0);
    start(&one);
    for (int at_free = 0; at_free < 2; at_free++) {
        tell(&one, take_and_give, cache, 600);
        if (at_free)
            tell(&one, take_some, cache, 400);
        tarn_cache_shrink(cache);
        uint64_t before = in_magazines(cache);
        assert_true(before > 0);
        assert_int_equal(cache->depot_objects, 0);
        tell(&one, at_free ? free_until_the_bin_is_full : use_up_the_bin, cache, 400);
        assert_true(in_magazines(cache) <= stats_of(cache).capacity);
        tell(&one, give_some, cache, one.count);
        tarn_cache_verify(cache);
    }
    stop(&one);
    assert_int_equal(tarn_cache_shrink(cache), 0);
    end_cache(cache);
}

static void take_one_more(struct worker *worker)
{
    worker->objects[0] = take(worker->cache);
    assert_int_equal(tarn__self->rear[worker->cache->number].foreign.count, 0);
}

/* So do those that have only freed so far, of what they set apart. */
static void threads_give_what_they_set_apart(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("set-apart", 100, 0);
    start(&one);
    start(&two);
    size_t few = tarn__min(cache->capacity, 4096 / cache->size) / 2; /* less than a magazine, even the first */
    tell(&one, take_some, cache, few);
    memcpy(two.objects, one.objects, few * sizeof one.objects[0]);
    tell(&two, give_some, cache, few);
    tarn_cache_shrink(cache);
    tell(&two, take_one_more, cache, 1);
    tell(&two, give_some, cache, 1);
    stop(&one);
    stop(&two);
    end_cache(cache);
}

static void shrink_tells_whether_slabs_are_left(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("left", 100, 0), *bare = make("left-bare", 100, TARN_CACHE_RED_ZONE);
    void *object = take(cache), *other = take(bare);
    assert_int_equal(tarn_cache_shrink(cache), 1);
    assert_int_equal(tarn_cache_shrink(bare), 1);
    tarn_cache_free(cache, object);
    tarn_cache_free(bare, other);
    assert_int_equal(tarn_cache_shrink(cache), 0);
    assert_int_equal(tarn_cache_shrink(bare), 0);
    end_cache(cache);
    end_cache(bare);
}

static void trim_empties_users_caches(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("trimmed", 100, 0);
    start(&one);
    tell(&one, take_and_give, cache, 600);
    stop(&one);
    one.cache = cache;
    take_and_give(&one);
    assert_true(in_magazines(cache) > 0);
    tarn_trim(0);
    assert_int_equal(stats_of(cache).slabs, 0);
    end_cache(cache);
}

/* Destruction */

static void reports_live_objects_once(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct tarn_cache *cache = make("leaky", 100, kind ? TARN_CACHE_STORE_USER : TARN_CACHE_NO_MERGE);
        void *live[3];
        char expected[100];
        start(&one);
        tell(&one, take_and_give, cache, 500); /* what another thread caches, and the depot, is not listed */
        one.cache = cache;
        for (int i = 0; i < 3; i++)
            live[i] = take(cache);
        start(&two);
        tell(&two, take_and_give, cache, 400);
        stop(&two);
        listen_to_warnings();
        assert_int_equal(tarn_cache_destroy(cache), -EBUSY);
        assert_int_equal(warned, kind ? 7 : 4);
        assert_string_equal(warnings[0], "cache leaky: still has 3 objects in use at its destruction; it is kept");
        for (int i = 0; i < 3; i++) {
            unsigned times = 0;
            snprintf(expected, sizeof expected, "  object %p of cache leaky, 100 bytes", live[i]);
            for (unsigned w = 1; w < warned; w++)
                times += strcmp(warnings[w], expected) == 0;
            assert_int_equal(times, 1);
        }
        struct tarn_cache *other; /* it is as it was */
        assert_int_equal(tarn_cache_make(&other, "leaky", 100, NULL, 0), -EEXIST);
        assert_int_equal(users_caches(), 1);
        tell(&one, take_and_give, cache, 500);
        tarn_cache_verify(cache);
        assert_int_equal(stats_of(cache).active, 3);
        tarn_cache_free_bulk(cache, 3, live);
        listen_to_warnings();
        end_cache(cache);
        assert_int_equal(warned, 0);
        stop(&one);
    }
}

static void lists_the_first_of_many(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("leaky", 100, 0);
    void *live[50];
    assert_int_equal(tarn_cache_alloc_bulk(cache, 0, 50, live), 50);
    listen_to_warnings();
    assert_int_equal(tarn_cache_destroy(cache), -EBUSY);
    assert_int_equal(warned, 1 + 32 + 1);
    assert_string_equal(warnings[33], "  and 18 more");
    tarn_cache_free_bulk(cache, 50, live);
    end_cache(cache);
}

static void ends_beside_living_threads(void **state)
{
    (void)state;
    long live = tarn__ledger.live;
    start(&one);
    start(&two);
    for (int round = 0; round < 20; round++) {
        struct tarn_cache *cache = make("gone", 100 + (size_t)round * 8, 0);
        tell(&one, take_some, cache, 500);
        memcpy(two.objects, one.objects, sizeof one.objects);
        tell(&two, give_some, cache, 500);
        tell(&one, take_and_give, cache, 100);
        assert_true(in_magazines(cache) > 0);
        end_cache(cache);
        assert_int_equal(tarn__ledger.live, live); /* nothing of it is left on the books */
        assert_int_equal(users_caches(), 0);
    }
    stop(&one);
    stop(&two);
}

/* A number that comes back brings nothing of its last owner's back. */
static void numbers_are_clean_when_they_come_back(void **state)
{
    (void)state;
    enum { ROUNDS = 3000 };
    static const size_t sizes[] = {16, 24, 200, 1000, 5000, 40, 33000};
    struct tarn_cache *kept = make("kept", 100, 0);
    void *object = take(kept);
    uint32_t number = 0;
    start(&one);
    start(&two);
    for (int round = 0; round < ROUNDS; round++) {
        struct tarn_cache *cache = make("comes-and-goes", sizes[round % 7], TARN_CACHE_NO_MERGE);
        struct worker *worker = round % 3 == 0 ? &one : &two;
        assert_int_equal(stats_of(cache).allocations, 0);
        assert_true(round == 0 || cache->number == number);
        number = cache->number;
        tell(worker, take_some, cache, 5 + (size_t)round % 40);
        for (size_t i = 0; i < worker->count; i++) {
            assert_ptr_equal(tarn_cache_of(worker->objects[i]), cache);
            memset(worker->objects[i], round, sizes[round % 7]);
        }
        tell(worker, give_some, cache, worker->count);
        assert_int_equal(stats_of(cache).allocations, 5 + round % 40);
        assert_int_equal(stats_of(cache).active, 0);
        end_cache(cache);
    }
    stop(&one);
    stop(&two);
    tarn_cache_free(kept, object);
    end_cache(kept);
}

/* Nor does it cost memory: what a cache had beside its objects is the next one's. */
static void ended_caches_leave_nothing(void **state)
{
    (void)state;
    size_t bytes = 0;
    for (unsigned round = 0; round < 2000; round++) {
        struct tarn_cache_args args = {.sheaf_capacity = 1 + round % 128};
        struct tarn_cache *cache = make_with("brief", 100, &args, 0);
        one.cache = cache;
        one.count = 300;
        take_and_give(&one);
        end_cache(cache);
        if (round == 500)
            bytes = tarn__meta_bytes();
    }
    assert_int_equal(tarn__meta_bytes(), bytes);
}

/* Threads that end, and begin, while caches that they used are destroyed. */

enum { LIVES = 150, SLOTS = 8 };
static _Atomic(struct tarn_cache *) slot[SLOTS];
static _Atomic int users[SLOTS];

/* A cache is used by whoever counts himself in while it is in its slot. */
static void *live_shortly(void *value)
{
    uint64_t random = (uintptr_t)value * 77 + 1;
    for (int i = 0; i < 12; i++) {
        size_t s = check_random(&random) % SLOTS;
        atomic_fetch_add(&users[s], 1);
        struct tarn_cache *cache = atomic_load(&slot[s]);
        void *some[30];
        size_t got = cache ? tarn_cache_alloc_bulk(cache, 0, 30, some) : 0;
        for (size_t j = 0; j < got; j++)
            memset(some[j], 7, tarn_cache_size(cache));
        if (got)
            tarn_cache_free_bulk(cache, got, some);
        atomic_fetch_sub(&users[s], 1);
    }
    return NULL;
}

static void replace(size_t s, int round)
{
    char name[30];
    struct tarn_cache *old = atomic_exchange(&slot[s], NULL);
    while (atomic_load(&users[s]) > 0)
        sched_yield();
    if (old)
        end_cache(old);
    snprintf(name, sizeof name, "slot-%zu-%d", s, round);
    if (round >= 0)
        atomic_store(&slot[s], make(name, 16 + (size_t)round % 11 * 40, TARN_CACHE_NO_MERGE));
}

static void ends_beside_ends_of_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    uint64_t random = 5;
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, live_shortly, (void *)i), 0);
    for (int round = 0; round < LIVES; round++) {
        for (int i = 0; i < 3; i++)
            replace(check_random(&random) % SLOTS, round);
        pthread_join(threads[round % 4], NULL);
        assert_int_equal(pthread_create(&threads[round % 4], NULL, live_shortly, (void *)(uintptr_t)(round + 10)), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (size_t s = 0; s < SLOTS; s++)
        replace(s, -1);
}

/* What destructors of a thread's own data free and allocate, before and after its magazines have gone. */

static pthread_key_t key;
static struct tarn_cache *last;

static void use_at_exit(void *object)
{
    static __thread int again;
    tarn_cache_free(last, object);
    object = take(last);
    void *other = tarn_cache_zalloc(last, TARN_GFP_KERNEL);
    tarn_free(other);
    if (++again < 3)
        pthread_setspecific(key, object);
    else
        tarn_cache_free(last, object);
}

static void *leave_objects(void *value)
{
    void *some[100];
    assert_int_equal(tarn_cache_alloc_bulk(last, 0, 100, some), 100);
    pthread_setspecific(key, some[0]);
    tarn_cache_free_bulk(last, 99, some + 1);
    return value;
}

static void objects_are_used_until_the_very_end(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_key_create(&key, use_at_exit), 0);
    for (int kind = 0; kind < 2; kind++) {
        last = make("last", 100, kind ? TARN_CACHE_RED_ZONE : 0);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(pthread_create(&thread, NULL, leave_objects, NULL), 0);
            pthread_join(thread, NULL);
            tarn_cache_verify(last);
            assert_int_equal(stats_of(last).active, 0);
        }
        assert_int_equal(tarn_cache_shrink(last), 0);
        end_cache(last);
    }
    pthread_key_delete(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(shrink_empties_what_ended_threads_had),
        CACHE_TEST(threads_give_theirs_at_their_next_exchange),
        CACHE_TEST(threads_give_what_they_set_apart),
        CACHE_TEST(shrink_tells_whether_slabs_are_left),
        CACHE_TEST(trim_empties_users_caches),
        CACHE_TEST(reports_live_objects_once),
        CACHE_TEST(lists_the_first_of_many),
        CACHE_TEST(ends_beside_living_threads),
        CACHE_TEST(numbers_are_clean_when_they_come_back),
        CACHE_TEST(ended_caches_leave_nothing),
        CACHE_TEST(ends_beside_ends_of_threads),
        CACHE_TEST(objects_are_used_until_the_very_end),
    };
    return cmocka_run_group_tests_name("cache_threads", tests, begin_caches, NULL);
}
