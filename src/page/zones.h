/*
 * The zones there are: their list, and what the floors above tell about the process's heap.
 */
#ifndef TARN_PAGE_ZONES_H
#define TARN_PAGE_ZONES_H

#include "page/zone.h"

/* Tells, once, which zone is NORMAL; and, before that, what makes it so for who asks first. */
void tarn__zone_set_normal(struct tarn_zone *zone);
void tarn__zone_on_normal(void (*ready)(void));

/* The zone that flags name when the caller names none; NULL: there is none such. */
struct tarn_zone *tarn__zone_for(tarn_gfp_t flags);

/* Whether any zone has fewer pages than its high mark: reclaim goes on that long. */
bool tarn__zones_short(void);

/*
 * Calls `act` for the locks of all zones and of their lists, in order of rank: for the fork hooks, which take them all, between
 * tarn__forking set and cleared, and then let go of them.
 */
void tarn__zones_each_lock(void (*act)(struct tarn__lock *));

extern struct tarn_zone *_Atomic tarn__normal;

extern struct tarn__list tarn__zones; /* all of them, by `link`, NORMAL first; under the registry's lock, as the spare ones */

#endif
