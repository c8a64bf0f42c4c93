/* Blocks for devices in the kernel's words. */
#include "check.h"

#include <linux/dmapool.h>
#include <linux/gfp.h>

#include <stdlib.h>

struct block {
    char *p;
    dma_addr_t handle;
};

static void blocks_are_aligned_and_apart(void **state)
{
    static const size_t shapes[][3] = {{16, 16, 0},    {64, 64, 0},  {100, 32, 0}, {4096, 4096, 0},
                                       {68, 32, 4096}, {24, 8, 256}, {3, 0, 0}};
    static struct block blocks[600];

    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t size = shapes[s][0], align = shapes[s][1] ? shapes[s][1] : 1, boundary = shapes[s][2];
        struct dma_pool *pool = dma_pool_create("shape", NULL, size, shapes[s][1], boundary);

        assert_non_null(pool);
        for (size_t i = 0; i < 600; i++) {
            struct block *block = &blocks[i];

            assert_non_null(block->p = dma_pool_alloc(pool, GFP_KERNEL, &block->handle));
            assert_int_equal((uintptr_t)block->p % align, 0);
            assert_int_equal(block->handle % align, 0);
            if (boundary)
                assert_int_equal(block->handle / boundary, (block->handle + size - 1) / boundary);
            memset(block->p, (int)i, size);
        }
        for (size_t i = 0; i < 600; i++)
            assert_true(check_all_bytes(blocks[i].p, size, (unsigned char)i));
        for (size_t i = 0; i < 600; i++)
            dma_pool_free(pool, blocks[i].p, blocks[i].handle);
        dma_pool_destroy(pool);
    }
    assert_string_equal(warned, "");
}

static void what_does_not_go_together(void **state)
{
    (void)state;
    assert_null(dma_pool_create("none", NULL, 0, 8, 0));
    assert_null(dma_pool_create("none", NULL, 64, 24, 0));
    assert_null(dma_pool_create("none", NULL, 64, 8, 32));
    assert_null(dma_pool_create("none", NULL, 64, 8, 96));
    dma_pool_destroy(NULL);
}

static void zeroed_blocks_are_zero(void **state)
{
    struct dma_pool *pool = dma_pool_create("zeroes", NULL, 128, 8, 0);

    (void)state;
    for (int i = 0; i < 50; i++) {
        dma_addr_t handle = 0;
        char *p = dma_pool_zalloc(pool, GFP_KERNEL, &handle);

        assert_true(check_all_bytes(p, 128, 0));
        memset(p, 0xff, 128);
        dma_pool_free(pool, p, handle);
    }
    dma_pool_destroy(pool);
}

static void freed_blocks_come_again(void **state)
{
    struct dma_pool *pool = dma_pool_create("again", NULL, 64, 8, 0);
    struct block blocks[64], again[64];
    size_t same = 0;

    (void)state;
    for (int i = 0; i < 64; i++)
        blocks[i].p = dma_pool_alloc(pool, GFP_KERNEL, &blocks[i].handle);
    for (int i = 0; i < 64; i++)
        dma_pool_free(pool, blocks[i].p, blocks[i].handle);
    for (int i = 0; i < 64; i++) {
        again[i].p = dma_pool_alloc(pool, GFP_ATOMIC, &again[i].handle);
        for (int k = 0; k < 64; k++)
            same += again[i].p == blocks[k].p && again[i].handle == blocks[k].handle;
    }
    assert_int_equal(same, 64);
    for (int i = 0; i < 64; i++)
        dma_pool_free(pool, again[i].p, again[i].handle);
    dma_pool_destroy(pool);
}

static void a_pool_in_use_is_warned_of_and_its_blocks_kept(void **state)
{
    struct dma_pool *pool = dma_pool_create("in use", NULL, 64, 8, 0);
    dma_addr_t handle = 0;
    char *p = dma_pool_alloc(pool, GFP_KERNEL, &handle);

    (void)state;
    memset(p, 'u', 64);
    dma_pool_destroy(pool);
    assert_string_not_equal(warned, "");
    assert_true(check_all_bytes(p, 64, 'u'));
}

static void managed_pools_are_pools(void **state)
{
    struct dma_pool *pool = dmam_pool_create("managed", NULL, 64, 8, 0);
    dma_addr_t handle = 0;
    void *p = dma_pool_alloc(pool, GFP_KERNEL, &handle);

    (void)state;
    assert_non_null(p);
    dma_pool_free(pool, p, handle);
    dmam_pool_destroy(pool);
    assert_string_equal(warned, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kernel_test(blocks_are_aligned_and_apart),
        kernel_test(what_does_not_go_together),
        kernel_test(zeroed_blocks_are_zero),
        kernel_test(freed_blocks_come_again),
        kernel_test(a_pool_in_use_is_warned_of_and_its_blocks_kept),
        kernel_test(managed_pools_are_pools),
    };

    return cmocka_run_group_tests_name("dmapool", tests, NULL, NULL);
}
