/*
 * Sheaves: objects put by, so that a code path that cannot bear a failure takes what is there already (tarn/cache.h).
 *
 * A sheaf is an array of pointers and belongs to one thread at a time; its objects count as in use. It is filled by bulk allocation, which is
 * all or none, so what a caller gets is a whole guarantee or none.
 */
#include "tarn/cache.h"

#include "base/warn.h"
#include "slab/cache.h"
#include "tarn/alloc.h"

#include <errno.h>
#include <string.h>

struct tarn_sheaf {
    struct tarn_cache *cache;
    unsigned count, room;
    void *object[];
};

static struct tarn_sheaf *with_room(struct tarn_cache *cache, unsigned room)
{
    struct tarn_sheaf *sheaf = tarn_malloc(sizeof *sheaf + room * sizeof sheaf->object[0]);
    if (sheaf)
        *sheaf = (struct tarn_sheaf){cache, 0, room};
    return sheaf;
}

static bool fill(struct tarn_sheaf *sheaf, tarn_gfp_t flags, unsigned size)
{
    unsigned missing = size - sheaf->count;
    if (tarn_cache_alloc_bulk(sheaf->cache, flags & ~TARN_GFP_ZERO, missing, sheaf->object + sheaf->count) < missing)
        return false;
    sheaf->count = size;
    return true;
}

struct tarn_sheaf *tarn_cache_prefill_sheaf(struct tarn_cache *cache, tarn_gfp_t flags, unsigned size)
{
    struct tarn_sheaf *sheaf = size > 0 ? with_room(cache, size) : NULL;
    if (sheaf && !fill(sheaf, flags, size)) {
        tarn_free(sheaf);
        sheaf = NULL;
    }
    return sheaf;
}

/* One with more room takes the old one's place when it could be filled. */
int tarn_cache_refill_sheaf(struct tarn_cache *cache, tarn_gfp_t flags, struct tarn_sheaf **sheaf, unsigned size)
{
    struct tarn_sheaf *old = *sheaf, *larger;
    if (!old || old->cache != cache)
        return -EINVAL;
    if (old->count >= size)
        return 0;
    if (old->room >= size)
        return fill(old, flags, size) ? 0 : -ENOMEM;
    larger = with_room(cache, size);
    if (!larger)
        return -ENOMEM;
    memcpy(larger->object, old->object, old->count * sizeof old->object[0]);
    larger->count = old->count;
    if (!fill(larger, flags, size)) {
        tarn_free(larger);
        return -ENOMEM;
    }
    tarn_free(old);
    *sheaf = larger;
    return 0;
}

void *tarn_cache_alloc_from_sheaf(struct tarn_cache *cache, tarn_gfp_t flags, struct tarn_sheaf *sheaf)
{
    if (sheaf->cache != cache || sheaf->count == 0) {
        tarn__warn("cache %s: a sheaf that is %s", tarn_cache_name(cache), sheaf->count ? "another cache's" : "empty");
        return NULL;
    }
    void *object = sheaf->object[--sheaf->count];
    if ((flags & TARN_GFP_ZERO) && cache->ctor)
        tarn__warn("cache %s: a constructed object from a sheaf is not zeroed", tarn_cache_name(cache));
    else if (flags & TARN_GFP_ZERO)
        memset(object, 0, tarn_cache_size(cache));
    return object;
}

void tarn_cache_return_sheaf(struct tarn_cache *cache, tarn_gfp_t flags, struct tarn_sheaf *sheaf)
{
    (void)flags;
    if (!sheaf)
        return;
    if (sheaf->cache != cache)
        tarn__warn("cache %s: a sheaf of cache %s is returned", tarn_cache_name(cache), tarn_cache_name(sheaf->cache));
    tarn_cache_free_bulk(sheaf->cache, sheaf->count, sheaf->object);
    tarn_free(sheaf);
}

unsigned tarn_sheaf_size(const struct tarn_sheaf *sheaf) { return sheaf->count; }
