/* Slabs' own business, between slab.c and put.c only. The cache's slab lock is held, but where something else is said. */
#ifndef TARN_SLAB_SLABS_H
#define TARN_SLAB_SLABS_H

#include "slab/cache.h"

/* What is taken or put at once, under the lock, and what of it is to be told the zone afterwards. */
struct tarn__change {
    struct tarn_cache *cache;
    long idle, absent; /* pages that were so before */
    size_t fresh;      /* pages that must be got from the system */
    size_t to_construct;
};

/* Takes the lock; lets go of it, and tells. What is told may lead to a purge. */
struct tarn__change tarn__change_begin(struct tarn_cache *cache);
void tarn__change_end(const struct tarn__change *change);

/* The slab whose unit holds `p`, or NULL. Without the lock, too. */
struct tarn__slab *tarn__slab_around(const void *p);

/* Calls `visit` for each slab of the cache. */
void tarn__slabs_each(struct tarn_cache *cache, void (*visit)(struct tarn__slab *slab, void *context), void *context);

/* Puts a partial slab on the list of its group. */
void tarn__slab_list(struct tarn_cache *cache, struct tarn__slab *slab);

/* Notes which of some pages are idle now. */
void tarn__slab_note_idle(struct tarn__slab *slab, uint32_t pages);

/* A slab leaves its cache. Then it is given up, without the lock. */
void tarn__slab_forget(struct tarn_cache *cache, struct tarn__slab *slab);
void tarn__slab_destroy(struct tarn__slab *slab);

static inline char *tarn__object_at(const struct tarn__slab *slab, size_t index)
{
    return slab->base + index * slab->cache->size + slab->cache->start;
}

#endif
