/*
 * A circular doubly linked list with its links inside the elements. A head that points to itself is an empty list;
 * every operation is O(1).
 */
#ifndef TARN_BASE_LIST_H
#define TARN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct tarn__list {
    struct tarn__list *next, *prev;
};

/* The element of type `type` whose member `member` is the link `ptr`. */
#define TARN__CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void tarn__list_init(struct tarn__list *head) { head->next = head->prev = head; }

static inline bool tarn__list_empty(const struct tarn__list *head) { return head->next == head; }

static inline void tarn__list_insert_between(struct tarn__list *item, struct tarn__list *prev, struct tarn__list *next)
{
    item->prev = prev;
    item->next = next;
    prev->next = item;
    next->prev = item;
}

static inline void tarn__list_push_front(struct tarn__list *head, struct tarn__list *item)
{
    tarn__list_insert_between(item, head, head->next);
}

static inline void tarn__list_push_back(struct tarn__list *head, struct tarn__list *item)
{
    tarn__list_insert_between(item, head->prev, head);
}

static inline void tarn__list_remove(struct tarn__list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
}

#endif
