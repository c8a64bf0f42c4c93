/*
 * The pool that a program of misuse/ misuses: one of these, chosen by -DPOOL_…=1 when it is compiled.
 *
 * Pools that stand alone answer misuse with an error, unless TARN_DEBUG names them; programs print that answer and end with status 0.
 */
#ifndef TARN_DEATH_POOL_H
#define TARN_DEATH_POOL_H

#include "tarn/tarn.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void pool_say(int error)
{
    if (error)
        printf("answer: %s\n", tarn_pool_error_text(error));
    fflush(stdout);
}

#if defined POOL_malloc || defined POOL_large
#ifdef POOL_large
enum { POOL_SIZE = 200000 };
#else
enum { POOL_SIZE = 100 };
#endif
static inline void pool_begin(void) {}
static inline void *pool_alloc(size_t size) { return malloc(size); }
static inline void pool_free(void *p) { free(p); }
static inline void pool_end(void) {}

#elif defined POOL_tarn
enum { POOL_SIZE = 100 };
static inline void pool_begin(void) {}
static inline void *pool_alloc(size_t size) { return tarn_malloc(size); }
static inline void pool_free(void *p) { tarn_free(p); }
static inline void pool_end(void) {}

#elif defined POOL_kmalloc
enum { POOL_SIZE = 128 };
static inline void pool_begin(void) {}
static inline void *pool_alloc(size_t size) { return tarn_kmalloc(size, TARN_GFP_KERNEL); }
static inline void pool_free(void *p) { tarn_kfree(p); }
static inline void pool_end(void) {}

#elif defined POOL_cache
enum { POOL_SIZE = 104 };
static struct tarn_cache *pool;
static inline void pool_begin(void) { pool = tarn_cache_create("victim", POOL_SIZE, 0, TARN_CACHE_NO_MERGE, NULL, NULL); }
static inline void *pool_alloc(size_t size) { return size == POOL_SIZE ? tarn_cache_alloc(pool, TARN_GFP_KERNEL) : NULL; }
static inline void pool_free(void *p) { tarn_cache_free(pool, p); }
static inline void pool_end(void) { tarn_cache_destroy(pool); }

#elif defined POOL_heap
enum { POOL_SIZE = 100 };
static struct tarn_heap *pool;
static inline void pool_begin(void) { pool = tarn_heap_create(&(struct tarn_heap_options){.name = "victim"}); }
static inline void *pool_alloc(size_t size) { return tarn_heap_alloc(pool, size); }
static inline void pool_free(void *p) { tarn_heap_free(p); }
static inline void pool_end(void) { tarn_heap_destroy(pool); }

#elif defined POOL_mempool
enum { POOL_SIZE = 104 };
static struct tarn_mempool *pool;
static struct tarn_cache *pool_cache;
static inline void pool_begin(void)
{
    pool_cache = tarn_cache_create("victim", POOL_SIZE, 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    pool = tarn_mempool_create(4, tarn_mempool_alloc_slab, tarn_mempool_free_slab, pool_cache);
}
static inline void *pool_alloc(size_t size) { return size == POOL_SIZE ? tarn_mempool_alloc(pool, TARN_GFP_KERNEL) : NULL; }
static inline void pool_free(void *p) { tarn_mempool_free(p, pool); }
static inline void pool_end(void) { tarn_mempool_destroy(pool); }

#elif defined POOL_pages
enum { POOL_SIZE = 8192 };
static inline void pool_begin(void) {}
static inline void *pool_alloc(size_t size) { return tarn_pages_alloc_exact(tarn_zone_normal(), size, TARN_GFP_KERNEL); }
static inline void pool_free(void *p) { tarn_pages_free_exact(p, POOL_SIZE); }
static inline void pool_end(void) {}

#elif defined POOL_dmapool
enum { POOL_SIZE = 128 };
static struct tarn_dma_pool *pool;
static tarn_dma_t pool_handle;
static inline void pool_begin(void) { pool = tarn_dma_pool_create("victim", POOL_SIZE, 16, 0); }
static inline void *pool_alloc(size_t size)
{
    return size == POOL_SIZE ? tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL, &pool_handle) : NULL;
}
static inline void pool_free(void *p) { tarn_dma_pool_free(pool, p, (tarn_dma_t)(uintptr_t)p); }
static inline void pool_end(void) { tarn_dma_pool_destroy(pool); }

