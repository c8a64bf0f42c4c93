/* Users' object caches: what can be made, where objects lie, what allocation takes and gives, bulk. */
#include "test/unit/caches.h"

#include <stdlib.h>

static void construct_nothing(void *object) { (void)object; }

/* Making */

struct refused {
    size_t size;
    struct tarn_cache_args args;
    unsigned flags;
};

static void refuses_bad_arguments(void **state)
{
    (void)state;
    static const struct refused list[] = {
        {0, {0}, 0},
        {TARN_CACHE_SIZE_MOST + 1, {0}, 0},
        {SIZE_MAX, {0}, 0},
        {64, {.align = 3}, 0},
        {64, {.align = 24}, 0},
        {64, {.align = 8192}, 0},
        {64, {.align = SIZE_MAX}, 0},
        {64, {0}, 0x4000},
        {64, {0}, 0x80000000u},
        {64, {0}, TARN_CACHE_DMA | TARN_CACHE_DMA32},
        {64, {.zone = &tarn__heap.zone}, TARN_CACHE_DMA},
        {64, {.zone = &tarn__heap.zone}, TARN_CACHE_DMA32},
        {64, {.ctor = construct_nothing, .dtor = construct_nothing}, TARN_CACHE_TYPESAFE_BY_RCU},
        {64, {.dtor = construct_nothing}, 0},
        {64, {.useroffset = 65}, 0},
        {64, {.usersize = 65}, 0},
        {64, {.useroffset = 1, .usersize = 64}, 0},
        {64, {.useroffset = SIZE_MAX, .usersize = 2}, 0},
        {64, {.sheaf_capacity = 129}, 0},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct tarn_cache *cache = (struct tarn_cache *)1;
        if (tarn_cache_make(&cache, "refused", list[i].size, &list[i].args, list[i].flags) != -EINVAL)
            fail_msg("row %zu is not refused", i);
        assert_null(cache);
        assert_null(list[i].args.zone || list[i].args.usersize || list[i].args.useroffset || list[i].args.sheaf_capacity
                        ? NULL
                        : tarn_cache_create("refused", list[i].size, list[i].args.align, list[i].flags, list[i].args.ctor,
                                            list[i].args.dtor));
    }
}

static void bounds_are_included(void **state)
{
    (void)state;
    static const struct refused list[] = {
        {1, {0}, 0},
        {TARN_CACHE_SIZE_MOST, {0}, 0},
        {64, {.align = 1}, 0},
        {64, {.align = 4096}, 0},
        {64, {.useroffset = 64}, 0},
        {64, {.useroffset = 0, .usersize = 64}, 0},
        {64, {.useroffset = 63, .usersize = 1}, 0},
        {64, {.sheaf_capacity = 1}, 0},
        {64, {.sheaf_capacity = 128}, 0},
        {64, {0}, TARN_CACHE_PANIC | TARN_CACHE_RECLAIM_ACCOUNT | TARN_CACHE_ACCOUNT | TARN_CACHE_NOLEAKTRACE},
        {64, {.ctor = construct_nothing}, TARN_CACHE_TYPESAFE_BY_RCU},
        {64, {.zone = &tarn__heap.zone}, 0},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct tarn_cache *cache = make_with("allowed", list[i].size, &list[i].args, list[i].flags);
        void *object = take(cache);
        assert_int_equal(tarn_cache_size(cache), list[i].size);
        memset(object, 1, list[i].size);
        tarn_cache_free(cache, object);
        end_cache(cache);
    }
}

static int try_name(const char *name)
{
    struct tarn_cache *cache = (struct tarn_cache *)1;
    int error = tarn_cache_make(&cache, name, 100, NULL, TARN_CACHE_NO_MERGE);
    assert_true(error ? cache == NULL : cache != NULL);
    if (error == 0) {
        assert_string_equal(tarn_cache_name(cache), name);
        end_cache(cache);
    }
    return error;
}

