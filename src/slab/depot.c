/*
 * The depot: magazines on their way between threads, last in, first out. A push or pop copies sixteen bytes under a lock; the
 * objects' memory is not touched, so magazines travel between processors without dragging cache lines along.
 */
#include "base/bits.h"
#include "base/fail.h"
#include "slab/cache.h"

bool tarn__depot_push(struct tarn__cache *cache, struct tarn__magazine magazine)
{
    tarn__lock(&cache->depot_lock);
    bool room = cache->depth < TARN__DEPOT_DEPTH;
    if (room) {
        cache->depot[cache->depth++] = magazine;
        cache->depot_objects += magazine.count;
    }
    tarn__unlock(&cache->depot_lock);
    return room;
}

struct tarn__magazine tarn__depot_pop(struct tarn__cache *cache)
{
    struct tarn__magazine magazine = {NULL, 0};
    tarn__lock(&cache->depot_lock);
    if (cache->depth > 0) {
        magazine = cache->depot[--cache->depth];
        cache->depot_objects -= magazine.count;
    }
    tarn__unlock(&cache->depot_lock);
    return magazine;
}

/* The links are read before the lock is taken: they are the cold memory. A link that leads out of the cache was written by its user. */
void tarn__cache_put_magazine(struct tarn__cache *cache, struct tarn__magazine magazine)
{
    void *objects[TARN__MAGAZINE_MOST];
    void *object = magazine.head;
    for (uint32_t i = 0; i < magazine.count; i++) {
        struct tarn__slab *slab = tarn__slab_of(object);
        if (!slab || slab->cache != cache)
            tarn__fail(i == 0 ? TARN__INVALID_FREE : TARN__CORRUPT_LIST, "free", i == 0 ? object : objects[i - 1]);
        objects[i] = object;
        object = *(void **)object;
    }
    tarn__cache_put(cache, objects, magazine.count);
}

void tarn__depot_flush(struct tarn__cache *cache)
{
    struct tarn__magazine magazine;
    while ((magazine = tarn__depot_pop(cache)).count > 0)
        tarn__cache_put_magazine(cache, magazine);
}
