/* Floor 7: kmalloc's classes and pages, what frees them, kfree_rcu. What stands on it is in test_kmalloc_family.c. */
#include "test/unit/kmalloc.h"

#include "tarn/pages.h"
#include "tarn/rcu.h"

#include <pthread.h>

static const size_t sizes[] = {8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192};
enum { CLASSES = sizeof sizes / sizeof *sizes };

/* By walking the list, as the library does not. */
static size_t class_of(size_t size)
{
    size_t i = 0;
    while (sizes[i] < size)
        i++;
    return sizes[i];
}

static size_t power_in(size_t size) { return size & (~size + 1); }

/* Must be the first: the classes do not exist yet. */
static void a_user_has_taken_a_name(void **state)
{
    (void)state;
    tarn__heap_ready();
    struct tarn_cache *theirs = tarn_cache_create("kmalloc-512", 40, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    assert_non_null(theirs);
    void *p = tarn_kmalloc(512, TARN_GFP_KERNEL);
    assert_non_null(p);
    assert_int_equal(tarn_ksize(p), 512);
    assert_string_equal(tarn_cache_name(tarn_cache_of(p)), "tarn-kmalloc-512");
    tarn_kfree(p);
    assert_int_equal(tarn_cache_destroy(theirs), 0);
    p = tarn_kmalloc(300, TARN_GFP_KERNEL);
    assert_string_equal(tarn_cache_name(tarn_cache_of(p)), "tarn-kmalloc-512");
    tarn_kfree(p);
}

static void no_memory_for_a_class(void **state)
{
    (void)state;
    enum { MOST = 40000 };
    static void *p[MOST];
    size_t got = 0;
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    while (got < MOST && (p[got] = tarn_kmalloc(8192, TARN_GFP_KERNEL)))
        got++;
    assert_true(got < MOST);
    assert_null(tarn_kmalloc(8192, TARN_GFP_ATOMIC));
    assert_null(tarn_kmalloc(MIB, TARN_GFP_KERNEL));
    assert_null(tarn_kvmalloc(MIB, TARN_GFP_KERNEL));
    assert_null(tarn_vmalloc(1));
    for (size_t i = 0; i < got; i++)
        tarn_kfree(p[i]);
    tarn__fake_fail(0, 0, 0);
    tarn_kfree(tarn_kmalloc(8192, TARN_GFP_KERNEL));
    assert_non_null(p[0] = tarn_kmalloc(8192, TARN_GFP_KERNEL));
    tarn_kfree(p[0]);
}

static pthread_barrier_t start;

static void *first_user(void *value)
{
    void **p = value;
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < CLASSES; i++)
        p[i] = tarn_kmalloc(sizes[i], TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE);
    return NULL;
}

static void count_named(struct tarn_cache *cache, void *context)
{
    size_t *count = context;
    *count += strncmp(tarn_cache_name(cache), "kmalloc-rcl-", 12) == 0;
}

static void threads_make_the_same_classes(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    static void *p[THREADS][CLASSES];
    pthread_t thread[THREADS];
    size_t count = 0;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&thread[t], NULL, first_user, p[t]), 0);
    for (int t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    for (int t = 0; t < THREADS; t++)
        for (size_t i = 0; i < CLASSES; i++) {
            assert_non_null(p[t][i]);
            assert_ptr_equal(tarn_cache_of(p[t][i]), tarn_cache_of(p[0][i]));
        }
    for (int t = 0; t < THREADS; t++)
        for (size_t i = 0; i < CLASSES; i++)
            tarn_kfree(p[t][i]);
    tarn_cache_each(count_named, &count);
    assert_int_equal(count, CLASSES);
}

/* As a thread that looked for the class before another one had noted it. */
static void who_comes_late_finds_the_class(void **state)
{
    (void)state;
    void *early = tarn_kmalloc(100, TARN_GFP_KERNEL);
    atomic_store(&tarn__kmalloc_cache[TARN__KMALLOC_NORMAL][tarn__kmalloc_index(100)], NULL);
    atomic_store(&tarn__kmalloc_number[tarn__kmalloc_index(100)], 0);
    void *late = tarn_kmalloc(100, TARN_GFP_KERNEL);
    assert_non_null(late);
    assert_ptr_equal(tarn_cache_of(late), tarn_cache_of(early));
    tarn_kfree(early);
    tarn_kfree(late);
}

