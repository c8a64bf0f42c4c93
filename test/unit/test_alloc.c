/* Floor 6: the malloc family's contract and its counters, over the fake system. realloc is in test_realloc.c. */
#include "test/unit/heap.h"

#include "base/bits.h"
#include "base/fail.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* Sizes on both sides of every boundary there is. */
static size_t nth_size(size_t i)
{
    static const size_t around[] = {32768, 36864, 65536, 131072, MIB, 4 * MIB, 8 * MIB};
    if (i < 300)
        return i;
    if ((i -= 300) < 3 * TARN__CLASSES)
        return tarn__class_size(1 + (unsigned)i / 3) - 1 + i % 3;
    i -= 3 * TARN__CLASSES;
    return i / 3 < sizeof around / sizeof *around ? around[i / 3] - 1 + i % 3 : SIZE_MAX;
}

static void serves_all_sizes(void **state)
{
    (void)state;
    errno = 55;
    for (size_t i = 0, size; (size = nth_size(i)) != SIZE_MAX; i++) {
        unsigned char *p = tarn_malloc(size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        size_t usable = tarn_usable_size(p);
        if (size <= TARN__SMALL_MOST)
            assert_int_equal(usable, tarn__class_size(tarn__class_of(size)));
        else
            assert_int_equal(usable, tarn__align_up(size, 4096));
        memset(p, 0xab, usable);
        tarn_free(p);
    }
    tarn_free(NULL);
    assert_int_equal(errno, 55);
}

static void objects_are_apart(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    static unsigned char *p[COUNT];
    static size_t size[COUNT];
    uint64_t seed = 21;
    for (size_t i = 0; i < COUNT; i++) {
        size[i] = nth_size(check_random(&seed) % 510);
        p[i] = tarn_malloc(size[i]);
        assert_non_null(p[i]);
        memset(p[i], (int)i, tarn_usable_size(p[i]));
    }
    check_heap();
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(check_all_bytes(p[i], tarn_usable_size(p[i]), (unsigned char)i));
        tarn_free(p[i]);
    }
}

static void calloc_gives_zeros(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) /* the second time over memory that was used */
        for (size_t i = 0, size; (size = nth_size(i)) != SIZE_MAX; i++) {
            unsigned char *p = tarn_calloc(size % 3 ? 1 : 3, size % 3 ? size : size / 3);
            assert_non_null(p);
            assert_true(check_all_bytes(p, size, 0));
            memset(p, 0xff, tarn_usable_size(p));
            tarn_free(p);
        }
    void *p = tarn_calloc(0, 10), *q = tarn_calloc(10, 0);
    assert_true(p && q && p != q);
    tarn_free(p);
    tarn_free(q);
}

static void calloc_sees_overflow(void **state)
{
    (void)state;
    uint64_t failures = stats().failures;
    errno = 55;
    assert_null(tarn_calloc(SIZE_MAX, 2));
    assert_null(tarn_calloc(2, SIZE_MAX));
    assert_null(tarn_calloc((size_t)1 << CHECK_BITS / 2, (size_t)1 << CHECK_BITS / 2));
    assert_null(tarn_calloc(((size_t)1 << CHECK_BITS / 2) + 1, (size_t)1 << CHECK_BITS / 2));
    assert_null(tarn_calloc(SIZE_MAX / 16 + 1, 16));
    assert_null(tarn_calloc(SIZE_MAX, 1));
    assert_null(tarn_calloc(PTRDIFF_MAX, 1));
    assert_int_equal(stats().failures, failures + 7);
    assert_int_equal(errno, 55);
}

static void impossible_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX,           SIZE_MAX - 15,  SIZE_MAX - 4095, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX,
                                   PTRDIFF_MAX - 4096, CHECK_HUGE(48), CHECK_HUGE(40),  TARN__FAKE_SIZE};
    uint64_t failures = stats().failures;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_null(tarn_malloc(sizes[i]));
        assert_null(tarn_aligned_alloc(16, sizes[i]));
        assert_null(tarn_aligned_alloc((size_t)1 << 30, sizes[i]));
        assert_null(tarn_realloc(NULL, sizes[i]));
    }
    assert_int_equal(stats().failures, failures + 4 * sizeof sizes / sizeof *sizes);
    check_heap();
}

