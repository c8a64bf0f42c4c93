/* Object caches, kmalloc and what stands on it (tarn/cache.h, tarn/kmalloc.h). */
#if defined(_TOOLS_SLAB_H) && !defined(TARN_LINUX_SLAB_H)
#error "another <linux/slab.h> was included before tarn's: put tarn's directory first"
#endif
#ifndef TARN_LINUX_SLAB_H
#define TARN_LINUX_SLAB_H
#define _LINUX_SLAB_H
#define _TOOLS_SLAB_H

#include <linux/cleanup.h>
#include <linux/gfp.h>

#include "../fill/cache.h"
#include "../fill/overflow.h"
#include "../fill/strings.h"

#include "../../kmalloc.h"

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZERO_SIZE_PTR TARN_ZERO_SIZE_PTR
#define ZERO_OR_NULL_PTR(p) TARN_ZERO_OR_NULL(p)

#define KMALLOC_SHIFT_LOW 3
#define KMALLOC_SHIFT_HIGH (PAGE_SHIFT + 1)
#define KMALLOC_SHIFT_MAX (MAX_PAGE_ORDER + PAGE_SHIFT)
#define KMALLOC_MIN_SIZE (1 << KMALLOC_SHIFT_LOW)
#define KMALLOC_MAX_SIZE (1UL << KMALLOC_SHIFT_MAX)
#define KMALLOC_MAX_CACHE_SIZE (1UL << KMALLOC_SHIFT_HIGH)
#define KMALLOC_MAX_ORDER (KMALLOC_SHIFT_MAX - PAGE_SHIFT)
#ifndef ARCH_KMALLOC_MINALIGN
#define ARCH_KMALLOC_MINALIGN 8
#endif
#ifndef ARCH_SLAB_MINALIGN
#define ARCH_SLAB_MINALIGN 8
#endif

static inline bool slab_is_available(void) { return true; }

static inline void *kmalloc(size_t size, gfp_t flags) { return tarn_kmalloc(size, flags); }

static inline void *kzalloc(size_t size, gfp_t flags) { return tarn_kzalloc(size, flags); }

static inline void *kmalloc_array(size_t count, size_t size, gfp_t flags) { return tarn_kmalloc_array(count, size, flags); }

static inline void *kcalloc(size_t count, size_t size, gfp_t flags) { return tarn_kcalloc(count, size, flags); }

static inline void kfree(const void *p) { tarn_kfree(p); }

static inline void kfree_sensitive(const void *p) { tarn_kfree_sensitive(p); }

static inline void kfree_bulk(size_t count, void **objects) { tarn_kfree_bulk(count, objects); }

static inline void *krealloc(const void *p, size_t size, gfp_t flags) { return tarn_krealloc(p, size, flags); }

static inline void *krealloc_array(void *p, size_t count, size_t size, gfp_t flags)
{
    return tarn_krealloc_array(p, count, size, flags);
}

static inline size_t ksize(const void *p) { return tarn_ksize(p); }

static inline size_t kmalloc_size_roundup(size_t size) { return tarn_kmalloc_size_roundup(size); }

static inline void *kvmalloc(size_t size, gfp_t flags) { return tarn_kvmalloc(size, flags); }

static inline void *kvzalloc(size_t size, gfp_t flags) { return tarn_kvzalloc(size, flags); }

static inline void *kvmalloc_array(size_t count, size_t size, gfp_t flags) { return tarn_kvmalloc_array(count, size, flags); }

static inline void *kvcalloc(size_t count, size_t size, gfp_t flags) { return tarn_kvcalloc(count, size, flags); }

static inline void *kvrealloc(const void *p, size_t size, gfp_t flags) { return tarn_kvrealloc(p, size, flags); }

static inline void kvfree(const void *p) { tarn_kvfree(p); }

/* The wipe must not be taken for a store to memory that ends here. */
static inline void kvfree_sensitive(const void *p, size_t size)
{
    if (ZERO_OR_NULL_PTR(p))
        return;
    memset((void *)(uintptr_t)p, 0, size);
    __asm__ volatile("" : : "r"(p) : "memory");
    tarn_kvfree(p);
}

