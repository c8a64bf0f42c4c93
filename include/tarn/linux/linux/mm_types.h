/* struct page: what a user may touch of it, laid out as tarn's descriptor. */
#ifndef TARN_LINUX_MM_TYPES_H
#define TARN_LINUX_MM_TYPES_H
#define _LINUX_MM_TYPES_H

#include <linux/types.h>

#include "../fill/types.h"

#include <tarn/pages.h>

#ifndef PAGE_SHIFT
#define PAGE_SHIFT 12
#endif
#ifndef PAGE_SIZE
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#endif
#ifndef PAGE_MASK
#define PAGE_MASK (~(PAGE_SIZE - 1))
#endif
#define MAX_PAGE_ORDER TARN_MAX_PAGE_ORDER
#define MAX_ORDER_NR_PAGES (1UL << MAX_PAGE_ORDER)
#define NR_PAGE_ORDERS (MAX_PAGE_ORDER + 1)
#ifndef pageblock_order
#define pageblock_order TARN_PAGEBLOCK_ORDER
#define pageblock_nr_pages (1UL << pageblock_order)
#endif

/* While a page is allocated, either `lru`, or `index` and `private`, are its user's. (`private` is a word of C++: private_data there.) */
struct page {
    __extension__ union {
        struct list_head lru;
        __extension__ struct {
            unsigned long index;
#ifdef __cplusplus
            unsigned long private_data;
#else
            unsigned long private;
#endif
        };
    };
    uint32_t tarn_count;
    uint8_t tarn_state, tarn_order;
    uint16_t tarn_bits;
};

#ifndef __cplusplus
_Static_assert(sizeof(struct page) == sizeof(struct tarn_page), "a page is tarn's page");
_Static_assert(offsetof(struct page, lru) == offsetof(struct tarn_page, lru), "a page's list is where tarn's page has it");
_Static_assert(offsetof(struct page, index) == offsetof(struct tarn_page, user.index), "its index too");
_Static_assert(offsetof(struct page, private) == offsetof(struct tarn_page, user.private_data), "its private word too");
_Static_assert(offsetof(struct page, tarn_count) == offsetof(struct tarn_page, count), "and its references");
#endif

#endif
