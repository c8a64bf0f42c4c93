/* Caches that users do not make themselves, and what concerns all caches. */
#ifndef TARN_SLAB_CREATE_H
#define TARN_SLAB_CREATE_H

#include "slab/caches.h"

/*
 * A size class beside those of tarn_malloc, whose objects tarn_free's fast path frees: sizes as for tarn__cache_init; of the flags
 * the accounting ones count. NULL: no memory, or the name is taken. Never destroyed.
 */
struct tarn_cache *tarn__cache_make_class(const char *name, size_t size, struct tarn_zone *zone, unsigned flags);

/*
 * A debugged class of tarn_malloc's: its objects are of any size up to this, and each is remembered. Its name may be another's. NULL: no memory. Never
 * destroyed.
 */
struct tarn_cache *tarn__cache_make_exact(const char *name, size_t size, size_t align, struct tarn_zone *zone, unsigned flags);

/* While failures are injected, no request for an object takes the fast path. */
void tarn__caches_inject(bool on);

#endif
