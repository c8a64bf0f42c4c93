/*
 * Whether the process has one thread only, as the C library knows it. While it has, a lock needs no locked instruction: nobody else can want it. The
 * answer turns before a second thread begins, and what was stored until then it sees.
 */
#ifndef TARN_OS_SINGLE_H
#define TARN_OS_SINGLE_H

#include <stdbool.h>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
static inline bool tarn__single_threaded(void) { return __libc_single_threaded; }
#else
static inline bool tarn__single_threaded(void) { return false; }
#endif

#endif
