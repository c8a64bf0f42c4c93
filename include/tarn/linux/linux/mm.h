/* Pages and their addresses. */
#ifndef TARN_LINUX_MM_H
#define TARN_LINUX_MM_H
#define _LINUX_MM_H
#define _TOOLS_LINUX_MM_H

#include <linux/gfp.h>
#include <linux/mm_types.h>
#include <linux/slab.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef PAGE_ALIGN
#define PAGE_ALIGN(address) (((address) + PAGE_SIZE - 1) & PAGE_MASK)
#endif
#ifndef PAGE_ALIGN_DOWN
#define PAGE_ALIGN_DOWN(address) ((address)&PAGE_MASK)
#endif
#ifndef PAGE_ALIGNED
#define PAGE_ALIGNED(address) (((unsigned long)(address) & ~PAGE_MASK) == 0)
#endif
#ifndef offset_in_page
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)
#endif

static inline void *page_address(const struct page *page) { return tarn_page_address((const struct tarn_page *)page); }

static inline struct page *virt_to_page(const void *address) { return (struct page *)tarn_page_of(address); }

static inline unsigned long page_to_pfn(const struct page *page) { return (unsigned long)page_address(page) >> PAGE_SHIFT; }

static inline struct page *pfn_to_page(unsigned long pfn) { return virt_to_page((const void *)(pfn << PAGE_SHIFT)); }

#define page_to_virt(page) page_address(page)

static inline struct page *nth_page(struct page *page, unsigned long n)
{
    return (struct page *)tarn_page_at((struct tarn_page *)page, n);
}

static inline int page_to_nid(const struct page *page)
{
    (void)page;
    return 0;
}

static inline int page_count(const struct page *page) { return (int)tarn_page_references((const struct tarn_page *)page); }

#define page_ref_count(page) page_count(page)

static inline void get_page(struct page *page) { tarn_page_get((struct tarn_page *)page); }

static inline void put_page(struct page *page) { tarn_page_put((struct tarn_page *)page); }

static inline void split_page(struct page *page, unsigned int order) { tarn_page_split((struct tarn_page *)page, order); }

static inline unsigned int compound_order(const struct page *page) { return tarn_page_order((const struct tarn_page *)page); }

static inline unsigned long page_size(const struct page *page) { return PAGE_SIZE << compound_order(page); }

#ifndef __cplusplus
static inline unsigned long page_private(const struct page *page) { return page->private; }

static inline void set_page_private(struct page *page, unsigned long value) { page->private = value; }
#endif

/* The smallest order whose blocks hold `size` bytes. */
static inline int get_order(unsigned long size)
{
    if (size == 0)
        return 64 - PAGE_SHIFT;
    size = (size - 1) >> PAGE_SHIFT;
    return size ? 64 - __builtin_clzl(size) : 0;
}

#ifdef __cplusplus
}
#endif

#endif