static void every_size_has_its_class(void **state)
{
    (void)state;
    char name[32];
    for (size_t size = 1; size <= 8192; size++) {
        unsigned char *p = tarn_kmalloc(size, TARN_GFP_KERNEL);
        assert_non_null(p);
        size_t class = class_of(size);
        snprintf(name, sizeof name, class == 512 ? "tarn-kmalloc-%zu" : "kmalloc-%zu", class);
        assert_string_equal(tarn_cache_name(tarn_cache_of(p)), name);
        assert_int_equal(tarn_ksize(p), class);
        assert_int_equal(tarn_kmalloc_size_roundup(size), class);
        assert_int_equal((uintptr_t)p % power_in(size), 0);
        memset(p, 0x11, class);
        tarn_kfree(p);
    }
}

/* All objects of a slab, and not only the first, are aligned and apart. */
static void objects_are_aligned_and_apart(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static unsigned char *p[COUNT];
    for (size_t c = 0; c < CLASSES; c++) {
        for (size_t i = 0; i < COUNT; i++) {
            p[i] = tarn_kmalloc(sizes[c], i % 2 ? TARN_GFP_ATOMIC : TARN_GFP_NOWAIT);
            assert_non_null(p[i]);
            assert_int_equal((uintptr_t)p[i] % power_in(sizes[c]), 0);
            memset(p[i], (int)i, sizes[c]);
        }
        for (size_t i = 0; i < COUNT; i++) {
            assert_true(check_all_bytes(p[i], sizes[c], (unsigned char)i));
            tarn_kfree(p[i]);
        }
    }
}

static void larger_sizes_are_pages(void **state)
{
    (void)state;
    for (size_t block = 16384; block <= 4 * MIB; block *= 2)
        for (int i = 0; i < 3; i++) {
            size_t size = i == 0 ? block / 2 + 1 : i == 1 ? block - 1 : block;
            void *neighbour = tarn_vmalloc(1); /* so that the next free page is not aligned */
            unsigned char *p = tarn_kmalloc(size, TARN_GFP_KERNEL);
            assert_non_null(p);
            tarn_vfree(neighbour);
            assert_null(tarn_cache_of(p));
            assert_int_equal((uintptr_t)p % block, 0);
            assert_int_equal(tarn_ksize(p), block);
            assert_int_equal(tarn_kmalloc_size_roundup(size), block);
            assert_int_equal(stats().large_live_bytes, block);
            p[0] = p[block - 1] = 1;
            tarn_kfree(p);
        }
    assert_string_equal(last_warning, "");
}

static void four_mib_are_the_most(void **state)
{
    (void)state;
    assert_null(tarn_kmalloc(4 * MIB + 1, TARN_GFP_KERNEL | TARN_GFP_NOWARN));
    assert_string_equal(last_warning, "");
    assert_null(tarn_kmalloc(4 * MIB + 1, TARN_GFP_KERNEL));
    assert_string_equal(last_warning, "kmalloc of 4194305 bytes: more than 4194304");
    assert_null(tarn_kzalloc(SIZE_MAX, TARN_GFP_KERNEL));
    assert_null(tarn_kmalloc(CHECK_HUGE(63), TARN_GFP_KERNEL));
    assert_int_equal(tarn_kmalloc_size_roundup(0), 0);
    assert_int_equal(tarn_kmalloc_size_roundup(4 * MIB + 1), 4 * MIB + 1);
    assert_int_equal(tarn_kmalloc_size_roundup(SIZE_MAX), SIZE_MAX);
}

