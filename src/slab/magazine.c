/* Both kinds of magazines. */
#include "slab/magazine.h"

#include "base/bits.h"
#include "base/fail.h"

static void **link_of(void *object) { return object; }

/* The last of an array goes first: so the objects, which are in order of address, are given out in that order. */
static struct tarn__magazine make_array(struct tarn_cache *cache, void **objects, size_t count)
{
    void **array = tarn__array_take(cache);
    if (!array)
        return tarn__no_magazine;
    for (size_t i = 0; i < count; i++)
        array[i] = objects[count - 1 - i];
    return (struct tarn__magazine){array, (uint32_t)count};
}

struct tarn__magazine tarn__magazine_make(struct tarn_cache *cache, void **objects, size_t count)
{
    if (!cache->linked)
        return make_array(cache, objects, count);
    for (size_t i = 0; i + 1 < count; i++)
        *link_of(objects[i]) = objects[i + 1];
    *link_of(objects[count - 1]) = NULL;
    return (struct tarn__magazine){objects[0], (uint32_t)count};
}

bool tarn__magazine_push(struct tarn_cache *cache, struct tarn__magazine *magazine, void *object)
{
    if (cache->linked) {
        *link_of(object) = magazine->head;
        magazine->head = object;
    } else {
        if (!magazine->head)
            magazine->head = tarn__array_take(cache);
        if (!magazine->head)
            return false;
        ((void **)magazine->head)[magazine->count] = object;
    }
    magazine->count++;
    return true;
}

/* The fences keep what a fork finds in another thread's bin in order: a count goes with the array that it was counted in. */
void tarn__bin_install(struct tarn__bin *bin, struct tarn__rear *rear, const struct tarn_cache *cache,
                       struct tarn__magazine magazine)
{
    rear->apart = false;
    bin->head = magazine.head;
    atomic_signal_fence(memory_order_release);
    if (cache->linked) {
        rear->most = magazine.count > 0 && rear->spare.count == 0 && rear->capacity > 1 ? 2 * rear->capacity : rear->capacity;
        bin->limit = (uint32_t)(bin->frees - bin->allocs) + rear->most - magazine.count;
    } else {
        bin->count = magazine.count;
        bin->room = magazine.head ? rear->capacity : 0;
    }
}

struct tarn__magazine tarn__bin_take(struct tarn__bin *bin, struct tarn__rear *rear, const struct tarn_cache *cache)
{
    struct tarn__magazine magazine = {bin->head, tarn__bin_count(bin, rear, cache)};
    if (cache->linked)
        bin->limit = (uint32_t)(bin->frees - bin->allocs) + rear->most;
    else
        bin->count = bin->room = 0;
    atomic_signal_fence(memory_order_release);
    bin->head = NULL;
    return magazine;
}

struct tarn__magazine tarn__magazine_split(struct tarn__magazine *magazine, uint32_t keep)
{
    void **last = link_of(magazine->head);
    for (uint32_t i = 1; i < keep; i++)
        last = link_of(*last);
    struct tarn__magazine rest = {*last, magazine->count - keep};
    *last = NULL;
    magazine->count = keep;
    return rest;
}

/* The walk is over what was freed last, which is in the processor's caches. */
struct tarn__magazine tarn__bin_split(struct tarn__bin *bin, const struct tarn__rear *rear, const struct tarn_cache *cache)
{
    struct tarn__magazine all = {bin->head, tarn__bin_count(bin, rear, cache)};
    struct tarn__magazine rest = tarn__magazine_split(&all, rear->capacity);
    bin->limit += rest.count;
    return rest;
}

void *tarn__bin_pop(struct tarn__bin *bin, const struct tarn_cache *cache)
{
    void *object;
    if (cache->linked) {
        object = bin->head;
        bin->head = *link_of(object);
    } else {
        object = bin->array[--bin->count];
    }
    tarn__counter_add(&bin->allocs, 1);
    return object;
}

bool tarn__bin_push(struct tarn__bin *bin, struct tarn__rear *rear, struct tarn_cache *cache, void *object)
{
    if (cache->linked) {
        *link_of(object) = bin->head;
        atomic_signal_fence(memory_order_release);
        bin->head = object;
    } else {
        void **array = bin->array ? bin->array : tarn__array_take(cache);
        if (!array)
            return false;
        if (!bin->array)
            tarn__bin_install(bin, rear, cache, (struct tarn__magazine){array, 0});
        array[bin->count] = object;
        atomic_signal_fence(memory_order_release);
        bin->count++;
    }
    tarn__counter_add(&bin->frees, 1);
    return true;
}

static bool is_object_of(const struct tarn_cache *cache, const void *p)
{
    struct tarn__slab *slab = tarn__slab_of(p);
    return slab && slab->cache == cache;
}

struct tarn__magazine tarn__bin_trusted(const struct tarn__bin *bin, const struct tarn_cache *cache)
{
    struct tarn__magazine magazine = {bin->head, 0};
    if (cache->linked) {
        for (void *object = bin->head; magazine.count < 2 * cache->capacity && is_object_of(cache, object);
             object = *link_of(object))
            magazine.count++;
    } else if (bin->head) {
        while (magazine.count < tarn__min(bin->count, cache->capacity) && is_object_of(cache, bin->array[magazine.count]))
            magazine.count++;
    }
    return magazine;
}
