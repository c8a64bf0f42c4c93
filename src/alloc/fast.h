/*
 * The fast path, whole. Everything that is rare is behind the two slow calls.
 */
#ifndef TARN_ALLOC_FAST_H
#define TARN_ALLOC_FAST_H

#include "alloc/classes.h"
#include "slab/local.h"

/* tarn__class_table[i] is the class of 16 * i bytes. */
extern const uint8_t tarn__class_table[TARN__TABLE_MOST / 16 + 1];

/* Any size; NULL when there is no memory. */
void *tarn__alloc_slow(size_t size);

/* Any pointer; ends the process when it is not the start of a live object. Keeps errno. */
void tarn__free_slow(void *p);

static inline void *tarn__alloc(size_t size)
{
    if (TARN__UNLIKELY(size > TARN__TABLE_MOST))
        return tarn__alloc_slow(size);
    struct tarn__bin *bin = &tarn__self->bin[tarn__class_table[(size + 15) / 16]];
    void *object = bin->head;
    if (TARN__UNLIKELY(!object))
        return tarn__alloc_slow(size);
    bin->head = *(void **)object;
    tarn__counter_add(&bin->allocs, 1);
    return object;
}

static inline void tarn__free(void *p)
{
    size_t unit = ((uintptr_t)p - tarn__window_base) >> TARN__UNIT_BITS;
    if (TARN__UNLIKELY(unit >= sizeof tarn__unit_cache))
        return tarn__free_slow(p);
    struct tarn__bin *bin = &tarn__self->bin[tarn__unit_cache[unit]];
    if (TARN__UNLIKELY((long)(bin->frees - bin->allocs) >= bin->limit))
        return tarn__free_slow(p);
    *(void **)p = bin->head; /* NOLINT(clang-analyzer-core.NullDereference): NULL is in no unit that has a bin with room */
    atomic_signal_fence(memory_order_release); /* see local.h: the link before the head */
    bin->head = p;
    tarn__counter_add(&bin->frees, 1);
}

#endif