static void a_size_of_nothing(void **state)
{
    (void)state;
    assert_ptr_equal(tarn_kmalloc(0, TARN_GFP_KERNEL), TARN_ZERO_SIZE_PTR);
    assert_ptr_equal(tarn_kzalloc(0, TARN_GFP_ATOMIC), TARN_ZERO_SIZE_PTR);
    assert_ptr_equal(tarn_kmalloc(0, TARN_GFP_KERNEL | TARN_GFP_DMA), TARN_ZERO_SIZE_PTR);
    assert_true(TARN_ZERO_OR_NULL(TARN_ZERO_SIZE_PTR) && TARN_ZERO_OR_NULL(NULL));
    assert_false(TARN_ZERO_OR_NULL(state));
    assert_int_equal(tarn_ksize(TARN_ZERO_SIZE_PTR), 0);
    assert_int_equal(tarn_ksize(NULL), 0);
    tarn_kfree(TARN_ZERO_SIZE_PTR);
    tarn_kfree(NULL);
    tarn_kfree_sensitive(TARN_ZERO_SIZE_PTR);
    tarn_kfree_sensitive(NULL);
    tarn_kvfree(TARN_ZERO_SIZE_PTR);
    tarn_kvfree(NULL);
    tarn_kfree_rcu(NULL, NULL);
    tarn_kfree_rcu_mightsleep(NULL);
    tarn_kfree_rcu_mightsleep(TARN_ZERO_SIZE_PTR);
}

static void arrays_do_not_overflow(void **state)
{
    (void)state;
    size_t half = SIZE_MAX / 2 + 1;
    assert_null(tarn_kmalloc_array(half, 2, TARN_GFP_KERNEL));
    assert_null(tarn_kcalloc(2, half, TARN_GFP_KERNEL));
    assert_null(tarn_kcalloc(SIZE_MAX, SIZE_MAX, TARN_GFP_KERNEL));
    assert_ptr_equal(tarn_kcalloc(0, SIZE_MAX, TARN_GFP_KERNEL), TARN_ZERO_SIZE_PTR);
    unsigned char *p = tarn_kmalloc_array(10, 10, TARN_GFP_KERNEL);
    assert_int_equal(tarn_ksize(p), 128);
    memset(p, 0xff, 128);
    tarn_kfree(p);
    p = tarn_kcalloc(10, 10, TARN_GFP_KERNEL);
    assert_true(check_all_bytes(p, 128, 0));
    tarn_kfree(p);
}

/* All of the object, not only what was asked for. */
static void zeroed_is_zeroed(void **state)
{
    (void)state;
    static const size_t some[] = {1, 8, 60, 96, 1000, 8192, 8193, 100000};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        unsigned char *p = tarn_kmalloc(some[i], TARN_GFP_KERNEL);
        memset(p, 0xee, tarn_ksize(p));
        tarn_kfree(p);
        p = tarn_kzalloc(some[i], TARN_GFP_ATOMIC);
        assert_true(check_all_bytes(p, tarn_ksize(p), 0));
        tarn_kfree(p);
        p = tarn_kmalloc(some[i], TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE | TARN_GFP_ZERO);
        assert_true(check_all_bytes(p, tarn_ksize(p), 0));
        tarn_kfree(p);
    }
}

static void flags_choose_the_kind(void **state)
{
    (void)state;
    void *p = tarn_kmalloc(100, TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE);
    struct tarn_cache_stats of;
    assert_string_equal(tarn_cache_name(tarn_cache_of(p)), "kmalloc-rcl-128");
    tarn_cache_stats(tarn_cache_of(p), &of);
    assert_true(of.flags & TARN_CACHE_RECLAIM_ACCOUNT);
    tarn_kfree(p);
    p = tarn_kmalloc(100, TARN_GFP_KERNEL | TARN_GFP_MOVABLE); /* says nothing of an object's page */
    assert_string_equal(tarn_cache_name(tarn_cache_of(p)), "kmalloc-128");
    tarn_kfree(p);
    tarn_kfree(tarn_kmalloc(100000, TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE));
    tarn_kfree(tarn_kmalloc(100000, TARN_GFP_KERNEL | TARN_GFP_MOVABLE));
    assert_string_equal(last_warning, "");
}

static void low_memory(void **state)
{
    (void)state;
    static const tarn_gfp_t flags[] = {TARN_GFP_DMA, TARN_GFP_DMA32, TARN_GFP_DMA | TARN_GFP_RECLAIMABLE};
    if (!tarn_zone_dma()) {
        print_message("# not tested: objects in low memory: the system has none\n");
        assert_null(tarn_kmalloc(100, TARN_GFP_KERNEL | TARN_GFP_DMA));
        assert_null(tarn_kmalloc(100000, TARN_GFP_KERNEL | TARN_GFP_DMA));
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        void *p = tarn_kmalloc(100, TARN_GFP_KERNEL | flags[i]), *pages = tarn_kmalloc(100000, TARN_GFP_KERNEL | flags[i]);
        assert_string_equal(tarn_cache_name(tarn_cache_of(p)), "dma-kmalloc-128");
        assert_true((uintptr_t)p <= UINT32_MAX && (uintptr_t)pages <= UINT32_MAX);
        tarn_kfree(p);
        tarn_kfree(pages);
    }
}

