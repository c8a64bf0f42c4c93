/**
 * @file alloc.h
 * Memory of any size: tarn's malloc family.
 *
 * All functions may be called from any thread at any time after the loader has relocated the library, before main and after
 * exit included, and in the child of a fork whatever other threads did. None is async-signal-safe. None changes errno (the
 * standard names in libtarn-malloc do, as their standards ask). Sizes above PTRDIFF_MAX get NULL.
 *
 * Cost: O(1), about 18 instructions each for allocation and free while a thread's magazines last; a magazine exchange every 4 to
 * 128 operations beyond that. System calls are made only when the heap grows or gives memory back.
 *
 * Sizes up to 32768 bytes are rounded up to one of 72 classes, by less than 1/9 above 128 bytes and by at most 15 bytes below; larger ones
 * to whole pages of 4096 bytes.
 */
#ifndef TARN_ALLOC_H
#define TARN_ALLOC_H

#include "api.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Allocates `size` bytes, aligned to 16. Size 0 gives a unique object of 16 bytes.
 * @return the object, or NULL when there is no memory. Contents are indeterminate.
 */
TARN_API void *tarn_malloc(size_t size);

/** Allocates `count` objects of `size` bytes, all zero. @return NULL when there is no memory or count * size is not representable. */
TARN_API void *tarn_calloc(size_t count, size_t size);

/**
 * Changes an object's size to `size` bytes. It stays where it is when its class or its pages have room, or when free pages follow;
 * blocks above 4 MiB move by remapping their pages, nothing is copied.
 *
 * @param p  an object of tarn, or NULL: then as tarn_malloc
 * @param size  bytes; 0 frees the object and gives NULL
 * @return the object, or NULL when there is no memory: `p` is then untouched and still the caller's
 */
TARN_API void *tarn_realloc(void *p, size_t size);

/**
 * Frees an object; NULL is allowed. An address at which no live object of tarn begins is reported (report.h), at this call.
 */
TARN_API void tarn_free(void *p);

/** Frees an object whose size the caller knows: any size that was asked for, up to tarn_usable_size(p). A size that cannot be is reported as misuse. */
TARN_API void tarn_free_sized(void *p, size_t size);

/**
 * Allocates `size` bytes at a multiple of `align`, a power of two up to 1 GiB and beyond.
 * @return NULL when there is no memory or `align` is not a power of two
 */
TARN_API void *tarn_aligned_alloc(size_t align, size_t size);

/** Bytes that may be used of an object: at least what was asked for. 0 for NULL. */
TARN_API size_t tarn_usable_size(const void *p);

/**
 * Gives back to the system what is free: magazines of the calling thread, those between threads, and free pages, except `keep` bytes of them.
 * @return bytes given back. Cost: proportional to what is cached.
 */
TARN_API size_t tarn_trim(size_t keep);

#ifdef __cplusplus
}
#endif

#endif
