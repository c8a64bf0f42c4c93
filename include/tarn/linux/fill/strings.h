/* Copies of memory and text. The kernel declares them in <linux/string.h>; they are here for who includes that or <linux/slab.h>. */
#ifndef TARN_LINUX_FILL_STRINGS_H
#define TARN_LINUX_FILL_STRINGS_H

#include <linux/gfp_types.h>

#include "overflow.h"

#include "../../kmalloc.h"

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline void *kmemdup(const void *source, size_t size, gfp_t flags) { return tarn_kmemdup(source, size, flags); }

static inline void *kmemdup_array(const void *source, size_t count, size_t size, gfp_t flags)
{
    return tarn_kmemdup(source, tarn_linux_size_mul(count, size), flags);
}

static inline void *kvmemdup(const void *source, size_t size, gfp_t flags)
{
    void *copy = tarn_kvmalloc(size, flags);

    return copy ? memcpy(copy, source, size) : NULL;
}

static inline char *kmemdup_nul(const char *source, size_t size, gfp_t flags) { return tarn_kmemdup_nul(source, size, flags); }

static inline char *kstrdup(const char *source, gfp_t flags) { return tarn_kstrdup(source, flags); }

static inline char *kstrndup(const char *source, size_t most, gfp_t flags) { return tarn_kstrndup(source, most, flags); }

/* A process cannot tell its constants from other memory; so both of these copy and free. */
static inline const char *kstrdup_const(const char *source, gfp_t flags) { return tarn_kstrdup(source, flags); }

static inline void kfree_const(const void *p) { tarn_kfree(p); }

#define kasprintf(flags, ...) tarn_kasprintf(flags, __VA_ARGS__)
#define kvasprintf(flags, format, arguments) tarn_kvasprintf(flags, format, arguments)

#ifdef __cplusplus
}
#endif

#endif
