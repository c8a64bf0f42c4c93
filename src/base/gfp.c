/*
 * Scopes of allocation flags: one word for each thread. Who enters keeps what was before and gives it back on leaving, so
 * scopes nest without a counter.
 */
#include "base/gfp.h"

TARN__TLS tarn_gfp_t tarn__gfp_scope;

tarn_gfp_t tarn_gfp_enter(tarn_gfp_t flags)
{
    tarn_gfp_t previous = tarn__gfp_scope;
    if (flags & TARN_GFP_IO)
        flags |= TARN_GFP_FS; /* file systems write by input and output */
    tarn__gfp_scope = previous | (flags & (TARN_GFP_IO | TARN_GFP_FS | TARN_GFP_MEMALLOC));
    return previous;
}

void tarn_gfp_leave(tarn_gfp_t previous) { tarn__gfp_scope = previous; }

tarn_gfp_t tarn_gfp_current(tarn_gfp_t flags) { return tarn__gfp_in_force(flags); }
