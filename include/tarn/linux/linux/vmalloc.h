/* Memory of any size, as whole pages. */
#ifndef TARN_LINUX_VMALLOC_H
#define TARN_LINUX_VMALLOC_H
#define _LINUX_VMALLOC_H

#include <linux/gfp.h>

#include "../fill/overflow.h"

#include "../../kmalloc.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline void *vmalloc(unsigned long size) { return tarn_vmalloc(size); }

static inline void *vzalloc(unsigned long size) { return tarn_vzalloc(size); }

/* All of it may block: that is what vmalloc asks of its callers. */
static inline void *__vmalloc(unsigned long size, gfp_t flags)
{
    return flags & __GFP_ZERO ? tarn_vzalloc(size) : tarn_vmalloc(size);
}

static inline void *__vmalloc_array(size_t count, size_t size, gfp_t flags)
{
    return __vmalloc(tarn_linux_size_mul(count, size), flags);
}

static inline void vfree(const void *p) { tarn_vfree(p); }

#define vmalloc_node(size, node) ((void)(node), vmalloc(size))
#define vzalloc_node(size, node) ((void)(node), vzalloc(size))
#define vmalloc_user(size) vzalloc(size)
#define vmalloc_huge(size, flags) __vmalloc(size, flags)
#define vmalloc_array(count, size) __vmalloc_array(count, size, GFP_KERNEL)
#define __vcalloc(count, size, flags) __vmalloc_array(count, size, (flags) | __GFP_ZERO)
#define vcalloc(count, size) __vcalloc(count, size, GFP_KERNEL)
#define vfree_atomic(p) vfree(p)

#ifdef __cplusplus
}
#endif

#endif
