/* Pages in the kernel's words. */
#include "check.h"

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mm_types.h>

static void blocks_of_all_orders_are_aligned_to_their_size(void **state)
{
    struct page *pages[NR_PAGE_ORDERS];

    (void)state;
    for (unsigned int order = 0; order <= MAX_PAGE_ORDER; order++) {
        assert_non_null(pages[order] = alloc_pages(GFP_KERNEL, order));
        assert_int_equal((uintptr_t)page_address(pages[order]) % (PAGE_SIZE << order), 0);
        memset(page_address(pages[order]), (int)order, PAGE_SIZE << order);
        assert_int_equal(compound_order(pages[order]), order);
        assert_int_equal(page_size(pages[order]), PAGE_SIZE << order);
    }
    for (unsigned int order = 0; order <= MAX_PAGE_ORDER; order++) {
        assert_true(check_all_bytes(page_address(pages[order]), PAGE_SIZE << order, (unsigned char)order));
        __free_pages(pages[order], order);
    }
    assert_null(alloc_pages(GFP_KERNEL | __GFP_NOWARN, MAX_PAGE_ORDER + 1));
    __free_pages(NULL, 0);
}

static void addresses_and_pages_lead_to_each_other(void **state)
{
    unsigned long address = __get_free_pages(GFP_KERNEL, 3);
    struct page *first = virt_to_page((void *)address);

    (void)state;
    assert_ptr_equal(page_address(first), address);
    for (unsigned long i = 0; i < 8; i++) {
        struct page *page = virt_to_page((char *)address + i * PAGE_SIZE + 123);

        assert_ptr_equal(page_address(page), address + i * PAGE_SIZE);
        assert_ptr_equal(nth_page(first, i), page);
        assert_ptr_equal(first + i, page);
        assert_int_equal(page_to_pfn(page), (address >> PAGE_SHIFT) + i);
        assert_ptr_equal(pfn_to_page(page_to_pfn(page)), page);
    }
    free_pages(address, 3);
    free_pages(0, 3);
}

static void zeroed_pages_are_zero(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        unsigned long address = get_zeroed_page(GFP_KERNEL), block = __get_free_pages(GFP_KERNEL | __GFP_ZERO, 2);

        assert_true(check_all_bytes((void *)address, PAGE_SIZE, 0));
        assert_true(check_all_bytes((void *)block, 4 * PAGE_SIZE, 0));
        memset((void *)address, 0xff, PAGE_SIZE);
        memset((void *)block, 0xff, 4 * PAGE_SIZE);
        free_page(address);
        free_pages(block, 2);
    }
}

static void a_reference_keeps_a_block(void **state)
{
    struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, 3);

    (void)state;
    memset(page_address(page), 'r', 8 * PAGE_SIZE);
    assert_int_equal(page_count(page), 1);
    get_page(page);
    assert_int_equal(page_count(page), 2);
    __free_pages(page, 3);
    assert_int_equal(page_count(page), 1);
    assert_true(check_all_bytes(page_address(page), 8 * PAGE_SIZE, 'r'));
    put_page(page);
}

static void a_block_is_split_into_pages(void **state)
{
    struct page *page = alloc_pages(GFP_KERNEL, 4);

    (void)state;
    split_page(page, 4);
    for (unsigned long i = 0; i < 16; i++)
        assert_int_equal(page_count(nth_page(page, i)), 1);
    for (unsigned long i = 16; i-- > 0;)
        __free_page(nth_page(page, i));
}

static void exactly_as_many_pages_as_hold_it(void **state)
{
    char *p = alloc_pages_exact(5 * PAGE_SIZE - 10, GFP_KERNEL | __GFP_ZERO);

    (void)state;
    assert_non_null(p);
    assert_true(check_all_bytes(p, 5 * PAGE_SIZE, 0));
    memset(p, 1, 5 * PAGE_SIZE);
    for (unsigned long i = 0; i < 5; i++)
        assert_int_equal(page_count(virt_to_page(p + i * PAGE_SIZE)), 1);
    free_pages_exact(p, 5 * PAGE_SIZE - 10);
}

static void bulk_fills_the_empty_slots(void **state)
{
    struct page *pages[32] = {NULL};

    (void)state;
    pages[3] = alloc_page(GFP_KERNEL);
    struct page *third = pages[3];

    assert_int_equal(alloc_pages_bulk(GFP_KERNEL, 32, pages), 32);
    assert_ptr_equal(pages[3], third);
    for (int i = 0; i < 32; i++)
        for (int k = 0; k <= i; k++)
            assert_true(pages[i] && (i == k || pages[i] != pages[k]));
    assert_int_equal(alloc_pages_bulk_array(GFP_KERNEL, 32, pages), 32);
    for (int i = 0; i < 32; i++)
        __free_page(pages[i]);
}

static void bulk_into_a_list(void **state)
{
    struct list_head list = {&list, &list};
    size_t count = 0;

    (void)state;
    assert_int_equal(alloc_pages_bulk_list(GFP_KERNEL, 10, &list), 10);
    while (list.next != &list) {
        struct page *page = (struct page *)list.next;

        list.next = page->lru.next;
        __free_page(page);
        count++;
    }
    assert_int_equal(count, 10);
}

