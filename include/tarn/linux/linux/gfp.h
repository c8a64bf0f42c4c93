/* Pages, asked for by flags. */
#if defined(_TOOLS_INCLUDE_LINUX_GFP_H) && !defined(TARN_LINUX_GFP_H)
#error "another <linux/gfp.h> was included before tarn's: put tarn's directory first"
#endif
#ifndef TARN_LINUX_GFP_H
#define TARN_LINUX_GFP_H
#define __LINUX_GFP_H
#define _TOOLS_INCLUDE_LINUX_GFP_H

#include <linux/gfp_types.h>
#ifndef TARN_LINUX_TOOLS
#include <linux/mm_types.h>
#endif

#include "../fill/page.h"
#include "../fill/warn.h"

#include "../../pages.h"

#ifdef __cplusplus
extern "C" {
#endif

struct page;
struct zone;

/* The default of the kernel's own typed allocations: default_gfp() is GFP_KERNEL, default_gfp(flags) is flags. */
#define TARN_LINUX_SECOND(a, b, ...) b
#define default_gfp(...) TARN_LINUX_SECOND(, ##__VA_ARGS__, GFP_KERNEL, )

static inline bool gfpflags_allow_blocking(const gfp_t flags) { return (flags & __GFP_DIRECT_RECLAIM) != 0; }

static inline bool gfpflags_normal_context(const gfp_t flags)
{
    return (flags & (__GFP_DIRECT_RECLAIM | __GFP_MEMALLOC)) == __GFP_DIRECT_RECLAIM;
}

static inline bool gfp_has_io_fs(gfp_t flags) { return (flags & (__GFP_IO | __GFP_FS)) == (__GFP_IO | __GFP_FS); }

/* For an allocation inside of another: it keeps the other's rules, and may fail quietly. */
static inline gfp_t gfp_nested_mask(gfp_t flags)
{
    return (gfp_t)((flags & (GFP_KERNEL | GFP_ATOMIC | __GFP_NOLOCKDEP)) | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN);
}

static inline struct page *alloc_pages(gfp_t flags, unsigned int order)
{
    return (struct page *)tarn_pages_alloc(NULL, order, flags);
}

static inline struct page *alloc_pages_node(int node, gfp_t flags, unsigned int order)
{
    (void)node;
    return alloc_pages(flags, order);
}

#define __alloc_pages_node(node, flags, order) alloc_pages_node(node, flags, order)
#define __alloc_pages(flags, order, node, mask) alloc_pages_node(node, flags, order)
#define alloc_page(flags) alloc_pages(flags, 0)

static inline void __free_pages(struct page *page, unsigned int order) { tarn_pages_free((struct tarn_page *)page, order); }

/* Of memory that is asked for by address, HIGHMEM has none. */
static inline unsigned long __get_free_pages(gfp_t flags, unsigned int order)
{
    struct tarn_page *page = tarn_pages_alloc(NULL, order, flags & ~__GFP_HIGHMEM);

    return page ? (unsigned long)tarn_page_address(page) : 0;
}

static inline unsigned long get_zeroed_page(gfp_t flags) { return __get_free_pages(flags | __GFP_ZERO, 0); }

static inline void free_pages(unsigned long address, unsigned int order) { tarn_pages_free_at((void *)address, order); }

#define __get_free_page(flags) __get_free_pages(flags, 0)
#define __get_dma_pages(flags, order) __get_free_pages((flags) | GFP_DMA, order)
#define __free_page(page) __free_pages(page, 0)
#define free_page(address) free_pages(address, 0)

static inline void *alloc_pages_exact(size_t size, gfp_t flags) { return tarn_pages_alloc_exact(NULL, size, flags); }

static inline void *alloc_pages_exact_nid(int node, size_t size, gfp_t flags)
{
    (void)node;
    return tarn_pages_alloc_exact(NULL, size, flags);
}

static inline void free_pages_exact(void *address, size_t size) { tarn_pages_free_exact(address, size); }

static inline struct page *alloc_contig_pages(unsigned long count, gfp_t flags, int node, const void *mask)
{
    (void)node, (void)mask;
    return (struct page *)tarn_pages_alloc_run(NULL, count, flags);
}

static inline void free_contig_range(unsigned long pfn, unsigned long count)
{
    tarn_pages_free_run(tarn_page_of((const void *)(pfn << PAGE_SHIFT)), count);
}

/* Fills the empty slots; the older name and the newer one. */
static inline unsigned long alloc_pages_bulk(gfp_t flags, unsigned long count, struct page **pages)
{
    return tarn_pages_alloc_bulk(NULL, flags, count, (struct tarn_page **)pages);
}

#define alloc_pages_bulk_array(flags, count, pages) alloc_pages_bulk(flags, count, pages)
#define alloc_pages_bulk_node(flags, node, count, pages) ((void)(node), alloc_pages_bulk(flags, count, pages))
#define alloc_pages_bulk_array_node(flags, node, count, pages) alloc_pages_bulk_node(flags, node, count, pages)

/* Adds up to `count` pages to the end of a list. A page begins with its `lru`. */
static inline unsigned long alloc_pages_bulk_list(gfp_t flags, unsigned long count, struct list_head *list)
{
    for (unsigned long i = 0; i < count; i++) {
        struct list_head *lru = (struct list_head *)alloc_page(flags);

        if (!lru)
            return i;
        lru->next = list;
        lru->prev = list->prev;
        list->prev->next = lru;
        list->prev = lru;
    }
    return count;
}

static inline void drain_all_pages(struct zone *zone)
{
    (void)zone;
    tarn_pages_drain();
}

#define drain_local_pages(zone) drain_all_pages(zone)

#ifdef __cplusplus
}
#endif

#include <linux/page_frag_cache.h>

#endif