static void flags_that_cannot_be(void **state)
{
    (void)state;
    tarn_gfp_t both = TARN_GFP_KERNEL | TARN_GFP_MOVABLE | TARN_GFP_RECLAIMABLE, high = TARN_GFP_KERNEL | TARN_GFP_HIGHMEM;
    char expected[128];
    assert_null(tarn_kmalloc(100, high));
    assert_non_null(strstr(last_warning, "high memory"));
    assert_null(tarn_kmalloc(100, both));
    assert_non_null(strstr(last_warning, "two mobility groups"));
    assert_null(tarn_kmalloc(100000, high));
    snprintf(expected, sizeof expected, "kmalloc of 100000 bytes with flags that ask for high memory: %#x", high);
    assert_string_equal(last_warning, expected);
    assert_null(tarn_kmalloc(200000, both));
    snprintf(expected, sizeof expected, "kmalloc of 200000 bytes with flags that name two mobility groups: %#x", both);
    assert_string_equal(last_warning, expected);
    last_warning[0] = 0;
    assert_null(tarn_kmalloc(100000, both | TARN_GFP_NOWARN));
    assert_null(tarn_kmalloc(100000, high | TARN_GFP_NOWARN));
    assert_string_equal(last_warning, "");
}

static void failures_on_demand(void **state)
{
    (void)state;
    struct tarn_fail_attributes always = {.probability = 100, .times = -1};
    tarn_kfree(tarn_kmalloc(50, TARN_GFP_KERNEL)); /* there is an object in the magazine */
    assert_int_not_equal(tarn__kmalloc_number[tarn__kmalloc_index(50)], 0);
    assert_int_equal(tarn_fail_set(TARN_FAIL_SLAB, &always), 0);
    assert_null(tarn_kmalloc(50, TARN_GFP_KERNEL));
    assert_null(tarn_kmalloc(50, 0));
    assert_null(tarn_kzalloc(50, TARN_GFP_KERNEL));
    assert_null(tarn_kmalloc(50, TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE));
    assert_null(tarn_kmalloc(8192, TARN_GFP_KERNEL));
    assert_null(tarn_kmalloc(8193, TARN_GFP_KERNEL));
    assert_null(tarn_kmalloc(4 * MIB, TARN_GFP_KERNEL));
    assert_ptr_equal(tarn_kmalloc(0, TARN_GFP_KERNEL), TARN_ZERO_SIZE_PTR);
    assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), 7);
    always.only = tarn__kmalloc_cache[TARN__KMALLOC_NORMAL][tarn__kmalloc_index(100)];
    always.times = 1;
    assert_int_equal(tarn_fail_set(TARN_FAIL_SLAB, &always), 0);
    tarn_kfree(tarn_kmalloc(50, TARN_GFP_KERNEL));
    assert_null(tarn_kmalloc(100, TARN_GFP_KERNEL));
    tarn_kfree(tarn_kmalloc(100, TARN_GFP_KERNEL));
    assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), 1);
    assert_int_equal(tarn_fail_set(TARN_FAIL_SLAB, NULL), 0);
    tarn_kfree(tarn_kmalloc(50, TARN_GFP_KERNEL));
    assert_int_not_equal(tarn__kmalloc_number[tarn__kmalloc_index(50)], 0);
    tarn_kfree(tarn_kmalloc(8193, TARN_GFP_KERNEL));
}

/* Frees */

static void any_free_takes_any_object(void **state)
{
    (void)state;
    static const size_t some[] = {1, 100, 8192, 20000, 32768, 100000, 5 * MIB};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        tarn_kfree(tarn_malloc(some[i]));
        tarn_kvfree(tarn_malloc(some[i]));
        tarn_free(tarn_kvmalloc(some[i], TARN_GFP_KERNEL));
        tarn_free(some[i] <= 4 * MIB ? tarn_kmalloc(some[i], TARN_GFP_KERNEL) : NULL);
        void *p = tarn_malloc(some[i]);
        assert_true(tarn_ksize(p) >= some[i]);
        tarn_kfree(p);
    }
    assert_int_equal(stats().large_live_bytes, 0);
}