static void names_are_checked(void **state)
{
    (void)state;
    static const char name48[] = "123456789012345678901234567890123456789012345678";
    static const char *const bad[] = {"", "a b", " a", "a ", "a\tb", "a\n", "\v", "a\fb", "a\rb", name48};
    assert_int_equal(strlen(name48), TARN_CACHE_NAME_MOST + 1);
    assert_int_equal(try_name(NULL), -EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(try_name(bad[i]), -EINVAL);
    assert_int_equal(try_name(name48 + 1), 0);
    assert_int_equal(try_name("x"), 0);
    assert_int_equal(try_name("dentry-cache(2):\xc3\xa4"), 0);
}

static void names_are_taken_once(void **state)
{
    (void)state;
    char name[] = "first";
    struct tarn_cache *first = make(name, 100, TARN_CACHE_NO_MERGE), *other;
    name[0] = 'F'; /* it was copied */
    assert_string_equal(tarn_cache_name(first), "first");
    listen_to_warnings();
    assert_int_equal(try_name("first"), -EEXIST);
    assert_int_equal(warned, 1);
    assert_string_equal(warnings[0], "cache first: not made: the name is taken");
    assert_int_equal(tarn_cache_make(&other, "first", 2000, NULL, TARN_CACHE_RED_ZONE), -EEXIST);
    assert_int_equal(try_name("malloc-16"), -EEXIST);
    assert_int_equal(try_name("First"), 0);
    for (int i = 0; i < 3; i++) {
        end_cache(first);
        first = make("first", 100 + (size_t)i * 1000, TARN_CACHE_NO_MERGE);
    }
    end_cache(first);
}

static void panic_for_arguments(void *value)
{
    struct tarn_cache *cache;
    (void)value;
    tarn_cache_make(&cache, "panics", 0, NULL, TARN_CACHE_PANIC);
}

static void panic_for_name(void *value)
{
    (void)value;
    tarn_cache_create("panics", 64, 0, TARN_CACHE_PANIC, NULL, NULL);
}

static void panic_ends_the_process(void **state)
{
    (void)state;
    check_dies(panic_for_arguments, NULL, "tarn: a cache that must be there could not be made (cache_make of 0x0, thread ");
    struct tarn_cache *cache = tarn_cache_create("panics", 64, 0, TARN_CACHE_PANIC, NULL, NULL);
    assert_non_null(cache);
    check_dies(panic_for_name, NULL, "tarn: a cache that must be there could not be made (cache_make of 0x0, thread ");
    end_cache(cache);
}

/* Placement */

enum { MOST = 700 };
static unsigned char *objects[MOST];

static int by_address(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    return (x > y) - (x < y);
}

/* What stays free behind each object for the slab's own use is `behind` at least. */
static void check_placement(struct tarn_cache *cache, size_t count, size_t size, size_t align)
{
    static unsigned char *sorted[MOST];
    memcpy(sorted, objects, count * sizeof *objects);
    qsort(sorted, count, sizeof *sorted, by_address);
    for (size_t i = 0; i < count; i++) {
        if ((uintptr_t)sorted[i] % align != 0)
            fail_msg("size %zu, align %zu: %p", size, align, (void *)sorted[i]);
        assert_ptr_equal(tarn_cache_of(sorted[i]), cache);
        if (i > 0)
            assert_true(sorted[i] - sorted[i - 1] >= (ptrdiff_t)stats_of(cache).size);
    }
}

static void fill_and_check(size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++)
        memset(objects[i], (int)i, size);
    for (size_t i = 0; i < count; i++)
        assert_true(check_all_bytes(objects[i], size, (unsigned char)i));
}

/* Two slabs and one object, in the order of addresses at first; kept contents; every second freed and taken again. */
static void try_layout(size_t size, size_t align, unsigned flags, void (*ctor)(void *), size_t expected)
{
    struct tarn_cache_args args = {.align = align, .ctor = ctor};
    struct tarn_cache *cache = make_with("layout", size, &args, flags | TARN_CACHE_NO_MERGE);
    struct tarn_cache_stats is = stats_of(cache);
    assert_int_equal(is.object_size, size);
    assert_true(is.size >= size && is.size % tarn__max(expected, 8) == 0);
    assert_true(is.slab_objects * is.size <= is.slab_pages * 4096);
    size_t count = tarn__min(2 * is.slab_objects + 1, MOST);
    for (size_t i = 0; i < count; i++) {
        objects[i] = take(cache);
        if (i > 0 && i < is.slab_objects)
            assert_ptr_equal(objects[i], objects[i - 1] + is.size);
    }
    check_placement(cache, count, size, expected);
    fill_and_check(count, size);
    for (size_t i = 0; i < count; i += 2)
        tarn_cache_free(cache, objects[i]);
    for (size_t i = 0; i < count; i += 2)
        objects[i] = take(cache);
    check_placement(cache, count, size, expected);
    fill_and_check(count, size);
    tarn_cache_verify(cache);
    for (size_t i = 0; i < count; i++)
        tarn_cache_free(cache, objects[i]);
    end_cache(cache);
}

