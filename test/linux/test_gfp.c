/* Flags: what the names mean to each other, and what scopes take away. */
#include "check.h"

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <pthread.h>

static void every_flag_is_a_bit_of_its_own(void **state)
{
    static const gfp_t flags[] = {
        __GFP_DMA,
        __GFP_HIGHMEM,
        __GFP_DMA32,
        __GFP_MOVABLE,
        __GFP_RECLAIMABLE,
        __GFP_HIGH,
        __GFP_IO,
        __GFP_FS,
        __GFP_ZERO,
        __GFP_DIRECT_RECLAIM,
        __GFP_KSWAPD_RECLAIM,
        __GFP_WRITE,
        __GFP_NOWARN,
        __GFP_RETRY_MAYFAIL,
        __GFP_NOFAIL,
        __GFP_NORETRY,
        __GFP_MEMALLOC,
        __GFP_COMP,
        __GFP_NOMEMALLOC,
        __GFP_HARDWALL,
        __GFP_THISNODE,
        __GFP_ACCOUNT,
    };
    gfp_t seen = 0;

    (void)state;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        assert_int_equal(__builtin_popcount(flags[i]), 1);
        assert_int_equal(seen & flags[i], 0);
        seen |= flags[i];
    }
    assert_int_equal(seen & ~__GFP_BITS_MASK, 0);
}

/* Trees keep their own bits beside the flags: state in the zone's four, marks above all of them. */
static void trees_have_room_for_their_bits(void **state)
{
    (void)state;
    assert_int_equal(GFP_ZONEMASK, 15);
    assert_int_equal(((1u << __GFP_BITS_SHIFT) << 2) & __GFP_BITS_MASK, 0);
    assert_true(((1u << __GFP_BITS_SHIFT) << 2) >> 2 == 1u << __GFP_BITS_SHIFT);
    assert_int_equal(GFP_KERNEL & GFP_ZONEMASK, 0);
}

static void only_direct_reclaim_means_may_sleep(void **state)
{
    (void)state;
    assert_true(gfpflags_allow_blocking(GFP_KERNEL));
    assert_true(gfpflags_allow_blocking(GFP_NOIO));
    assert_true(gfpflags_allow_blocking(GFP_NOFS));
    assert_true(gfpflags_allow_blocking(GFP_KERNEL | __GFP_HIGH));
    assert_false(gfpflags_allow_blocking(GFP_ATOMIC));
    assert_false(gfpflags_allow_blocking(GFP_NOWAIT));
    assert_false(gfpflags_allow_blocking(0));
    assert_true(GFP_ATOMIC & __GFP_HIGH && GFP_ATOMIC & __GFP_KSWAPD_RECLAIM);
    assert_false(GFP_NOWAIT & __GFP_HIGH);
    assert_true(GFP_NOWAIT & __GFP_KSWAPD_RECLAIM);
    assert_true(gfpflags_normal_context(GFP_KERNEL));
    assert_false(gfpflags_normal_context(GFP_KERNEL | __GFP_MEMALLOC));
}

static void what_noio_and_nofs_leave_out(void **state)
{
    (void)state;
    assert_int_equal(GFP_KERNEL & ~GFP_NOFS, __GFP_FS);
    assert_int_equal(GFP_KERNEL & ~GFP_NOIO, __GFP_IO | __GFP_FS);
    assert_true(gfp_has_io_fs(GFP_KERNEL));
    assert_false(gfp_has_io_fs(GFP_NOFS));
    assert_int_equal(gfp_nested_mask(GFP_NOFS | __GFP_ZERO) & (__GFP_ZERO | __GFP_FS), 0);
    assert_true(gfp_nested_mask(GFP_KERNEL) & __GFP_NORETRY);
}

static void scopes_take_flags_away_and_nest(void **state)
{
    (void)state;
    assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_KERNEL);
    unsigned int outer = memalloc_nofs_save();

    assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_NOFS);
    unsigned int inner = memalloc_noio_save();

    assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_NOIO);
    assert_int_equal(current_gfp_context(GFP_ATOMIC), GFP_ATOMIC);
    memalloc_noio_restore(inner);
    assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_NOFS);
    memalloc_nofs_restore(outer);
    assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_KERNEL);
}

