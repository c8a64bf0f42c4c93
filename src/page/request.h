/*
 * Requests with all that their flags say: attempts, reserves, reclaim, patience.
 *
 *     attempt above the low mark; wake the background reclaimer; attempt with the reserves that the flags allow; with what the thread's own
 *     lists hold; with what the zone can give back to its source. Then, if the request may sleep, rounds: passes of reclaim at rising
 *     pressure (priority 12 … 0), an attempt after each that freed something.
 *
 *     NORETRY        one light pass
 *     plain          rounds as long as they free something, 16 at most
 *     RETRY_MAYFAIL  16 rounds, with a short sleep after those that freed nothing
 *     NOFAIL         for ever, likewise
 *     MEMALLOC       no reclaim: it is reclaim that asks
 *
 * No lock is held in between. Wrong if: a request that may not sleep does; a shrinker's own request reclaims; NOFAIL gets NULL.
 */
#ifndef TARN_PAGE_REQUEST_H
#define TARN_PAGE_REQUEST_H

#include "page/zone.h"

/* What tarn__zone_take does, with all of the above. */
struct tarn_page *tarn__request(struct tarn__want *want);

/*
 * A run of `count` pages at a multiple of `align`, a power of two >= 4096: as tarn__pages_alloc, with flags. To be freed by tarn__pages_free.
 * *zeroed tells whether every byte of it reads as zero (TARN_GFP_ZERO is the caller's business); may be NULL.
 */
struct tarn_page *tarn__pages_request(struct tarn_zone *zone, size_t count, size_t align, tarn_gfp_t flags, bool *zeroed);

/* Notes that a request failed, and tells who listens, unless there were too many lately. */
void tarn__request_failed(struct tarn_zone *zone, size_t count, tarn_gfp_t flags);

#endif