/* What any type of the size can need: a power of two that divides it; malloc's alignment at most, a pointer's at least. */
static size_t natural_align(size_t size) { return tarn__max(tarn__min(tarn__pow2_factor(size), 16), 8); }

static const unsigned layout_flags[] = {
    0,
    TARN_CACHE_HWCACHE_ALIGN,
    TARN_CACHE_TYPESAFE_BY_RCU,
    TARN_CACHE_RED_ZONE,
    TARN_CACHE_POISON,
    TARN_CACHE_STORE_USER,
    TARN_CACHE_CONSISTENCY_CHECKS,
    TARN_CACHE_RED_ZONE | TARN_CACHE_POISON | TARN_CACHE_STORE_USER,
    TARN_CACHE_RED_ZONE | TARN_CACHE_STORE_USER | TARN_CACHE_HWCACHE_ALIGN,
};

static size_t line_align(size_t size)
{
    size_t line = 64;
    while (line > 8 && size <= line / 2)
        line /= 2;
    return line;
}

static void lies_where_it_should(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,   2,   7,   8,    9,    15,   16,   17,   24,   31,    32,    33,
                                   48,  63,  64,  65,   96,   100,  127,  128,  200,  256,   300,   512,
                                   600, 777, 960, 1024, 2000, 3000, 4095, 4096, 5000, 10000, 20000, 32768};
    static const size_t aligns[] = {0, 1, 8, 16, 64, 256, 4096};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t a = 0; a < sizeof aligns / sizeof *aligns; a++)
            for (size_t f = 0; f < sizeof layout_flags / sizeof *layout_flags; f++) {
                size_t expected = aligns[a] ? tarn__max(aligns[a], 8) : natural_align(sizes[s]);
                if (layout_flags[f] & TARN_CACHE_HWCACHE_ALIGN)
                    expected = tarn__max(expected, line_align(sizes[s]));
                try_layout(sizes[s], aligns[a], layout_flags[f], NULL, expected);
                if ((s + a + f) % 3 == 0)
                    try_layout(sizes[s], aligns[a], layout_flags[f], construct_nothing, expected);
            }
}

static void holds_large_objects(void **state)
{
    (void)state;
    static const size_t sizes[] = {32769, 40000, 65528, 65536, 65537, 100000, MIB, 4 * MIB - 8, 4 * MIB};
    static const unsigned flags[] = {0, TARN_CACHE_TYPESAFE_BY_RCU, TARN_CACHE_RED_ZONE | TARN_CACHE_STORE_USER};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++)
            for (size_t align = 8; align <= 4096; align *= 512) {
                try_layout(sizes[s], align, flags[f], NULL, align);
                if (f == 0)
                    try_layout(sizes[s], align, flags[f], construct_nothing, align);
            }
}

/* What is a slab of its own goes back to the zone at once, but for who asks for magazines. */
static unsigned *large_runs;

static void count_run(void *object)
{
    (void)object;
    ++*large_runs;
}

static void large_objects_are_not_kept(void **state)
{
    (void)state;
    static const size_t sizes[] = {65537, 256 * 1024, 4 * MIB};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct tarn_cache *cache = make("large", sizes[s], 0);
        assert_int_equal(stats_of(cache).capacity, 0);
        tarn_cache_free(cache, take(cache));
        assert_int_equal(stats_of(cache).slabs, 0);
        end_cache(cache);
        cache = make_with("large-sized", sizes[s], &(struct tarn_cache_args){.sheaf_capacity = 3}, 0);
        assert_int_equal(stats_of(cache).capacity, 3);
        tarn_cache_free(cache, take(cache));
        assert_int_equal(stats_of(cache).slabs, 1);
        end_cache(cache);
    }
    unsigned runs = 0;
    struct tarn_cache *cache = make_with("large-built", 256 * 1024, &(struct tarn_cache_args){.ctor = count_run}, 0);
    large_runs = &runs;
    tarn_cache_free(cache, take(cache));
    tarn_cache_free(cache, take(cache));
    assert_int_equal(runs, 1); /* what is constructed is kept */
    end_cache(cache);
    cache = make("not-so-large", 65536, 0);
    assert_int_equal(stats_of(cache).capacity, 2);
    end_cache(cache);
}

