/* Debugged caches: each byte around and in free objects, who allocated and freed, second frees; failures on demand. */
#include "test/unit/caches.h"

#include <pthread.h>

static void construct(void *object) { memset(object, 0x11, 8); }

/* What would end the process is caught instead: these reports are made with no lock held. */

static jmp_buf caught;
static char said[300];

static void catch_end(const char *message, size_t length)
{
    length = length < sizeof said - 1 ? length : sizeof said - 1;
    memcpy(said, message, length);
    said[length] = 0;
    longjmp(caught, 1);
}

static bool ends(void (*act)(struct tarn_cache *, void *), struct tarn_cache *cache, void *object, const char *message)
{
    volatile bool ended = true;
    char expected[300];
    snprintf(expected, sizeof expected, "tarn: %s of %p, thread ", message, object);
    tarn__set_fail_exit(catch_end);
    if (setjmp(caught) == 0) {
        act(cache, object);
        ended = false;
    }
    tarn__set_fail_exit(tarn__os_die);
    if (ended && strncmp(said, expected, strlen(expected)) != 0)
        fail_msg("\"%s\" instead of \"%s\"", said, expected);
    return ended;
}

static void allocate(struct tarn_cache *cache, void *object)
{
    (void)object;
    tarn_cache_alloc(cache, TARN_GFP_KERNEL);
}

static void free_any(struct tarn_cache *cache, void *object)
{
    (void)cache;
    tarn_free(object);
}

static const char red_at_free[] = "red zone overwritten: a write beyond an object's bounds (cache_free";
static const char red_at_alloc[] = "red zone overwritten: a write beyond an object's bounds (cache_alloc";
static const char poison_at_alloc[] = "poison overwritten: a write after free (cache_alloc";
static const char twice[] = "double free: the object is free already (cache_free";

/* Red zones */

/* From the slot's beginning to the object's, and from its end to the tracks or the next slot. */
static void each_red_byte(struct tarn_cache *cache, unsigned char *object)
{
    ptrdiff_t first = -(ptrdiff_t)cache->start, last = (ptrdiff_t)(cache->tracks ? cache->tracks : cache->size - cache->start);
    assert_true(first <= -8 && last >= (ptrdiff_t)cache->object_size + 8);
    for (ptrdiff_t at = first; at < last; at++) {
        if (at == 0)
            at = (ptrdiff_t)cache->object_size;
        unsigned char was = object[at];
        assert_int_equal(was, 0xcc);
        object[at] ^= 1;
        if (!ends(tarn_cache_free, cache, object, red_at_free) || !ends(free_any, cache, object, red_at_free))
            fail_msg("a write at %td is not found, object of %u bytes", at, cache->object_size);
        object[at] = was;
    }
    tarn_cache_free(cache, object);
    if (cache->objects == 1)
        return; /* its slab has gone */
    for (ptrdiff_t at = first; at < last; at++) {
        if (at == 0)
            at = (ptrdiff_t)cache->object_size;
        unsigned char was = object[at];
        assert_int_equal(was, 0xbb);
        object[at] ^= 0x80;
        if (!ends(allocate, cache, object, red_at_alloc))
            fail_msg("a write at %td of a free object is not found", at);
        object[at] = was;
        tarn__direct_free(cache, object);
    }
}

static void red_zones_are_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 8, 9, 40, 63, 64, 100, 40000};
    static const size_t aligns[] = {0, 64, 512};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t a = 0; a < sizeof aligns / sizeof *aligns; a++)
            for (unsigned kind = 0; kind < 4; kind++) {
                struct tarn_cache_args args = {.align = aligns[a], .ctor = (kind & 1) && sizes[s] >= 8 ? construct : NULL};
                struct tarn_cache *cache =
                    make_with("red", sizes[s], &args, TARN_CACHE_RED_ZONE | (kind & 2 ? TARN_CACHE_STORE_USER : 0));
                void *other = take(cache), *object = take(cache);
                tarn_cache_free(cache, other); /* the next to be taken, were not the other one lower */
                other = take(cache);
                memset(object, 0xff, sizes[s]);
                memset(other, 0xff, sizes[s]);
                assert_int_equal((uintptr_t)object % tarn__max(aligns[a], 1), 0);
                each_red_byte(cache, object);
                tarn_cache_free(cache, other);
                end_cache(cache);
            }
}

