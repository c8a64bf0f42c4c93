/* Each misuse is reported once and with its kind; and a handler that has the process go on finds all as it was before the call. */
#include "test/unit/check.h"

#include "base/modes.h"
#include "tarn/alloc.h"
#include "tarn/cache.h"
#include "tarn/dmapool.h"
#include "tarn/heap.h"
#include "tarn/kmalloc.h"
#include "tarn/mempool.h"
#include "tarn/pages.h"
#include "tarn/rcu.h"
#include "tarn/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096 };

static struct tarn_report seen;
static char text[16384];
static unsigned reports;

static enum tarn_report_answer remember(const struct tarn_report *report, void *context)
{
    (void)context;
    assert_false(report->final);
    seen = *report;
    snprintf(text, sizeof text, "%s", report->text);
    reports++;
    return TARN_REPORT_CONTINUE;
}

static int begin(void **state)
{
    (void)state;
    tarn_free(tarn_malloc(1));
    tarn_report_to(remember, NULL);
    return setenv("TARN_COMMAND", "", 1);
}

static int end(void **state)
{
    (void)state;
    tarn_report_to(NULL, NULL);
    return 0;
}

/* One report since the last look, of this kind; `address`: of this. */
static void expect(enum tarn_report_kind kind, const void *address)
{
    if (reports != 1 || seen.kind != kind || (address && seen.address != address))
        fail_msg("%u reports, kind %d, address %p, not kind %d, address %p: %s", reports, (int)seen.kind, seen.address,
                 (int)kind, address, text);
    reports = 0;
}

static struct tarn_heap *make_heap(unsigned flags)
{
    return tarn_heap_create(&(struct tarn_heap_options){.name = "toys", .flags = flags});
}

static void heaps(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 100000};
    for (int i = 0; i < 2; i++) {
        struct tarn_heap *heap = make_heap(0);
        char *keeps = tarn_heap_alloc(heap, sizes[i]), *p = tarn_heap_alloc(heap, sizes[i]);
        tarn_free(p + 16);
        expect(TARN_REPORT_INVALID_FREE, p + 16);
        assert_null(tarn_realloc(p + 16, 5));
        expect(TARN_REPORT_INVALID_FREE, p + 16);
        tarn_free_sized(p, 200000);
        expect(TARN_REPORT_WRONG_SIZE, p);
        tarn_heap_verify(heap);
        tarn_free(p);
        tarn_free(p);
        expect(TARN_REPORT_DOUBLE_FREE, p);
        assert_null(tarn_realloc(p, 5));
        expect(TARN_REPORT_DOUBLE_FREE, p);
        assert_int_equal(tarn_usable_size(p), 0);
        expect(TARN_REPORT_DOUBLE_FREE, p);
        tarn_heap_verify(heap);
        tarn_free(keeps);
        assert_int_equal(tarn_heap_destroy(heap), 0);
    }
}

static void expect_bad(const void *object, size_t size, const void *bad, const char *line)
{
    assert_ptr_equal(seen.object, object);
    assert_int_equal(seen.size, size);
    assert_ptr_equal(seen.bad, bad);
    if (!strstr(text, line))
        fail_msg("no \"%s\" in:\n%s", line, text);
}

static void red_zones_of_heaps(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 70000};
    struct tarn_heap *heap = make_heap(TARN_POOL_RED_ZONE | TARN_POOL_POISON);
    for (int i = 0; i < 2; i++) {
        char line[80], *p = tarn_heap_alloc(heap, sizes[i]);
        snprintf(line, sizeof line, "\n  first wrong byte at offset %zu: ee, not bb\n", sizes[i] + 1);
        memset(p, 7, sizes[i]);
        p[sizes[i] + 1] = (char)0xee;
        tarn_free(p);
        expect(TARN_REPORT_RED_ZONE, p);
        expect_bad(p, sizes[i], p + sizes[i] + 1, line);
        assert_null(tarn_realloc(p, 5));
        expect(TARN_REPORT_RED_ZONE, p);
        assert_int_equal(tarn_usable_size(p), 0);
        expect(TARN_REPORT_RED_ZONE, p);
        tarn_heap_verify(heap);
        expect(TARN_REPORT_RED_ZONE, p);
        expect_bad(p, sizes[i], p + sizes[i] + 1, line);
        assert_true(check_all_bytes(p, sizes[i], 7));
        p[sizes[i] + 1] = (char)0xbb;
        tarn_free(p);
    }
    char *p = tarn_heap_alloc(heap, 100);
    tarn_free(p);
    p[33] = 'x';
    tarn_heap_verify(heap);
    expect(TARN_REPORT_POISONED, p);
    assert_ptr_equal(tarn_heap_alloc(heap, 100), p);
    expect(TARN_REPORT_POISONED, p);
    assert_ptr_equal(seen.bad, p + 33);
    tarn_heap_verify(heap);
    assert_int_equal(tarn_heap_destroy(heap), 1);
    assert_int_equal(reports, 0);
}

