/*
 * Free blocks of a zone: splitting, merging, and ranges of any length. Between zone.c's files only; the zone's lock is held throughout.
 */
#ifndef TARN_PAGE_BUDDY_H
#define TARN_PAGE_BUDDY_H

#include "page/zone.h"

/* Takes a block of exactly `order` off the lists, splitting a larger one; NULL if there is none. */
struct tarn__page *tarn__buddy_take(struct tarn__zone *zone, unsigned order);

/* Puts pages [first, first + count) of a section on the lists, as few blocks as possible, merged with their neighbours. */
void tarn__buddy_put(struct tarn__section *section, size_t first, size_t count);

/* Takes exactly the pages [first, first + count) off the lists; false, with nothing changed, unless all are free. `first` begins a block. */
bool tarn__buddy_claim(struct tarn__section *section, size_t first, size_t count);

/* Takes this one free block off its list. */
void tarn__buddy_remove(struct tarn__page *block);

#endif