/* An inner scope that is no stricter changes nothing at its end either. */
static void an_inner_scope_ends_without_ending_the_outer(void **state)
{
    (void)state;
    unsigned int outer = memalloc_noio_save(), inner = memalloc_noio_save();

    memalloc_noio_restore(inner);
    assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_NOIO);
    memalloc_noio_restore(outer);
    assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_KERNEL);
}

static void *context_of_thread(void *out)
{
    *(gfp_t *)out = current_gfp_context(GFP_KERNEL);
    return NULL;
}

static void a_scope_is_its_threads_own(void **state)
{
    unsigned int saved = memalloc_noio_save();
    pthread_t thread;
    gfp_t seen = 0;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, context_of_thread, &seen), 0);
    pthread_join(thread, NULL);
    assert_int_equal(seen, GFP_KERNEL);
    memalloc_noio_restore(saved);
}

static void noreclaim_scopes_allocate_and_end(void **state)
{
    unsigned int saved = memalloc_noreclaim_save();
    void *p = kmalloc(100, GFP_KERNEL);

    (void)state;
    assert_non_null(p);
    kfree(p);
    memalloc_noreclaim_restore(saved);
    assert_int_equal(current_gfp_context(GFP_KERNEL), GFP_KERNEL);
}

static void dma_pages_lie_low(void **state)
{
    (void)state;
    unsigned long low = __get_free_pages(GFP_KERNEL | __GFP_DMA, 0), low32 = __get_free_pages(GFP_KERNEL | __GFP_DMA32, 2);

    if (!low || !low32) {
        printf("# not tested: no memory below 4 GiB\n");
    } else {
        assert_true(low < 1ul << 32);
        assert_true(low32 < 1ul << 32);
    }
    free_pages(low, 0);
    free_pages(low32, 2);
}

static void highmem_is_ordinary_for_pages(void **state)
{
    struct page *page = alloc_page(GFP_HIGHUSER);

    (void)state;
    assert_non_null(page);
    __free_page(page);
}

static void both_mobility_groups_are_an_error(void **state)
{
    (void)state;
    assert_null(alloc_page(GFP_KERNEL | __GFP_MOVABLE | __GFP_RECLAIMABLE));
    assert_null(kmalloc(10, GFP_KERNEL | __GFP_MOVABLE | __GFP_RECLAIMABLE));
    assert_string_not_equal(warned, "");
}

static void highmem_is_an_error_for_kmalloc(void **state)
{
    (void)state;
    assert_null(kmalloc(10, GFP_KERNEL | __GFP_HIGHMEM));
    assert_string_not_equal(warned, "");
}

static void nofail_is_never_failed(void **state)
{
    (void)state;
    fail_at(TARN_FAIL_SLAB, -1, 0);
    fail_at(TARN_FAIL_PAGES, -1, 0);
    assert_null(kmalloc(100, GFP_KERNEL | __GFP_NOWARN));
    void *p = kmalloc(100, GFP_KERNEL | __GFP_NOFAIL);
    struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOFAIL, 1);

    heal(NULL);
    assert_non_null(p);
    assert_non_null(page);
    kfree(p);
    __free_pages(page, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kernel_test(every_flag_is_a_bit_of_its_own),
        kernel_test(trees_have_room_for_their_bits),
        kernel_test(only_direct_reclaim_means_may_sleep),
        kernel_test(what_noio_and_nofs_leave_out),
        kernel_test(scopes_take_flags_away_and_nest),
        kernel_test(an_inner_scope_ends_without_ending_the_outer),
        kernel_test(a_scope_is_its_threads_own),
        kernel_test(noreclaim_scopes_allocate_and_end),
        kernel_test(dma_pages_lie_low),
        kernel_test(highmem_is_ordinary_for_pages),
        kernel_test(both_mobility_groups_are_an_error),
        kernel_test(highmem_is_an_error_for_kmalloc),
        kernel_test(nofail_is_never_failed),
    };

    return cmocka_run_group_tests_name("gfp", tests, NULL, NULL);
}
