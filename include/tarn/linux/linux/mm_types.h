/*
 * struct page: what a user may touch of it, laid out as tarn's descriptor. (The kernel's tools have programs with a struct page of their
 * own; so there, only <linux/mm.h> and this header define it.)
 */
#ifndef TARN_LINUX_MM_TYPES_H
#define TARN_LINUX_MM_TYPES_H
#define _LINUX_MM_TYPES_H

#include "../fill/page.h"
#include "../fill/types.h"

#include "../../pages.h"

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
_Static_assert(offsetof(struct page, lru) == 0 && offsetof(struct tarn_page, lru) == 0,
               "a page's list is where tarn's page has it");
_Static_assert(offsetof(struct page, index) == offsetof(struct tarn_page, user.index), "its index too");
_Static_assert(offsetof(struct page, private) == offsetof(struct tarn_page, user.private_data), "its private word too");
_Static_assert(offsetof(struct page, tarn_count) == offsetof(struct tarn_page, count), "and its references");
#endif

#endif