static void verify_one(struct tarn_cache *cache, void *object)
{
    (void)object;
    tarn_cache_verify(cache);
}

static void verify_looks_at_live_objects(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("red", 50, TARN_CACHE_RED_ZONE);
    unsigned char *one = take(cache), *two = take(cache);
    two[50] = 0;
    assert_true(ends(verify_one, cache, two, "red zone overwritten: a write beyond an object's bounds (cache_verify"));
    two[50] = 0xcc;
    tarn_cache_free(cache, one);
    tarn_cache_free(cache, two);
    end_cache(cache);
}

/* Poison */

static void each_poisoned_byte(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 8, 33, 200};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct tarn_cache *cache = make("poison", sizes[s], TARN_CACHE_POISON);
        unsigned char *object = take(cache);
        void *keeps_slab = take(cache);
        assert_true(check_all_bytes(object, sizes[s] - 1, 0x6b)); /* as it was when free */
        memset(object, 0xff, sizes[s]);
        tarn_cache_free(cache, object);
        assert_true(check_all_bytes(object, sizes[s] - 1, 0x6b));
        assert_int_equal(object[sizes[s] - 1], 0xa5);
        for (size_t at = 0; at < sizes[s]; at++) {
            unsigned char was = object[at];
            object[at] ^= 4;
            if (!ends(allocate, cache, object, poison_at_alloc))
                fail_msg("a write at %zu of a free object is not found", at);
            object[at] = was;
            tarn__direct_free(cache, object);
        }
        tarn_cache_free(cache, keeps_slab);
        end_cache(cache);
    }
}

/* The slab goes with the last of its objects; what was written to the others since they were free is seen then. */
static void spoil_and_free(void *last)
{
    memset((char *)last + 210, 1, 1); /* of the other object, or before it */
    tarn_cache_free(tarn_cache_of(last), last);
}

static void slabs_are_verified_as_they_go(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("going", 200, TARN_CACHE_POISON);
    char *object = take(cache), *next = take(cache);
    assert_int_equal(next - object, 208); /* with its tail */
    tarn_cache_free(cache, next);
    check_dies(spoil_and_free, object, "poison overwritten: a write after free (slab_release of 0x");
    tarn_cache_free(cache, object);
    end_cache(cache);
    cache = make("going-red", 192, TARN_CACHE_RED_ZONE);
    object = take(cache), next = take(cache);
    assert_int_equal(next - object, 224);
    tarn_cache_free(cache, next);
    check_dies(spoil_and_free, object, "red zone overwritten: a write beyond an object's bounds (slab_release of 0x");
    tarn_cache_free(cache, object);
    end_cache(cache);
}

static void constructed_objects_are_not_poisoned(void **state)
{
    (void)state;
    for (int rcu = 0; rcu < 2; rcu++) {
        struct tarn_cache_args args = {.ctor = rcu ? NULL : construct};
        struct tarn_cache *cache = make_with("kept", 40, &args, TARN_CACHE_POISON | (rcu ? TARN_CACHE_TYPESAFE_BY_RCU : 0));
        void *keeps_slab = take(cache), *object = take(cache);
        memset(object, 0x22, 40);
        tarn_cache_free(cache, object);
        assert_true(check_all_bytes(object, 40, 0x22));
        assert_ptr_equal(take(cache), object);
        assert_true(check_all_bytes(object, 40, 0x22));
        tarn_cache_free(cache, object);
        tarn_cache_free(cache, keeps_slab);
        end_cache(cache);
    }
}

/* Tracks */

static __attribute__((noinline)) void *alloc_here(struct tarn_cache *cache, int way)
{
    void *object = NULL;
    if (way == 0)
        object = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
    else if (way == 1)
        object = tarn_cache_zalloc(cache, TARN_GFP_KERNEL);
    else
        tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, 1, &object);
    __asm__ volatile("" ::: "memory");
    return object;
}

static __attribute__((noinline)) void free_here(struct tarn_cache *cache, void *object, int way)
{
    if (way == 0)
        tarn_cache_free(cache, object);
    else if (way == 1)
        tarn_cache_free_bulk(cache, 1, &object);
    else
        tarn_free(object);
    __asm__ volatile("" ::: "memory");
}

