/* The flags of an allocation. The values are tarn's own (tarn/gfp.h); code that stores bits above __GFP_BITS_SHIFT may go on doing so. */
#if defined(__LINUX_GFP_TYPES_H) && !defined(TARN_LINUX_GFP_TYPES_H)
#error "another <linux/gfp_types.h> was included before tarn's: its flags mean something else. Put tarn's directory first"
#endif
#ifndef TARN_LINUX_GFP_TYPES_H
#define TARN_LINUX_GFP_TYPES_H
#define __LINUX_GFP_TYPES_H

#include "../fill/types.h"

#include "../../gfp.h"

#define __GFP_DMA ((__force gfp_t)TARN_GFP_DMA)
#define __GFP_HIGHMEM ((__force gfp_t)TARN_GFP_HIGHMEM)
#define __GFP_DMA32 ((__force gfp_t)TARN_GFP_DMA32)
#define __GFP_MOVABLE ((__force gfp_t)TARN_GFP_MOVABLE)
#define GFP_ZONEMASK (__GFP_DMA | __GFP_HIGHMEM | __GFP_DMA32 | __GFP_MOVABLE)

#define __GFP_RECLAIMABLE ((__force gfp_t)TARN_GFP_RECLAIMABLE)
#define __GFP_WRITE ((__force gfp_t)TARN_GFP_WRITE)
#define __GFP_HARDWALL ((__force gfp_t)TARN_GFP_HARDWALL)
#define __GFP_THISNODE ((__force gfp_t)TARN_GFP_THISNODE)
#define __GFP_ACCOUNT ((__force gfp_t)TARN_GFP_ACCOUNT)
#define __GFP_HIGH ((__force gfp_t)TARN_GFP_HIGH)
#define __GFP_MEMALLOC ((__force gfp_t)TARN_GFP_MEMALLOC)
#define __GFP_NOMEMALLOC ((__force gfp_t)TARN_GFP_NOMEMALLOC)
#define __GFP_IO ((__force gfp_t)TARN_GFP_IO)
#define __GFP_FS ((__force gfp_t)TARN_GFP_FS)
#define __GFP_DIRECT_RECLAIM ((__force gfp_t)TARN_GFP_DIRECT_RECLAIM)
#define __GFP_KSWAPD_RECLAIM ((__force gfp_t)TARN_GFP_KSWAPD_RECLAIM)
#define __GFP_RECLAIM ((__force gfp_t)TARN_GFP_RECLAIM)
#define __GFP_RETRY_MAYFAIL ((__force gfp_t)TARN_GFP_RETRY_MAYFAIL)
#define __GFP_NOFAIL ((__force gfp_t)TARN_GFP_NOFAIL)
#define __GFP_NORETRY ((__force gfp_t)TARN_GFP_NORETRY)
#define __GFP_NOWARN ((__force gfp_t)TARN_GFP_NOWARN)
#define __GFP_COMP ((__force gfp_t)TARN_GFP_COMP)
#define __GFP_ZERO ((__force gfp_t)TARN_GFP_ZERO)

/* What has no meaning in a process. */
#define __GFP_ZEROTAGS ((__force gfp_t)0)
#define __GFP_SKIP_ZERO ((__force gfp_t)0)
#define __GFP_SKIP_KASAN ((__force gfp_t)0)
#define __GFP_NOLOCKDEP ((__force gfp_t)0)
#define __GFP_NO_OBJ_EXT ((__force gfp_t)0)

#define __GFP_BITS_SHIFT TARN_GFP_BITS
#define __GFP_BITS_MASK ((__force gfp_t)((1 << __GFP_BITS_SHIFT) - 1))

#define GFP_ATOMIC (__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL (__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT (GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_NOWAIT (__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_NOIO (__GFP_RECLAIM)
#define GFP_NOFS (__GFP_RECLAIM | __GFP_IO)
#define GFP_USER (__GFP_RECLAIM | __GFP_IO | __GFP_FS | __GFP_HARDWALL)
#define GFP_DMA __GFP_DMA
#define GFP_DMA32 __GFP_DMA32
#define GFP_HIGHUSER (GFP_USER | __GFP_HIGHMEM)
#define GFP_HIGHUSER_MOVABLE (GFP_HIGHUSER | __GFP_MOVABLE)
#define GFP_TRANSHUGE_LIGHT ((GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN) & ~__GFP_RECLAIM)
#define GFP_TRANSHUGE (GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM)
#define GFP_MOVABLE_MASK (__GFP_RECLAIMABLE | __GFP_MOVABLE)

#endif
