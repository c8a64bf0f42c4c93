/* Ranges in the kernel's words. The addresses are numbers: nothing is touched. */
#include "check.h"

#include <linux/genalloc.h>

#define BASE 0x100000ul
#define SIZE 0x10000ul

static struct gen_pool *pool_of(int order)
{
    struct gen_pool *pool = gen_pool_create(order, -1);

    assert_non_null(pool);
    assert_int_equal(gen_pool_add_virt(pool, BASE, 0xd0000000, SIZE, -1), 0);
    return pool;
}

static void ranges_come_in_units_first_fit(void **state)
{
    struct gen_pool *pool = pool_of(8);

    (void)state;
    assert_int_equal(gen_pool_size(pool), SIZE);
    assert_int_equal(gen_pool_avail(pool), SIZE);
    assert_int_equal(gen_pool_alloc(pool, 1), BASE);
    assert_int_equal(gen_pool_alloc(pool, 257), BASE + 0x100);
    assert_int_equal(gen_pool_alloc(pool, 256), BASE + 0x300);
    assert_int_equal(gen_pool_avail(pool), SIZE - 0x400);
    gen_pool_free(pool, BASE, 1);
    assert_int_equal(gen_pool_alloc(pool, 512), BASE + 0x400);
    assert_int_equal(gen_pool_alloc(pool, 100), BASE);
    assert_int_equal(gen_pool_alloc(pool, 0), 0);
    assert_int_equal(gen_pool_alloc(pool, SIZE), 0);
    gen_pool_free(pool, BASE, 0x600);
    assert_int_equal(gen_pool_avail(pool), SIZE);
    gen_pool_destroy(pool);
    assert_string_equal(warned, "");
}

static void addresses_have_physical_ones(void **state)
{
    struct gen_pool *pool = pool_of(4);

    (void)state;
    assert_true(gen_pool_virt_to_phys(pool, BASE + 0x123) == 0xd0000123);
    assert_true(gen_pool_virt_to_phys(pool, BASE + SIZE) == (phys_addr_t)-1);
    assert_true(gen_pool_has_addr(pool, BASE, SIZE));
    assert_false(gen_pool_has_addr(pool, BASE, SIZE + 1));
    assert_false(gen_pool_has_addr(pool, BASE - 1, 1));
    gen_pool_destroy(pool);
}

static void chunks_are_added_at_any_time(void **state)
{
    struct gen_pool *pool = pool_of(12);
    void *owner = NULL;
    static int mark;

    (void)state;
    for (unsigned long i = 0; i < SIZE >> 12; i++)
        assert_true(gen_pool_alloc(pool, 4096));
    assert_int_equal(gen_pool_alloc(pool, 4096), 0);
    assert_int_equal(gen_pool_add_owner(pool, 0x900000, 0, 0x2000, -1, &mark), 0);
    unsigned long range = gen_pool_alloc_owner(pool, 0x2000, &owner);

    assert_int_equal(range, 0x900000);
    assert_ptr_equal(owner, &mark);
    owner = NULL;
    gen_pool_free_owner(pool, range, 0x2000, &owner);
    assert_ptr_equal(owner, &mark);
    gen_pool_free(pool, BASE, SIZE);
    assert_int_equal(gen_pool_avail(pool), SIZE + 0x2000);
    gen_pool_destroy(pool);
    assert_string_equal(warned, "");
}

static void aligned_searches(void **state)
{
    struct gen_pool *pool = pool_of(4);
    struct genpool_data_align align = {.align = 0x1000};

    (void)state;
    assert_int_equal(gen_pool_alloc(pool, 0x10), BASE);
    assert_int_equal(gen_pool_alloc_algo(pool, 0x10, gen_pool_first_fit_align, &align), BASE + 0x1000);
    assert_int_equal(gen_pool_alloc_algo(pool, 0x80, gen_pool_first_fit_order_align, NULL), BASE + 0x80);
    assert_int_equal(gen_pool_alloc(pool, 0x10), BASE + 0x10);
    gen_pool_set_algo(pool, gen_pool_first_fit_align, &align);
    assert_int_equal(gen_pool_alloc(pool, 0x10), BASE + 0x2000);
    gen_pool_set_algo(pool, NULL, NULL);
    assert_int_equal(gen_pool_alloc(pool, 0x10), BASE + 0x20);
    gen_pool_free(pool, BASE, 0x30);
    gen_pool_free(pool, BASE + 0x80, 0x80);
    gen_pool_free(pool, BASE + 0x1000, 0x10);
    gen_pool_free(pool, BASE + 0x2000, 0x10);
    gen_pool_destroy(pool);
    assert_string_equal(warned, "");
}

