/*
 * Movable blocks: a handle stands for a block, whose address holds only while
 * it is locked. So the region may slide blocks together, and what is free
 * between them becomes one piece.
 */
#include <tarn/region.h>

#include <stdio.h>
#include <string.h>

#define MANY 50

static char memory[65536];

static size_t largest_free(struct tarn_region *region)
{
    struct tarn_pool_stats now;

    tarn_region_stats(region, &now);
    return now.largest_free;
}

int main(void)
{
    struct tarn_region *region =
        tarn_region_create(memory, sizeof memory, NULL);
    tarn_region_handle page[MANY];
    size_t moved, sum = 0;

    /* Fill the region with pages, each with its number in it. */
    for (int i = 0; i < MANY; i++) {
        page[i] = tarn_region_handle_alloc(region, 960);
        if (!page[i])
            return 1;
        memset(tarn_region_handle_lock(region, page[i]), i, 960);
        tarn_region_handle_unlock(region, page[i]);
    }

    /* Every second one goes: half of the memory is free, in small pieces. */
    for (int i = 0; i < MANY; i += 2)
        tarn_region_handle_free(region, page[i]);
    printf("a block of 16384 bytes: %s\n",
           tarn_region_alloc(region, 16384) ? "yes"
                                            : "no, free memory is in pieces");

    /* In small steps, between other work. What is locked stays in place. */
    while ((moved = tarn_region_compact(region, 4096)) > 0)
        sum += moved;
    printf("compacted: %s\n", sum > 0 && largest_free(region) > 16384
                                  ? "free memory is in one piece"
                                  : "not");
    printf("a block of 16384 bytes: %s\n",
           tarn_region_alloc(region, 16384) ? "yes" : "no");

    /* The pages are elsewhere now. Their handles and contents are the same. */
    for (int i = 1; i < MANY; i += 2) {
        const char *at = tarn_region_handle_lock(region, page[i]);
        if (at[0] != i || at[959] != i)
            return 1;
        tarn_region_handle_unlock(region, page[i]);
    }
    printf("contents: as they were\n");

    tarn_region_reset(region);
    return tarn_region_destroy(region);
}
