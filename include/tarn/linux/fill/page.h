/* Sizes of pages and blocks. Some of the kernel's tools define the first of them in the same words. */
#ifndef TARN_LINUX_FILL_PAGE_H
#define TARN_LINUX_FILL_PAGE_H

#include "../../pages.h"

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

#endif