static void size_zero_is_unique(void **state)
{
    (void)state;
    void *p = tarn_malloc(0), *q = tarn_malloc(0);
    assert_true(p && q && p != q);
    assert_int_equal(tarn_usable_size(p), 16);
    assert_int_equal(tarn_usable_size(NULL), 0);
    tarn_free(p);
    tarn_free(q);
}

static void aligns(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 32 * MIB; align *= 2)
        for (size_t size = 0; size <= 5 * MIB; size = size * 3 + 1 + size % 5) {
            unsigned char *p = tarn_aligned_alloc(align, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_int_equal((uintptr_t)p % 16, 0);
            assert_true(tarn_usable_size(p) >= size);
            if (size) {
                p[0] = 1;
                p[size - 1] = 1;
            }
            tarn_free(p);
        }
    check_heap();
}

static void aligns_every_small_size(void **state)
{
    (void)state;
    for (size_t align = 16; align <= 32768; align *= 2)
        for (size_t size = 1; size <= 32768; size += 97) {
            char *p = tarn_aligned_alloc(align, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            tarn_free(p);
        }
}

static void refuses_wrong_alignments(void **state)
{
    (void)state;
    static const size_t wrong[] = {0, 3, 6, 12, 24, 48, 4095, 4097, SIZE_MAX, CHECK_HUGE(63), CHECK_HUGE(62), CHECK_HUGE(47)};
    uint64_t failures = stats().failures;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(tarn_aligned_alloc(wrong[i], 100));
        assert_null(tarn_aligned_alloc(wrong[i], 100000));
    }
    assert_int_equal(stats().failures, failures + 2 * sizeof wrong / sizeof *wrong);
}

static void frees_with_sizes(void **state)
{
    (void)state;
    for (size_t i = 0, size; (size = nth_size(i)) != SIZE_MAX; i++) {
        tarn_free_sized(tarn_malloc(size), size);
        void *p = tarn_malloc(size);
        tarn_free_sized(p, tarn_usable_size(p));
        tarn_free_sized(tarn_malloc(size), 0);
    }
    tarn_free_sized(NULL, 100);
}

/* Misuse, each in a child process */

static void free_it(void *p) { tarn_free(p); }
static void free_too_large(void *p) { tarn_free_sized(p, tarn_usable_size(p) + 1); }
static void usable_of(void *p) { tarn_usable_size(p); }
static void realloc_it(void *p) { tarn_realloc(p, 100); }

static void free_twice(void *p)
{
    tarn_free(p);
    tarn_free(p);
    tarn_trim(0);
}

/* Where the magazine is far from full: the second free finds the first still in it. */
static void free_small_twice(void *p)
{
    while (tarn__self->bin[tarn__slab_of(p)->cache->number].head)
        tarn_malloc(100);
    free_twice(p);
}

static void misuse_is_reported(void **state)
{
    (void)state;
    char on_stack[64] = {0};
    char *small = tarn_malloc(100), *pages = tarn_malloc(100000), *mapped = tarn_malloc(70 * MIB);
    char *behind_all_objects = small - (uintptr_t)small % TARN__UNIT_SIZE + TARN__UNIT_SIZE / 112 * 112;
    check_dies(free_it, on_stack + 16, "invalid free");
    check_dies(free_it, &tarn__heap, "invalid free");
    check_dies(free_it, (void *)16, "invalid free");
    check_dies(free_it, (void *)UINTPTR_MAX, "invalid free");
    check_dies(free_it, pages + 4096, "invalid free");
    check_dies(free_it, pages + 16, "invalid free");
    check_dies(free_it, mapped + 4096, "invalid free");
    check_dies(free_it, mapped + 8 * MIB, "invalid free");
    check_dies(free_twice, pages, "tarn: ");
    check_dies(free_twice, mapped, "tarn: ");
    check_dies(free_twice, small, "tarn: ");
    check_dies(free_small_twice, small, "double free");
    check_dies(free_too_large, small, "wrong size");
    check_dies(free_too_large, pages, "wrong size");
    check_dies(usable_of, small + 1, "invalid free");
    check_dies(usable_of, on_stack, "usable_size of 0x");
    check_dies(realloc_it, small + 8, "invalid free");
    check_dies(realloc_it, behind_all_objects, "invalid free");
    check_dies(usable_of, behind_all_objects, "invalid free");
    check_dies(realloc_it, pages + 4096, "invalid free");
    check_dies(realloc_it, on_stack, "realloc of 0x");
    tarn_free(small);
    tarn_free(pages);
    tarn_free(mapped);
}

