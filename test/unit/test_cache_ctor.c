/* Constructors and destructors; what free objects keep; where links lie. */
#include "test/unit/caches.h"

#include <pthread.h>
#include <stdlib.h>

enum { MOST = 20000, STATE = 0x5a };

struct thing {
    unsigned char state[8];
    unsigned constructed; /* how often */
    char text[36];
};

static _Atomic unsigned constructed, destructed;
static void *objects[MOST];

/* The memory may be that of an object that was destructed: its mark has gone then. */
static void construct(void *object)
{
    struct thing *thing = object;
    memset(thing, STATE, sizeof thing->state);
    thing->constructed = 1;
    constructed++;
}

static void destruct(void *object)
{
    struct thing *thing = object;
    if (thing->constructed != 1 || thing->state[0] != STATE)
        abort();
    thing->constructed = 2;
    destructed++;
}

static struct tarn_cache *make_things(unsigned flags)
{
    struct tarn_cache_args args = {.ctor = construct, .dtor = flags & TARN_CACHE_TYPESAFE_BY_RCU ? NULL : destruct};
    constructed = destructed = 0;
    return make_with("things", sizeof(struct thing), &args, flags);
}

static struct thing *take_thing(struct tarn_cache *cache)
{
    struct thing *thing = take(cache);
    assert_int_equal(thing->constructed, 1);
    assert_true(check_all_bytes(thing->state, sizeof thing->state, STATE));
    return thing;
}

static const unsigned each_kind[] = {0, TARN_CACHE_RED_ZONE, TARN_CACHE_POISON | TARN_CACHE_STORE_USER};

/* Once an object, whatever goes to and fro between magazines, depot and slabs; destructed as often. */
static void runs_once_an_object(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct tarn_cache *cache = make_things(each_kind[k]);
        size_t most = k == 0 ? MOST : 3000;
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i < most; i++)
                objects[i] = take_thing(cache);
            assert_true(constructed - destructed >= most && constructed - destructed <= stats_of(cache).objects);
            for (size_t i = 0; i < most; i++)
                if (i % 200 != 0) /* slabs stay */
                    tarn_cache_free(cache, objects[i]);
            for (size_t i = 0; i < most; i++)
                if (i % 200 != 0)
                    objects[i] = take_thing(cache);
            assert_true(constructed - destructed <= stats_of(cache).objects);
            for (size_t i = 0; i < most; i++)
                tarn_cache_free(cache, objects[i]);
        }
        end_cache(cache);
        assert_int_equal(constructed, destructed);
    }
}

/* Only what leaves its slab is constructed: the rest of a slab is not even touched. */
static void runs_when_memory_is_first_used(void **state)
{
    (void)state;
    struct tarn_cache *cache = make_things(TARN_CACHE_RED_ZONE); /* no magazines */
    assert_int_equal(constructed, 0);
    for (unsigned i = 0; i < 10; i++) {
        objects[i] = take_thing(cache);
        assert_int_equal(constructed, i + 1);
    }
    for (unsigned i = 0; i < 9; i++)
        tarn_cache_free(cache, objects[i]);
    for (unsigned i = 0; i < 9; i++)
        objects[i] = take_thing(cache);
    assert_int_equal(constructed, 10);
    assert_int_equal(destructed, 0);
    for (unsigned i = 0; i < 10; i++)
        tarn_cache_free(cache, objects[i]);
    assert_int_equal(destructed, 10);
    end_cache(cache);
    assert_int_equal(constructed, 10);
}

static void shrink_destructs(void **state)
{
    (void)state;
    struct tarn_cache *cache = make_things(0);
    for (size_t i = 0; i < MOST; i++)
        objects[i] = take_thing(cache);
    for (size_t i = 0; i < MOST; i++)
        tarn_cache_free(cache, objects[i]);
    assert_true(destructed < constructed);
    assert_int_equal(tarn_cache_shrink(cache), 0);
    assert_int_equal(destructed, constructed);
    end_cache(cache);
}

static void *use_things(void *value)
{
    struct tarn_cache *cache = value;
    void *held[100] = {NULL};
    uint64_t random = (uintptr_t)&random;
    for (int i = 0; i < 30000; i++) {
        void **object = &held[check_random(&random) % 100];
        if (*object) {
            tarn_cache_free(cache, *object);
            *object = NULL;
        } else {
            struct thing *thing = take(cache);
            if (thing->constructed != 1 || !check_all_bytes(thing->state, sizeof thing->state, STATE))
                abort();
            memset(thing->text, i, sizeof thing->text);
            *object = thing;
        }
        if (check_random(&random) % 1000 == 0)
            tarn_cache_shrink(cache);
    }
    tarn_cache_free_bulk(cache, 100, held);
    return NULL;
}

static void threads_share_constructed_objects(void **state)
{
    (void)state;
    struct tarn_cache *cache = make_things(0);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_things, cache), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    end_cache(cache);
    assert_true(constructed > 0);
    assert_int_equal(constructed, destructed);
}

/* Constructors and destructors that allocate */

static struct tarn_cache *busy, *helper;
static unsigned depth, budget; /* of nested uses */

static void use(struct tarn_cache *cache)
{
    void *some[40];
    if (depth >= 2 || budget == 0)
        return;
    depth++;
    budget--;
    assert_int_equal(tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, 40, some), 40);
    tarn_cache_free_bulk(cache, 40, some);
    depth--;
}

