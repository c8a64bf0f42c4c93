/*
 * Reclaim: what a request that finds no pages can ask for.
 */
#ifndef TARN_PAGE_SHRINKER_H
#define TARN_PAGE_SHRINKER_H

#include "tarn/shrinker.h"

#include <stdbool.h>

/* Runs the shrinkers in the caller, with no lock held. Returns how many objects they freed. */
unsigned long tarn__reclaim(tarn_gfp_t flags, int priority);

/* Wakes the background reclaimer, which works as long as `still_short` says so. */
void tarn__reclaim_wake(bool (*still_short)(void));

#endif
