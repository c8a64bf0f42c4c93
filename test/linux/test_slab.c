/* Object caches in the kernel's words. */
#include "check.h"

#include <linux/gfp.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

struct session {
    u64 id;
    char text[40];
    struct list_head link;
};

static int constructed;

static void construct(void *object)
{
    struct session *session = object;

    constructed++;
    session->id = 0x5e55;
}

static bool same_cache(struct kmem_cache *a, struct kmem_cache *b)
{
    void *x = kmem_cache_alloc(a, GFP_KERNEL), *y = kmem_cache_alloc(b, GFP_KERNEL);

    assert_non_null(x);
    assert_non_null(y);
    bool same = tarn_cache_of(x) == tarn_cache_of(y);

    kmem_cache_free(a, x);
    kmem_cache_free(b, y);
    return same;
}

static void both_forms_make_caches(void **state)
{
    struct kmem_cache_args args = {.align = 256};
    struct kmem_cache *five = kmem_cache_create("five", 100, 64, SLAB_NO_MERGE, NULL);
    struct kmem_cache *four = kmem_cache_create("four", 100, &args, SLAB_NO_MERGE);
    struct kmem_cache *bare = kmem_cache_create("bare", 100, NULL, SLAB_NO_MERGE);

    (void)state;
    assert_true(five && four && bare);
    assert_int_equal(kmem_cache_size(five), 100);
    for (int i = 0; i < 3; i++) {
        assert_int_equal((uintptr_t)kmem_cache_alloc(five, GFP_KERNEL) % 64, 0);
        assert_int_equal((uintptr_t)kmem_cache_alloc(four, GFP_KERNEL) % 256, 0);
    }
    void *object = kmem_cache_alloc_node(bare, GFP_KERNEL, NUMA_NO_NODE);

    assert_non_null(object);
    kmem_cache_free(bare, object);
    kmem_cache_destroy(bare);
    assert_string_equal(warned, "");
}

static void the_macro_takes_size_and_alignment_from_the_type(void **state)
{
    struct kmem_cache *cache = KMEM_CACHE(session, SLAB_HWCACHE_ALIGN | SLAB_NO_MERGE);
    struct kmem_cache *copied = KMEM_CACHE_USERCOPY(session, SLAB_NO_MERGE, text);
    void *object = kmem_cache_alloc(cache, GFP_KERNEL);

    (void)state;
    assert_true(cache && copied);
    assert_int_equal(kmem_cache_size(cache), sizeof(struct session));
    assert_int_equal((uintptr_t)object % 64, 0);
    kmem_cache_free(cache, object);
    kmem_cache_destroy(cache);
    kmem_cache_destroy(copied);
}

static void what_cannot_be_a_cache(void **state)
{
    struct kmem_cache_args bad_align = {.align = 24}, loose = {.use_freeptr_offset = true, .freeptr_offset = 8},
                           outside = {.use_freeptr_offset = true, .freeptr_offset = 64};

    (void)state;
    assert_null(kmem_cache_create("none", 0, 0, 0, NULL));
    assert_null(kmem_cache_create(NULL, 64, 0, 0, NULL));
    assert_null(kmem_cache_create("none", 64, &bad_align, 0));
    assert_null(kmem_cache_create("none", 64, &loose, 0));
    assert_null(kmem_cache_create("none", 64, &outside, SLAB_TYPESAFE_BY_RCU));
    struct kmem_cache *cache = kmem_cache_create("some", 64, &loose, SLAB_TYPESAFE_BY_RCU);

    assert_non_null(cache);
    kmem_cache_destroy(cache);
    kmem_cache_destroy(NULL);
}

/* A part for users that does not fit is dropped; a name that is taken, long or has gaps is made to fit. */
static void the_kernels_leniency(void **state)
{
    struct kmem_cache *a = kmem_cache_create_usercopy("twice", 64, 0, SLAB_NO_MERGE, 60, 20, NULL);
    struct kmem_cache *b = kmem_cache_create("twice", 64, 0, SLAB_NO_MERGE, NULL);
    struct kmem_cache *c = kmem_cache_create("a name with gaps", 64, 0, SLAB_NO_MERGE, NULL);
    struct kmem_cache *d =
        kmem_cache_create("a_name_that_is_longer_than_any_that_anybody_would_want_to_read", 64, 0, SLAB_NO_MERGE, NULL);

    (void)state;
    assert_true(a && b && c && d);
    assert_false(same_cache(a, b));
    kmem_cache_destroy(a);
    kmem_cache_destroy(b);
    kmem_cache_destroy(c);
    kmem_cache_destroy(d);
    assert_string_equal(warned, "");
}