static void construct(void *object) { memset(object, 0x77, 40); }

static void objects_of_users_caches(void **state)
{
    (void)state;
    static const unsigned flags[] = {TARN_CACHE_NO_MERGE, TARN_CACHE_RED_ZONE | TARN_CACHE_POISON | TARN_CACHE_STORE_USER,
                                     TARN_CACHE_RED_ZONE, TARN_CACHE_TYPESAFE_BY_RCU};
    for (size_t i = 0; i < 4; i++)
        for (int constructed = 0; constructed < 2; constructed++) {
            struct tarn_cache *cache = tarn_cache_create("theirs", 40, 8, flags[i], constructed ? construct : NULL, NULL);
            unsigned char *p = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
            assert_int_equal(tarn_ksize(p), 40);
            if (!constructed)
                memset(p, 1, tarn_ksize(p));
            tarn_kfree(p);
            p = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
            unsigned char *grown = tarn_krealloc(p, 41, TARN_GFP_KERNEL);
            assert_ptr_not_equal(grown, p);
            assert_int_equal(tarn_ksize(grown), 64);
            assert_true(!constructed || check_all_bytes(grown, 40, 0x77));
            tarn_kfree(grown);
            assert_int_equal(tarn_cache_destroy(cache), 0);
        }
}

static void sensitive_is_wiped(void **state)
{
    (void)state;
    for (size_t c = 1; c < CLASSES; c++) {
        unsigned char *p = tarn_kmalloc(sizes[c] - 1, TARN_GFP_KERNEL);
        memset(p, 0x99, sizes[c]);
        tarn_kfree_sensitive(p);
        assert_true(check_all_bytes(p + 8, sizes[c] - 8, 0)); /* in the magazine: the first word is its link */
    }
    unsigned char *p = tarn_kmalloc(100000, TARN_GFP_KERNEL);
    memset(p, 0x99, 131072);
    tarn_kfree_sensitive(p);
    assert_true(check_all_bytes(p, 131072, 0));
}

static void bulk_frees_all_kinds(void **state)
{
    (void)state;
    struct tarn_cache *cache = tarn_cache_create("theirs", 40, 8, TARN_CACHE_NO_MERGE, NULL, NULL);
    void *objects[] = {tarn_kmalloc(10, TARN_GFP_KERNEL),
                       NULL,
                       TARN_ZERO_SIZE_PTR,
                       tarn_kmalloc(100000, TARN_GFP_KERNEL),
                       tarn_cache_alloc(cache, TARN_GFP_KERNEL),
                       tarn_malloc(10),
                       tarn_vmalloc(5000)};
    tarn_kfree_bulk(sizeof objects / sizeof *objects, objects);
    tarn_kfree_bulk(0, NULL);
    assert_int_equal(tarn_cache_destroy(cache), 0);
}

/* Grace periods */

struct late {
    char before[24];
    struct tarn_rcu_head head;
};