/* What is written to the only object of a cache after its free is found when the cache gives back, also where it fills a slab alone. */
static void last_objects(void **state)
{
    (void)state;
    for (size_t size = 100; size <= 32768; size = size == 100 ? 32768 : size * 2) {
        assert_int_equal(tarn__modes_set("P,lonely", NULL, NULL), 0);
        struct tarn_cache *cache = tarn_cache_create("lonely", size, 0, 0, NULL, NULL);
        assert_int_equal(tarn__modes_set(NULL, NULL, NULL), 0);
        char *p = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
        tarn_cache_free(cache, p);
        p[20] = 'x';
        tarn_cache_shrink(cache);
        assert_in_range(reports, 1, 2); /* as it leaves the quarantine, and as its slab goes */
        reports = 1;
        expect(TARN_REPORT_POISONED, p);
        assert_ptr_equal(seen.bad, p + 20);
        p = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
        tarn_cache_free(cache, p);
        assert_int_equal(tarn_cache_destroy(cache), 0);
        assert_int_equal(reports, 0);
    }
}

/* Those that ended are known until sixteen others have. */
static void heaps_that_ended(void **state)
{
    (void)state;
    struct tarn_heap_stats stats;
    struct tarn_heap *heap = make_heap(0), *child = tarn_heap_create(&(struct tarn_heap_options){.parent = heap});
    void *p = tarn_heap_alloc(heap, 100);
    assert_int_equal(tarn_heap_destroy(heap), 1);
    for (int i = 0; i < 10; i++)
        tarn_heap_destroy(make_heap(0));
    for (size_t size = 1; size <= 1000000; size *= 100) {
        assert_null(tarn_heap_alloc(heap, size));
        expect(TARN_REPORT_DESTROYED_POOL, heap);
        assert_null(tarn_heap_calloc(child, 1, size));
        expect(TARN_REPORT_DESTROYED_POOL, child);
        assert_null(tarn_heap_aligned_alloc(heap, 64, size));
        expect(TARN_REPORT_DESTROYED_POOL, heap);
    }
    assert_null(tarn_heap_realloc(heap, p, 200));
    expect(TARN_REPORT_DESTROYED_POOL, heap);
    assert_int_equal(tarn_heap_destroy(heap), 0);
    expect(TARN_REPORT_DESTROYED_POOL, heap);
    assert_int_equal(tarn_heap_reset(heap), 0);
    expect(TARN_REPORT_DESTROYED_POOL, heap);
    tarn_heap_verify(heap);
    expect(TARN_REPORT_DESTROYED_POOL, heap);
    tarn_heap_stats(heap, &stats);
    expect(TARN_REPORT_DESTROYED_POOL, heap);
    assert_null(tarn_heap_create(&(struct tarn_heap_options){.parent = heap}));
    expect(TARN_REPORT_DESTROYED_POOL, heap);
}

static void dma_pools_that_ended(void **state)
{
    (void)state;
    tarn_dma_t handle;
    struct tarn_dma_pool *pool = tarn_dma_pool_create("toys", 64, 16, 0);
    void *p = tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL, &handle);
    tarn_dma_pool_free(pool, p, handle);
    tarn_dma_pool_destroy(pool);
    assert_null(tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL, &handle));
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    tarn_dma_pool_free(pool, p, handle);
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    tarn_dma_pool_verify(pool);
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    tarn_dma_pool_destroy(pool);
    expect(TARN_REPORT_DESTROYED_POOL, pool);
}

static void mempools_that_ended(void **state)
{
    (void)state;
    void *elements[1] = {NULL};
    struct tarn_mempool *pool = tarn_mempool_create(2, tarn_mempool_kmalloc, tarn_mempool_kfree, (void *)64);
    void *p = tarn_kmalloc(64, TARN_GFP_KERNEL);
    tarn_mempool_destroy(pool);
    assert_null(tarn_mempool_alloc(pool, TARN_GFP_KERNEL));
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    assert_null(tarn_mempool_alloc_preallocated(pool));
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    assert_true(tarn_mempool_alloc_bulk(pool, elements, 1, 0, TARN_GFP_KERNEL) < 0);
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    assert_true(tarn_mempool_resize(pool, 3) < 0);
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    tarn_mempool_free(p, pool);
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    assert_int_equal(tarn_mempool_free_bulk(pool, &p, 1), 0);
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    tarn_mempool_destroy(pool);
    expect(TARN_REPORT_DESTROYED_POOL, pool);
    tarn_kfree(p);
}