static void magazines_have_the_size_asked_for(void **state)
{
    (void)state;
    struct tarn_cache *plain = make("plain", 100, 0);
    for (unsigned capacity = 1; capacity <= 128; capacity = capacity * 2 + 1) {
        struct tarn_cache_args args = {.sheaf_capacity = capacity};
        struct tarn_cache *cache = make_with("sized", 100, &args, 0);
        assert_ptr_not_equal(cache, plain); /* not shared: the other's magazines are not so */
        assert_int_equal(stats_of(cache).capacity, capacity);
        for (size_t i = 0; i < MOST; i++)
            objects[i] = take(cache);
        for (size_t i = 0; i < MOST; i++) {
            tarn_cache_free(cache, objects[i]);
            assert_true(tarn__self->rear[cache->number].spare.count <= capacity);
        }
        end_cache(cache);
    }
    end_cache(plain);
}

/* Allocation's flags */

static void gives_zeroed_objects(void **state)
{
    (void)state;
    static const unsigned kinds[] = {0, TARN_CACHE_TYPESAFE_BY_RCU, TARN_CACHE_POISON | TARN_CACHE_RED_ZONE};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct tarn_cache *cache = make("zeroed", 77, kinds[k] | TARN_CACHE_NO_MERGE);
        for (int i = 0; i < 300; i++) {
            unsigned char *p =
                i % 2 ? tarn_cache_zalloc(cache, TARN_GFP_KERNEL) : tarn_cache_alloc(cache, TARN_GFP_ATOMIC | TARN_GFP_ZERO);
            assert_true(check_all_bytes(p, 77, 0));
            memset(p, 0xff, 77);
            objects[i] = p;
            if (i % 3 == 0)
                tarn_cache_free(cache, objects[i]);
        }
        for (int i = 0; i < 300; i++)
            if (i % 3 != 0)
                tarn_cache_free(cache, objects[i]);
        size_t got = tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL | TARN_GFP_ZERO, 300, (void **)objects);
        assert_int_equal(got, 300);
        for (int i = 0; i < 300; i++)
            assert_true(check_all_bytes(objects[i], 77, 0));
        tarn_cache_free_bulk(cache, 300, (void **)objects);
        end_cache(cache);
    }
}

static void refuse(struct tarn_cache *cache, tarn_gfp_t flags, const char *message)
{
    void *bulk[2];
    struct tarn_cache_stats before = stats_of(cache);
    listen_to_warnings();
    assert_null(tarn_cache_alloc(cache, flags));
    assert_int_equal(warned, 1);
    if (strncmp(warnings[0], message, strlen(message)) != 0)
        fail_msg("\"%s\" instead of \"%s\"", warnings[0], message);
    assert_int_equal(tarn_cache_alloc_bulk(cache, flags, 2, bulk), 0);
    assert_int_equal(warned, 2);
    assert_int_equal(stats_of(cache).active, before.active);
}

/* Whether magazines hold objects or not, debugged or not. */
static void refuses_flags_that_cannot_be(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        struct tarn_cache_args args = {.ctor = k & 1 ? construct_nothing : NULL};
        struct tarn_cache *cache = make_with("flags", 64, &args, k & 2 ? TARN_CACHE_RED_ZONE : 0);
        for (int turn = 0; turn < 2; turn++) {
            refuse(cache, TARN_GFP_KERNEL | TARN_GFP_HIGHMEM,
                   "cache flags: allocation with flags that ask for high memory: 0x");
            refuse(cache, TARN_GFP_MOVABLE | TARN_GFP_RECLAIMABLE,
                   "cache flags: allocation with flags that name two mobility groups: 0x");
            if (args.ctor) {
                refuse(cache, TARN_GFP_ZERO, "cache flags: allocation with flags that would zero a constructed object: 0x");
                assert_null(tarn_cache_zalloc(cache, TARN_GFP_KERNEL));
                assert_int_equal(warned, 3);
            }
            listen_to_warnings();
            tarn_cache_free(cache, take(cache));
            tarn_cache_free(cache, tarn_cache_alloc(cache, TARN_GFP_KERNEL | TARN_GFP_MOVABLE));
            tarn_cache_free(cache, tarn_cache_alloc(cache, TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE));
            tarn_cache_free(cache, tarn_cache_alloc(cache, 0));
            assert_int_equal(warned, 0);
        }
        assert_int_equal(stats_of(cache).allocations, 8);
        end_cache(cache);
    }
}