static void objects_are_found_from_within(void **state)
{
    (void)state;
    struct tarn_cache *cache = tarn_cache_create("wide", 20000, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    char *p = tarn_cache_alloc(cache, TARN_GFP_KERNEL), *unit = (char *)((uintptr_t)p & ~(uintptr_t)65535);
    assert_ptr_equal(tarn__object_around(p), p);
    assert_ptr_equal(tarn__object_around(p + 19999), p);
    assert_ptr_equal(tarn__object_around(unit + 45000), unit + 40000);
    assert_null(tarn__object_around(unit + 61440)); /* the page behind the slab is none of it */
    assert_null(tarn__object_around(&p));
    assert_null(tarn__object_around(NULL));
    tarn_kfree(p);
    assert_int_equal(tarn_cache_destroy(cache), 0);
}

static void flush(struct tarn_rcu_head *head)
{
    (void)head;
    tarn__local_flush();
}

static void kfree_rcu_finds_the_object(void **state)
{
    (void)state;
    static const size_t some[] = {16, 17, 96, 192, 1000, 8192, 8193, 100000, 4 * MIB};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        for (size_t step = 0; step < 8; step++) {
            char *p = tarn_kvmalloc(some[i], TARN_GFP_KERNEL);
            size_t last = tarn_ksize(p) - sizeof(struct tarn_rcu_head);
            tarn_kfree_rcu(p, (struct tarn_rcu_head *)(p + last * step / 7 / 8 * 8));
        }
    struct tarn_cache *cache = tarn_cache_create("late", sizeof(struct late), 0, TARN_CACHE_RED_ZONE, NULL, NULL);
    for (int i = 0; i < 100; i++) {
        struct late *late = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
        tarn_kfree_rcu(late, &late->head);
    }
    tarn_rcu_barrier();
    assert_int_equal(tarn_cache_destroy(cache), 0);
    tarn_kfree_rcu_mightsleep(tarn_kmalloc(100, TARN_GFP_KERNEL));
    tarn_kfree_rcu_mightsleep(tarn_kmalloc(100000, TARN_GFP_KERNEL));
    for (size_t c = 0; c < CLASSES; c++) {
        struct tarn_cache_stats now;
        tarn_cache_stats(tarn__kmalloc_cache[0][c], &now);
        assert_int_equal(now.active, 0);
    }
    struct tarn_rcu_head head; /* the thread that freed them has magazines */
    tarn_rcu_call(&head, flush);
    tarn_rcu_barrier();
}

/* Misuse */

static void free_of_the_stack(void *value) { tarn_kfree(&value); }
static void free_inside_pages(void *value)
{
    (void)value;
    tarn_kfree((char *)tarn_kmalloc(100000, TARN_GFP_KERNEL) + 4096);
}
static void size_of_the_stack(void *value) { tarn_ksize(&value); }
static void vfree_of_an_object(void *value)
{
    (void)value;
    tarn_vfree(tarn_kmalloc(100, TARN_GFP_KERNEL));
}
static void head_outside(void *value)
{
    (void)value;
    char *p = tarn_kmalloc(64, TARN_GFP_KERNEL);
    tarn_kfree_rcu(p, (struct tarn_rcu_head *)(p + 72 - sizeof(struct tarn_rcu_head)));
}
static void head_before(void *value)
{
    (void)value;
    char *p = tarn_kmalloc(64, TARN_GFP_KERNEL);
    tarn_kfree_rcu(p, (struct tarn_rcu_head *)(p - 16));
}

static void misuse_is_reported(void **state)
{
    (void)state;
    check_dies(free_of_the_stack, NULL, "tarn: invalid free: not the start of a live object (free of 0x");
    check_dies(free_inside_pages, NULL, "tarn: invalid free: not the start of a live object (free of 0x");
    check_dies(size_of_the_stack, NULL, "tarn: invalid free: not the start of a live object (usable_size of 0x");
    check_dies(vfree_of_an_object, NULL, "tarn: invalid free: not the start of a live object (vfree of 0x");
    check_dies(head_outside, NULL, "tarn: invalid free: not the start of a live object (kfree_rcu of 0x");
    check_dies(head_before, NULL, "tarn: invalid free: not the start of a live object (kfree_rcu of 0x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KMALLOC_TEST(a_user_has_taken_a_name),
        KMALLOC_TEST(no_memory_for_a_class),
        KMALLOC_TEST(threads_make_the_same_classes),
        KMALLOC_TEST(who_comes_late_finds_the_class),
        KMALLOC_TEST(every_size_has_its_class),
        KMALLOC_TEST(objects_are_aligned_and_apart),
        KMALLOC_TEST(larger_sizes_are_pages),
        KMALLOC_TEST(four_mib_are_the_most),
        KMALLOC_TEST(a_size_of_nothing),
        KMALLOC_TEST(arrays_do_not_overflow),
        KMALLOC_TEST(zeroed_is_zeroed),
        KMALLOC_TEST(flags_choose_the_kind),
        KMALLOC_TEST(low_memory),
        KMALLOC_TEST(flags_that_cannot_be),
        KMALLOC_TEST(failures_on_demand),
        KMALLOC_TEST(any_free_takes_any_object),
        KMALLOC_TEST(objects_of_users_caches),
        KMALLOC_TEST(sensitive_is_wiped),
        KMALLOC_TEST(bulk_frees_all_kinds),
        KMALLOC_TEST(objects_are_found_from_within),
        KMALLOC_TEST(kfree_rcu_finds_the_object),
        KMALLOC_TEST(misuse_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
