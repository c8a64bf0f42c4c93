/*
 * The depot: magazines on their way between threads, last in, first out. A push or pop copies sixteen bytes under a lock; the
 * objects' memory is not touched, so magazines travel between processors without dragging cache lines along.
 */
#include "base/bits.h"
#include "page/meta.h"
#include "slab/local.h"

/* Of caches that have ended, by the logarithm of what they hold; linked as those of caches. Under the caches' lock. */
static void **spare_arrays[8];
_Static_assert(TARN__MAGAZINE_MOST == 1 << 7, "there is a list for the largest arrays");

static _Atomic int64_t bytes; /* in all depots */

bool tarn__depots_full(void)
{
    int64_t live = atomic_load_explicit(&tarn__ledger.live, memory_order_relaxed);
    int64_t most = live / TARN__DEPOTS_SHARE > TARN__DEPOTS_LEAST ? live / TARN__DEPOTS_SHARE : TARN__DEPOTS_LEAST;
    return atomic_load_explicit(&bytes, memory_order_relaxed) > most;
}

/* Objects came to a depot, or left it. Read without the lock by tarn__cache_bound. */
static void count(struct tarn_cache *cache, int64_t objects)
{
    __atomic_store_n(&cache->depot_objects, cache->depot_objects + (size_t)objects, __ATOMIC_RELAXED);
    atomic_fetch_add_explicit(&bytes, objects * cache->size, memory_order_relaxed);
}

/* A depot that is full takes half as many from now on: so what is freed in one great sweep does not leave a full depot behind. */
bool tarn__depot_push(struct tarn_cache *cache, struct tarn__magazine magazine)
{
    if (atomic_load_explicit(&cache->most, memory_order_relaxed) == 0)
        return false;
    tarn__lock(&cache->depot_lock);
    uint32_t depth = atomic_load_explicit(&cache->depth, memory_order_relaxed);
    uint32_t most = atomic_load_explicit(&cache->most, memory_order_relaxed);
    bool room = depth < most;
    if (room) {
        cache->depot[depth] = magazine;
        count(cache, magazine.count);
        atomic_store_explicit(&cache->depth, depth + 1, memory_order_relaxed);
    } else {
        atomic_store_explicit(&cache->most, most / 2, memory_order_relaxed);
    }
    tarn__unlock(&cache->depot_lock);
    return room;
}

struct tarn__magazine tarn__depot_pop(struct tarn_cache *cache)
{
    struct tarn__magazine magazine = {NULL, 0};
    tarn__lock(&cache->depot_lock);
    uint32_t depth = atomic_load_explicit(&cache->depth, memory_order_relaxed);
    if (depth > 0) {
        magazine = cache->depot[depth - 1];
        count(cache, -(int64_t)magazine.count);
        atomic_store_explicit(&cache->depth, depth - 1, memory_order_relaxed);
    } else {
        uint32_t most = atomic_load_explicit(&cache->most, memory_order_relaxed);
        atomic_store_explicit(&cache->most, (uint32_t)tarn__min(2 * most + 1, cache->depot_depth), memory_order_relaxed);
    }
    if (depth <= cache->low)
        cache->low = depth > 0 ? depth - 1 : 0;
    tarn__unlock(&cache->depot_lock);
    return magazine;
}

static void **take_spare_array(unsigned order)
{
    tarn__lock(&tarn__caches_lock);
    void **array = spare_arrays[order];
    if (array)
        spare_arrays[order] = array[0];
    tarn__unlock(&tarn__caches_lock);
    return array;
}

void **tarn__array_take(struct tarn_cache *cache)
{
    unsigned order = tarn__log2_ceil(cache->capacity);
    tarn__lock(&cache->depot_lock);
    void **array = cache->arrays;
    if (array)
        cache->arrays = array[0];
    tarn__unlock(&cache->depot_lock);
    array = array ? array : take_spare_array(order);
    return array ? array : tarn__meta_alloc(sizeof(void *) << order, TARN__CACHE_LINE);
}

void tarn__array_put(struct tarn_cache *cache, void **array)
{
    tarn__lock(&cache->depot_lock);
    array[0] = cache->arrays;
    cache->arrays = array;
    tarn__unlock(&cache->depot_lock);
}

void tarn__arrays_leave(struct tarn_cache *cache)
{
    void **last = cache->arrays;
    unsigned order = tarn__log2_ceil(cache->capacity);
    if (!last)
        return;
    while (last[0])
        last = last[0];
    tarn__lock(&tarn__caches_lock);
    last[0] = spare_arrays[order];
    spare_arrays[order] = cache->arrays;
    tarn__unlock(&tarn__caches_lock);
}

/* The lowest magazine of the stack if it was not needed or is one too many, and the end of this reaping otherwise. */
static struct tarn__magazine take_lowest(struct tarn_cache *cache, uint32_t *idle)
{
    struct tarn__magazine magazine = {NULL, 0};
    tarn__lock(&cache->depot_lock);
    uint32_t depth = atomic_load_explicit(&cache->depth, memory_order_relaxed);
    *idle = (uint32_t)tarn__min(*idle, depth);
    if (*idle > 0) {
        magazine = cache->depot[0];
        cache->depot[0] = cache->depot[--*idle];
        cache->depot[*idle] = cache->depot[depth - 1];
        count(cache, -(int64_t)magazine.count);
        atomic_store_explicit(&cache->depth, depth - 1, memory_order_relaxed);
    } else {
        cache->low = depth;
    }
    tarn__unlock(&cache->depot_lock);
    return magazine;
}

void tarn__depot_reap(struct tarn_cache *cache, bool all)
{
    if (atomic_load_explicit(&cache->depth, memory_order_relaxed) == 0)
        return;
    tarn__lock(&cache->depot_lock);
    uint32_t depth = atomic_load_explicit(&cache->depth, memory_order_relaxed),
             most = atomic_load_explicit(&cache->most, memory_order_relaxed), extra = depth > most ? depth - most : 0;
    uint32_t idle = all ? TARN__DEPOT_DEPTH : (uint32_t)tarn__max(cache->low, extra);
    tarn__unlock(&cache->depot_lock);
    struct tarn__magazine magazine;
    while ((magazine = take_lowest(cache, &idle)).count > 0)
        tarn__cache_put_magazine(cache, magazine);
}
