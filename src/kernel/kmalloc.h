/*
 * kmalloc's size classes, and its fast path, whole.
 *
 *     index    0   1   2   3   4    5    6    7 …  12
 *     size     8  16  32  64  96  128  192  256 … 8192      a size's class: a table up to 192, its logarithm above
 *
 * Each class is an object cache of its own kind: kmalloc-N, kmalloc-rcl-N (TARN_GFP_RECLAIMABLE), dma-kmalloc-N (TARN_GFP_DMA and DMA32),
 * made at its first use and never destroyed. Objects are aligned to the largest power of two that divides the class's size, and that is
 * at least the largest that divides any size which the class serves.
 */
#ifndef TARN_KERNEL_KMALLOC_H
#define TARN_KERNEL_KMALLOC_H

#include "alloc/fast.h"
#include "base/bits.h"
#include "tarn/kmalloc.h"

#define TARN__KMALLOC_SMALL_MOST ((size_t)8192)

enum { TARN__KMALLOC_CLASSES = 13, TARN__KMALLOC_TABLE_MOST = 192 };
enum { TARN__KMALLOC_NORMAL, TARN__KMALLOC_RECLAIMABLE, TARN__KMALLOC_DMA, TARN__KMALLOC_KINDS };

/* The number of the class's bin, of the ordinary kind; 0: not made yet, or failures are injected. Bin 0 is always empty. */
extern TARN__HIDDEN _Atomic uint8_t tarn__kmalloc_number[TARN__KMALLOC_CLASSES];

/* What the fast path does not look at: other kinds, to be zeroed, or a mistake. */
#define TARN__KMALLOC_SLOW_FLAGS                                                                                               \
    (TARN_GFP_DMA | TARN_GFP_DMA32 | TARN_GFP_RECLAIMABLE | TARN_GFP_ZERO | TARN_GFP_HIGHMEM | TARN_GFP_MOVABLE)

/* NULL: not made yet. */
extern TARN__HIDDEN _Atomic(struct tarn_cache *) tarn__kmalloc_cache[TARN__KMALLOC_KINDS][TARN__KMALLOC_CLASSES];

/* [i]: the class of 8 * (i + 1) bytes. */
extern TARN__HIDDEN const uint8_t tarn__kmalloc_table[TARN__KMALLOC_TABLE_MOST / 8];

/* Bytes by class. */
extern TARN__HIDDEN const uint16_t tarn__kmalloc_sizes[TARN__KMALLOC_CLASSES];

/* Any size, any flags. */
void *tarn__kmalloc_slow(size_t size, tarn_gfp_t flags);

/* Whether the flags go together in requests of pages; warns if not. */
bool tarn__kmalloc_flags_can_be(tarn_gfp_t flags, size_t size);

/* Whole pages at a multiple of `align`, counted as an object of `size` bytes, zeroed if the flags say so. NULL: no memory. */
void *tarn__kernel_pages(size_t size, size_t pages, size_t align, tarn_gfp_t flags);

/* The class of a size from 1 to TARN__KMALLOC_SMALL_MOST. */
static inline unsigned tarn__kmalloc_index(size_t size)
{
    return size <= TARN__KMALLOC_TABLE_MOST ? tarn__kmalloc_table[(size - 1) / 8] : tarn__log2_ceil(size) - 1;
}

static inline void *tarn__kmalloc(size_t size, tarn_gfp_t flags)
{
    if (TARN__UNLIKELY(size - 1 >= TARN__KMALLOC_SMALL_MOST || (flags & TARN__KMALLOC_SLOW_FLAGS)))
        return tarn__kmalloc_slow(size, flags);
    unsigned number = atomic_load_explicit(&tarn__kmalloc_number[tarn__kmalloc_index(size)], memory_order_relaxed);
    struct tarn__bin *bin = &tarn__self->bin[number];
    void *object = bin->head;
    if (TARN__UNLIKELY(!object))
        return tarn__kmalloc_slow(size, flags);
    bin->head = *(void **)object;
    tarn__counter_add(&bin->allocs, 1);
    tarn__mark_used(object, bin->inverse);
    return object;
}

static inline void tarn__kfree(const void *p)
{
    if (TARN__LIKELY(!TARN_ZERO_OR_NULL(p)))
        tarn__free((void *)p);
}

#endif
