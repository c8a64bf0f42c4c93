/* Caches in numbers, beyond what has tags and bins; wrong caches and foreign pointers, with each kind of cache. */
#include "test/unit/caches.h"

#include <pthread.h>

/* With tags of their own, with a tag that they share, with bins only, with none: see tag_of in caches.c. */
enum { MANY = 300, OBJECTS = 60 };

static struct tarn_cache *caches[MANY];
static unsigned char *objects[MANY][OBJECTS];

static size_t size_of(int i) { return 16 + (size_t)(i % 40) * 24; }

static void make_many(void)
{
    char name[20];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        caches[i] = make(name, size_of(i), TARN_CACHE_NO_MERGE);
    }
}

static void end_many(void)
{
    for (int i = 0; i < MANY; i++)
        end_cache(caches[i]);
}

static void fill(int i)
{
    for (int j = 0; j < OBJECTS; j++) {
        objects[i][j] = take(caches[i]);
        assert_ptr_equal(tarn_cache_of(objects[i][j]), caches[i]);
        memset(objects[i][j], i ^ j, size_of(i));
    }
}

static void empty(int i)
{
    for (int j = 0; j < OBJECTS; j++) {
        assert_true(check_all_bytes(objects[i][j], size_of(i), (unsigned char)(i ^ j)));
        tarn_cache_free(caches[i], objects[i][j]);
    }
}

static void *use_many(void *number)
{
    for (int i = 0; i < MANY; i++) {
        void *some[OBJECTS];
        if (tarn_cache_alloc_bulk(caches[i], 0, OBJECTS, some) != OBJECTS)
            return number;
        for (int j = 0; j < OBJECTS; j++)
            memset(some[j], j, size_of(i));
        for (int j = 0; j < OBJECTS; j++)
            if (!check_all_bytes(some[j], size_of(i), (unsigned char)j))
                return number;
        tarn_cache_free_bulk(i % 2 ? NULL : caches[i], OBJECTS, some);
    }
    return NULL;
}

static void many_caches_work(void **state)
{
    (void)state;
    make_many();
    unsigned with_tag = 0, with_shared_tag = 0, without_bin = 0;
    for (int i = 0; i < MANY; i++) {
        with_tag += caches[i]->tag < TARN__SHARED_TAG;
        with_shared_tag += caches[i]->tag > TARN__SHARED_TAG && caches[i]->number;
        without_bin += caches[i]->number == 0;
    }
    assert_int_equal(with_tag, 127);
    assert_int_equal(with_shared_tag, 129);
    assert_int_equal(without_bin, MANY - 256);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++)
            fill(i);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(stats_of(caches[i]).active, OBJECTS);
        for (int i = 0; i < MANY; i++)
            empty(i);
    }
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_many, caches), 0);
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    end_many();
    assert_int_equal(stats().live_objects, 0);
}

/* Misuse */

static const char wrong_cache[] = "tarn: wrong cache: the object belongs to another cache (cache_free of 0x";
static const char invalid[] = "tarn: invalid free: not the start of a live object (";
static const char double_free[] = "tarn: double free: the object is free already (";

struct misuse {
    struct tarn_cache *cache;
    void *object;
};

static void free_it(void *value)
{
    struct misuse *misuse = value;
    tarn_cache_free(misuse->cache, misuse->object);
}

static void free_it_in_bulk(void *value)
{
    struct misuse *misuse = value;
    void *two[2] = {tarn_cache_alloc(misuse->cache, TARN_GFP_KERNEL), misuse->object};
    tarn_cache_free_bulk(misuse->cache, 2, two);
}

static void wrong_caches_are_certainly_found(void **state)
{
    (void)state;
    make_many();
    static const int kinds[] = {0, 1, 125, 126, 127, 128, 254, 255, 256, 299}; /* around each boundary of numbers */
    enum { KINDS = sizeof kinds / sizeof *kinds };
    for (int i = 0; i < KINDS; i++)
        fill(kinds[i]);
    for (int i = 0; i < KINDS; i++)
        for (int j = 0; j < KINDS; j++) {
            struct misuse misuse = {caches[kinds[i]], objects[kinds[j]][30]};
            if (i == j)
                continue;
            check_dies(free_it, &misuse, wrong_cache);
            if ((i + j) % 3 == 0)
                check_dies(free_it_in_bulk, &misuse, wrong_cache);
        }
    for (int i = 0; i < KINDS; i++)
        empty(kinds[i]);
    end_many();
}

/* Each kind of cache there is, as the sender and as the receiver. */
static struct tarn_cache *make_kind(int kind)
{
    static const unsigned flags[] = {TARN_CACHE_NO_MERGE, TARN_CACHE_RED_ZONE, TARN_CACHE_STORE_USER,
                                     TARN_CACHE_TYPESAFE_BY_RCU, TARN_CACHE_NO_MERGE};
    char name[20];
    snprintf(name, sizeof name, "kind-%d", kind);
    return make(name, kind == 4 ? 100000 : 200, flags[kind]);
}

