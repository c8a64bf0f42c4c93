/* Scopes: what all allocations of the calling thread may do until they end. */
#ifndef TARN_LINUX_SCHED_MM_H
#define TARN_LINUX_SCHED_MM_H
#define _LINUX_SCHED_MM_H
#define _TOOLS_PERF_LINUX_SCHED_MM_H

#include <linux/gfp_types.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline unsigned int memalloc_noio_save(void) { return tarn_gfp_enter(TARN_GFP_IO); }

static inline void memalloc_noio_restore(unsigned int flags) { tarn_gfp_leave(flags); }

static inline unsigned int memalloc_nofs_save(void) { return tarn_gfp_enter(TARN_GFP_FS); }

static inline void memalloc_nofs_restore(unsigned int flags) { tarn_gfp_leave(flags); }

static inline unsigned int memalloc_noreclaim_save(void) { return tarn_gfp_enter(TARN_GFP_MEMALLOC); }

static inline void memalloc_noreclaim_restore(unsigned int flags) { tarn_gfp_leave(flags); }

/* The kernel's tools have a macro of this name, in another header. */
#ifndef current_gfp_context
static inline gfp_t current_gfp_context(gfp_t flags) { return (gfp_t)tarn_gfp_current(flags); }
#endif

#ifndef might_alloc
#define might_alloc(flags) ((void)(flags))
#endif
#ifndef fs_reclaim_acquire
#define fs_reclaim_acquire(flags) ((void)(flags))
#define fs_reclaim_release(flags) ((void)(flags))
#endif

#ifdef __cplusplus
}
#endif

#endif