/* Counters */

static void counts_small(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    void *p[COUNT];
    struct tarn_class_stats before, now;
    struct tarn_stats all = stats();
    for (unsigned class = 0; class < TARN_CLASSES; class ++) {
        size_t size = tarn__class_size(class + 1);
        assert_int_equal(tarn_class_stats(class, &before), 0);
        assert_int_equal(before.size, size);
        assert_int_equal(before.slab_objects, 65536 / size);
        for (size_t i = 0; i < COUNT; i++)
            p[i] = tarn_malloc(size - i % 16);
        tarn_class_stats(class, &now);
        assert_int_equal(now.allocations, before.allocations + COUNT);
        assert_int_equal(now.frees, before.frees);
        assert_true(now.slabs * now.slab_objects >= COUNT + now.cached);
        assert_int_equal(stats().live_objects, COUNT);
        assert_int_equal(stats().live_bytes, COUNT * size);
        assert_true(stats().peak_bytes >= stats().live_bytes);
        for (size_t i = 0; i < COUNT; i++)
            tarn_free(p[i]);
        tarn_class_stats(class, &now);
        assert_int_equal(now.frees, before.frees + COUNT);
        assert_int_equal(stats().live_objects, 0);
    }
    assert_int_equal(stats().allocations, all.allocations + COUNT * TARN_CLASSES);
    assert_int_equal(stats().frees, all.frees + COUNT * TARN_CLASSES);
    assert_int_equal(stats().large_allocations, all.large_allocations);
    assert_int_equal(tarn_class_stats(TARN_CLASSES, &now), -EINVAL);
    assert_int_equal(tarn_class_stats(UINT32_MAX, &now), -EINVAL);
}

static void count_cache(struct tarn_cache *cache, void *count)
{
    (void)cache;
    ++*(unsigned *)count;
}

