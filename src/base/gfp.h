/*
 * The scopes that a thread is in (tarn/gfp.h): what they take from, and add to, the flags of its requests.
 */
#ifndef TARN_BASE_GFP_H
#define TARN_BASE_GFP_H

#include "base/atomic.h"
#include "tarn/gfp.h"

/* Of TARN_GFP_IO, FS and MEMALLOC: what the calling thread's scopes name. */
extern TARN__TLS tarn_gfp_t tarn__gfp_scope;

/* tarn_gfp_current, to be inlined. Outside all scopes: one load and a branch. */
static inline tarn_gfp_t tarn__gfp_in_force(tarn_gfp_t flags)
{
    tarn_gfp_t scope = tarn__gfp_scope;
    if (TARN__LIKELY(scope == 0))
        return flags;
    flags &= ~(scope & (TARN_GFP_IO | TARN_GFP_FS));
    if (scope & TARN_GFP_MEMALLOC) {
        flags &= ~TARN_GFP_DIRECT_RECLAIM;
        flags |= flags & TARN_GFP_NOMEMALLOC ? 0 : TARN_GFP_MEMALLOC;
    }
    return flags;
}

#endif
