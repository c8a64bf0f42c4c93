/* Floor 7: mempools over a cache, a size and pages, when what is below runs out. */
#include "test/unit/check.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "mempool/mempool.h"
#include "os/os.h"
#include "tarn/cache.h"
#include "tarn/fail.h"
#include "tarn/pages.h"

#include <errno.h>
#include <string.h>

enum { RESERVE = 4, SIZE = 120, ORDER = 1 };
#define BYTES ((size_t)4096 << ORDER)

static struct tarn_mempool pool;

/* The end of the element that tells whether it is poisoned. */
static bool is_poisoned(const unsigned char *bytes, size_t size)
{
    return check_all_bytes(bytes, size - 1, 0x6b) && bytes[size - 1] == 0xa5;
}

/* With nothing to be had below, the reserve gives all that it has, and gets all of it back. */
static void live_on_the_reserve(void *(*memory)(void *element), size_t size)
{
    void *elements[RESERVE];
    assert_int_equal(tarn_mempool_poison(&pool, 0), 0);
    assert_int_equal(pool.element_size, size);
    for (int i = 0; i < RESERVE; i++) {
        assert_true(is_poisoned(memory(pool.elements[pool.curr_nr - 1]), size));
        assert_non_null(elements[i] = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL));
        assert_true(check_all_bytes(memory(elements[i]), size, 0x5a));
        memset(memory(elements[i]), i, size);
    }
    assert_null(tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC));
    for (int i = 0; i < RESERVE; i++) {
        assert_true(check_all_bytes(memory(elements[i]), size, (unsigned char)i));
        tarn_mempool_free(elements[i], &pool);
    }
    assert_int_equal(pool.curr_nr, RESERVE);
    tarn__mempool_check(&pool);
}

static void *itself(void *element) { return element; }
static void *of_page(void *element) { return tarn_page_address(element); }

static void fail_slabs(bool on)
{
    const struct tarn_fail_attributes always = {.probability = 100, .times = -1};
    assert_int_equal(tarn_fail_set(TARN_FAIL_SLAB, on ? &always : NULL), 0);
}

static void over_a_cache(void **state)
{
    (void)state;
    struct tarn_cache *cache = tarn_cache_create("pooled", SIZE, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    assert_non_null(cache);
    assert_int_equal(tarn_mempool_init(&pool, RESERVE, tarn_mempool_alloc_slab, tarn_mempool_free_slab, cache, TARN_GFP_KERNEL),
                     0);
    void *element = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    assert_int_equal(pool.curr_nr, RESERVE);
    assert_ptr_equal(tarn_cache_of(element), cache);
    tarn_mempool_free(element, &pool);
    fail_slabs(true);
    live_on_the_reserve(itself, SIZE);
    fail_slabs(false);
    assert_int_equal(tarn_cache_destroy(cache), -EBUSY); /* the reserve is live */
    tarn_mempool_exit(&pool);
    assert_int_equal(tarn_cache_destroy(cache), 0);
}

static void construct(void *object) { memset(object, 1, SIZE); }

static void not_over_constructed_objects(void **state)
{
    (void)state;
    struct tarn_cache *cache = tarn_cache_create("constructed", SIZE, 0, 0, construct, NULL);
    assert_int_equal(tarn_mempool_init(&pool, RESERVE, tarn_mempool_alloc_slab, tarn_mempool_free_slab, cache, TARN_GFP_KERNEL),
                     -EINVAL);
    assert_null(tarn_mempool_create(RESERVE, tarn_mempool_alloc_slab, tarn_mempool_free_slab, cache));
    assert_int_equal(tarn_cache_destroy(cache), 0);
}

static void over_a_size(void **state)
{
    (void)state;
    void *size = (void *)(uintptr_t)SIZE;
    assert_int_equal(tarn_mempool_init(&pool, RESERVE, tarn_mempool_kmalloc, tarn_mempool_kfree, size, TARN_GFP_KERNEL), 0);
    fail_slabs(true);
    live_on_the_reserve(itself, SIZE);
    fail_slabs(false);
    tarn_mempool_exit(&pool);
}

/* A supply that is really finite: the zone lets no more pages be in use than there are. */
static void over_pages(void **state)
{
    (void)state;
    void *order = (void *)(uintptr_t)ORDER;
    struct tarn_zone_stats stats;
    assert_int_equal(
        tarn_mempool_init(&pool, RESERVE, tarn_mempool_alloc_pages, tarn_mempool_free_pages, order, TARN_GFP_KERNEL), 0);
    void *element = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    assert_int_equal(tarn_page_order(element), ORDER);
    assert_int_equal(pool.curr_nr, RESERVE);
    tarn_mempool_free(element, &pool);
    tarn_zone_stats(tarn_zone_normal(), &stats);
    assert_int_equal(tarn_zone_limit(tarn_zone_normal(), stats.pages - stats.free), 0);
    live_on_the_reserve(of_page, BYTES);
    assert_int_equal(tarn_zone_limit(tarn_zone_normal(), 0), 0);
    tarn_mempool_exit(&pool);
}

static void write_after_free(void *value)
{
    (void)value;
    tarn__set_fail_exit(tarn__os_die);
    void *page = tarn_mempool_alloc_preallocated(&pool);
    tarn_mempool_free(page, &pool);
    ((char *)tarn_page_address(page))[BYTES - 1] = 0;
    tarn_mempool_alloc_preallocated(&pool);
}

static void finds_writes_to_pages(void **state)
{
    (void)state;
    void *order = (void *)(uintptr_t)ORDER;
    assert_int_equal(
        tarn_mempool_init(&pool, RESERVE, tarn_mempool_alloc_pages, tarn_mempool_free_pages, order, TARN_GFP_KERNEL), 0);
    assert_int_equal(tarn_mempool_poison(&pool, 0), 0);
    check_dies(write_after_free, NULL, "tarn: poison overwritten");
    tarn_mempool_exit(&pool);
}

static int ready(void **state)
{
    (void)state;
    tarn__heap_ready();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_a_cache), cmocka_unit_test(not_over_constructed_objects), cmocka_unit_test(over_a_size),
        cmocka_unit_test(over_pages),   cmocka_unit_test(finds_writes_to_pages),
    };
    return cmocka_run_group_tests_name("mempool-backends", tests, ready, NULL);
}
