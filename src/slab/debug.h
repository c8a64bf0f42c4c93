/*
 * Debugged caches: red zones, poison, and who allocated and freed. Their objects pass by the magazines, so each step is checked
 * against the slab, and a second free of an object is certainly found.
 */
#ifndef TARN_SLAB_DEBUG_H
#define TARN_SLAB_DEBUG_H

#include "base/modes.h"
#include "slab/cache.h"

enum {
    TARN__RED_FREE = 0xbb, /* around a free object */
    TARN__RED_USED = 0xcc, /* around one in use */
    TARN__POISON_FREE = 0x6b,
    TARN__POISON_END = 0xa5, /* its last byte */
};

/* Two of them behind an object: who allocated it, who freed it. */
struct tarn__track {
    const void *caller;
    uint32_t thread;
    uint32_t when; /* milliseconds, cut */
};

/* Gives a new slab's slots their colours. */
void tarn__debug_prepare(const struct tarn_cache *cache, char *base);

/* Looks at all objects of a slab that is given back, each of them free. Ends the process when what was written to one shows. */
void tarn__debug_leave(const struct tarn_cache *cache, const char *base);

/* `caller` is where the user's call returns to. Ends the process when what was written between shows. NULL: no memory. */
void *tarn__debug_alloc(struct tarn_cache *cache, tarn_gfp_t flags, const void *caller);
void tarn__debug_free(struct tarn_cache *cache, void *object, const void *caller);

/* Of an exact cache: an object of `size` bytes, up to the cache's. */
void *tarn__debug_alloc_exact(struct tarn_cache *cache, size_t size, tarn_gfp_t flags, const void *caller);

/* Bytes of a live object that its user may use. 0, and a report: none begins there. */
size_t tarn__debug_size(const struct tarn_cache *cache, const void *object, const char *where);

/* The flags of a cache that has these letters. */
static inline unsigned tarn__debug_flags(unsigned letters)
{
    return (letters & TARN__LETTER_F ? TARN_CACHE_CONSISTENCY_CHECKS : 0) |
           (letters & TARN__LETTER_Z ? TARN_CACHE_RED_ZONE : 0) | (letters & TARN__LETTER_P ? TARN_CACHE_POISON : 0) |
           (letters & TARN__LETTER_U ? TARN_CACHE_STORE_USER : 0);
}

/* Warns of a live object: its address, and who allocated it, where that is known. */
void tarn__debug_describe(const struct tarn_cache *cache, const void *object);

/* Verifies the red zones of an object in use. */
void tarn__debug_check(const struct tarn_cache *cache, const void *object);

#endif