/* Users' caches count in the totals, also after their end; the size classes' own figures do not know of them. */
static void counts_users_caches(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    void *p[COUNT];
    unsigned caches = 0;
    struct tarn_stats before = stats(), now;
    struct tarn_cache *cache = tarn_cache_create("counted", 1000, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    struct tarn_cache *debugged = tarn_cache_create("without-bins", 1000, 0, TARN_CACHE_POISON, NULL, NULL);
    tarn_cache_each(count_cache, &caches);
    assert_int_equal(caches, tarn__heap.classes_made + 2);
    for (int i = 0; i < COUNT; i++)
        assert_non_null(p[i] = tarn_cache_alloc(i % 2 ? cache : debugged, TARN_GFP_KERNEL));
    now = stats();
    assert_int_equal(now.allocations, before.allocations + COUNT);
    assert_int_equal(now.live_objects, COUNT);
    assert_int_equal(now.live_bytes, COUNT / 2 * (cache->size + debugged->size));
    for (unsigned class = 0; class < TARN_CLASSES; class ++) {
        struct tarn_class_stats of_class;
        assert_int_equal(tarn_class_stats(class, &of_class), 0);
        assert_int_equal(of_class.allocations, of_class.frees);
    }
    for (int i = 0; i < COUNT; i++)
        tarn_cache_free(i % 2 ? cache : debugged, p[i]);
    assert_int_equal(stats().live_bytes, 0);
    assert_int_equal(tarn_cache_destroy(cache), 0);
    assert_int_equal(tarn_cache_destroy(debugged), 0);
    now = stats();
    assert_int_equal(now.allocations, before.allocations + COUNT);
    assert_int_equal(now.frees, before.frees + COUNT);
}

static void counts_large(void **state)
{
    (void)state;
    struct tarn_stats before = stats(), now;
    void *p = tarn_malloc(32769), *q = tarn_malloc(5 * MIB + 1), *r = tarn_calloc(70, MIB), *s = tarn_aligned_alloc(65536, 100);
    size_t live = 36864 + (5 * MIB + 4096) + 70 * MIB + 4096;
    now = stats();
    assert_int_equal(now.large_allocations, before.large_allocations + 4);
    assert_int_equal(now.allocations, before.allocations + 4);
    assert_int_equal(now.large_live_bytes, live);
    assert_int_equal(now.live_bytes, live);
    assert_int_equal(now.live_objects, 4);
    assert_int_equal(now.large_requested_bytes, before.large_requested_bytes + 32769 + 5 * MIB + 1 + 70 * MIB + 100);
    assert_int_equal(now.large_rounded_bytes, before.large_rounded_bytes + live);
    assert_true(now.peak_bytes >= live);
    assert_true(now.held_bytes >= now.used_bytes && now.used_bytes >= live);
    assert_int_equal(now.held_bytes, tarn__heap.zone.pages * 4096);
    tarn_free(p);
    tarn_free(q);
    tarn_free(r);
    tarn_free(s);
    now = stats();
    assert_int_equal(now.large_frees, before.large_frees + 4);
    assert_int_equal(now.large_live_bytes, 0);
    assert_int_equal(now.failures, before.failures);
}

/* What lies on a shelf is nobody's, and resident. */
static void counts_shelved_runs(void **state)
{
    (void)state;
    struct tarn_stats before = stats(), now;
    void *p = tarn_malloc(40000), *wall = tarn_malloc(40000);
    struct tarn_zone_stats zone, used;
    tarn_zone_stats(&tarn__heap.zone, &used);
    now = stats();
    tarn_free(p);
    assert_int_equal(tarn__shelves_pages(&tarn__heap.zone), 10);
    assert_int_equal(stats().used_bytes, now.used_bytes - 40960);
    assert_int_equal(stats().dirty_bytes, now.dirty_bytes + 40960);
    tarn_zone_stats(&tarn__heap.zone, &zone);
    assert_int_equal(zone.free, used.free + 10);
    assert_int_equal(zone.dirty, used.dirty + 10);
    assert_int_equal(zone.frees, used.frees + 1);
    assert_ptr_equal(tarn_malloc(39000), p);
    tarn_zone_stats(&tarn__heap.zone, &zone);
    assert_int_equal(zone.free, used.free);
    assert_int_equal(zone.allocations, used.allocations + 1);
    char *zeros = tarn_calloc(1, 40000);
    memset(zeros, 1, 40000);
    tarn_free(zeros);
    assert_ptr_equal(tarn_calloc(1, 40000), zeros);
    assert_true(check_all_bytes(zeros, 40000, 0));
    tarn_free(zeros);
    tarn_free(p);
    tarn_free(wall);
    tarn_trim(0);
    assert_int_equal(tarn__shelves_pages(&tarn__heap.zone), 0);
    assert_int_equal(stats().used_bytes, before.used_bytes);
}

static void counts_the_system(void **state)
{
    (void)state;
    struct tarn_stats before = stats();
    uint64_t calls = 0;
    for (int call = 0; call < TARN__OS_CALLS; call++)
        calls += tarn__os_calls(call);
    assert_int_equal(before.system_calls, calls);
    void *p = tarn_malloc(70 * MIB);
    struct tarn_stats now = stats();
    assert_int_equal(now.system_bytes - before.system_bytes, 72 * MIB);
    assert_int_equal(now.held_bytes - before.held_bytes, 72 * MIB);
    assert_int_equal(tarn__fake_mapped(), now.held_bytes + now.metadata_bytes);
    tarn_free(p);
    assert_int_equal(stats().returned_bytes - before.returned_bytes, 72 * MIB);
    p = tarn_malloc(MIB);
    void *keep = tarn_malloc(100000);
    memset(p, 1, MIB);
    tarn_free(p);
    assert_true(stats().dirty_bytes >= MIB);
    before = stats();
    size_t freed = tarn_trim(0);
    now = stats();
    assert_int_equal(freed, now.purged_bytes - before.purged_bytes + (now.returned_bytes - before.returned_bytes));
    assert_int_equal(now.dirty_bytes, 0);
    tarn_free(keep);
}

/* `keep` bytes of free pages stay. */
static void trim_keeps(void **state)
{
    (void)state;
    void *p = tarn_malloc(10 * MIB);
    memset(p, 1, 10 * MIB);
    tarn_free(p);
    uint64_t dirty = stats().dirty_bytes;
    assert_true(dirty >= 10 * MIB);
    tarn_trim(64 * MIB);
    assert_int_equal(stats().dirty_bytes, dirty);
    tarn_trim(0);
    assert_int_equal(stats().dirty_bytes, 0);
}

/* Threads */

static _Atomic int errors;

static void *use_heap(void *value)
{
    enum { HELD = 64 };
    unsigned char *p[HELD] = {NULL};
    size_t size[HELD];
    uint64_t seed = (uint64_t)(uintptr_t)value + 31;
    for (int i = 0; i < 20000; i++) {
        size_t at = check_random(&seed) % HELD;
        if (p[at]) {
            if (p[at][0] != (unsigned char)at || p[at][size[at] - 1] != (unsigned char)at)
                atomic_fetch_add(&errors, 1);
            tarn_free(p[at]);
        }
        size[at] = 1 + check_random(&seed) % (i % 16 ? 1500 : 60000);
        p[at] = tarn_malloc(size[at]);
        p[at][0] = p[at][size[at] - 1] = (unsigned char)at;
    }
    for (int i = 0; i < HELD; i++)
        tarn_free(p[i]);
    return NULL;
}

static void threads_share_the_heap(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct tarn_stats before = stats();
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_heap, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&errors), 0);
    struct tarn_stats now = stats();
    assert_int_equal(now.allocations - before.allocations, THREADS * 20000);
    assert_int_equal(now.frees - before.frees, THREADS * 20000);
    assert_int_equal(now.threads, before.threads);
}

