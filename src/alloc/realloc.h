/*
 * Requests of whole pages, shared between alloc.c and realloc.c.
 */
#ifndef TARN_ALLOC_REALLOC_H
#define TARN_ALLOC_REALLOC_H

#include "alloc/heap.h"

/*
 * The class of the object that begins at `p`, from the table of units alone; 0: none begins there, or it is no size class's. A slab of a class begins
 * where its unit does, and is no longer.
 */
static inline unsigned tarn__class_at(const void *p)
{
    size_t unit = ((uintptr_t)p - tarn__window_base) >> TARN__UNIT_BITS;
    unsigned number = unit < TARN__UNITS ? tarn__unit_cache[unit] : 0;
    if (number > TARN__CLASSES)
        return 0;
    const struct tarn_cache *cache = &tarn__heap.cache[number];
    size_t offset = (uintptr_t)p & (TARN__UNIT_SIZE - 1), index = tarn__object_index(cache, offset);
    return index * cache->size == offset && index < cache->objects ? number : 0;
}

/* `room` more pages than `size` needs are part of the block, if there is memory for them. `zeroed` as in tarn__pages_alloc. */
void *tarn__large_alloc(size_t size, size_t align, size_t room, bool *zeroed);

/* Counts a run as an object of `size` bytes that tarn_free will free; its address. */
void *tarn__large_note(struct tarn_page *run, size_t size);

/* Counts the change of a block's pages. */
void tarn__large_resize(size_t was, size_t is);

/* `clean`: every byte of it reads as zero. */
void tarn__large_free(struct tarn_page *run, bool clean);

#endif