static bool is_in(const char *line, const char *what, void *function)
{
    void *caller;
    unsigned thread, when;
    char format[60];
    snprintf(format, sizeof format, "  %s at %%p by thread %%u, %%u ms", what);
    return sscanf(line, format, &caller, &thread, &when) == 3 && thread == tarn__thread_id() &&
           (!function || (uintptr_t)caller - (uintptr_t)function < 1500);
}

static void reports_who_allocated_and_freed(void **state)
{
    (void)state;
    char expected[100];
    for (int way = 0; way < 3; way++) {
        struct tarn_cache *cache = make("tracked", 40, TARN_CACHE_STORE_USER);
        void *keeps_slab = take(cache), *object = alloc_here(cache, way);
        snprintf(expected, sizeof expected, "  object %p of cache tracked, 40 bytes", object);
        listen_to_warnings();
        tarn__debug_describe(cache, object);
        assert_int_equal(warned, 2);
        assert_string_equal(warnings[0], expected);
        if (!is_in(warnings[1], "allocated", (void *)(uintptr_t)alloc_here))
            fail_msg("way %d: \"%s\", not in %p", way, warnings[1], (void *)(uintptr_t)alloc_here);
        free_here(cache, object, way);
        listen_to_warnings();
        assert_true(ends(tarn_cache_free, cache, object, twice));
        assert_int_equal(warned, 3);
        assert_string_equal(warnings[0], expected);
        assert_true(is_in(warnings[1], "allocated", (void *)(uintptr_t)alloc_here));
        if (!is_in(warnings[2], "freed", way < 2 ? (void *)(uintptr_t)free_here : NULL))
            fail_msg("way %d: \"%s\", not in %p", way, warnings[2], (void *)(uintptr_t)free_here);
        tarn_cache_free(cache, keeps_slab);
        end_cache(cache);
    }
}

/* Second frees and others */

static const unsigned each_flag[] = {TARN_CACHE_POISON, TARN_CACHE_RED_ZONE, TARN_CACHE_STORE_USER,
                                     TARN_CACHE_CONSISTENCY_CHECKS};

/* Of objects freed in any order, any may be freed again. */
static void second_frees_are_certainly_found(void **state)
{
    (void)state;
    enum { HELD = 300, TRIALS = 10000 };
    uint64_t random = 77;
    for (size_t f = 0; f < 4; f++) {
        struct tarn_cache *cache = make("twice", 72, each_flag[f]);
        void *held[HELD], *keeps_slab[2000];
        size_t freed = 0;
        for (size_t i = 0; i < 2000; i++)
            keeps_slab[i] = take(cache);
        for (size_t i = 0; i < HELD; i++)
            held[i] = take(cache);
        for (int trial = 0; trial < TRIALS / 4; trial++) {
            size_t i = freed + check_random(&random) % (HELD - freed);
            void *object = held[i];
            held[i] = held[freed];
            held[freed++] = object;
            tarn_cache_free(cache, object);
            assert_true(ends(tarn_cache_free, cache, held[check_random(&random) % freed], twice));
            if (freed == HELD || check_random(&random) % 50 == 0)
                while (freed > 0)
                    held[--freed] = take(cache);
        }
        tarn_cache_free_bulk(cache, HELD - freed, held + freed);
        tarn_cache_free_bulk(cache, 2000, keeps_slab);
        end_cache(cache);
    }
}

static void inner_addresses_are_found(void **state)
{
    (void)state;
    static const char invalid[] = "invalid free: not the start of a live object (cache_free";
    for (size_t f = 0; f < 4; f++) {
        struct tarn_cache *cache = make("inner", 72, each_flag[f]);
        char *object = take(cache);
        for (size_t at = 1; at < stats_of(cache).size; at++)
            assert_true(ends(tarn_cache_free, cache, object + at, invalid));
        tarn_cache_free(cache, object);
        end_cache(cache);
    }
}

static void has_no_magazines(void **state)
{
    (void)state;
    for (size_t f = 0; f < 4; f++) {
        struct tarn_cache *cache = make("bare", 72, each_flag[f]);
        void *object = take(cache);
        assert_int_equal(stats_of(cache).capacity, 0);
        assert_int_equal(stats_of(cache).slabs, 1);
        tarn_cache_free(cache, object);
        assert_int_equal(stats_of(cache).slabs, 0); /* nothing is held back */
        end_cache(cache);
    }
}

