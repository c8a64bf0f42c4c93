/*
 * The fast path, whole. Everything that is rare is behind the two slow calls.
 */
#ifndef TARN_ALLOC_FAST_H
#define TARN_ALLOC_FAST_H

#include "alloc/classes.h"
#include "slab/local.h"

/* tarn__class_table[i] is the class of 16 * i bytes. */
extern TARN__HIDDEN const uint8_t tarn__class_table[TARN__TABLE_MOST / 16 + 1];

/* Where among a thread's bins that of a size is: [i] for 16 * i bytes, and for 128 * i. In bytes, as then nothing is left to compute. */
/* Written by tarn__alloc_slowly only, and read-only until then. */
extern TARN__HIDDEN uint16_t tarn__bin_by_16[TARN__TABLE_MOST / 16 + 1], tarn__bin_by_128[TARN__SMALL_MOST / 128 + 1];

/* Has each allocation of a class take the slow path, but no free: from now on its sizes lead to bin 0, which is always empty. Before there are threads.
 * False: the system does not allow it. */
bool tarn__alloc_slowly(unsigned class);

/* Whether that is so. */
static inline bool tarn__alloc_is_slow(unsigned class)
{
    size_t size = tarn__class_size(class);
    return (size <= TARN__TABLE_MOST ? tarn__bin_by_16[size / 16] : tarn__bin_by_128[size / 128]) == 0;
}

/* Any size; NULL when there is no memory. */
void *tarn__alloc_slow(size_t size);

/* Any pointer; reports what is not the start of a live object, and leaves it then. Keeps errno. */
void tarn__free_slow(void *p);

/* The same for who says how large the object is: where modes know that, too, it must be true. */
void tarn__free_sized_slow(void *p, size_t size);

/*
 * Pops, or calls `slow` last, so that it takes the place of this call. The empty statement makes the compiler keep the object where it is
 * returned, which it does not see for itself: one instruction.
 */
static inline __attribute__((always_inline)) void *tarn__pop_or(struct tarn__bin *bin, size_t size, void *(*slow)(size_t))
{
    void *object = bin->head;
    __asm__("" : "+r"(object));
    if (TARN__UNLIKELY(!object))
        return slow(size);
    bin->head = *(void **)object;
    tarn__counter_add(&bin->allocs, 1);
    tarn__mark_used(object, bin->inverse);
    return object;
}

static inline __attribute__((always_inline)) void *tarn__alloc_or(size_t size, void *(*slow)(size_t))
{
    if (TARN__LIKELY(size <= TARN__TABLE_MOST))
        return tarn__pop_or((struct tarn__bin *)((char *)tarn__self + tarn__bin_by_16[(size + 15) / 16]), size, slow);
    if (size <= TARN__SMALL_MOST)
        return tarn__pop_or((struct tarn__bin *)((char *)tarn__self + tarn__bin_by_128[(size + 127) / 128]), size, slow);
    return slow(size);
}

static inline void *tarn__alloc(size_t size) { return tarn__alloc_or(size, tarn__alloc_slow); }

/* Pushes to the thread's bin. False: that is for the slow path, as are units from `end` on. */
static inline __attribute__((always_inline)) bool tarn__push(void *p, size_t end)
{
    size_t unit = tarn__unit_of(p);
    if (TARN__UNLIKELY(unit >= end))
        return false;
    uintptr_t entry = tarn__unit_entry(unit);
    struct tarn__bin *bin = &tarn__self->bin[(uint8_t)entry];
    if (TARN__UNLIKELY(tarn__bin_room(bin) <= 0))
        return false;
    uint64_t place = tarn__mark_place(p, bin->inverse);
    if (TARN__UNLIKELY((uint32_t)place >= bin->inverse))
        return false;
    uint8_t *mark = tarn__mark_at(entry, place);
    if (TARN__UNLIKELY(!tarn__mark_read(mark)))
        return false;
    tarn__mark_write(mark, false);
    *(void **)p = bin->head; /* NOLINT(clang-analyzer-core.NullDereference): NULL is in no unit that has a bin with room */
    atomic_signal_fence(memory_order_release); /* see local.h: the link before the head */
    bin->head = p;
    tarn__counter_add(&bin->frees, 1);
    return true;
}

static inline void tarn__free(void *p)
{
    if (TARN__UNLIKELY(!tarn__push(p, TARN__READ(tarn__units_gate))))
        tarn__free_slow(p);
}

static inline void tarn__free_sized(void *p, size_t size)
{
    if (TARN__UNLIKELY(!tarn__push(p, TARN__READ(tarn__units_gate))))
        tarn__free_sized_slow(p, size);
}

#endif