static void blocks(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 5; order += 2) {
        struct tarn_page *page = tarn_pages_alloc(NULL, order, TARN_GFP_KERNEL);
        void *address = tarn_page_address(page);
        tarn_pages_free(page, order + 1);
        expect(TARN_REPORT_WRONG_ORDER, address);
        tarn_pages_free_run(page, 1u << order);
        expect(TARN_REPORT_WRONG_ORDER, address);
        tarn_page_split(page, order + 1);
        expect(TARN_REPORT_WRONG_ORDER, address);
        tarn_pages_free((struct tarn_page *)(void *)((char *)page + 8), 0);
        expect(TARN_REPORT_INVALID_FREE, (char *)page + 8);
        assert_int_equal(tarn_page_references(page), 1);
        assert_int_equal(tarn_page_order(page), order);
        tarn_pages_free(page, order);
        tarn_pages_free(page, order);
        expect(TARN_REPORT_DOUBLE_FREE, address);
        tarn_page_put(page);
        expect(TARN_REPORT_DOUBLE_FREE, address);
        if (order == 0) {
            tarn_page_get(page);
            expect(TARN_REPORT_DOUBLE_FREE, address);
            assert_ptr_equal(tarn_pages_alloc(NULL, order, TARN_GFP_KERNEL), page); /* from the thread's list, which is whole */
            assert_int_equal(tarn_page_references(page), 1);
            tarn_pages_free(page, order);
        }
    }
    struct tarn_page *run = tarn_pages_alloc_run(NULL, 40, TARN_GFP_KERNEL);
    tarn_pages_free_run(run, 39);
    expect(TARN_REPORT_WRONG_SIZE, tarn_page_address(run));
    tarn_pages_free(run, 0);
    expect(TARN_REPORT_WRONG_ORDER, tarn_page_address(run));
    tarn_pages_free_run(run, 40);
    tarn_pages_free_run(run, 40);
    expect(TARN_REPORT_DOUBLE_FREE, tarn_page_address(run));
}

static _Alignas(PAGE) char not_tarns[PAGE];

/* Of several pages none is freed when one of them is free already. */
static void exact_pages(void **state)
{
    (void)state;
    char *p = tarn_pages_alloc_exact(NULL, 3 * PAGE, TARN_GFP_KERNEL);
    tarn_pages_free_exact(p + 1, PAGE);
    expect(TARN_REPORT_INVALID_FREE, p + 1);
    tarn_pages_free_exact(p + 2 * PAGE, PAGE);
    tarn_pages_free_exact(p, 3 * PAGE);
    expect(TARN_REPORT_DOUBLE_FREE, p + 2 * PAGE);
    memset(p, 1, 2 * PAGE);
    assert_int_equal(tarn_page_references(tarn_page_of(p)), 1);
    assert_int_equal(tarn_page_references(tarn_page_of(p + PAGE)), 1);
    tarn_pages_free_exact(p, 2 * PAGE);
    tarn_pages_free_exact(p, PAGE);
    expect(TARN_REPORT_DOUBLE_FREE, p);
    tarn_pages_free_exact(not_tarns, PAGE);
    expect(TARN_REPORT_INVALID_FREE, not_tarns);
}

static void kernel_pages(void **state)
{
    (void)state;
    struct tarn_rcu_head head;
    static const size_t sizes[] = {9000, 100000, 1 << 20};
    for (int i = 0; i < 3; i++) {
        char *p = tarn_kmalloc(sizes[i], TARN_GFP_KERNEL), *q = tarn_vmalloc(sizes[i]);
        memset(p, 1, sizes[i]);
        tarn_kfree(p + 16);
        expect(TARN_REPORT_INVALID_FREE, p + 16);
        tarn_vfree(q + PAGE);
        expect(TARN_REPORT_INVALID_FREE, q + PAGE);
        tarn_kfree_rcu(p, &head);
        tarn_rcu_barrier();
        expect(TARN_REPORT_INVALID_FREE, p);
        assert_true(check_all_bytes(p, sizes[i], 1));
        tarn_kfree(p);
        tarn_kfree(p);
        expect(TARN_REPORT_DOUBLE_FREE, p);
        tarn_vfree(q);
        tarn_vfree(q);
        expect(TARN_REPORT_DOUBLE_FREE, q);
    }
    void *object = tarn_kmalloc(100, TARN_GFP_KERNEL);
    tarn_vfree(object);
    expect(TARN_REPORT_INVALID_FREE, object);
    tarn_kfree(object);
    tarn_kfree(object);
    expect(TARN_REPORT_DOUBLE_FREE, object);
}