static void a_page_carries_its_users_words(void **state)
{
    struct page *page = alloc_page(GFP_KERNEL), *other = alloc_page(GFP_KERNEL);

    (void)state;
    page->index = 77;
    set_page_private(page, 0x1234);
    memset(page_address(page), 1, PAGE_SIZE);
    assert_int_equal(page->index, 77);
    assert_int_equal(page_private(page), 0x1234);
    __free_page(other);
    __free_page(page);
}

static void runs_above_the_highest_order(void **state)
{
    unsigned long count = (16 << 20) / PAGE_SIZE + 3;
    struct page *page = alloc_contig_pages(count, GFP_KERNEL, NUMA_NO_NODE, NULL);

    (void)state;
    assert_non_null(page);
    memset(page_address(page), 1, count * PAGE_SIZE);
    free_contig_range(page_to_pfn(page), count);
}

static void orders_of_sizes(void **state)
{
    (void)state;
    assert_int_equal(get_order(1), 0);
    assert_int_equal(get_order(PAGE_SIZE), 0);
    assert_int_equal(get_order(PAGE_SIZE + 1), 1);
    assert_int_equal(get_order(4 << 20), 10);
    assert_int_equal(PAGE_ALIGN(1ul), PAGE_SIZE);
    assert_int_equal(PAGE_ALIGN(PAGE_SIZE), PAGE_SIZE);
    assert_int_equal(offset_in_page(PAGE_SIZE + 5), 5);
}

static void pieces_of_pages(void **state)
{
    struct page_frag_cache cache;
    char *pieces[200];

    (void)state;
    page_frag_cache_init(&cache);
    for (unsigned int i = 0; i < 200; i++) {
        unsigned int size = 1 + i * 37 % 1500;

        pieces[i] = i % 2 ? page_frag_alloc(&cache, size, GFP_ATOMIC) : page_frag_alloc_align(&cache, size, GFP_ATOMIC, 64);
        assert_non_null(pieces[i]);
        assert_true(i % 2 || (uintptr_t)pieces[i] % 64 == 0);
        assert_true(((uintptr_t)pieces[i] ^ ((uintptr_t)pieces[i] + size - 1)) < PAGE_SIZE);
        memset(pieces[i], (int)i, size);
    }
    for (unsigned int i = 0; i < 200; i++)
        assert_true(check_all_bytes(pieces[i], 1 + i * 37 % 1500, (unsigned char)i));
    page_frag_cache_drain(&cache);
    for (unsigned int i = 0; i < 200; i++)
        page_frag_free(pieces[i]);
    assert_null(page_frag_alloc(&cache, PAGE_SIZE + 1, GFP_KERNEL));
    assert_null(cache.page);
}

static void a_page_whose_pieces_are_free_is_cut_again(void **state)
{
    struct page_frag_cache cache = {NULL, 0};
    struct page *page = NULL;

    (void)state;
    for (int i = 0; i < 50; i++) {
        void *piece = page_frag_alloc(&cache, 1000, GFP_KERNEL);

        assert_true(page == NULL || cache.page == page);
        page = cache.page;
        page_frag_free(piece);
    }
    page_frag_cache_drain(&cache);
}

static void draining_is_harmless(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        __free_page(alloc_page(GFP_KERNEL));
    drain_all_pages(NULL);
    drain_local_pages(NULL);
    struct page *page = alloc_page(GFP_KERNEL);

    assert_non_null(page);
    __free_page(page);
}

static void pages_fail_on_demand(void **state)
{
    (void)state;
    fail_at(TARN_FAIL_PAGES, -1, 0);
    assert_null(alloc_pages(GFP_KERNEL, 2));
    assert_int_equal(__get_free_pages(GFP_ATOMIC, 0), 0);
    assert_true(tarn_fail_count(TARN_FAIL_PAGES) >= 2);
}

/* Crimes */

static void free_twice(void *unused)
{
    (void)unused;
    struct page *page = alloc_pages(GFP_KERNEL, 3);

    __free_pages(page, 3);
    __free_pages(page, 3);
}

static void wrong_order(void *unused)
{
    (void)unused;
    __free_pages(alloc_pages(GFP_KERNEL, 3), 2);
}

static void never_allocated(void *unused)
{
    (void)unused;
    struct page *page = alloc_pages(GFP_KERNEL, 3);

    __free_pages(nth_page(page, 1), 0);
}

static void crimes_end_the_process(void **state)
{
    (void)state;
    check_dies(free_twice, NULL, "double free");
    check_dies(wrong_order, NULL, "wrong order");
    check_dies(never_allocated, NULL, "tarn:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kernel_test(blocks_of_all_orders_are_aligned_to_their_size),
        kernel_test(addresses_and_pages_lead_to_each_other),
        kernel_test(zeroed_pages_are_zero),
        kernel_test(a_reference_keeps_a_block),
        kernel_test(a_block_is_split_into_pages),
        kernel_test(exactly_as_many_pages_as_hold_it),
        kernel_test(bulk_fills_the_empty_slots),
        kernel_test(bulk_into_a_list),
        kernel_test(a_page_carries_its_users_words),
        kernel_test(runs_above_the_highest_order),
        kernel_test(orders_of_sizes),
        kernel_test(pieces_of_pages),
        kernel_test(a_page_whose_pieces_are_free_is_cut_again),
        kernel_test(draining_is_harmless),
        kernel_test(pages_fail_on_demand),
        kernel_test(crimes_end_the_process),
    };

    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