static void a_fixed_place_or_none(void **state)
{
    struct gen_pool *pool = pool_of(4);
    struct genpool_data_fixed fixed = {.offset = 0x500};

    (void)state;
    assert_int_equal(gen_pool_alloc_algo(pool, 0x100, gen_pool_fixed_alloc, &fixed), BASE + 0x500);
    assert_int_equal(gen_pool_alloc_algo(pool, 0x100, gen_pool_fixed_alloc, &fixed), 0);
    gen_pool_free(pool, BASE + 0x500, 0x100);
    gen_pool_destroy(pool);
}

static void best_fit_takes_the_smallest_hole(void **state)
{
    struct gen_pool *pool = pool_of(4);
    unsigned long all = gen_pool_alloc(pool, SIZE);

    (void)state;
    assert_int_equal(all, BASE);
    gen_pool_free(pool, BASE + 0x100, 0x400);
    gen_pool_free(pool, BASE + 0x1000, 0x80);
    gen_pool_free(pool, BASE + 0x2000, 0x100);
    gen_pool_set_algo(pool, gen_pool_best_fit, NULL);
    assert_int_equal(gen_pool_alloc(pool, 0x80), BASE + 0x1000);
    assert_int_equal(gen_pool_alloc(pool, 0x90), BASE + 0x2000);
    assert_int_equal(gen_pool_alloc(pool, 0x200), BASE + 0x100);
    gen_pool_free(pool, BASE, 0x300);
    gen_pool_free(pool, BASE + 0x500, SIZE - 0x500 - (SIZE - 0x1000));
    gen_pool_free(pool, BASE + 0x1000, 0x1090);
    gen_pool_free(pool, BASE + 0x2100, SIZE - 0x2100);
    assert_int_equal(gen_pool_avail(pool), SIZE);
    gen_pool_destroy(pool);
}

static unsigned long last_fit(unsigned long *map, unsigned long size, unsigned long start, unsigned int count, void *data,
                              struct gen_pool *pool, unsigned long start_addr)
{
    unsigned long at = size - count;

    (void)map, (void)start, (void)pool;
    *(unsigned long *)data = start_addr;
    return at;
}

static void a_user_may_search_himself(void **state)
{
    struct gen_pool *pool = pool_of(4);
    unsigned long begin = 0;

    (void)state;
    assert_int_equal(gen_pool_alloc_algo(pool, 0x20, last_fit, &begin), BASE + SIZE - 0x20);
    assert_int_equal(begin, BASE);
    gen_pool_free(pool, BASE + SIZE - 0x20, 0x20);
    gen_pool_destroy(pool);
}

static void ranges_for_devices(void **state)
{
    static char memory[0x1000] __attribute__((aligned(0x1000)));
    struct gen_pool *pool = gen_pool_create(4, -1);
    dma_addr_t dma = 0;

    (void)state;
    memset(memory, 'm', sizeof memory);
    assert_int_equal(gen_pool_add_virt(pool, (unsigned long)memory, 0xe0000000, sizeof memory, -1), 0);
    assert_ptr_equal(gen_pool_dma_alloc(pool, 0x10, &dma), memory);
    assert_true(dma == 0xe0000000);
    assert_ptr_equal(gen_pool_dma_zalloc_align(pool, 0x40, &dma, 0x100), memory + 0x100);
    assert_true(dma == 0xe0000100);
    assert_true(check_all_bytes(memory, 0x100, 'm') && check_all_bytes(memory + 0x100, 0x40, 0));
    assert_int_equal(memory[0x140], 'm');
    assert_null(gen_pool_dma_alloc(NULL, 0x10, &dma));
    gen_pool_free(pool, (unsigned long)memory, 0x10);
    gen_pool_free(pool, (unsigned long)memory + 0x100, 0x40);
    gen_pool_destroy(pool);
}

static void a_pool_in_use_stays(void **state)
{
    struct gen_pool *pool = pool_of(4);
    unsigned long range = gen_pool_alloc(pool, 100);

    (void)state;
    gen_pool_destroy(pool);
    assert_string_not_equal(warned, "");
    warned[0] = 0;
    gen_pool_free(pool, range, 100);
    gen_pool_destroy(pool);
    assert_string_equal(warned, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kernel_test(ranges_come_in_units_first_fit),
        kernel_test(addresses_have_physical_ones),
        kernel_test(chunks_are_added_at_any_time),
        kernel_test(aligned_searches),
        kernel_test(a_fixed_place_or_none),
        kernel_test(best_fit_takes_the_smallest_hole),
        kernel_test(a_user_may_search_himself),
        kernel_test(ranges_for_devices),
        kernel_test(a_pool_in_use_stays),
    };

    return cmocka_run_group_tests_name("genalloc", tests, NULL, NULL);
}
