/*
 * How much idle memory a zone keeps, and when it is given back.
 *
 * Idle is what is resident and holds nothing: free pages that are dirty, and pages in slabs all of whose objects are free. No thread
 * watches over it; whoever frees does. As soon as more than an allowance is idle, the oldest of it is purged, down to a little less:
 *
 *     allowance = max(512 KiB, a sixteenth of what is in use) + learned
 *
 * The first part follows what is in use down, so a program that frees nearly all it has ends with little more than what it still uses, without
 * another call. The second part is for programs that swing: whenever a page must be got from the system although one was given back before, that
 * was a mistake; eight times the pages of the mistake are added to `learned`. It is at most one and a half times the peak, and
 * forgets 20 000 pages (80 MB) a second, which an eighth as many mistakes make up for; one costs a microsecond or two. Of the memory that a control group
 * allows no more than an eighth is kept for that; the limit is looked for as soon as more than 512 KiB is idle. Where memory is short
 * the allowance is a quarter of this, or nothing; yet the first 512 KiB alone are never looked for. Free pages and slabs each give in proportion to what they have.
 *
 * Wrong if: a load that frees and allocates again at once spends more than that in madvise and page faults; or what is idle outlasts a burst of frees.
 */
#ifndef TARN_PAGE_DECAY_H
#define TARN_PAGE_DECAY_H

#include "page/zone.h"

/* A new zone, of which nothing is known yet: it begins as if it had learned to keep 32 MiB. */
void tarn__idle_begin(struct tarn_zone *zone);

/* Pages of a zone were taken, of which the system had to give `fresh`: notes the peak, and what was a mistake. Under the zone's lock. */
void tarn__note_use(struct tarn_zone *zone, size_t fresh);

/* Whether more is idle than the zone keeps. Under the zone's lock. */
bool tarn__idle_excess(struct tarn_zone *zone);

/* Gives back until well less is idle than the zone keeps. With no lock held. */
void tarn__purge_excess(struct tarn_zone *zone);

/*
 * Pages in slabs became idle, or (negative) are idle no more; became absent (the system has them), or are so no more: of these `fresh` are used now.
 * Purges if that is due. With no lock held.
 */
void tarn__idle_note(struct tarn_zone *zone, long idle, long absent, size_t fresh);

/* The same, but nothing is purged, and no lock is taken. */
void tarn__idle_count(struct tarn_zone *zone, long idle, long absent);

/* Gives back up to so many idle pages in slabs of the zone; returns how many. Set by the slab floor. */
extern size_t (*_Atomic tarn__purge_slabs)(struct tarn_zone *zone, size_t pages);

#endif
