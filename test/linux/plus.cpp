// The headers are C++ too.
#include <linux/dmapool.h>
#include <linux/genalloc.h>
#include <linux/gfp.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/vmalloc.h>

struct thing {
    u32 value;
    struct rcu_head rcu;
};

int main()
{
    struct kmem_cache_args args = {};
    args.align = 64;
    struct kmem_cache *five = kmem_cache_create("five", sizeof(thing), 0, SLAB_PANIC, NULL);
    struct kmem_cache *four = kmem_cache_create("four", sizeof(thing), &args, 0);
    struct kmem_cache *typed = KMEM_CACHE(thing, SLAB_HWCACHE_ALIGN);
    mempool_t *pool = mempool_create_slab_pool(2, four);
    thing *a = static_cast<thing *>(kmem_cache_zalloc(five, GFP_KERNEL));
    thing *b = kzalloc_obj(thing);
    bool well = five && four && typed && pool && a && a->value == 0 && b && b->value == 0;

    kmem_cache_free(five, a);
    kfree_rcu(b, rcu);
    rcu_barrier();
    mempool_destroy(pool);
    kmem_cache_destroy(typed);
    kmem_cache_destroy(four);
    kmem_cache_destroy(five);
    return well ? 0 : 1;
}
