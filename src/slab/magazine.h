/*
 * Magazines and the bins that they are in use in, of both kinds: lists in size classes, arrays in users' caches. Not the fast paths, which
 * know their kind; everything else.
 *
 * A magazine without objects may still have an array: it is given back by tarn__array_put, or used again.
 */
#ifndef TARN_SLAB_MAGAZINE_H
#define TARN_SLAB_MAGAZINE_H

#include "slab/local.h"

static const struct tarn__magazine tarn__no_magazine = {NULL, 0};

/* Objects as a magazine; empty if there is no memory for its array. */
struct tarn__magazine tarn__magazine_make(struct tarn_cache *cache, void **objects, size_t count);

/* Cuts a list that has more than `keep` objects, which is at least 1, after so many. Returns the rest. */
struct tarn__magazine tarn__magazine_split(struct tarn__magazine *magazine, uint32_t keep);

/* Adds an object, of which there are less than the capacity. False: no memory for its array. */
bool tarn__magazine_push(struct tarn_cache *cache, struct tarn__magazine *magazine, void *object);

/* Objects in a bin. */
static inline uint32_t tarn__bin_count(const struct tarn__bin *bin, const struct tarn__rear *rear,
                                       const struct tarn_cache *cache)
{
    if (!cache->linked)
        return bin->count;
    return rear->apart ? 0 : (uint32_t)((int32_t)rear->most - tarn__bin_room(bin));
}

/*
 * Objects that a bin holds at most. A list that came full, when there was no spare one, may grow to twice its length: so nothing moves when what is
 * free sways around one magazine's worth.
 */
static inline uint32_t tarn__bin_most(const struct tarn__rear *rear, const struct tarn_cache *cache)
{
    return cache->linked ? rear->most : rear->capacity;
}

/* Changes what a bin that is a list may hold. */
static inline void tarn__bin_set_most(struct tarn__bin *bin, struct tarn__rear *rear, uint32_t most)
{
    bin->limit += most - rear->most;
    rear->most = most;
}

static inline bool tarn__bin_is_empty(const struct tarn__bin *bin, const struct tarn_cache *cache)
{
    return cache->linked ? !bin->head : bin->count == 0;
}

/* Makes `magazine` the one in use, of a bin that has none. */
void tarn__bin_install(struct tarn__bin *bin, struct tarn__rear *rear, const struct tarn_cache *cache,
                       struct tarn__magazine magazine);

/* Takes the magazine in use out of a bin. */
struct tarn__magazine tarn__bin_take(struct tarn__bin *bin, struct tarn__rear *rear, const struct tarn_cache *cache);

/* Takes all but a magazine's worth out of a bin that is a list and holds more: what has been free for longest. */
struct tarn__magazine tarn__bin_split(struct tarn__bin *bin, const struct tarn__rear *rear, const struct tarn_cache *cache);

void *tarn__bin_pop(struct tarn__bin *bin, const struct tarn_cache *cache);

/* Adds an object to a bin that is not full. False: no memory for its array. */
bool tarn__bin_push(struct tarn__bin *bin, struct tarn__rear *rear, struct tarn_cache *cache, void *object);

/*
 * The part of another thread's bin that can be trusted in the child of a fork: the thread may have been stopped anywhere. Each object's
 * slab is looked at.
 */
struct tarn__magazine tarn__bin_trusted(const struct tarn__bin *bin, const struct tarn_cache *cache);

#endif
