/**
 * @file background.h
 * A thread that gives idle memory back while the program does nothing.
 *
 * By default tarn starts no thread for that: what is idle goes back to the system a little at each of the program's own frees, so what lies idle when the
 * program stops freeing stays until it frees again. With the thread it goes back all the same.
 */
#ifndef TARN_BACKGROUND_H
#define TARN_BACKGROUND_H

#include "api.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Has idle memory given back by tarn's background thread, or no longer.
 *
 * The thread begins when memory lies idle, wakes about ten times a second while there is too much of it, and ends when there is not; signals are blocked on it.
 * It does not keep the process from ending. The child of a fork has the same setting, and a thread of its own at need. TARN_BACKGROUND=1 in the
 * environment says the same from the start.
 *
 * @param on  0: no thread does that any more; one that lives ends within half a second. Else: one does
 * @return 0, or -EAGAIN when no thread can be made now: then as it was, off
 *
 * Any thread, not a signal handler, and not between fork hooks. Cost of turning it on: the making of a thread.
 */
TARN_API int tarn_background(int on);

#ifdef __cplusplus
}
#endif

#endif
