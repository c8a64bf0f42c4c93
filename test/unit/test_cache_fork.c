/*
 * Caches at their busiest: some threads use long-lived caches and malloc, so that the heap grows and is reaped, others make and destroy
 * caches; beside that processes fork, and reports are read.
 */
#include "test/unit/caches.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_LIVED = 4, USERS = 2, MAKERS = 2, HELD = 400, FORKS = 40 };

static const size_t sizes[LONG_LIVED] = {40, 200, 1500, 9000};
static struct tarn_cache *lasting[LONG_LIVED];
static _Atomic bool over;
static _Atomic unsigned constructed, destructed;

static void construct(void *object)
{
    memset(object, 0x5a, 16);
    constructed++;
}

static void destruct(void *object)
{
    if (!check_all_bytes(object, 16, 0x5a))
        abort();
    destructed++;
}

/* An object's bytes behind the constructed ones follow from its address. */
static void stamp(void *object, size_t size) { memset((char *)object + 16, (int)((uintptr_t)object >> 3), size - 16); }

static void verify(void *object, size_t size)
{
    if (!check_all_bytes(object, 16, 0x5a) ||
        !check_all_bytes((char *)object + 16, size - 16, (unsigned char)((uintptr_t)object >> 3)))
        abort();
}

struct held {
    unsigned char *object;
    struct tarn_cache *cache; /* NULL: tarn_malloc's */
    size_t size;
};

static void drop(struct held *held)
{
    if (!held->object)
        return;
    verify(held->object, held->size);
    if (held->cache)
        tarn_cache_free(held->cache, held->object);
    else
        tarn_free(held->object);
    held->object = NULL;
}

static void get(struct held *held, uint64_t random)
{
    size_t which = random % (LONG_LIVED + 1);
    held->cache = which < LONG_LIVED ? lasting[which] : NULL;
    held->size = which < LONG_LIVED ? sizes[which] : 3000;
    held->object = held->cache ? tarn_cache_alloc(held->cache, TARN_GFP_KERNEL) : tarn_malloc(held->size);
    if (!held->object)
        abort();
    if (!held->cache)
        memset(held->object, 0x5a, 16);
    stamp(held->object, held->size);
}

/* Its objects come and go in waves, so that slabs are made and given back. */
static void *use_lasting(void *number)
{
    struct held held[HELD] = {{NULL, NULL, 0}};
    uint64_t random = (uintptr_t)number + 1;
    for (unsigned step = 0; !atomic_load(&over); step++) {
        struct held *any = &held[check_random(&random) % HELD];
        bool up = step / 2000 % 2 == 0;
        if (any->object && (!up || check_random(&random) % 4 == 0))
            drop(any);
        else if (!any->object && (up || check_random(&random) % 4 == 0))
            get(any, check_random(&random) >> 20);
        if (step % 5000 == 4999)
            tarn_cache_shrink(lasting[check_random(&random) % LONG_LIVED]);
        if (step % 9000 == 8999)
            tarn_trim(0);
    }
    for (int i = 0; i < HELD; i++)
        drop(&held[i]);
    return NULL;
}

static void make_use_destroy(const char *name, unsigned turn)
{
    static const unsigned flags[] = {0, TARN_CACHE_NO_MERGE, TARN_CACHE_TYPESAFE_BY_RCU, TARN_CACHE_RED_ZONE};
    size_t size = 16 + turn % 9 * 56, count = turn % 50;
    struct tarn_cache_args args = {.ctor = turn % 5 == 0 ? construct : NULL};
    struct tarn_cache *cache;
    void *some[50];
    if (tarn_cache_make(&cache, name, size, &args, flags[turn % 4]) != 0)
        abort();
    if (tarn_cache_alloc_bulk(cache, 0, count, some) != count)
        abort();
    for (size_t i = 0; i < count; i++)
        memset(some[i], (int)turn, size);
    for (size_t i = 0; i < count; i++)
        if (!check_all_bytes(some[i], size, (unsigned char)turn))
            abort();
    tarn_cache_free_bulk(turn % 3 ? cache : NULL, count, some);
    if (tarn_cache_destroy(cache) != 0)
        abort();
}

static void *make_and_destroy(void *number)
{
    char name[20];
    for (unsigned turn = 0; !atomic_load(&over); turn++) {
        snprintf(name, sizeof name, "made-%u-%u", (unsigned)(uintptr_t)number, turn % 7);
        make_use_destroy(name, turn);
    }
    return NULL;
}

static void begin_lasting(void)
{
    char name[20];
    constructed = destructed = 0;
    for (int i = 0; i < LONG_LIVED; i++) {
        struct tarn_cache_args args = {.ctor = construct, .dtor = destruct};
        snprintf(name, sizeof name, "lasting-%d", i);
        lasting[i] = make_with(name, sizes[i], &args, i == 3 ? TARN_CACHE_RED_ZONE : 0);
    }
}

static pthread_t threads[USERS + MAKERS];

static void begin_threads(void)
{
    atomic_store(&over, false);
    for (uintptr_t i = 0; i < USERS + MAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < USERS ? use_lasting : make_and_destroy, (void *)i), 0);
}

static void end_threads(void)
{
    atomic_store(&over, true);
    for (int i = 0; i < USERS + MAKERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < LONG_LIVED; i++) {
        assert_int_equal(stats_of(lasting[i]).active, 0);
        end_cache(lasting[i]);
    }
    tarn_rcu_barrier();
}

