/*
 * Free pages of a zone: splitting, merging, ranges of any place and length. Between zone.c's files only; the zone's lock is held throughout.
 *
 * Free pages are kept twice: as blocks on the lists of their orders, from which blocks of an order are taken in constant time, and as
 * one bit each, in which a range is found that no single block contains. A buddy system alone would answer a request for 150 pages
 * with an aligned block of 256 or not at all, though 200 free pages lie side by side.
 */
#ifndef TARN_PAGE_BUDDY_H
#define TARN_PAGE_BUDDY_H

#include "page/zone.h"

/* A free block of a group, of `order` at least: the smallest that suffices, dirty before clean; NULL if there is none. */
struct tarn_page *tarn__buddy_find(struct tarn_zone *zone, unsigned order, unsigned group);

/* Takes a free block, and of it what is of `order`; the rest stays free. */
struct tarn_page *tarn__buddy_take(struct tarn_page *block, unsigned order);

/* Takes a free block off its list, and puts one on that of its pageblock's group: for who changes that between. */
void tarn__buddy_off(struct tarn_page *block);
void tarn__buddy_on(struct tarn_page *block, unsigned order);

/* Takes exactly the `count` pages from `first` of a section on, beyond it if need be; false, with nothing changed, unless all are free. */
bool tarn__buddy_claim(struct tarn__section *section, size_t first, size_t count);

/* Frees pages, in one section: as few blocks as possible, merged with their neighbours. */
void tarn__buddy_put(struct tarn__section *section, size_t first, size_t count);

/* The section after this one if it is an ordinary one of the same zone; else NULL. */
struct tarn__section *tarn__section_next(const struct tarn__section *section);

/* Pages of the section became free: searches must look there again. */
void tarn__span_freed(struct tarn__section *section);

/* A section is about to leave the zone's list: no search may begin there. */
void tarn__span_forget(struct tarn_zone *zone);

/*
 * The first page, in order of address, of `count` free pages side by side; NULL: there are none, or not among the sections looked at.
 * With `dirty`, all of them are dirty. About 20 ns for each section that has to be looked into; those that are known to have no span of
 * such a length are passed by, and those before the first that may have are not even visited.
 */
struct tarn_page *tarn__span_find(struct tarn_zone *zone, size_t count, bool dirty);

#endif
