/*
 * Huge blocks: above 4 MiB, each a section of several slots straight from the source. Between zone.c's files only; takes the zone's
 * lock itself.
 *
 * A freed huge block below TARN__HUGE_KEEP is kept, dirty, for the next one of its size or a little less, or to be divided into
 * ordinary sections when the zone must grow; larger ones are unmapped at once.
 */
#ifndef TARN_PAGE_HUGE_H
#define TARN_PAGE_HUGE_H

#include "page/zone.h"

#define TARN__HUGE_KEEP ((size_t)64 << 20)

struct tarn__page *tarn__huge_alloc(struct tarn__zone *zone, size_t count, size_t align, bool *zeroed);

/* Returns whether the zone now keeps more dirty pages than it may. */
bool tarn__huge_free(struct tarn__section *section);

/* Divides the newest free huge block into sections of the zone. False: there is none, or no memory for descriptors. */
bool tarn__huge_divide(struct tarn__zone *zone);

/* Unmaps the oldest free huge block if the zone has at least `dirty` dirty pages; returns its bytes, or 0. */
size_t tarn__huge_unmap_oldest(struct tarn__zone *zone, size_t dirty);

#endif
