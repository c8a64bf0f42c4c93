/**
 * @file kmalloc.h
 * The kernel's general allocation: size classes 8 … 8192 as object caches, pages above up to 4 MiB, and what stands on them.
 *
 * Objects are aligned to at least the largest power of two that divides the size asked for. All may be freed by tarn_free too. Any thread; not
 * async-signal-safe. Sizes above 4 MiB get NULL (tarn_vmalloc and tarn_kvmalloc serve them). TARN_GFP_HIGHMEM, and MOVABLE with RECLAIMABLE, get NULL and a warning.
 */
#ifndef TARN_KMALLOC_H
#define TARN_KMALLOC_H

#include "gfp.h"
#include "rcu.h"

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_KMALLOC_MOST ((size_t)4 << 20)
#define TARN_ZERO_SIZE_PTR                                                                                                     \
    ((void *)16) /**< what an allocation of size 0 gives: not to be dereferenced; free and size take it */
#define TARN_ZERO_OR_NULL(p) ((size_t)(p) <= (size_t)TARN_ZERO_SIZE_PTR)

TARN_API void *tarn_kmalloc(size_t size, tarn_gfp_t flags);
TARN_API void *tarn_kzalloc(size_t size, tarn_gfp_t flags);
TARN_API void *tarn_kmalloc_array(size_t count, size_t size, tarn_gfp_t flags); /**< NULL when the product overflows */
TARN_API void *tarn_kcalloc(size_t count, size_t size, tarn_gfp_t flags);
TARN_API void tarn_kfree(const void *p);           /**< NULL and ZERO_SIZE_PTR are allowed; objects of any cache too */
TARN_API void tarn_kfree_sensitive(const void *p); /**< wipes it first */
TARN_API void tarn_kfree_bulk(size_t count, void **objects);

/** In place when it fits; the original survives a failure; (p, 0) frees and gives ZERO_SIZE_PTR. TARN_GFP_ZERO zeroes what is added. */
TARN_API void *tarn_krealloc(const void *p, size_t size, tarn_gfp_t flags);
TARN_API void *tarn_krealloc_array(void *p, size_t count, size_t size, tarn_gfp_t flags);

TARN_API size_t tarn_ksize(const void *p);              /**< bytes that may be used; 0 for NULL and ZERO_SIZE_PTR */
TARN_API size_t tarn_kmalloc_size_roundup(size_t size); /**< what ksize would tell */

/**
 * Any size: an object of kmalloc's classes up to 8192 bytes, above that whole pages side by side, as many as needed, aligned to 4096. kvfree
 * and kvrealloc take what kmalloc and vmalloc gave, too.
 */
TARN_API void *tarn_kvmalloc(size_t size, tarn_gfp_t flags);
TARN_API void *tarn_kvzalloc(size_t size, tarn_gfp_t flags);
TARN_API void *tarn_kvmalloc_array(size_t count, size_t size, tarn_gfp_t flags);
TARN_API void *tarn_kvcalloc(size_t count, size_t size, tarn_gfp_t flags);
TARN_API void *tarn_kvrealloc(const void *p, size_t size, tarn_gfp_t flags);
TARN_API void tarn_kvfree(const void *p);

/** Whole pages, any number, aligned to 4096; NULL for 0. TARN_GFP_HIGHMEM is allowed and has no effect. vfree takes NULL. */
TARN_API void *tarn_vmalloc(size_t size);
TARN_API void *tarn_vzalloc(size_t size);
TARN_API void *tarn_vmalloc_flags(size_t size, tarn_gfp_t flags);
TARN_API void tarn_vfree(const void *p);

/** Copies, to be freed. A string that is NULL gives NULL; kmemdup of 0 bytes gives ZERO_SIZE_PTR. The formats are the C library's. */
TARN_API void *tarn_kmemdup(const void *source, size_t size, tarn_gfp_t flags);
TARN_API char *tarn_kmemdup_nul(const char *source, size_t size, tarn_gfp_t flags);
TARN_API char *tarn_kstrdup(const char *source, tarn_gfp_t flags);
TARN_API char *tarn_kstrndup(const char *source, size_t most, tarn_gfp_t flags);
TARN_API char *tarn_kasprintf(tarn_gfp_t flags, const char *format, ...) __attribute__((format(printf, 2, 3)));
TARN_API char *tarn_kvasprintf(tarn_gfp_t flags, const char *format, va_list arguments);

/** Frees after a grace period. The first form uses `head`, which lies in the object at `p`; the second needs no head, and may sleep. */
TARN_API void tarn_kfree_rcu(void *p, struct tarn_rcu_head *head);
TARN_API void tarn_kfree_rcu_mightsleep(void *p);

#ifdef __cplusplus
}
#endif

#endif
