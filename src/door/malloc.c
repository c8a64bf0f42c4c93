/*
 * The standard's names over tarn's: what libtarn-malloc puts in the place of the C library's allocator. Here, and only
 * here, errno is set.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "alloc/care.h"
#include "alloc/fast.h"
#include "alloc/hard_fast.h"
#include "door/door.h"
#include "os/os.h"
#include "tarn/alloc.h"

#include <errno.h>
#include <string.h>

TARN__COLD static void *out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

static inline void *or_errno(void *p) { return TARN__LIKELY(p != NULL) ? p : out_of_memory(); }

static TARN__NOINLINE void *malloc_ordinary(size_t size) { return or_errno(tarn__alloc_slow(size)); }

static TARN__NOINLINE void *malloc_slow(size_t size)
{
    return TARN__UNLIKELY(tarn__only_hardened) ? tarn__hard_alloc_or(size, malloc_ordinary) : malloc_ordinary(size);
}

TARN__DOOR void *malloc(size_t size) { return tarn__alloc_or(size, malloc_slow); }

TARN__DOOR void free(void *p) { tarn__free(p); }

static TARN__NOINLINE void *calloc_large(size_t count, size_t size) { return or_errno(tarn_calloc(count, size)); }

TARN__DOOR void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (TARN__UNLIKELY(__builtin_mul_overflow(count, size, &bytes) || bytes > TARN__SMALL_MOST))
        return calloc_large(count, size);
    void *p = tarn__alloc_or(bytes, malloc_slow);
    return TARN__LIKELY(p != NULL) ? memset(p, 0, bytes) : NULL;
}

TARN__DOOR void *realloc(void *p, size_t size)
{
    void *moved = tarn_realloc(p, size);
    return moved || (p && size == 0) ? moved : out_of_memory();
}

TARN__DOOR void *reallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? out_of_memory() : realloc(p, bytes);
}

TARN__DOOR void free_sized(void *p, size_t size) { tarn_free_sized(p, size); }

TARN__DOOR void free_aligned_sized(void *p, size_t align, size_t size)
{
    (void)align;
    tarn_free_sized(p, size);
}

static void *aligned(size_t align, size_t size)
{
    if (!tarn__is_pow2(align)) {
        errno = EINVAL;
        return NULL;
    }
    return or_errno(tarn_aligned_alloc(align, size));
}

TARN__DOOR void *aligned_alloc(size_t align, size_t size) { return aligned(align, size); }

/* As in the C library, an alignment that is no power of two is rounded up to one. */
TARN__DOOR void *memalign(size_t align, size_t size)
{
    if (align > (SIZE_MAX >> 1) + 1) {
        errno = EINVAL;
        return NULL;
    }
    return aligned((size_t)1 << tarn__log2_ceil(tarn__max(align, 1)), size);
}

TARN__DOOR int posix_memalign(void **result, size_t align, size_t size)
{
    if (!tarn__is_pow2(align) || align % sizeof(void *) != 0)
        return EINVAL;
    void *p = tarn_aligned_alloc(align, size);
    if (!p)
        return ENOMEM;
    *result = p;
    return 0;
}

TARN__DOOR void *valloc(size_t size) { return aligned(tarn__os_page_size(), size); }

TARN__DOOR void *pvalloc(size_t size)
{
    size_t page = tarn__os_page_size();
    return size > PTRDIFF_MAX ? out_of_memory() : aligned(page, tarn__align_up(tarn__max(size, 1), page));
}

TARN__DOOR size_t malloc_usable_size(void *p) { return tarn_usable_size(p); }

TARN__DOOR int malloc_trim(size_t keep) { return tarn_trim(keep) > 0; }
