/*
 * Whole pages, exactly as many as needed: vmalloc; and kvmalloc, which has kmalloc's classes below that. Pages of one run lie side by side anyway, so
 * there is nothing to try before them, and no reason to round up to a power of two.
 *
 * Reallocation of both families: in place whenever it fits. It cannot know how much was asked for before, so with TARN_GFP_ZERO it zeroes all that
 * lies behind the new size; who always asks for that finds zeros in all that is added.
 */
#include "alloc/care.h"
#include "alloc/realloc.h"
#include "base/fail.h"
#include "base/warn.h"
#include "kernel/kmalloc.h"
#include "tarn/alloc.h"

#include <string.h>

static void *alloc_exact(size_t size, tarn_gfp_t flags)
{
    size_t pages = size / TARN__PAGE_SIZE + (size % TARN__PAGE_SIZE != 0);
    if (size == 0 || size > PTRDIFF_MAX)
        return NULL;
    return tarn__kernel_pages(size, pages, TARN__PAGE_SIZE, flags);
}

void *tarn_vmalloc_flags(size_t size, tarn_gfp_t flags)
{
    flags &= ~TARN_GFP_HIGHMEM;
    return tarn__kmalloc_flags_can_be(flags, size) ? alloc_exact(size, flags) : NULL;
}

void *tarn_vmalloc(size_t size) { return tarn_vmalloc_flags(size, TARN_GFP_KERNEL); }

void *tarn_vzalloc(size_t size) { return tarn_vmalloc_flags(size, TARN_GFP_KERNEL | TARN_GFP_ZERO); }

void tarn_vfree(const void *p)
{
    if (!p)
        return;
    struct tarn_page *run = tarn__run_at(p);
    if (TARN__UNLIKELY(tarn__modes_any) && tarn__care_free_pages((void *)p, "vfree"))
        return;
    if (!run)
        tarn__misuse(TARN__INVALID_FREE, "vfree", p);
    else
        tarn__large_free(run, false);
}

void *tarn_kvmalloc(size_t size, tarn_gfp_t flags)
{
    if (size <= TARN__KMALLOC_SMALL_MOST)
        return tarn__kmalloc(size, flags);
    return tarn__kmalloc_flags_can_be(flags, size) ? alloc_exact(size, flags) : NULL;
}

void *tarn_kvzalloc(size_t size, tarn_gfp_t flags) { return tarn_kvmalloc(size, flags | TARN_GFP_ZERO); }

void *tarn_kvmalloc_array(size_t count, size_t size, tarn_gfp_t flags)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : tarn_kvmalloc(bytes, flags);
}

void *tarn_kvcalloc(size_t count, size_t size, tarn_gfp_t flags)
{
    return tarn_kvmalloc_array(count, size, flags | TARN_GFP_ZERO);
}

void tarn_kvfree(const void *p) { tarn__kfree(p); }

static void *resize(const void *p, size_t size, tarn_gfp_t flags, void *(*alloc)(size_t size, tarn_gfp_t flags))
{
    size_t had = tarn_ksize(p);
    if (size == 0) {
        tarn__kfree(p);
        return TARN_ZERO_SIZE_PTR;
    }
    if (size <= had) {
        if (flags & TARN_GFP_ZERO)
            memset((char *)p + size, 0, had - size);
        return (void *)p;
    }
    void *to = alloc(size, flags);
    if (to && had > 0) {
        memcpy(to, p, had);
        tarn__kfree(p);
    }
    return to;
}

void *tarn_krealloc(const void *p, size_t size, tarn_gfp_t flags) { return resize(p, size, flags, tarn_kmalloc); }

void *tarn_krealloc_array(void *p, size_t count, size_t size, tarn_gfp_t flags)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : tarn_krealloc(p, bytes, flags);
}

void *tarn_kvrealloc(const void *p, size_t size, tarn_gfp_t flags) { return resize(p, size, flags, tarn_kvmalloc); }