static void construct_busily(void *object)
{
    construct(object);
    use(busy);
    use(helper);
    tarn_free(tarn_malloc(100));
}

static void destruct_busily(void *object)
{
    use(helper);
    use(busy);
    tarn_free(tarn_malloc(100));
    destruct(object);
}

static void callbacks_may_allocate(void **state)
{
    (void)state;
    struct tarn_cache_args args = {.ctor = construct_busily, .dtor = destruct_busily};
    helper = make("helper", 300, 0);
    for (size_t k = 0; k < 3; k++) {
        busy = make_with("busy", sizeof(struct thing), &args, each_kind[k]);
        constructed = destructed = depth = 0;
        for (int round = 0; round < 4; round++) {
            budget = 2000;
            for (size_t i = 0; i < 3000; i++)
                objects[i] = take_thing(busy);
            tarn_cache_verify(busy);
            budget = 200;
            for (size_t i = 0; i < 3000; i++)
                tarn_cache_free(busy, objects[i]);
            tarn_cache_shrink(busy);
            tarn_cache_verify(busy);
            assert_int_equal(stats_of(busy).active, 0);
        }
        budget = 0;
        assert_int_equal(tarn_cache_shrink(busy), 0); /* nothing was lost between the nested uses */
        end_cache(busy);
        assert_int_equal(constructed, destructed);
    }
    end_cache(helper);
}

/* Links */

/* A neighbour's overflow of eight bytes, and a write to the first word after free, spare the lists of free objects. */
static void links_lie_in_the_middle(void **state)
{
    (void)state;
    for (size_t size = 16; size <= 512; size += 8) {
        struct tarn_cache *cache = make("plain", size, TARN_CACHE_NO_MERGE);
        enum { COUNT = 300 };
        for (size_t i = 0; i < COUNT; i++)
            objects[i] = take(cache);
        for (size_t i = 0; i < COUNT; i++)
            tarn_cache_free(cache, objects[i]);
        for (size_t i = 0; i < COUNT; i++)
            memset(objects[i], 0xee, 8);
        tarn_cache_verify(cache);
        for (size_t i = 0; i < COUNT; i++)
            memset(objects[i] = take(cache), (int)i, size);
        for (size_t i = 0; i < COUNT; i++)
            assert_true(check_all_bytes(objects[i], size, (unsigned char)i));
        tarn_cache_free_bulk(cache, COUNT, objects);
        tarn_cache_shrink(cache);
        end_cache(cache);
    }
}

static void construct_not(void *object) { (void)object; }

static void free_objects_keep_all_bytes(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    for (size_t size = 1; size < 300; size += size < 20 ? 1 : 13)
        for (int rcu = 0; rcu < 2; rcu++) {
            struct tarn_cache_args args = {.ctor = rcu ? NULL : construct_not};
            struct tarn_cache *cache = make_with("kept", size, &args, rcu ? TARN_CACHE_TYPESAFE_BY_RCU : 0);
            void *keeps_slabs[COUNT];
            for (size_t i = 0; i < COUNT; i++) {
                memset(objects[i] = take(cache), (int)i, size);
                keeps_slabs[i] = take(cache);
            }
            for (size_t i = 0; i < COUNT; i++)
                tarn_cache_free(cache, objects[i]);
            for (size_t i = 0; i < COUNT; i++)
                assert_true(check_all_bytes(objects[i], size, (unsigned char)i));
            tarn_cache_shrink(cache);
            for (size_t i = 0; i < COUNT; i++)
                assert_true(check_all_bytes(objects[i], size, (unsigned char)i));
            tarn_cache_free_bulk(cache, COUNT, keeps_slabs);
            end_cache(cache);
        }
}

/* Grace periods: an object may be reused at once; its memory stays that of such objects as long as a reader is inside. */
#pragma weak tarn_rcu_read_lock
#pragma weak tarn_rcu_read_unlock

static void memory_stays_of_its_type(void **state)
{
    (void)state;
    if (!tarn_rcu_read_lock) {
        print_message("# not tested: no readers to wait for\n");
        return;
    }
    struct tarn_cache *cache = make("typesafe", 64, TARN_CACHE_TYPESAFE_BY_RCU);
    unsigned char *object = take(cache);
    memset(object, 0x33, 64);
    tarn_rcu_read_lock();
    tarn_cache_free(cache, object);
    assert_ptr_equal(take(cache), object);
    tarn_cache_free(cache, object);
    tarn_cache_shrink(cache);
    assert_int_equal(stats_of(cache).slabs, 0);
    assert_ptr_equal(tarn_cache_of(object), cache);
    assert_true(check_all_bytes(object, 64, 0x33));
    tarn_rcu_read_unlock();
    tarn_rcu_barrier();
    assert_null(tarn_cache_of(object));
    end_cache(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(runs_once_an_object),
        CACHE_TEST(runs_when_memory_is_first_used),
        CACHE_TEST(shrink_destructs),
        CACHE_TEST(threads_share_constructed_objects),
        CACHE_TEST(callbacks_may_allocate),
        CACHE_TEST(links_lie_in_the_middle),
        CACHE_TEST(free_objects_keep_all_bytes),
        CACHE_TEST(memory_stays_of_its_type),
    };
    return cmocka_run_group_tests_name("cache_ctor", tests, begin_caches, NULL);
}
