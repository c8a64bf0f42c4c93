/* talloc: blocks with parents; and its pools, of which nothing but the end gives the memory of a live parent back. */
#include "pools.h"

#include <talloc.h>

static void *root;
static void *pool;

static void *take(size_t size) { return talloc_size(root, size); }
static void give(void *p, size_t size)
{
    (void)size;
    talloc_free(p);
}

static void *pooled(size_t size)
{
    if (!pool)
        pool = talloc_pool(NULL, 1 << 20);
    return talloc_size(pool, size);
}

static void forget(void)
{
    talloc_free(pool);
    pool = NULL;
}

int main(void)
{
    const struct pools_peer peer = {take, give, NULL};
    root = talloc_new(NULL);
    pools_pair("talloc", peer);
    pools_batches("talloc", peer);
    pools_random("talloc", peer, "random-128", 128);
    pools_random("talloc", peer, "random-1024", 1024);
    pools_arena("talloc", (struct pools_peer){pooled, give, forget});
    talloc_free(root);
    return 0;
}
