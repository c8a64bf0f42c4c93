/*
 * Giving memory back. Between zone.c's files only. Each call decides under the zone's lock, takes what it chose off the lists, makes its
 * system calls with no lock held, and puts back what remains. Purging changes no address and unmapping only free ones.
 */
#ifndef TARN_PAGE_PURGE_H
#define TARN_PAGE_PURGE_H

#include "page/zone.h"

/* Unmaps a section that is on no list, and forgets it. False, with nothing changed, when the system refuses. */
bool tarn__section_unmap(struct tarn__section *section);

/* Puts a section among its zone's, by address. Under the zone's lock. */
void tarn__zone_insert(struct tarn__section *section);

/* Purges up to `pages` dirty pages, of the largest blocks first, and of equally large ones the oldest; returns how many. */
size_t tarn__purge_dirty(struct tarn_zone *zone, size_t pages);

/* In the child of a fork: gets back what other threads were purging. */
void tarn__purge_adopt(struct tarn_zone *zone);

/* Whether more sections have become wholly free than are worth their descriptors. Under the zone's lock. Unmaps those of them that are clean, or nearly. */
bool tarn__sections_to_spare(struct tarn_zone *zone);
void tarn__purge_sections(struct tarn_zone *zone);

#endif
