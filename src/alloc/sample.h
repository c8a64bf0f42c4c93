/*
 * Sampling (TARN_SAMPLE=n): when a request is to be guarded. (How: guard.h.)
 *
 * Each thread counts down from a number by chance, n on average; when that is used up, its next request of up to a page is guarded. A request is counted when its
 * object is freed: while sampling is on, each free takes the slow path (mark.h: the gate), which is a few instructions longer, and so
 * also what pops and pushes the same object for ever is counted. When a bin is filled, what the thread has allocated of the class beyond what it was counted to free is counted, too;
 * frees while a request is due are not. That the next request is slow is arranged by tarn__local_poke.
 *
 * Beside letters or the hardened mode, where bins are empty anyway, requests that come here are counted, and for others those of the class since the last.
 */
#ifndef TARN_ALLOC_SAMPLE_H
#define TARN_ALLOC_SAMPLE_H

#include "alloc/fast.h"

#include <stdbool.h>
#include <stdint.h>

/* Sampling is on, and neither letters nor the hardened mode; and frees are counted. */
extern TARN__HIDDEN bool tarn__only_sampled;

/* Requests to go until one is guarded; below 0: the next one is. */
extern TARN__HIDDEN TARN__TLS int64_t tarn__sample_left;

/* A free that is counted finds that a request is due. */
void tarn__sample_wish(void);

/* Frees an object when tarn__only_sampled. False: it is none of a size class, or the next request is to be slow. */
static inline bool tarn__sampled_push(void *p)
{
    if (TARN__UNLIKELY(--tarn__sample_left < 0)) {
        tarn__sample_wish();
        return false;
    }
    return tarn__push(p, TARN__READ(tarn__units_end));
}

/* Frees that were not counted, as a request was due; up to `most`, which are forgotten then. */
uint32_t tarn__sample_uncounted(uint32_t most);

/*
 * Whether the calling thread's request is one to be sampled, when it stands for `weight` requests that were not counted; to be asked when tarn__sample_rate is not 0. `fits`: it can be; else it
 * is counted only.
 */
bool tarn__sample_turn(size_t weight, bool fits);

/* At the end of a slow path: if a request is due, the next one is slow. */
static inline void tarn__sample_rest(void)
{
    if (TARN__UNLIKELY(tarn__sample_left < 0))
        tarn__local_poke();
}

#endif
