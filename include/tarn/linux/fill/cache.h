/* Object caches under the kernel's names: the part of <linux/slab.h> that stands on tarn/cache.h. */
#ifndef TARN_LINUX_FILL_CACHE_H
#define TARN_LINUX_FILL_CACHE_H

#include <linux/gfp_types.h>

#include "../../cache.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLAB_HWCACHE_ALIGN ((slab_flags_t)TARN_CACHE_HWCACHE_ALIGN)
#define SLAB_PANIC ((slab_flags_t)TARN_CACHE_PANIC)
#define SLAB_POISON ((slab_flags_t)TARN_CACHE_POISON)
#define SLAB_RED_ZONE ((slab_flags_t)TARN_CACHE_RED_ZONE)
#define SLAB_STORE_USER ((slab_flags_t)TARN_CACHE_STORE_USER)
#define SLAB_CONSISTENCY_CHECKS ((slab_flags_t)TARN_CACHE_CONSISTENCY_CHECKS)
#define SLAB_TYPESAFE_BY_RCU ((slab_flags_t)TARN_CACHE_TYPESAFE_BY_RCU)
#define SLAB_RECLAIM_ACCOUNT ((slab_flags_t)TARN_CACHE_RECLAIM_ACCOUNT)
#define SLAB_TEMPORARY SLAB_RECLAIM_ACCOUNT
#define SLAB_CACHE_DMA ((slab_flags_t)TARN_CACHE_DMA)
#define SLAB_CACHE_DMA32 ((slab_flags_t)TARN_CACHE_DMA32)
#define SLAB_ACCOUNT ((slab_flags_t)TARN_CACHE_ACCOUNT)
#define SLAB_NO_MERGE ((slab_flags_t)TARN_CACHE_NO_MERGE)
#define SLAB_NOLEAKTRACE ((slab_flags_t)TARN_CACHE_NOLEAKTRACE)

/* What has no meaning in a process, as in a kernel that was configured without it. */
#define SLAB_TRACE ((slab_flags_t)0)
#define SLAB_DEBUG_OBJECTS ((slab_flags_t)0)
#define SLAB_FAILSLAB ((slab_flags_t)0)
#define SLAB_KASAN ((slab_flags_t)0)
#define SLAB_NO_USER_FLAGS ((slab_flags_t)0)
#define SLAB_SKIP_KFENCE ((slab_flags_t)0)
#define SLAB_NO_OBJ_EXT ((slab_flags_t)0)
#define SLAB_MEM_SPREAD ((slab_flags_t)0)

struct kmem_cache;
struct slab_sheaf;
struct list_lru;

typedef struct {
    unsigned long v;
} freeptr_t;

/* All zero: nothing is asked for. Free objects hold nothing of tarn's, so that `freeptr_offset` is verified and not used. */
struct kmem_cache_args {
    unsigned int align;
    unsigned int useroffset, usersize;
    unsigned int freeptr_offset;
    bool use_freeptr_offset;
    void (*ctor)(void *object);
    unsigned int sheaf_capacity;
};

/* A name that tarn takes: cut off, with lines under its gaps, and from the second cache of that name on with a number. */
static inline void tarn_linux_cache_name(char *out, const char *name, unsigned int number)
{
    char end[16] = "";
    size_t length = strlen(name), end_length, room;

    if (number > 1)
        (void)snprintf(end, sizeof end, ":%u", number);
    end_length = strlen(end);
    room = TARN_CACHE_NAME_MOST - end_length;
    if (length > room)
        length = room;
    for (size_t i = 0; i < length; i++)
        out[i] = isspace((unsigned char)name[i]) ? '_' : name[i];
    memcpy(out + length, end, end_length + 1);
}

struct tarn_linux_search {
    const char *name;
    bool found;
};

static inline void tarn_linux_compare_name(struct tarn_cache *cache, void *context)
{
    struct tarn_linux_search *search = (struct tarn_linux_search *)context;

    search->found |= strcmp(tarn_cache_name(cache), search->name) == 0;
}

static inline bool tarn_linux_name_taken(const char *name)
{
    struct tarn_linux_search search = {name, false};

    tarn_cache_each(tarn_linux_compare_name, &search);
    return search.found;
}

/* The kernel allows several caches of one name, so this does too. Another thread may take a name after it was looked for: then the next is tried. */
static inline struct tarn_cache *tarn_linux_cache_make(const char *name, size_t size, const struct tarn_cache_args *args,
                                                       unsigned int flags)
{
    struct tarn_cache *cache = NULL;
    char unique[TARN_CACHE_NAME_MOST + 1] = "";
    unsigned int number = 0;
    int error = -EINVAL;

    do {
        do
            tarn_linux_cache_name(unique, name ? name : "", ++number);
        while (number < 10000 && tarn_linux_name_taken(unique));
        error = tarn_cache_make(&cache, unique, size, args, flags);
    } while (error == -EEXIST && number < 10000);
    return cache;
}

static inline bool tarn_linux_freeptr_fits(const struct kmem_cache_args *args, unsigned int size, slab_flags_t flags)
{
    return !args->use_freeptr_offset ||
           (flags & SLAB_TYPESAFE_BY_RCU && args->freeptr_offset < size && args->freeptr_offset % __alignof__(freeptr_t) == 0);
}