static void look_at(struct tarn_cache *cache, void *count)
{
    struct tarn_cache_stats now = stats_of(cache);
    assert_true(now.size >= now.object_size && now.name[0]);
    ++*(unsigned *)count;
}

/* Walks over all caches meet each that lives on, once, whatever comes and goes. */
static void meet_lasting(struct tarn_cache *cache, void *met)
{
    for (int i = 0; i < LONG_LIVED; i++)
        ((unsigned *)met)[i] += cache == lasting[i];
}

static void all_at_once(void **state)
{
    (void)state;
    begin_lasting();
    begin_threads();
    for (int round = 0; round < 300; round++) {
        unsigned seen = 0, met[LONG_LIVED] = {0};
        tarn_cache_each(look_at, &seen);
        assert_true(seen >= LONG_LIVED);
        tarn_cache_each(meet_lasting, met);
        for (int i = 0; i < LONG_LIVED; i++)
            assert_int_equal(met[i], 1);
        for (int i = 0; i < LONG_LIVED; i++)
            tarn__cache_check(lasting[i]);
        usleep(1000);
    }
    end_threads();
    assert_int_equal(constructed - destructed > 0, 1); /* short-lived caches had no destructor */
}

/* In the child of a fork whatever other threads were at: all works, within the time that a deadlock is given. */

static void work_in_child(void)
{
    alarm(20);
    for (int i = 0; i < LONG_LIVED; i++) {
        void *some[300];
        if (tarn_cache_alloc_bulk(lasting[i], TARN_GFP_KERNEL, 300, some) != 300)
            _exit(1);
        for (int j = 0; j < 300; j++) {
            if (!check_all_bytes(some[j], 16, 0x5a))
                _exit(2);
            stamp(some[j], sizes[i]);
        }
        for (int j = 0; j < 300; j++)
            verify(some[j], sizes[i]);
        tarn_cache_free_bulk(lasting[i], 300, some);
        tarn_cache_shrink(lasting[i]);
        tarn__cache_check(lasting[i]); /* red zones may be half painted: of objects that other threads were just getting */
    }
    for (unsigned turn = 0; turn < 40; turn++) {
        char name[20];
        snprintf(name, sizeof name, "child-%u", turn);
        make_use_destroy(name,
                         turn % 4 == 2 ? turn + 1 : turn); /* grace periods in a child are the business of rcu.c's tests */
    }
    tarn_free(tarn_malloc(100000));
    tarn_trim(0);
    unsigned seen = 0;
    tarn_cache_each(look_at, &seen);
    _exit(seen >= LONG_LIVED ? 0 : 3);
}

static void children_are_whole(void **state)
{
    (void)state;
    begin_lasting();
    begin_threads();
    for (int i = 0; i < FORKS; i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            work_in_child();
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status != 0)
            fail_msg("fork %d: status %d", i, status);
        usleep(500);
    }
    end_threads();
}

/* A cache of the parent's can be ended in the child, though what other threads cached is lost to it. */
static void destroy_in_child(void *cache)
{
    void *object = take(cache);
    tarn_cache_free(cache, object);
    if (tarn_cache_destroy(cache) != 0)
        abort();
    make_use_destroy("inherited", 3);
}

static pthread_barrier_t barrier;

static void *hold_magazines(void *cache)
{
    void *some[500];
    if (tarn_cache_alloc_bulk(cache, 0, 500, some) == 500)
        tarn_cache_free_bulk(cache, 500, some);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void children_end_caches(void **state)
{
    (void)state;
    pthread_t thread;
    constructed = destructed = 0;
    struct tarn_cache *cache = make_with("inherited", 64, &(struct tarn_cache_args){.ctor = construct, .dtor = destruct}, 0);
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, hold_magazines, cache), 0);
    pthread_barrier_wait(&barrier);
    check_lives(destroy_in_child, cache);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
    end_cache(cache);
    assert_int_equal(constructed, destructed);
}

/* A fork in the middle of a walk: the child walks on, and what it held of the cache it was at is neither lost nor let go of twice. */
struct walk {
    struct tarn_cache *at;
    pid_t child;
};

static void fork_there(struct tarn_cache *cache, void *context)
{
    struct walk *walk = context;
    if (cache == walk->at && walk->child < 0)
        walk->child = fork();
    if (walk->child == 0 && cache == walk->at && atomic_load(&cache->pins) != 1)
        abort();
}

static void forks_inside_a_walk(void **state)
{
    (void)state;
    int status;
    struct tarn_cache *cache = make_with("walked", 64, &(struct tarn_cache_args){0}, TARN_CACHE_NO_MERGE);
    struct walk walk = {cache, -1};
    tarn_cache_each(fork_there, &walk);
    if (walk.child == 0) {
        alarm(10);
        _exit(tarn_cache_destroy(cache) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(walk.child, &status, 0), walk.child);
    assert_int_equal(status, 0);
    assert_int_equal(atomic_load(&cache->pins), 0);
    end_cache(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(all_at_once),
        CACHE_TEST(children_are_whole),
        CACHE_TEST(children_end_caches),
        CACHE_TEST(forks_inside_a_walk),
    };
    if (tarn__thread_at_fork(tarn__heap_fork_prepare, tarn__heap_fork_parent, tarn__heap_fork_child) != 0)
        return 1;
    return cmocka_run_group_tests_name("cache_fork", tests, begin_caches, NULL);
}