static void zeroed_objects_are_zero_each_time(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("zeroes", 200, 0, SLAB_NO_MERGE, NULL);

    (void)state;
    for (int i = 0; i < 100; i++) {
        void *object = i % 2 ? kmem_cache_zalloc(cache, GFP_KERNEL) : kmem_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO);

        assert_true(check_all_bytes(object, 200, 0));
        memset(object, 0xff, 200);
        kmem_cache_free(cache, object);
    }
    kmem_cache_destroy(cache);
}

static void the_constructor_runs_once_for_an_object(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("constructed", sizeof(struct session), 0, 0, construct);
    struct session *session;
    int before;

    (void)state;
    constructed = 0;
    session = kmem_cache_alloc(cache, GFP_KERNEL);
    before = constructed;
    assert_true(before >= 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(session->id, 0x5e55);
        kmem_cache_free(cache, session);
        session = kmem_cache_alloc(cache, GFP_KERNEL);
    }
    assert_int_equal(constructed, before);
    /* What is left in an object is there the next time: it is not made anew. */
    memset(session->text, 'x', sizeof session->text);
    kmem_cache_free(cache, session);
    assert_ptr_equal(kmem_cache_alloc(cache, GFP_KERNEL), session);
    assert_int_equal(session->text[0], 'x');
    kmem_cache_free(cache, session);
    kmem_cache_destroy(cache);
}

static void a_constructor_does_not_go_with_zeroing(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("constructed", sizeof(struct session), 0, 0, construct);

    (void)state;
    assert_null(kmem_cache_zalloc(cache, GFP_KERNEL));
    assert_string_not_equal(warned, "");
    kmem_cache_destroy(cache);
}

static void bulk_is_all_or_none(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("bulk", 512, 0, SLAB_NO_MERGE, NULL);
    void *objects[1000];

    (void)state;
    assert_int_equal(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 1000, objects), 1000);
    for (int i = 0; i < 1000; i++)
        memset(objects[i], i, 512);
    for (int i = 0; i < 1000; i++)
        assert_true(check_all_bytes(objects[i], 512, (unsigned char)i));
    kmem_cache_free_bulk(cache, 1000, objects);
    assert_int_equal(kmem_cache_shrink(cache), 0);

    /* No pages for the whole of it: nothing is left behind. */
    fail_at(TARN_FAIL_PAGES, -1, 1);
    assert_int_equal(kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 1000, objects), 0);
    heal(NULL);
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

static void bulk_zeroes_when_asked(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("bulk_zero", 96, 0, SLAB_NO_MERGE, NULL);
    void *objects[300];

    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(kmem_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_ZERO, 300, objects), 300);
        for (int i = 0; i < 300; i++) {
            assert_true(check_all_bytes(objects[i], 96, 0));
            memset(objects[i], 0xee, 96);
        }
        kmem_cache_free_bulk(cache, 300, objects);
    }
    kmem_cache_destroy(cache);
}

static void a_null_cache_frees_objects_of_any(void **state)
{
    struct kmem_cache *a = kmem_cache_create("mixed_a", 80, 0, SLAB_NO_MERGE, NULL);
    struct kmem_cache *b = kmem_cache_create("mixed_b", 720, 0, SLAB_NO_MERGE, NULL);
    void *objects[30];

    (void)state;
    for (int i = 0; i < 30; i++)
        objects[i] = i % 3 == 0   ? kmem_cache_alloc(a, GFP_KERNEL)
                     : i % 3 == 1 ? kmem_cache_alloc(b, GFP_KERNEL)
                                  : kmalloc(50, GFP_KERNEL);
    kmem_cache_free_bulk(NULL, 30, objects);
    kmem_cache_destroy(a);
    kmem_cache_destroy(b);
    assert_string_equal(warned, "");
}

