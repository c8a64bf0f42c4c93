/*
 * Requests of whole pages, shared between alloc.c and realloc.c.
 */
#ifndef TARN_ALLOC_REALLOC_H
#define TARN_ALLOC_REALLOC_H

#include "alloc/heap.h"

/*
 * The class of the live object that begins at `p`, from the table of units alone; 0: none begins there, or it is no size class's. A slab of a class
 * begins where its unit does, and is no longer.
 */
static inline unsigned tarn__class_at(const void *p)
{
    uintptr_t entry = tarn__unit_entry_any(p);
    unsigned number = (uint8_t)entry;
    if (number > TARN__CLASSES)
        return 0;
    uint32_t inverse = tarn__heap.cache[number].inverse; /* class 0's is 0 */
    uint64_t place = tarn__mark_place(p, inverse);
    return (uint32_t)place < inverse && tarn__mark_read(tarn__mark_at(entry, place)) ? number : 0;
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
