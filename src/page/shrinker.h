/*
 * Reclaim: the registered shrinkers (tarn/shrinker.h), run in the caller or in the background.
 */
#ifndef TARN_PAGE_SHRINKER_H
#define TARN_PAGE_SHRINKER_H

#include "os/lock.h"
#include "tarn/shrinker.h"

#include <stdbool.h>

#define TARN__RECLAIM_PRIORITY 12 /* where reclaim begins: a 4096th of all objects */

/*
 * Runs all shrinkers in the calling thread, with no lock held, in a scope that keeps their own requests from reclaiming.
 * Returns the objects freed; 0 at once from within a shrinker. `flags`: of the request, for the shrinkers to see.
 */
unsigned long tarn__reclaim(tarn_gfp_t flags, int priority);

/*
 * Has the background thread reclaim, from priority 12 down to 0 and again, until `still_short` says no or a whole pass frees
 * nothing. `still_short` is asked there, with no lock held; of several that wake at once, the last one's is asked. Costs a load
 * while there is no shrinker, and may start the thread else: call it with no lock held.
 */
void tarn__reclaim_wake(bool (*still_short)(void));

/* For the fork hooks; `tarn__shrinkers_child` when the locks are free again. In the child no other thread runs a shrinker. */
void tarn__shrinkers_each_lock(void (*act)(struct tarn__lock *));
void tarn__shrinkers_child(void);

#endif
