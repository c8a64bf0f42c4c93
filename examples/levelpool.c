/*
 * Level pool: small blocks of each size are kept ready, so that an allocation
 * takes the same few instructions each time. Larger requests are passed on, to
 * functions of the program here, that count them.
 */
#include <tarn/levelpool.h>

#include <stdio.h>
#include <stdlib.h>

static int passed_on;

static void *large_alloc(void *context, size_t size)
{
    (void)context;
    passed_on++;
    return malloc(size);
}

static void large_free(void *context, void *p, size_t size)
{
    (void)context;
    (void)size;
    passed_on--;
    free(p);
}

int main(void)
{
    /* Classes of 8, 16, 24 and 32 bytes, 10 blocks of each. When fewer than 3
       are ready, more are prepared. */
    struct tarn_levelpool_options options = {
        .classes = 4,
        .blocks = 10,
        .low_water = 3,
        .fallback = {large_alloc, large_free, NULL}};
    struct tarn_levelpool *pool = tarn_levelpool_create(NULL, 0, &options);
    void *blocks[9];

    if (!pool)
        return 1;
    printf("ready for 20 bytes: %zu\n", tarn_levelpool_ready(pool, 20));
    for (int i = 0; i < 9; i++) {
        blocks[i] = tarn_levelpool_alloc(pool, 20); /* of the class of 24 */
        printf("%s%zu", i ? ", " : "while 9 are taken: ",
               tarn_levelpool_ready(pool, 20));
    }
    printf("\n");

    void *large = tarn_levelpool_alloc(pool, 1000);
    printf("passed on: %d\n", passed_on);

    /* The same function frees both; a pool with something live does not end. */
    printf("end while blocks are live: %s\n",
           tarn_pool_error_text(tarn_levelpool_destroy(pool)));
    tarn_levelpool_free(pool, large);
    for (int i = 0; i < 9; i++)
        tarn_levelpool_free(pool, blocks[i]);
    printf("passed on: %d\n", passed_on);
    printf("end: %s\n", tarn_pool_error_text(tarn_levelpool_destroy(pool)));
    return 0;
}