/* One node: that which is named does not matter. */
#define kmalloc_node(size, flags, node) ((void)(node), kmalloc(size, flags))
#define kzalloc_node(size, flags, node) ((void)(node), kzalloc(size, flags))
#define kmalloc_array_node(count, size, flags, node) ((void)(node), kmalloc_array(count, size, flags))
#define kcalloc_node(count, size, flags, node) ((void)(node), kcalloc(count, size, flags))
#define kvmalloc_node(size, flags, node) ((void)(node), kvmalloc(size, flags))
#define kvzalloc_node(size, flags, node) ((void)(node), kvzalloc(size, flags))
#define kvmalloc_array_node(count, size, flags, node) ((void)(node), kvmalloc_array(count, size, flags))
#define kvcalloc_node(count, size, flags, node) ((void)(node), kvcalloc(count, size, flags))
#define kmalloc_track_caller(size, flags) kmalloc(size, flags)
#define kmalloc_node_track_caller(size, flags, node) kmalloc_node(size, flags, node)

/* By type, and by GFP_KERNEL unless flags follow: kmalloc_obj(*p), kmalloc_obj(struct foo, GFP_ATOMIC), kmalloc_objs(*p, count), kmalloc_flex(*p, member, count). */
#define TARN_LINUX_OBJ(function, type, flags, ...) ((__typeof__(type) *)function(sizeof(type), flags))
#define TARN_LINUX_OBJS(function, type, count, flags, ...)                                                                     \
    ((__typeof__(type) *)function(tarn_linux_size_mul(sizeof(type), count), flags))
#define TARN_LINUX_FLEX(function, type, member, count, flags, ...)                                                             \
    ((__typeof__(type) *)function(struct_size((__typeof__(type) *)NULL, member, count), flags))
#define kmalloc_obj(...) TARN_LINUX_OBJ(kmalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kzalloc_obj(...) TARN_LINUX_OBJ(kzalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kvmalloc_obj(...) TARN_LINUX_OBJ(kvmalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kvzalloc_obj(...) TARN_LINUX_OBJ(kvzalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kmalloc_objs(...) TARN_LINUX_OBJS(kmalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kzalloc_objs(...) TARN_LINUX_OBJS(kzalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kvmalloc_objs(...) TARN_LINUX_OBJS(kvmalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kvzalloc_objs(...) TARN_LINUX_OBJS(kvzalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kmalloc_flex(...) TARN_LINUX_FLEX(kmalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kzalloc_flex(...) TARN_LINUX_FLEX(kzalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kvmalloc_flex(...) TARN_LINUX_FLEX(kvmalloc, __VA_ARGS__, GFP_KERNEL, 0)
#define kvzalloc_flex(...) TARN_LINUX_FLEX(kvzalloc, __VA_ARGS__, GFP_KERNEL, 0)

/*
 * Freed after a grace period. kfree_rcu(p, member) uses the head that lies in the object; kfree_rcu(p), the older name of
 * kfree_rcu_mightsleep, needs none and may sleep.
 */
#define TARN_LINUX_RCU_HEAD(p, member)                                                                                         \
    do {                                                                                                                       \
        __typeof__(p) tarn_linux_late = (p);                                                                                   \
        if (tarn_linux_late)                                                                                                   \
            tarn_kfree_rcu((void *)tarn_linux_late, (struct tarn_rcu_head *)(void *)&tarn_linux_late->member);                 \
    } while (0)
#define TARN_LINUX_RCU_BARE(...) tarn_kfree_rcu_mightsleep((void *)(__VA_ARGS__))
#define TARN_LINUX_THIRD(a, b, c, ...) c
#define kfree_rcu(...) TARN_LINUX_THIRD(__VA_ARGS__, TARN_LINUX_RCU_HEAD, TARN_LINUX_RCU_BARE, 0)(__VA_ARGS__)
#define kvfree_rcu(...) kfree_rcu(__VA_ARGS__)
#define kfree_rcu_mightsleep(p) TARN_LINUX_RCU_BARE(p)
#define kvfree_rcu_mightsleep(p) TARN_LINUX_RCU_BARE(p)

/* An address among the last 4095 is an error that its variable holds, not an object. */
DEFINE_FREE(kfree, void *, if ((uintptr_t)_T < (uintptr_t)-4095) kfree(_T))
DEFINE_FREE(kvfree, void *, if ((uintptr_t)_T < (uintptr_t)-4095) kvfree(_T))
DEFINE_FREE(kfree_sensitive, void *, if ((uintptr_t)_T < (uintptr_t)-4095) kfree_sensitive(_T))

#ifdef __cplusplus
}
#endif

#endif
