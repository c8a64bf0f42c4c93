/*
 * Class pool: one buffer that several modules of a program share. Whoever comes
 * first makes the pool, the last to go ends it.
 */
#include <tarn/classpool.h>

#include <stdio.h>
#include <string.h>

static char memory[65536];
static struct tarn_classpool
    *pool; /* the variable that the modules share; NULL: not open */

/* A module that writes a log. It knows nothing of the other one. */
static char *log_line;

static void log_begin(void)
{
    tarn_classpool_open(&pool, memory, sizeof memory, NULL);
    log_line = tarn_classpool_alloc(pool, 100);
}

static void log_end(void)
{
    tarn_classpool_free(pool, log_line);
    tarn_classpool_close(&pool, NULL);
}

/* Another one, which forgets to free its table. */
static void table_begin(void)
{
    tarn_classpool_open(&pool, memory, sizeof memory,
                        NULL); /* open already: counted */
    (void)tarn_classpool_alloc(pool, 1000);
}

static int table_end(struct tarn_pool_stats *left)
{
    return tarn_classpool_close(&pool, left);
}

int main(void)
{
    struct tarn_classpool_class class;
    struct tarn_pool_stats left;

    log_begin();
    table_begin();

    /* Sizes go up to the next of 16, 32, 64 ... 65536. */
    for (unsigned i = 0; tarn_classpool_class(pool, i, &class) == 0; i++)
        if (class.live > 0)
            printf("class of %5zu bytes: %zu live\n", class.size, class.live);

    /* Writing behind a block is found at its free. It stays out of use then. */
    char *small = tarn_classpool_alloc(pool, 10);
    if (!small)
        return 1;
    memset(small, 'x', 11);
    printf("free of a block that was overrun: %s\n",
           tarn_pool_error_text(tarn_classpool_free(pool, small)));

    log_end();
    printf("the log has ended, the pool is %s\n", pool ? "open" : "closed");

    /* The last close tells what was never freed. */
    int error = table_end(&left);
    printf("the table has ended, the pool is %s: %s\n",
           pool ? "open" : "closed", tarn_pool_error_text(error));
    printf("left behind: %zu blocks\n", left.live_blocks);
    return 0;
}