/* Forks, with the hooks that the door installs */

static _Atomic bool stop, hoarding;

static void *disturb(void *value)
{
    uint64_t seed = (uint64_t)(uintptr_t)value + 5;
    while (!atomic_load(&stop)) {
        void *p = tarn_malloc(check_random(&seed) % 5000), *q = tarn_malloc(40000);
        tarn_free(p);
        tarn_free(q);
    }
    return NULL;
}

static void use_in_child(void *value)
{
    (void)value;
    check_heap();
    for (int i = 0; i < 200; i++) {
        void *p = tarn_malloc((size_t)i * 50);
        memset(p, 1, (size_t)i * 50);
        tarn_free(p);
    }
    tarn_trim(0);
    check_heap();
}

static void forks_beside_threads(void **state)
{
    (void)state;
    enum { THREADS = 2 };
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, disturb, (void *)i), 0);
    for (int i = 0; i < 50; i++)
        check_lives(use_in_child, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void *hoard(void *value)
{
    tarn_free(tarn_malloc(2000));
    atomic_store(&hoarding, true);
    while (!atomic_load((_Atomic bool *)value))
        sched_yield();
    return NULL;
}

static void let_go_and_use(void *value)
{
    struct tarn__lock *lock = value;
    TARN__ASSERT(tarn__lock_is_mine(lock), "a fork keeps what its thread held");
    tarn__unlock(lock);
    use_in_child(NULL);
}

/* As a fork does in a signal handler that interrupted the zone: the hooks must leave what is half done alone. */
static void forks_inside_the_allocator(void **state)
{
    (void)state;
    static _Atomic bool done;
    pthread_t thread;
    struct tarn__lock *lock = &tarn__heap.zone.lock;
    assert_int_equal(pthread_create(&thread, NULL, hoard, &done), 0);
    while (!atomic_load(&hoarding))
        sched_yield();
    tarn__lock(lock);
    check_lives(let_go_and_use, lock);
    assert_true(tarn__lock_is_mine(lock));
    tarn__unlock(lock);
    atomic_store(&done, true);
    pthread_join(thread, NULL);
}

static int install_fork_hooks(void **state)
{
    (void)state;
    tarn_free(tarn_malloc(1));
    return tarn__thread_at_fork(tarn__heap_fork_prepare, tarn__heap_fork_parent, tarn__heap_fork_child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(serves_all_sizes),
        HEAP_TEST(objects_are_apart),
        HEAP_TEST(calloc_gives_zeros),
        HEAP_TEST(calloc_sees_overflow),
        HEAP_TEST(impossible_sizes),
        HEAP_TEST(size_zero_is_unique),
        HEAP_TEST(aligns),
        HEAP_TEST(aligns_every_small_size),
        HEAP_TEST(refuses_wrong_alignments),
        HEAP_TEST(frees_with_sizes),
        HEAP_TEST(misuse_is_reported),
        HEAP_TEST(counts_small),
        HEAP_TEST(counts_users_caches),
        HEAP_TEST(counts_large),
        HEAP_TEST(counts_shelved_runs),
        HEAP_TEST(counts_the_system),
        HEAP_TEST(trim_keeps),
        HEAP_TEST(threads_share_the_heap),
        HEAP_TEST(forks_beside_threads),
        HEAP_TEST(forks_inside_the_allocator),
    };
    return cmocka_run_group_tests_name("alloc", tests, install_fork_hooks, NULL);
}
