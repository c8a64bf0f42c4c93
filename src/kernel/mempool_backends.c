/*
 * What a mempool can stand on: a cache, a size, pages. And what such elements are like, for the poison of reserves
 * (mempool/mempool.h).
 */
#include "mempool/mempool.h"
#include "mempool/reserve.h"
#include "slab/objects.h"
#include "tarn/cache.h"
#include "tarn/kmalloc.h"
#include "tarn/pages.h"

void *tarn_mempool_alloc_slab(tarn_gfp_t flags, void *cache) { return tarn__cache_alloc(cache, flags); }

void tarn_mempool_free_slab(void *element, void *cache) { tarn__cache_free(cache, element); }

void *tarn_mempool_kmalloc(tarn_gfp_t flags, void *size) { return tarn_kmalloc((size_t)size, flags); }

void tarn_mempool_kfree(void *element, void *size)
{
    (void)size;
    tarn_kfree(element);
}

void *tarn_mempool_alloc_pages(tarn_gfp_t flags, void *order)
{
    return tarn_pages_alloc(NULL, (unsigned)(uintptr_t)order, flags);
}

void tarn_mempool_free_pages(void *element, void *order) { tarn_pages_free(element, (unsigned)(uintptr_t)order); }

/* A constructed object must stay so between its uses, which a reserve does not promise. */
static size_t size_in_cache(void *cache)
{
    return ((const struct tarn_cache *)cache)->ctor ? SIZE_MAX : tarn_cache_size(cache);
}

static size_t size_itself(void *size) { return (size_t)size; }

static size_t size_of_pages(void *order) { return (size_t)4096 << (unsigned)(uintptr_t)order; }

static void *memory_of_page(void *page) { return tarn_page_address(page); }

/*
 * An object of the thread's bin, which needs no flags; anything else is for the general case, which asks the cache first. While failures
 * are injected, the bin that is looked at is empty.
 */
static void *quick_from_cache(struct tarn_mempool *pool, tarn_gfp_t flags)
{
    const struct tarn_cache *cache = pool->pool_data;
    struct tarn__bin *bin = tarn__quick_bin(cache);
    uint32_t count = bin->count;
    if (TARN__UNLIKELY(count == 0 || (flags & TARN__SLOW_FLAGS)))
        return tarn__mempool_alloc(pool, flags);
    return tarn__quick_pop(cache, bin, count);
}

static void quick_to_cache(void *element, struct tarn_mempool *pool)
{
    if (TARN__UNLIKELY(tarn__mempool_is_short(pool)))
        tarn__mempool_free(element, pool);
    else
        tarn__cache_free(pool->pool_data, element);
}

/* By its mark: so a free to the cache is found as well. Debugged caches and pages have none that is always kept. */
static enum tarn__mempool_kept keep_object(void *element, bool kept)
{
    const struct tarn__slab *slab = tarn__slab_of(element);
    if (!slab || (slab->cache->flags & TARN__DEBUG_FLAGS))
        return TARN__MEMPOOL_UNKNOWN;
    uint8_t *mark = tarn__mark_of(slab, element);
    if (kept && !tarn__mark_read(mark))
        return TARN__MEMPOOL_WAS_FREE;
    tarn__mark_write(mark, !kept);
    return TARN__MEMPOOL_NOTED;
}

static const struct tarn__mempool_backend backends[] = {
    {tarn_mempool_alloc_slab, size_in_cache, NULL, quick_from_cache, quick_to_cache, keep_object},
    {tarn_mempool_kmalloc, size_itself, NULL, NULL, NULL, keep_object},
    {tarn_mempool_alloc_pages, size_of_pages, memory_of_page, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

/* Linked in when a pool can stand on one of them, and before it does. */
__attribute__((constructor)) static void tell(void) { tarn__mempool_backends = backends; }
