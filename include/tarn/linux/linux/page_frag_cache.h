/*
 * Fragments of pages: pieces of any size up to a page, cut from its end towards its beginning, each holding a reference to the page. The last
 * piece to be freed frees the page. A cache belongs to one thread at a time; pieces may be freed by any.
 */
#ifndef TARN_LINUX_PAGE_FRAG_CACHE_H
#define TARN_LINUX_PAGE_FRAG_CACHE_H
#define _LINUX_PAGE_FRAG_CACHE_H

#include <linux/gfp.h>

#ifdef __cplusplus
extern "C" {
#endif

struct page_frag {
    struct page *page;
    uint32_t offset, size;
};

/* All zero: empty. */
struct page_frag_cache {
    struct page *page; /* the one that is being cut; the cache has a reference */
    unsigned int left; /* bytes of it that are not given out */
};

static inline void page_frag_cache_init(struct page_frag_cache *cache)
{
    cache->page = NULL;
    cache->left = 0;
}

static inline void page_frag_cache_drain(struct page_frag_cache *cache)
{
    if (cache->page)
        tarn_page_put((struct tarn_page *)cache->page);
    page_frag_cache_init(cache);
}

static inline void __page_frag_cache_drain(struct page *page, unsigned int count)
{
    while (count--)
        tarn_page_put((struct tarn_page *)page);
}

/* Makes the cache's page whole: the old one, when all of its pieces are free again, or a new one. */
static inline bool tarn_linux_frag_refill(struct page_frag_cache *cache, gfp_t flags)
{
    if (cache->page && tarn_page_references((struct tarn_page *)cache->page) != 1)
        page_frag_cache_drain(cache);
    if (!cache->page)
        cache->page = alloc_page(flags);
    cache->left = cache->page ? PAGE_SIZE : 0;
    return cache->page != NULL;
}

/* `mask` is minus the alignment. */
static inline void *__page_frag_alloc_align(struct page_frag_cache *cache, unsigned int size, gfp_t flags, unsigned int mask)
{
    if (size == 0 || size > PAGE_SIZE)
        return NULL;
    if (size > cache->left && !tarn_linux_frag_refill(cache, flags))
        return NULL;
    cache->left = (cache->left - size) & mask;
    tarn_page_get((struct tarn_page *)cache->page);
    return (char *)tarn_page_address((struct tarn_page *)cache->page) + cache->left;
}

static inline void *page_frag_alloc_align(struct page_frag_cache *cache, unsigned int size, gfp_t flags, unsigned int align)
{
    return __page_frag_alloc_align(cache, size, flags, -align);
}

static inline void *page_frag_alloc(struct page_frag_cache *cache, unsigned int size, gfp_t flags)
{
    return __page_frag_alloc_align(cache, size, flags, ~0u);
}

static inline void page_frag_free(void *piece) { tarn_page_put(tarn_page_of(piece)); }

#ifdef __cplusplus
}
#endif

#endif