static void large_objects(void **state)
{
    (void)state;
    static const size_t sizes[] = {40000, 300000, 3 << 20};
    for (int i = 0; i < 3; i++) {
        char *p = tarn_malloc(sizes[i]);
        tarn_free(p + PAGE);
        expect(TARN_REPORT_INVALID_FREE, p + PAGE);
        tarn_free(p);
        tarn_free(p);
        expect(TARN_REPORT_DOUBLE_FREE, p);
        assert_null(tarn_realloc(p, 10));
        expect(TARN_REPORT_DOUBLE_FREE, p);
    }
}

/* An element that is freed twice is not in the reserve twice, however it came to be free. */
static void use_reserve(tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *free, void *data, int count, bool has_marks)
{
    void *elements[40], *other[40];
    struct tarn_mempool *pool = tarn_mempool_create(count, alloc, free, data);
    assert_non_null(pool);
    for (int i = 0; i < count; i++)
        elements[i] = tarn_mempool_alloc_preallocated(pool);
    tarn_mempool_free(elements[0], pool);
    tarn_mempool_free(elements[0], pool);
    expect(TARN_REPORT_DOUBLE_FREE, elements[0]);
    assert_int_equal(pool->curr_nr, 1);
    if (has_marks) {
        free(elements[0], data);
        expect(TARN_REPORT_DOUBLE_FREE, elements[0]);
        free(elements[1], data);
        tarn_mempool_free(elements[1], pool);
        expect(TARN_REPORT_DOUBLE_FREE, elements[1]);
        assert_ptr_equal(elements[1], alloc(TARN_GFP_KERNEL, data));
    }
    for (int i = 1; i < count; i++)
        tarn_mempool_free(elements[i], pool);
    for (int i = 0; i < count; i++) {
        other[i] = tarn_mempool_alloc_preallocated(pool);
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(other[i], other[k]);
    }
    for (int i = 0; i < count; i++)
        tarn_mempool_free(other[i], pool);
    tarn_mempool_destroy(pool);
    assert_int_equal(reports, 0);
}

static void reserves(void **state)
{
    (void)state;
    struct tarn_cache *cache = tarn_cache_create("reserved", 200, 0, 0, NULL, NULL);
    struct tarn_cache *debugged = tarn_cache_create("reserved-red", 200, 0, TARN_CACHE_RED_ZONE, NULL, NULL);
    use_reserve(tarn_mempool_alloc_slab, tarn_mempool_free_slab, cache, 40, true);
    use_reserve(tarn_mempool_alloc_slab, tarn_mempool_free_slab, debugged, 10, false);
    use_reserve(tarn_mempool_kmalloc, tarn_mempool_kfree, (void *)(uintptr_t)300, 40, true);
    use_reserve(tarn_mempool_kmalloc, tarn_mempool_kfree, (void *)(uintptr_t)30000, 10, false);
    use_reserve(tarn_mempool_alloc_pages, tarn_mempool_free_pages, (void *)(uintptr_t)1, 10, false);
    assert_int_equal(tarn_cache_destroy(cache), 0);
    assert_int_equal(tarn_cache_destroy(debugged), 0);
    struct tarn_mempool own;
    assert_int_equal(
        tarn_mempool_init(&own, 3, tarn_mempool_kmalloc, tarn_mempool_kfree, (void *)(uintptr_t)300, TARN_GFP_KERNEL), 0);
    tarn_mempool_destroy(&own);
    expect(TARN_REPORT_INVALID_FREE, &own);
    assert_int_equal(tarn_mempool_poison(&own, 0), 0);
    char *top = own.elements[2];
    top[7] = 'x';
    assert_ptr_equal(tarn_mempool_alloc_preallocated(&own), top);
    expect(TARN_REPORT_POISONED, top);
    expect_bad(top, 512, top + 7, "\n  first wrong byte at offset 7: 78, not 6b\n");
    tarn_mempool_free(top, &own);
    tarn_mempool_exit(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heaps),
        cmocka_unit_test(red_zones_of_heaps),
        cmocka_unit_test(blocks),
        cmocka_unit_test(exact_pages),
        cmocka_unit_test(kernel_pages),
        cmocka_unit_test(large_objects),
        cmocka_unit_test(reserves),
        cmocka_unit_test(heaps_that_ended),
        cmocka_unit_test(dma_pools_that_ended),
        cmocka_unit_test(mempools_that_ended),
        cmocka_unit_test(last_objects),
    };
    return cmocka_run_group_tests_name("carried on", tests, begin, end);
}
