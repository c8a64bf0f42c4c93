/*
 * Requests of whole pages, shared between alloc.c and realloc.c.
 */
#ifndef TARN_ALLOC_REALLOC_H
#define TARN_ALLOC_REALLOC_H

#include "page/zone.h"

/* `room` more pages than `size` needs are part of the block, if there is memory for them. `zeroed` as in tarn__pages_alloc. */
void *tarn__large_alloc(size_t size, size_t align, size_t room, bool *zeroed);

/* Counts a run as an object of `size` bytes that tarn_free will free; its address. */
void *tarn__large_note(struct tarn_page *run, size_t size);

/* `clean`: every byte of it reads as zero. */
void tarn__large_free(struct tarn_page *run, bool clean);

#endif
