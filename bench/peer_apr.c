/* APR's pools: memory is given back together only. */
#include "pools.h"

#include <apr_general.h>
#include <apr_pools.h>

static apr_pool_t *pool;

static void *take(size_t size) { return apr_palloc(pool, size); }
static void give(void *p, size_t size) { (void)p, (void)size; }
static void forget(void) { apr_pool_clear(pool); }

int main(void)
{
    if (apr_initialize() || apr_pool_create(&pool, NULL))
        return 1;
    pools_arena("apr", (struct pools_peer){take, give, forget});
    apr_terminate();
    return 0;
}
