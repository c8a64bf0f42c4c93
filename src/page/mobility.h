/*
 * Mobility groups: pages that stay, pages that can be moved, pages that can be reclaimed, each kind among its own.
 *
 * (Gorman and Whitcroft 2006, "The what, the why and the where to of anti-fragmentation"; the rules here are those of the Linux kernel.)
 *
 * One page that stays for years keeps its whole 4 MiB from ever being free again. So each pageblock of 2 MiB belongs to a group, and a
 * request takes from pageblocks of its own group as long as they have something. Only then it falls back:
 *
 *     UNMOVABLE -> RECLAIMABLE -> MOVABLE      RECLAIMABLE -> UNMOVABLE -> MOVABLE      MOVABLE -> RECLAIMABLE -> UNMOVABLE
 *
 * and takes the *largest* block there is, for what it leaves of it is of use to its kind. A block of a pageblock or more changes group
 * whole. Of a smaller one the pageblock is converted, all of its free pages with it, when at least half of it is free or in use by the
 * request's kind. To that end movable requests take part only with blocks of 2^4 pages and more: below, they take the smallest block and
 * convert nothing, as they can be moved away again; the others would come back for the next page.
 *
 * Wrong if: long-lived unmovable pages end up in more pageblocks than they would fill several times over (demo/mobility.c).
 *
 * Between the page floor's files only; the zone's lock is held throughout.
 */
#ifndef TARN_PAGE_MOBILITY_H
#define TARN_PAGE_MOBILITY_H

#include "page/zone.h"

/* The group that flags ask for; TARN_MOBILITIES when they ask for two. */
static inline unsigned tarn__group_of(tarn_gfp_t flags) { return flags / TARN_GFP_MOVABLE & 3; }

_Static_assert(TARN_MOVABLE == 1 && TARN_RECLAIMABLE == 2 && TARN_GFP_RECLAIMABLE == 2 * TARN_GFP_MOVABLE,
               "a group is two bits of the flags");

/* Takes a block of exactly `order` for a group, from another one if need be. NULL: there is none. */
struct tarn_page *tarn__group_take(struct tarn_zone *zone, unsigned order, unsigned group);

/* What the free pages of a zone's pageblocks are from now on: all of one group, or, when `grouping`, those that are wholly free movable. */
void tarn__regroup(struct tarn_zone *zone, bool grouping);

/* How many pageblocks a zone has of each group. */
void tarn__group_count(const struct tarn_zone *zone, size_t pageblocks[TARN_MOBILITIES]);

#endif
