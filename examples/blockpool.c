/*
 * Block pool: runs of neighbouring blocks of one size. The first program that
 * one writes with it: a pool of 1024 bytes that grows by 512, and two requests
 * for 8 bytes.
 */
#include <tarn/blockpool.h>

#include <stdio.h>

static void show(struct tarn_blockpool *pool, const char *step)
{
    struct tarn_pool_stats now;

    tarn_blockpool_stats(pool, &now);
    printf(
        "%-18s used %3zu bytes in %zu runs, %zu segment(s), %ju allocations, "
        "%ju frees\n",
        step, tarn_blockpool_used(pool), now.live_blocks, now.segments,
        (uintmax_t)now.allocations, (uintmax_t)now.frees);
}

int main(void)
{
    struct tarn_blockpool *pool =
        tarn_blockpool_create(1024, 512, 64); /* blocks of 64 bytes */
    if (!pool)
        return 1;
    show(pool, "a new pool");

    void *first = tarn_blockpool_alloc(pool, 8); /* a whole block each */
    show(pool, "8 bytes");
    void *second = tarn_blockpool_alloc(pool, 8);
    show(pool, "8 bytes more");

    /* Two neighbouring blocks, as the one behind is free. The address stays. */
    void *longer = tarn_blockpool_realloc(pool, second, 100);
    show(pool, longer == second ? "grown in place" : "moved");

    tarn_blockpool_free(pool, first);
    show(pool, "the first is freed");
    tarn_blockpool_free(pool, longer);
    show(pool, "all are freed");

    printf("freed once more: %s\n",
           tarn_pool_error_text(tarn_blockpool_free(pool, first)));
    return tarn_blockpool_destroy(pool);
}
