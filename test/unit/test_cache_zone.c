/* Caches over a zone of the user's own, whose addresses lie outside of the window: nothing there goes by the table of units. */
#include "test/unit/caches.h"

#include <pthread.h>
#include <unistd.h>

enum { MOST = 3000 };

static struct tarn_source_count counted;
static struct tarn_zone own;
static unsigned char *objects[MOST];
static _Atomic unsigned constructed, destructed;

static int begin_own(void **state)
{
    (void)state;
    constructed = destructed = 0;
    tarn_source_count_init(&counted, tarn_source_system());
    tarn__zone_init(&own, "own", &counted.source);
    return 0;
}

static int end_own(void **state)
{
    tarn_rcu_barrier();
    tarn__zone_check(&own);
    tarn__zone_trim(&own, 0);
    assert_int_equal(own.pages, 0);
    assert_int_equal(counted.acquired, counted.released);
    return end_caches(state);
}

static void construct(void *object)
{
    memset(object, 0x5a, 8);
    constructed++;
}

static void destruct(void *object)
{
    assert_true(check_all_bytes(object, 8, 0x5a));
    destructed++;
}

struct kind {
    size_t size;
    unsigned flags;
    bool constructs;
};

static const struct kind kinds[] = {
    {16, 0, false},
    {100, 0, false},
    {100, 0, true},
    {100, TARN_CACHE_TYPESAFE_BY_RCU, false},
    {100, TARN_CACHE_RED_ZONE | TARN_CACHE_POISON | TARN_CACHE_STORE_USER, false},
    {5000, 0, true},
    {100000, 0, false},
    {MIB, TARN_CACHE_RED_ZONE, false},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct tarn_cache *make_kind(const struct kind *kind, const char *name)
{
    struct tarn_cache_args args = {
        .zone = &own, .ctor = kind->constructs ? construct : NULL, .dtor = kind->constructs ? destruct : NULL};
    return make_with(name, kind->size, &args, kind->flags);
}

/* On a 32-bit machine the window is all there is; ThreadSanitizer admits few addresses, so there it is laid around what the system gives. */
static const bool all_in_window = CHECK_BITS == 32 || TARN__SANITIZE_THREAD;

static bool in_window(const void *p)
{
    return all_in_window || ((uintptr_t)p - tarn__window_base) >> TARN__SLOT_BITS < TARN__WINDOW_SLOTS;
}

static void takes_its_memory_there(void **state)
{
    (void)state;
    tarn_free(tarn_malloc(1)); /* the window has its place from the first memory on */
    for (int k = 0; k < KINDS; k++) {
        struct tarn_cache *cache = make_kind(&kinds[k], "own");
        size_t count = kinds[k].size > 50000 ? 20 : MOST, skip = kinds[k].constructs ? 8 : 0;
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i < count; i++) {
                objects[i] = take(cache);
                assert_ptr_equal(tarn_cache_of(objects[i]), cache);
                assert_true(!kinds[k].constructs || check_all_bytes(objects[i], 8, 0x5a));
                memset(objects[i] + skip, (int)i, kinds[k].size - skip);
            }
            assert_true(all_in_window || !in_window(objects[0]));
            assert_true(own.pages - own.free_pages > 0);
            tarn_cache_verify(cache);
            for (size_t i = 0; i < count; i++)
                assert_true(check_all_bytes(objects[i] + skip, kinds[k].size - skip, (unsigned char)i));
            for (size_t i = 0; i < count / 2; i++)
                tarn_cache_free(cache, objects[i]);
            tarn_cache_free_bulk(round ? cache : NULL, count - count / 2, (void **)objects + count / 2);
            assert_int_equal(stats_of(cache).active, 0);
        }
        assert_int_equal(tarn_cache_shrink(cache), 0);
        end_cache(cache);
        assert_int_equal(constructed, destructed);
    }
}

static void tarn_free_takes_objects(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++) {
        struct tarn_cache *cache = make_kind(&kinds[k], "own");
        for (int i = 0; i < 10; i++)
            objects[i] = take(cache);
        assert_int_equal(tarn_usable_size(objects[0]), kinds[k].size);
        for (int i = 0; i < 10; i++)
            tarn_free(objects[i]);
        assert_int_equal(stats_of(cache).active, 0);
        end_cache(cache);
    }
}

struct misuse {
    struct tarn_cache *cache;
    void *object;
};

static void free_it(void *value)
{
    struct misuse *misuse = value;
    tarn_cache_free(misuse->cache, misuse->object);
}

static void free_and_shrink(void *value)
{
    struct misuse *misuse = value;
    tarn_cache_free(misuse->cache, misuse->object);
    if (!all_in_window)
        _exit(0); /* it should not come to this */
    tarn_cache_shrink(misuse->cache);
}