static void malloc_objects_and_pages_are_refused(void **state)
{
    (void)state;
    static char in_the_image[64];
    char *small = tarn_malloc(200), *large = tarn_malloc(200000);
    for (int kind = 0; kind < 5; kind++) {
        struct tarn_cache *cache = make_kind(kind);
        void *object = take(cache);
        check_dies(free_it, &(struct misuse){cache, small}, wrong_cache);
        check_dies(free_it, &(struct misuse){cache, large}, invalid);
        check_dies(free_it, &(struct misuse){cache, in_the_image}, invalid);
        check_dies(free_it, &(struct misuse){cache, &kind}, invalid);
        check_dies(free_it, &(struct misuse){cache, (void *)8}, invalid);
        check_dies(free_it, &(struct misuse){cache, (void *)UINTPTR_MAX}, invalid);
        check_dies(free_it_in_bulk, &(struct misuse){cache, in_the_image}, invalid);
        tarn_cache_free(cache, object);
        end_cache(cache);
    }
    check_dies(free_it, &(struct misuse){tarn__heap_class(1), large}, invalid);
    tarn_free(small);
    tarn_free(large);
}

static void bulk_of_foreign(void *object) { tarn_cache_free_bulk(NULL, 1, &object); }

static void mixed_bulk_refuses_foreign_pointers(void **state)
{
    (void)state;
    char *large = tarn_malloc(200000);
    check_dies(bulk_of_foreign, large, "tarn: invalid free: not the start of a live object (cache_free_bulk of 0x");
    check_dies(bulk_of_foreign, &state, "tarn: invalid free: not the start of a live object (cache_free_bulk of 0x");
    tarn_free(large);
}

/* When its magazine goes back to the slabs at the latest. */
static void free_and_end(void *value)
{
    struct misuse *misuse = value;
    tarn_cache_free(misuse->cache, misuse->object);
    tarn_cache_shrink(misuse->cache);
}

static void free_twice_and_end(void *value)
{
    struct misuse *misuse = value;
    tarn_cache_free(misuse->cache, misuse->object);
    free_and_end(value);
}

static void inner_and_second_frees_end_in_a_report(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct tarn_cache *cache = make_kind(kind);
        char *object = take(cache), *other = take(cache);
        for (int at = 8; at < 200; at += 64)
            check_dies(free_and_end, &(struct misuse){cache, object + at}, invalid);
        if (kind < 4)
            check_dies(free_twice_and_end, &(struct misuse){cache, object}, double_free);
        else /* its slab has gone, or it is found in it */
            check_dies(free_twice_and_end, &(struct misuse){cache, object}, "tarn: ");
        tarn_cache_free(cache, object);
        tarn_cache_free(cache, other);
        end_cache(cache);
    }
}

static void construct(void *object) { memset(object, 0x5a, 200); }

/* As the kernel's kfree. */
static void tarn_free_takes_objects(void **state)
{
    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        struct tarn_cache *cache =
            kind < 5 ? make_kind(kind) : make_with("kind-5", 200, &(struct tarn_cache_args){.ctor = construct}, 0);
        static unsigned char *taken[500];
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 500; i++) {
                taken[i] = take(cache);
                assert_int_equal(tarn_usable_size(taken[i]), kind == 4 ? 100000 : 200);
                if (kind == 5)
                    assert_true(check_all_bytes(taken[i], 200, 0x5a));
            }
            for (int i = 0; i < 500; i++)
                tarn_free(taken[i]);
            tarn_cache_verify(cache);
            assert_int_equal(stats_of(cache).active, 0);
        }
        end_cache(cache);
    }
}

/* Whatever an allocation is not: */
static void cache_of_anything(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("found", 200, 0);
    char *object = take(cache), *small = tarn_malloc(200), *large = tarn_malloc(200000);
    assert_ptr_equal(tarn_cache_of(object), cache);
    assert_null(tarn_cache_of(object + 1));
    assert_null(tarn_cache_of(object + 199));
    assert_non_null(tarn_cache_of(small));
    assert_string_equal(tarn_cache_name(tarn_cache_of(small)), "malloc-208");
    assert_null(tarn_cache_of(large));
    assert_null(tarn_cache_of(NULL));
    assert_null(tarn_cache_of(&cache));
    assert_null(tarn_cache_of((void *)UINTPTR_MAX));
    tarn_free(small);
    tarn_free(large);
    tarn_cache_free(cache, object);
    end_cache(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(many_caches_work),
        CACHE_TEST(wrong_caches_are_certainly_found),
        CACHE_TEST(malloc_objects_and_pages_are_refused),
        CACHE_TEST(mixed_bulk_refuses_foreign_pointers),
        CACHE_TEST(inner_and_second_frees_end_in_a_report),
        CACHE_TEST(tarn_free_takes_objects),
        CACHE_TEST(cache_of_anything),
    };
    return cmocka_run_group_tests_name("cache_many", tests, begin_caches, NULL);
}