/* tarn_free and its kin take debugged objects as others, and pass no check by. */
static void malloc_family_knows_debugged_objects(void **state)
{
    (void)state;
    struct tarn_cache *cache =
        make("family", 100, TARN_CACHE_RED_ZONE | TARN_CACHE_POISON | TARN_CACHE_STORE_USER | TARN_CACHE_CONSISTENCY_CHECKS);
    unsigned char *object = take(cache), *again, *larger;
    memset(object, 0x77, 100);
    assert_int_equal(tarn_usable_size(object), 100);
    larger = tarn_realloc(object, 400);
    assert_true(check_all_bytes(larger, 100, 0x77));
    tarn_free(larger);
    assert_int_equal(stats_of(cache).active, 0);
    again = take(cache);
    tarn_free(again);
    again = take(cache);
    tarn_cache_free(cache, again);
    end_cache(cache);
}

static void *use_both(void *value)
{
    struct tarn_cache *cache = value;
    void *held[50];
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 50; i++)
            memset(held[i] = take(cache), round, 60);
        for (int i = 0; i < 50; i++) {
            assert_true(check_all_bytes(held[i], 60, (unsigned char)round));
            tarn_cache_free(cache, held[i]);
        }
    }
    return NULL;
}

static void threads_share_a_debugged_cache(void **state)
{
    (void)state;
    struct tarn_cache *cache = make("threads", 60, TARN_CACHE_RED_ZONE | TARN_CACHE_POISON | TARN_CACHE_STORE_USER);
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use_both, cache), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(stats_of(cache).allocations, 3 * 200 * 50);
    assert_int_equal(stats_of(cache).active, 0);
    end_cache(cache);
}

/* Failures on demand */

static void fails_everywhere(struct tarn_cache *cache)
{
    static const tarn_gfp_t flags[] = {TARN_GFP_KERNEL, TARN_GFP_ATOMIC, TARN_GFP_NOWAIT, 0};
    void *bulk[3];
    for (size_t f = 0; f < 4; f++) {
        assert_null(tarn_cache_alloc(cache, flags[f]));
        assert_null(tarn_cache_zalloc(cache, flags[f]));
        assert_int_equal(tarn_cache_alloc_bulk(cache, flags[f], 3, bulk), 0);
        assert_null(tarn_cache_prefill_sheaf(cache, flags[f], 2));
    }
}

static void failures_reach_every_allocation(void **state)
{
    (void)state;
    static const struct tarn_fail_attributes always = {.probability = 100, .times = -1};
    static const unsigned flags[] = {0, TARN_CACHE_TYPESAFE_BY_RCU, TARN_CACHE_RED_ZONE};
    for (size_t f = 0; f < 3; f++) {
        struct tarn_cache *cache = make("injected", 64, flags[f]), *later;
        void *objects[500];
        assert_int_equal(tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, 500, objects), 500);
        tarn_cache_free_bulk(cache, 400, objects); /* full magazines */
        assert_int_equal(tarn_fail_set(TARN_FAIL_SLAB, &always), 0);
        fails_everywhere(cache);
        later = make("later", 640, flags[f]);
        fails_everywhere(later);
        tarn_cache_free_bulk(cache, 100, objects + 400); /* frees go on */
        assert_int_equal(stats_of(cache).active, 0);
        assert_int_equal(tarn_fail_set(TARN_FAIL_SLAB, NULL), 0);
        assert_int_equal(tarn_cache_alloc_bulk(cache, 0, 500, objects), 500);
        tarn_cache_free_bulk(cache, 500, objects);
        tarn_cache_free(later, take(later));
        end_cache(cache);
        end_cache(later);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(red_zones_are_whole),
        CACHE_TEST(verify_looks_at_live_objects),
        CACHE_TEST(each_poisoned_byte),
        CACHE_TEST(slabs_are_verified_as_they_go),
        CACHE_TEST(constructed_objects_are_not_poisoned),
        CACHE_TEST(reports_who_allocated_and_freed),
        CACHE_TEST(second_frees_are_certainly_found),
        CACHE_TEST(inner_addresses_are_found),
        CACHE_TEST(has_no_magazines),
        CACHE_TEST(malloc_family_knows_debugged_objects),
        CACHE_TEST(threads_share_a_debugged_cache),
        CACHE_TEST(failures_reach_every_allocation),
    };
    return cmocka_run_group_tests_name("debug", tests, begin_caches, NULL);
}