static void like_caches_share_and_unlike_ones_do_not(void **state)
{
    struct kmem_cache *base = kmem_cache_create("like", 232, 0, 0, NULL);
    static const slab_flags_t apart[] = {SLAB_NO_MERGE, SLAB_TYPESAFE_BY_RCU, SLAB_POISON, SLAB_RED_ZONE, SLAB_ACCOUNT};

    (void)state;
    struct kmem_cache *twin = kmem_cache_create("twin", 232, 0, 0, NULL), *made;

    assert_true(same_cache(base, twin));
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) {
        made = kmem_cache_create("apart", 232, 0, apart[i], NULL);
        assert_non_null(made);
        assert_false(same_cache(base, made));
        kmem_cache_destroy(made);
    }
    made = kmem_cache_create("apart", 232, 0, 0, construct);
    assert_false(same_cache(base, made));
    kmem_cache_destroy(made);
    /* They are counted: the one lives on when the other goes. */
    void *object = kmem_cache_alloc(base, GFP_KERNEL);

    kmem_cache_destroy(twin);
    memset(object, 1, 232);
    kmem_cache_free(base, object);
    kmem_cache_destroy(base);
    assert_string_equal(warned, "");
}

static void destroying_with_live_objects_frees_nothing(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("survivor", 640, 0, SLAB_NO_MERGE, NULL);
    char *live = kmem_cache_alloc(cache, GFP_KERNEL);

    (void)state;
    memset(live, 'l', 640);
    kmem_cache_destroy(cache);
    assert_non_null(strstr(warned, "survivor"));
    char address[32];

    (void)snprintf(address, sizeof address, "%lx", (unsigned long)live);
    assert_non_null(strstr(warned, address));
    assert_true(check_all_bytes(live, 640, 'l'));
    char *more = kmem_cache_alloc(cache, GFP_KERNEL);

    assert_non_null(more);
    kmem_cache_free(cache, more);
    kmem_cache_free(cache, live);
    warned[0] = 0;
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

static void *use_and_end(void *cache)
{
    void *objects[64];

    for (int i = 0; i < 64; i++)
        objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
    for (int i = 0; i < 64; i++)
        kmem_cache_free(cache, objects[i]);
    return NULL;
}

static void shrinking_reaches_what_ended_threads_held(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("ended", 1024, 0, SLAB_NO_MERGE, NULL);
    pthread_t thread;

    (void)state;
    use_and_end(cache);
    assert_int_equal(pthread_create(&thread, NULL, use_and_end, cache), 0);
    pthread_join(thread, NULL);
    assert_int_equal(kmem_cache_shrink(cache), 0);
    void *object = kmem_cache_alloc(cache, GFP_KERNEL);

    assert_int_equal(kmem_cache_shrink(cache), 1);
    kmem_cache_free(cache, object);
    kmem_cache_destroy(cache);
}

struct handed {
    struct kmem_cache *cache;
    void *objects[500];
};

static void *free_them(void *value)
{
    struct handed *handed = value;

    for (int i = 0; i < 500; i++)
        kmem_cache_free(handed->cache, handed->objects[i]);
    return NULL;
}

/* A producer and a consumer: what one frees the other gets again, and the cache does not grow. */
static void objects_that_others_free_come_back(void **state)
{
    struct handed handed = {.cache = kmem_cache_create("handed", 256, 0, SLAB_NO_MERGE, NULL)};
    struct tarn_cache_stats stats;
    pthread_t thread;

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 500; i++)
            assert_non_null(handed.objects[i] = kmem_cache_alloc(handed.cache, GFP_KERNEL));
        assert_int_equal(pthread_create(&thread, NULL, free_them, &handed), 0);
        pthread_join(thread, NULL);
    }
    tarn_cache_stats((struct tarn_cache *)handed.cache, &stats);
    assert_int_equal(stats.active, 0);
    assert_true(stats.objects <= 3 * 500);
    kmem_cache_destroy(handed.cache);
    assert_string_equal(warned, "");
}

