/*
 * Region: blocks of any size in memory that the program gives, here an array.
 *
 *     cc region.c -ltarn
 */
#include <tarn/region.h>

#include <stdio.h>
#include <string.h>

static char memory[65536];

static void show(struct tarn_region *region, const char *when)
{
    struct tarn_pool_stats now;

    tarn_region_stats(region, &now);
    printf("%-22s %3zu blocks, %5zu bytes\n", when, now.live_blocks,
           now.live_bytes);
}

int main(void)
{
    /* What the region knows lies at the beginning of the array. */
    struct tarn_region *region =
        tarn_region_create(memory, sizeof memory, NULL);
    char *name = tarn_region_alloc(region, 20);
    double *row = tarn_region_alloc_aligned(region, 64, 100 * sizeof *row);

    if (!name || !row)
        return 1;
    strcpy(name, "a name");
    show(region, "two blocks");

    /* Sizes are rounded to 16 bytes: there is room for a longer name. */
    printf("room for the name      %3zu bytes\n",
           tarn_region_usable_size(region, name));
    name = tarn_region_realloc(region, name, 2000);
    printf("moved, and still       %s\n", name);
    show(region, "one has grown");

    /* A free of what is no start of a live block is found, and does nothing. */
    printf("free of its inside     %s\n",
           tarn_pool_error_text(tarn_region_free(region, name + 16)));
    printf("free of a variable     %s\n",
           tarn_pool_error_text(tarn_region_free(region, &region)));
    tarn_region_free(region, name);
    printf("second free            %s\n",
           tarn_pool_error_text(tarn_region_free(region, name)));

    /* With a live block it does not end. All blocks can be freed at once. */
    printf("end with a live block  %s\n",
           tarn_pool_error_text(tarn_region_destroy(region)));
    tarn_region_reset(region);
    show(region, "after a reset");
    return tarn_region_destroy(region);
}