static void free_twice(void *value)
{
    struct misuse *misuse = value;
    tarn_cache_free(misuse->cache, misuse->object);
    tarn_cache_free(misuse->cache, misuse->object);
    tarn_cache_shrink(misuse->cache);
}

/* Here each free looks at the slab: an address inside of an object is found at once. */
static void misuse_is_found(void **state)
{
    (void)state;
    struct tarn_cache *in_the_window = make("window", 100, TARN_CACHE_NO_MERGE);
    void *other = take(in_the_window);
    for (int k = 0; k < KINDS; k++) {
        struct tarn_cache *cache = make_kind(&kinds[k], "own"), *like = make_kind(&kinds[k], "like");
        char *object = take(cache), *kept = take(cache);
        if (like != cache)
            check_dies(free_it, &(struct misuse){like, object}, "tarn: wrong cache: ");
        check_dies(free_it, &(struct misuse){in_the_window, object}, "tarn: wrong cache: ");
        check_dies(free_it, &(struct misuse){cache, other}, "tarn: wrong cache: ");
        check_dies(free_and_shrink, &(struct misuse){cache, object + 8}, "tarn: invalid free: ");
        if (kinds[k].size < 50000)
            check_dies(free_twice, &(struct misuse){cache, object}, "tarn: double free: ");
        tarn_cache_free(cache, object);
        tarn_cache_free(cache, kept);
        end_cache(cache);
        end_cache(like);
    }
    tarn_cache_free(in_the_window, other);
    end_cache(in_the_window);
}

static void shares_within_the_zone_only(void **state)
{
    (void)state;
    struct tarn_cache_args args = {.zone = &own};
    struct tarn_cache *window = make("window", 100, 0), *first = make_with("first", 100, &args, 0);
    struct tarn_cache *second = make_with("second", 100, &args, 0);
    assert_ptr_not_equal(window, first);
    assert_ptr_equal(first, second);
    assert_int_equal(stats_of(first).references, 2);
    end_cache(second);
    end_cache(first);
    end_cache(window);
}

static void *use_all(void *value)
{
    struct tarn_cache **caches = value;
    void *held[200];
    for (int round = 0; round < 20; round++)
        for (int k = 0; k < 6; k++) {
            size_t size = kinds[k].size, skip = kinds[k].constructs ? 8 : 0;
            for (int i = 0; i < 200; i++) {
                held[i] = take(caches[k]);
                memset((char *)held[i] + skip, round + i, size - skip);
            }
            for (int i = 0; i < 200; i++) {
                if (!check_all_bytes((char *)held[i] + skip, size - skip, (unsigned char)(round + i)))
                    return value;
                tarn_cache_free(caches[k], held[i]);
            }
        }
    return NULL;
}

static void threads_use_it(void **state)
{
    (void)state;
    struct tarn_cache *caches[6];
    pthread_t threads[3];
    char name[] = "own-0";
    for (int k = 0; k < 6; k++, name[4]++)
        caches[k] = make_kind(&kinds[k], name);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_all, caches), 0);
    for (int i = 0; i < 3; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (int k = 0; k < 6; k++)
        end_cache(caches[k]);
    assert_int_equal(constructed, destructed);
}

/* All of a limited zone waits for a grace period: a request that may sleep waits for it too, one that may not fails. */
static void memory_comes_after_a_grace_period(void **state)
{
    (void)state;
    static struct tarn_source_limit limited;
    tarn_source_limit_init(&limited, &counted.source, 4 << 20);
    own.source = &limited.source;
    struct tarn_cache_args args = {.zone = &own};
    struct tarn_cache *typed = make_with("typed", 2048, &args, TARN_CACHE_TYPESAFE_BY_RCU),
                      *other = make_with("other", 4096, &args, 0);
    size_t count = 0;
    for (void *object; (object = tarn_cache_alloc(typed, TARN_GFP_NOWAIT)) != NULL && count < MOST; count++)
        objects[count] = object;
    assert_true(count > 1900 && count < MOST);
    tarn_rcu_read_lock();
    tarn_cache_free_bulk(typed, count, (void **)objects);
    tarn_cache_shrink(typed);
    assert_null(tarn_cache_alloc(other, TARN_GFP_NOWAIT));
    tarn_rcu_read_unlock();
    void *object = tarn_cache_alloc(other, TARN_GFP_KERNEL | TARN_GFP_RETRY_MAYFAIL);
    assert_non_null(object);
    tarn_cache_free(other, object);
    end_cache(other);
    end_cache(typed);
}

#define OWN_TEST(f) cmocka_unit_test_setup_teardown(f, begin_own, end_own)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OWN_TEST(takes_its_memory_there),      OWN_TEST(tarn_free_takes_objects), OWN_TEST(misuse_is_found),
        OWN_TEST(shares_within_the_zone_only), OWN_TEST(threads_use_it),          OWN_TEST(memory_comes_after_a_grace_period),
    };
    return cmocka_run_group_tests_name("cache_zone", tests, begin_caches, NULL);
}