#elif defined POOL_region
enum { POOL_SIZE = 112 };
static struct tarn_region *pool;
static char pool_memory[1 << 20] __attribute__((aligned(4096)));
static inline void pool_begin(void)
{
    pool = tarn_region_create(pool_memory, sizeof pool_memory, &(struct tarn_region_options){.lock = TARN_POOL_LOCK_BUILTIN});
}
static inline void *pool_alloc(size_t size) { return tarn_region_alloc(pool, size); }
static inline void pool_free(void *p) { pool_say(tarn_region_free(pool, p)); }
static inline void pool_end(void) { pool_say(tarn_region_destroy(pool)); }

#elif defined POOL_classpool
enum { POOL_SIZE = 128 };
static struct tarn_classpool *pool;
static char pool_memory[1 << 20] __attribute__((aligned(4096)));
static inline void pool_begin(void)
{
    tarn_classpool_open(&pool, pool_memory, sizeof pool_memory,
                        &(struct tarn_classpool_options){.lock = TARN_POOL_LOCK_BUILTIN});
}
static inline void *pool_alloc(size_t size) { return tarn_classpool_alloc(pool, size); }
static inline void pool_free(void *p) { pool_say(tarn_classpool_free(pool, p)); }
static inline void pool_end(void)
{
    struct tarn_classpool *copy = pool;
    pool_say(tarn_classpool_close(&copy, NULL));
}

#elif defined POOL_levelpool
enum { POOL_SIZE = 96 };
static struct tarn_levelpool *pool;
static char pool_memory[1 << 20] __attribute__((aligned(4096)));
static inline void pool_begin(void)
{
    pool = tarn_levelpool_create(pool_memory, sizeof pool_memory,
                                 &(struct tarn_levelpool_options){.lock = TARN_POOL_LOCK_BUILTIN});
}
static inline void *pool_alloc(size_t size) { return tarn_levelpool_alloc(pool, size); }
static inline void pool_free(void *p) { pool_say(tarn_levelpool_free(pool, p)); }
static inline void pool_end(void) { pool_say(tarn_levelpool_destroy(pool)); }

#elif defined POOL_blockpool
enum { POOL_SIZE = 128 };
static struct tarn_blockpool *pool;
static char pool_memory[1 << 20] __attribute__((aligned(4096)));
static inline void pool_begin(void)
{
    pool = tarn_blockpool_create_in(pool_memory, sizeof pool_memory,
                                    &(struct tarn_blockpool_options){.lock = TARN_POOL_LOCK_BUILTIN});
}
static inline void *pool_alloc(size_t size) { return tarn_blockpool_alloc(pool, size); }
static inline void pool_free(void *p) { pool_say(tarn_blockpool_free(pool, p)); }
static inline void pool_end(void) { pool_say(tarn_blockpool_destroy(pool)); }

#elif defined POOL_kmalloc_large
enum { POOL_SIZE = 65536 };
static inline void pool_begin(void) {}
static inline void *pool_alloc(size_t size) { return tarn_kmalloc(size, TARN_GFP_KERNEL); }
static inline void pool_free(void *p) { tarn_kfree(p); }
static inline void pool_end(void) {}

#elif defined POOL_vmalloc
enum { POOL_SIZE = 20480 };
static inline void pool_begin(void) {}
static inline void *pool_alloc(size_t size) { return tarn_vmalloc(size); }
static inline void pool_free(void *p) { tarn_vfree(p); }
static inline void pool_end(void) {}

#elif defined POOL_block
enum { POOL_SIZE = 8192 };
static inline void pool_begin(void) {}
static inline void *pool_alloc(size_t size)
{
    struct tarn_page *page = size == POOL_SIZE ? tarn_pages_alloc(NULL, 1, TARN_GFP_KERNEL) : NULL;
    return page ? tarn_page_address(page) : NULL;
}
static inline void pool_free(void *p) { tarn_pages_free_at(p, 1); }
static inline void pool_end(void) {}

#elif defined POOL_page
enum { POOL_SIZE = 4096 };
static inline void pool_begin(void) {}
static inline void *pool_alloc(size_t size)
{
    struct tarn_page *page = size == POOL_SIZE ? tarn_pages_alloc(NULL, 0, TARN_GFP_KERNEL) : NULL;
    return page ? tarn_page_address(page) : NULL;
}
static inline void pool_free(void *p) { tarn_pages_free_at(p, 0); }
static inline void pool_end(void) {}
#endif

/* An object of the size that fills its slot or block, so that a byte too many is one too many. */
static inline char *pool_new(void) { return pool_alloc(POOL_SIZE); }

/* The compiler is not to see what becomes of a pointer. */
static inline void *pool_hide(void *p)
{
    __asm__ volatile("" : "+r"(p)::"memory");
    return p;
}

/* Runs `act(p)` on another thread, to its end. */
static inline void pool_elsewhere(void *(*act)(void *), void *p)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, act, p) == 0)
        pthread_join(thread, NULL);
}

#endif