static inline struct kmem_cache *__kmem_cache_create_args(const char *name, unsigned int size, struct kmem_cache_args *args,
                                                          slab_flags_t flags)
{
    struct tarn_cache_args native;

    if (!args)
        return (struct kmem_cache *)tarn_linux_cache_make(name, size, NULL, flags);
    if (!tarn_linux_freeptr_fits(args, size, flags))
        return NULL;
    memset(&native, 0, sizeof native);
    native.align = args->align;
    native.ctor = args->ctor;
    native.sheaf_capacity = args->sheaf_capacity;
    /* A part for users that does not lie in the object is no reason to fail: there is none then. */
    if (args->usersize && args->usersize <= size && args->useroffset <= size - args->usersize) {
        native.useroffset = args->useroffset;
        native.usersize = args->usersize;
    }
    return (struct kmem_cache *)tarn_linux_cache_make(name, size, &native, flags);
}

static inline struct kmem_cache *kmem_cache_create_usercopy(const char *name, unsigned int size, unsigned int align,
                                                            slab_flags_t flags, unsigned int useroffset, unsigned int usersize,
                                                            void (*ctor)(void *object))
{
    struct kmem_cache_args args;

    memset(&args, 0, sizeof args);
    args.align = align;
    args.useroffset = useroffset;
    args.usersize = usersize;
    args.ctor = ctor;
    return __kmem_cache_create_args(name, size, &args, flags);
}

static inline struct kmem_cache *__kmem_cache_create(const char *name, unsigned int size, unsigned int align,
                                                     slab_flags_t flags, void (*ctor)(void *object))
{
    return kmem_cache_create_usercopy(name, size, align, flags, 0, 0, ctor);
}

/* Both forms: (name, size, align, flags, ctor) and (name, size, args, flags); they differ in how many there are. */
#define TARN_LINUX_SIXTH(a, b, c, d, e, f, ...) f
#define kmem_cache_create(...)                                                                                                 \
    TARN_LINUX_SIXTH(__VA_ARGS__, __kmem_cache_create, __kmem_cache_create_args, unused, unused, unused)(__VA_ARGS__)

#define KMEM_CACHE(type, flags) __kmem_cache_create(#type, sizeof(struct type), __alignof__(struct type), flags, NULL)
#define KMEM_CACHE_USERCOPY(type, flags, field)                                                                                \
    kmem_cache_create_usercopy(#type, sizeof(struct type), __alignof__(struct type), flags, offsetof(struct type, field),      \
                               sizeof(((struct type *)NULL)->field), NULL)

/* One whose objects are live is kept, and they are listed: nothing is freed under its users. */
static inline void kmem_cache_destroy(struct kmem_cache *cache) { (void)tarn_cache_destroy((struct tarn_cache *)cache); }

static inline int kmem_cache_shrink(struct kmem_cache *cache) { return tarn_cache_shrink((struct tarn_cache *)cache); }

static inline unsigned int kmem_cache_size(struct kmem_cache *cache)
{
    return (unsigned int)tarn_cache_size((struct tarn_cache *)cache);
}

static inline void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags)
{
    return tarn_cache_alloc((struct tarn_cache *)cache, flags);
}

static inline void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t flags, int node)
{
    (void)node;
    return tarn_cache_alloc((struct tarn_cache *)cache, flags);
}

static inline void *kmem_cache_alloc_lru(struct kmem_cache *cache, struct list_lru *lru, gfp_t flags)
{
    (void)lru;
    return tarn_cache_alloc((struct tarn_cache *)cache, flags);
}

static inline void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t flags)
{
    return tarn_cache_zalloc((struct tarn_cache *)cache, flags);
}

static inline void kmem_cache_free(struct kmem_cache *cache, void *object)
{
    tarn_cache_free((struct tarn_cache *)cache, object);
}

static inline int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t flags, size_t count, void **objects)
{
    return (int)tarn_cache_alloc_bulk((struct tarn_cache *)cache, flags, count, objects);
}

static inline void kmem_cache_free_bulk(struct kmem_cache *cache, size_t count, void **objects)
{
    tarn_cache_free_bulk((struct tarn_cache *)cache, count, objects);
}

/* An object is charged to nobody, so that charging it later works too. */
static inline bool kmem_cache_charge(void *object, gfp_t flags)
{
    (void)object, (void)flags;
    return true;
}

static inline struct slab_sheaf *kmem_cache_prefill_sheaf(struct kmem_cache *cache, gfp_t flags, unsigned int size)
{
    return (struct slab_sheaf *)tarn_cache_prefill_sheaf((struct tarn_cache *)cache, flags, size);
}

static inline int kmem_cache_refill_sheaf(struct kmem_cache *cache, gfp_t flags, struct slab_sheaf **sheaf, unsigned int size)
{
    struct tarn_sheaf *native = (struct tarn_sheaf *)*sheaf;
    int error = tarn_cache_refill_sheaf((struct tarn_cache *)cache, flags, &native, size);

    *sheaf = (struct slab_sheaf *)native;
    return error;
}

static inline void *kmem_cache_alloc_from_sheaf(struct kmem_cache *cache, gfp_t flags, struct slab_sheaf *sheaf)
{
    return tarn_cache_alloc_from_sheaf((struct tarn_cache *)cache, flags, (struct tarn_sheaf *)sheaf);
}

static inline void kmem_cache_return_sheaf(struct kmem_cache *cache, gfp_t flags, struct slab_sheaf *sheaf)
{
    tarn_cache_return_sheaf((struct tarn_cache *)cache, flags, (struct tarn_sheaf *)sheaf);
}

static inline unsigned int kmem_cache_sheaf_size(struct slab_sheaf *sheaf)
{
    return tarn_sheaf_size((struct tarn_sheaf *)sheaf);
}

#ifdef __cplusplus
}
#endif

#endif
