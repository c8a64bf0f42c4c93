/**
 * @file debug.h
 * Looking for misuse now, where the environment asks for debugging (TARN_DEBUG), or a cache was made with debug flags.
 */
#ifndef TARN_DEBUG_H
#define TARN_DEBUG_H

#include "api.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Looks at all debugged objects, live, free and in quarantine: at their red zones, and at the poison of those that are not live. What was overwritten is reported as it
 * would be when the object is next allocated or freed. Other threads may go on meanwhile. At a normal end of the process it is done
 * anyway if TARN_DEBUG has one of the letters F, Z, P and Q.
 *
 * @return how many reports there were: more than 0 only where a handler carries on; of a cache at most 16 a call
 * Context: any thread; not in a signal handler, nor under a lock that a handler of reports takes. Cost: reads all those bytes.
 */
TARN_API size_t tarn_debug_check(void);

#ifdef __cplusplus
}
#endif

#endif
