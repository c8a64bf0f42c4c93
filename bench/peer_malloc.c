/* The process's malloc: the system's, or the one that the driver preloads. */
#include "pools.h"

static void *take(size_t size) { return malloc(size); }
static void give(void *p, size_t size)
{
    (void)size;
    free(p);
}

/* A million blocks that are live, freed one by one: beside the end of a heap. */
static void million(void)
{
    enum { MANY = 1 << 20 };
    static void *objects[MANY];
    for (int i = 0; i < MANY; i++)
        pools_touch(objects[i] = malloc(POOLS_SIZE));
    double begin = pools_now();
    for (int i = 0; i < MANY; i++)
        free(objects[i]);
    pools_line("malloc", "million-end", pools_now() - begin);
}

int main(void)
{
    const struct pools_peer peer = {take, give, NULL};
    pools_pair("malloc", peer);
    pools_batches("malloc", peer);
    pools_random("malloc", peer, "random-128", 128);
    pools_random("malloc", peer, "random-1024", 1024);
    pools_arena("malloc", peer);
    million();
    return 0;
}
