/*
 * tarn's <linux/slab.h>, with what the kernel's tools expect of a test allocator beside it: requests that may not sleep fail unless they were
 * allowed (kmem_cache_set_non_kernel), and everything is counted. hooks.c decides and counts; the memory is tarn's.
 */
#ifndef TARN_CLIENTS_SLAB_H
#define TARN_CLIENTS_SLAB_H

#include_next <linux/slab.h>

void *client_cache_alloc(struct kmem_cache *cache, gfp_t flags);
int client_cache_alloc_bulk(struct kmem_cache *cache, gfp_t flags, size_t count, void **objects);
void client_cache_free(struct kmem_cache *cache, void *object);
void client_cache_free_bulk(struct kmem_cache *cache, size_t count, void **objects);
void *client_kmalloc(size_t size, gfp_t flags);
void client_kfree(const void *p);

#ifndef TARN_CLIENTS_HOOKS
#define kmem_cache_alloc(cache, flags) client_cache_alloc(cache, flags)
#define kmem_cache_zalloc(cache, flags) client_cache_alloc(cache, (flags) | __GFP_ZERO)
#define kmem_cache_alloc_lru(cache, lru, flags) client_cache_alloc(cache, flags)
#define kmem_cache_alloc_bulk(cache, flags, count, objects) client_cache_alloc_bulk(cache, flags, count, objects)
#define kmem_cache_free client_cache_free
#define kmem_cache_free_bulk client_cache_free_bulk
#define kmalloc(size, flags) client_kmalloc(size, flags)
#define kzalloc(size, flags) client_kmalloc(size, (flags) | __GFP_ZERO)
#define kfree client_kfree
#endif

#endif
