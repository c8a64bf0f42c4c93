/**
 * @file gfp.h
 * How an allocation may be made: flags with the kernel's names and meaning.
 *
 * A flag word says what the caller can bear: to sleep, to dip into reserves, which zone, which neighbours. The numeric values are private,
 * except that the zone flags are the lowest four bits and that TARN_GFP_BITS bounds all of them.
 *
 * The functions are of the calling thread alone; none is async-signal-safe.
 */
#ifndef TARN_GFP_H
#define TARN_GFP_H

#include "api.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned int tarn_gfp_t;

/* Where: the zone. */
#define TARN_GFP_DMA 0x01u     /**< the low zone, below 4 GiB */
#define TARN_GFP_HIGHMEM 0x02u /**< NORMAL for pages; an error for kmalloc and caches */
#define TARN_GFP_DMA32 0x04u   /**< as DMA */

/* Beside what: the mobility group. Both together are an error. */
#define TARN_GFP_MOVABLE 0x08u
#define TARN_GFP_RECLAIMABLE 0x10u

/* How hard. */
#define TARN_GFP_HIGH 0x20u            /**< may use half of the reserve below the min mark */
#define TARN_GFP_IO 0x40u              /**< shrinkers may start input and output; handed to them, not used otherwise */
#define TARN_GFP_FS 0x80u              /**< shrinkers may call into file systems; handed to them */
#define TARN_GFP_ZERO 0x100u           /**< the memory reads as zero */
#define TARN_GFP_DIRECT_RECLAIM 0x200u /**< may sleep: shrinkers run in the caller. The only bit that says "may block" */
#define TARN_GFP_KSWAPD_RECLAIM 0x400u /**< wakes the background reclaimer */
#define TARN_GFP_NOWARN 0x800u         /**< failing is silent */
#define TARN_GFP_RETRY_MAYFAIL 0x1000u /**< tries long, then fails */
#define TARN_GFP_NOFAIL 0x2000u        /**< tries for ever; needs DIRECT_RECLAIM */
#define TARN_GFP_NORETRY 0x4000u       /**< one light pass of reclaim, then fails */
#define TARN_GFP_MEMALLOC 0x8000u      /**< ignores watermarks: for who frees memory by this */
#define TARN_GFP_NOMEMALLOC 0x10000u   /**< never the reserves, even in a scope that would allow them */
#define TARN_GFP_COMP 0x20000u         /**< one compound block */
#define TARN_GFP_ACCOUNT 0x40000u      /**< accepted; tarn accounts by heap, not by this flag */
#define TARN_GFP_HARDWALL 0x80000u     /**< accepted, no effect */
#define TARN_GFP_THISNODE 0x100000u    /**< accepted, no effect: there is one node */
#define TARN_GFP_WRITE 0x200000u       /**< accepted, no effect */
#define TARN_GFP_BITS 22               /**< all flags are below 1 << TARN_GFP_BITS */

#define TARN_GFP_RECLAIM (TARN_GFP_DIRECT_RECLAIM | TARN_GFP_KSWAPD_RECLAIM)
#define TARN_GFP_ATOMIC (TARN_GFP_HIGH | TARN_GFP_KSWAPD_RECLAIM)
#define TARN_GFP_KERNEL (TARN_GFP_RECLAIM | TARN_GFP_IO | TARN_GFP_FS)
#define TARN_GFP_NOWAIT (TARN_GFP_KSWAPD_RECLAIM | TARN_GFP_NOWARN)
#define TARN_GFP_NOIO TARN_GFP_RECLAIM
#define TARN_GFP_NOFS (TARN_GFP_RECLAIM | TARN_GFP_IO)
#define TARN_GFP_USER (TARN_GFP_KERNEL | TARN_GFP_HARDWALL)
#define TARN_GFP_HIGHUSER (TARN_GFP_USER | TARN_GFP_HIGHMEM)
#define TARN_GFP_HIGHUSER_MOVABLE (TARN_GFP_HIGHUSER | TARN_GFP_MOVABLE)

/**
 * Forbids flags to all requests of the calling thread until tarn_gfp_leave: TARN_GFP_IO (which takes FS with it) and TARN_GFP_FS, as the
 * kernel's memalloc_noio_save and memalloc_nofs_save; or, with TARN_GFP_MEMALLOC, allows all of them to ignore watermarks, and
 * keeps them from reclaiming, as memalloc_noreclaim_save. Scopes nest. Any thread; cost: two instructions.
 *
 * @return what tarn_gfp_leave is to be given
 */
TARN_API tarn_gfp_t tarn_gfp_enter(tarn_gfp_t flags);
TARN_API void tarn_gfp_leave(tarn_gfp_t previous);

/** The flags a request of this thread really has, inside the scopes it is in. */
TARN_API tarn_gfp_t tarn_gfp_current(tarn_gfp_t flags);

#ifdef __cplusplus
}
#endif

#endif