static void errno_stays(void **state)
{
    (void)state;
    struct tarn_cache *cache, *other;
    errno = 55;
    listen_to_warnings();
    assert_int_equal(tarn_cache_make(&cache, "errno", 64, NULL, TARN_CACHE_NO_MERGE), 0);
    assert_int_equal(tarn_cache_make(&other, "errno", 64, NULL, 0), -EEXIST);
    assert_int_equal(tarn_cache_make(&other, NULL, 64, NULL, 0), -EINVAL);
    void *object = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
    assert_null(tarn_cache_alloc(cache, TARN_GFP_HIGHMEM));
    assert_int_equal(tarn_cache_destroy(cache), -EBUSY);
    tarn_cache_free(cache, object);
    tarn_cache_shrink(cache);
    assert_int_equal(tarn_cache_destroy(cache), 0);
    assert_int_equal(errno, 55);
}

/* Bulk */

static void bulk_is_all_of_it(void **state)
{
    (void)state;
    static const unsigned kinds[] = {0, TARN_CACHE_RED_ZONE | TARN_CACHE_POISON};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct tarn_cache *cache = make("bulk", 48, kinds[k] | TARN_CACHE_NO_MERGE);
        uint64_t allocations = 0;
        for (size_t count = 0; count <= 600; count += count < 10 ? 1 : 59) {
            assert_int_equal(tarn_cache_alloc_bulk(cache, TARN_GFP_KERNEL, count, (void **)objects), count);
            allocations += count;
            assert_int_equal(stats_of(cache).active, count);
            check_placement(cache, count, 48, 8);
            fill_and_check(count, 48);
            tarn_cache_free_bulk(cache, count / 2, (void **)objects);
            assert_int_equal(stats_of(cache).active, count - count / 2);
            tarn_cache_free_bulk(cache, count - count / 2, (void **)objects + count / 2);
            assert_int_equal(stats_of(cache).active, 0);
            assert_int_equal(stats_of(cache).allocations, allocations);
            tarn_cache_verify(cache);
        }
        end_cache(cache);
    }
}

static void bulk_frees_mixed_caches(void **state)
{
    (void)state;
    struct tarn_cache_args constructed = {.ctor = construct_nothing};
    struct tarn_cache *caches[] = {
        make("mixed-plain", 48, TARN_CACHE_NO_MERGE),       make_with("mixed-constructed", 48, &constructed, 0),
        make("mixed-debugged", 48, TARN_CACHE_RED_ZONE),    make("mixed-large", 100000, 0),
        make("mixed-rcu", 500, TARN_CACHE_TYPESAFE_BY_RCU),
    };
    enum { KINDS = sizeof caches / sizeof *caches };
    uint64_t random = 4711;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 300; i++) {
            size_t kind = check_random(&random) >> 32;
            objects[i] = kind % (KINDS + 2) < KINDS    ? take(caches[kind % (KINDS + 2)])
                         : kind % (KINDS + 2) == KINDS ? tarn_malloc(48)
                                                       : NULL;
        }
        tarn_cache_free_bulk(NULL, 300, (void **)objects);
        for (size_t k = 0; k < KINDS; k++)
            assert_int_equal(stats_of(caches[k]).active, 0);
        assert_int_equal(stats().live_objects, 0);
    }
    void *some[] = {take(caches[0]), NULL, take(caches[0])};
    tarn_cache_free_bulk(caches[0], 3, some); /* NULL as in tarn_cache_free */
    tarn_cache_free(caches[0], NULL);
    tarn_cache_free_bulk(NULL, 0, NULL);
    for (size_t k = 0; k < KINDS; k++)
        end_cache(caches[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(refuses_bad_arguments),
        CACHE_TEST(bounds_are_included),
        CACHE_TEST(names_are_checked),
        CACHE_TEST(names_are_taken_once),
        CACHE_TEST(panic_ends_the_process),
        CACHE_TEST(lies_where_it_should),
        CACHE_TEST(holds_large_objects),
        CACHE_TEST(large_objects_are_not_kept),
        CACHE_TEST(magazines_have_the_size_asked_for),
        CACHE_TEST(gives_zeroed_objects),
        CACHE_TEST(refuses_flags_that_cannot_be),
        CACHE_TEST(errno_stays),
        CACHE_TEST(bulk_is_all_of_it),
        CACHE_TEST(bulk_frees_mixed_caches),
    };
    return cmocka_run_group_tests_name("cache", tests, begin_caches, NULL);
}