static void a_childs_cache_works(void *cache)
{
    use_and_end(cache);
    if (kmem_cache_shrink(cache) < 0)
        _exit(1);
}

static void caches_work_in_the_child_of_a_fork(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("forked", 192, 0, SLAB_NO_MERGE, NULL);

    (void)state;
    use_and_end(cache);
    check_lives(a_childs_cache_works, cache);
    kmem_cache_destroy(cache);
}

/* Sheaves */

static void a_sheaf_cannot_fail_until_it_is_empty(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("sheaves", 128, 0, SLAB_NO_MERGE, NULL);
    struct slab_sheaf *sheaf = kmem_cache_prefill_sheaf(cache, GFP_KERNEL, 40);
    void *objects[40];

    (void)state;
    assert_non_null(sheaf);
    assert_true(kmem_cache_sheaf_size(sheaf) >= 40);
    fail_at(TARN_FAIL_SLAB, -1, 0);
    fail_at(TARN_FAIL_PAGES, -1, 0);
    for (int i = 0; i < 40; i++) {
        gfp_t flags = i % 2 ? GFP_NOWAIT : GFP_NOWAIT | __GFP_ZERO;

        assert_non_null(objects[i] = kmem_cache_alloc_from_sheaf(cache, flags, sheaf));
        assert_true(i % 2 || check_all_bytes(objects[i], 128, 0));
        memset(objects[i], i, 128);
    }
    unsigned int left = kmem_cache_sheaf_size(sheaf);

    while (left-- > 0)
        kmem_cache_free(cache, kmem_cache_alloc_from_sheaf(cache, GFP_NOWAIT, sheaf));
    assert_string_equal(warned, "");
    assert_null(kmem_cache_alloc_from_sheaf(cache, GFP_NOWAIT, sheaf));
    assert_string_not_equal(warned, "");
    heal(NULL);
    for (int i = 0; i < 40; i++)
        kmem_cache_free(cache, objects[i]);
    kmem_cache_return_sheaf(cache, GFP_KERNEL, sheaf);
    warned[0] = 0;
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

static void a_sheaf_is_filled_again_and_given_back(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("refilled", 128, 0, SLAB_NO_MERGE, NULL);
    struct slab_sheaf *sheaf = kmem_cache_prefill_sheaf(cache, GFP_KERNEL, 10);
    void *object = kmem_cache_alloc_from_sheaf(cache, GFP_NOWAIT, sheaf);

    (void)state;
    assert_non_null(object);
    assert_int_equal(kmem_cache_refill_sheaf(cache, GFP_KERNEL, &sheaf, 25), 0);
    assert_true(kmem_cache_sheaf_size(sheaf) >= 25);
    unsigned int before = kmem_cache_sheaf_size(sheaf);

    fail_at(TARN_FAIL_SLAB, -1, 0);
    fail_at(TARN_FAIL_PAGES, -1, 0);
    assert_int_equal(kmem_cache_refill_sheaf(cache, GFP_NOWAIT, &sheaf, before + 5000), -ENOMEM);
    heal(NULL);
    assert_int_equal(kmem_cache_sheaf_size(sheaf), before);
    kmem_cache_return_sheaf(cache, GFP_KERNEL, sheaf);
    kmem_cache_free(cache, object);
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

/* Type-safety */

static void typesafe_memory_keeps_its_type_for_readers(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("typesafe", sizeof(struct session), 0, SLAB_TYPESAFE_BY_RCU, construct);
    struct session *sessions[500];

    (void)state;
    assert_int_equal(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 500, (void **)sessions), 500);
    rcu_read_lock();
    kmem_cache_free_bulk(cache, 500, (void **)sessions);
    (void)kmem_cache_shrink(cache);
    for (int i = 0; i < 500; i++)
        assert_int_equal(sessions[i]->id, 0x5e55);
    rcu_read_unlock();
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

/* Crimes */

static void overrun(void *cache)
{
    char *object = kmem_cache_alloc(cache, GFP_KERNEL);

    object[kmem_cache_size(cache)] = 1;
    kmem_cache_free(cache, object);
}

static void write_after_free(void *cache)
{
    char *object = kmem_cache_alloc(cache, GFP_KERNEL);

    /* Another object keeps the slab. */
    if (!kmem_cache_alloc(cache, GFP_KERNEL))
        return;
    kmem_cache_free(cache, object);
    object[20] = 1;
    for (int i = 0; i < 5000; i++)
        if (!kmem_cache_alloc(cache, GFP_KERNEL))
            return;
}

static void free_twice(void *cache)
{
    char *object = kmem_cache_alloc(cache, GFP_KERNEL);

    if (!kmem_cache_alloc(cache, GFP_KERNEL))
        return;
    kmem_cache_free(cache, object);
    kmem_cache_free(cache, object);
}

static void free_elsewhere(void *cache)
{
    struct kmem_cache *other = kmem_cache_create("elsewhere", 64, 0, SLAB_NO_MERGE | SLAB_CONSISTENCY_CHECKS, NULL);

    kmem_cache_free(other, kmem_cache_alloc(cache, GFP_KERNEL));
}

static void panic(void *unused)
{
    (void)unused;
    (void)kmem_cache_create("panic", 0, 0, SLAB_PANIC, NULL);
}

static void crimes_end_the_process(void **state)
{
    struct kmem_cache *red = kmem_cache_create("red", 60, 0, SLAB_RED_ZONE, NULL);
    struct kmem_cache *poison = kmem_cache_create("poison", 64, 0, SLAB_POISON, NULL);
    struct kmem_cache *checked = kmem_cache_create("checked", 64, 0, SLAB_CONSISTENCY_CHECKS, NULL);

    (void)state;
    assert_true(red && poison && checked);
    check_dies(overrun, red, "red zone overwritten");
    check_dies(write_after_free, poison, "poison overwritten");
    check_dies(free_twice, checked, "double free");
    check_dies(free_elsewhere, checked, "wrong cache");
    check_dies(panic, NULL, "a cache that must be there could not be made");
    kmem_cache_destroy(red);
    kmem_cache_destroy(poison);
    kmem_cache_destroy(checked);
}

static void poison_has_the_kernels_bytes(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("poison_bytes", 64, 0, SLAB_POISON, NULL);
    unsigned char *object = kmem_cache_alloc(cache, GFP_KERNEL);

    (void)state;
    kmem_cache_free(cache, object);
    assert_true(check_all_bytes(object, 63, 0x6b));
    assert_int_equal(object[63], 0xa5);
    kmem_cache_destroy(cache);
}

static void red_zones_have_the_kernels_bytes(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("red_bytes", 64, 0, SLAB_RED_ZONE, NULL);
    unsigned char *object = kmem_cache_alloc(cache, GFP_KERNEL);

    (void)state;
    assert_int_equal(object[64], 0xcc);
    assert_int_equal(object[-1], 0xcc);
    kmem_cache_free(cache, object);
    assert_int_equal(object[64], 0xbb);
    assert_int_equal(object[-1], 0xbb);
    kmem_cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kernel_test(both_forms_make_caches),
        kernel_test(the_macro_takes_size_and_alignment_from_the_type),
        kernel_test(what_cannot_be_a_cache),
        kernel_test(the_kernels_leniency),
        kernel_test(zeroed_objects_are_zero_each_time),
        kernel_test(the_constructor_runs_once_for_an_object),
        kernel_test(a_constructor_does_not_go_with_zeroing),
        kernel_test(bulk_is_all_or_none),
        kernel_test(bulk_zeroes_when_asked),
        kernel_test(a_null_cache_frees_objects_of_any),
        kernel_test(like_caches_share_and_unlike_ones_do_not),
        kernel_test(destroying_with_live_objects_frees_nothing),
        kernel_test(shrinking_reaches_what_ended_threads_held),
        kernel_test(objects_that_others_free_come_back),
        kernel_test(caches_work_in_the_child_of_a_fork),
        kernel_test(a_sheaf_cannot_fail_until_it_is_empty),
        kernel_test(a_sheaf_is_filled_again_and_given_back),
        kernel_test(typesafe_memory_keeps_its_type_for_readers),
        kernel_test(crimes_end_the_process),
        kernel_test(poison_has_the_kernels_bytes),
        kernel_test(red_zones_have_the_kernels_bytes),
    };

    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
