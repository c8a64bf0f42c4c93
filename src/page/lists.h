/*
 * Single pages in threads: for each zone and mobility group a list, which only its thread touches. Allocation pops and free pushes, without
 * a lock or an atomic read-modify-write; an empty list is filled with a batch from the zone, a full one gives half of it back.
 *
 *     list    head ──> page ──> page ──> NULL     linked through lru.next; in state BLOCK, with no reference
 *             allocs, frees                       by this thread, ever
 *             limit                               frees - allocs at which the list is full
 *
 * So a list holds most - (limit - (frees - allocs)) pages.
 *
 * A zone's number leads to its lists. `zone->lists` is that number, or 0 while its pages are short: list 0 is empty and full, so requests then
 * take the slow path, which gives back what the thread has. The same is true of the lists that a thread begins with, and of those that it
 * has after its end. 15 zones have numbers; zones beyond that, and those under 8 MiB, have no lists.
 *
 * A page is freed to the list of its pageblock's group, whatever it was asked for.
 *
 * tarn__lists_drain asks the other threads for theirs by counting an epoch up, which they compare whenever they exchange with a zone.
 *
 * Free stores the link before the head, and allocation the head before the reference: in the child of a fork the lists of the
 * other threads are proper ones, but for one page that its thread had in its hands.
 *
 * Locks: the registry's, for threads that begin and end, and for sums; never together with a zone's.
 */
#ifndef TARN_PAGE_LISTS_H
#define TARN_PAGE_LISTS_H

#include "base/atomic.h"
#include "page/block.h"

enum { TARN__LISTED_ZONES = 16, TARN__LIST_GROUPS = 4, TARN__LIST_MOST = 64, TARN__LIST_BATCH = 16 };

struct tarn__page_list {
    struct tarn_page *head;
    tarn__counter allocs, frees;
    long limit;
};

struct tarn__page_lists {
    struct tarn__page_list list[TARN__LISTED_ZONES][TARN__LIST_GROUPS]; /* those of the last group stay empty */
    uint32_t most[TARN__LISTED_ZONES];
    uint64_t epoch;
    struct tarn__list link; /* in the registry, or spare */
};

/* The calling thread's. Never NULL. */
extern TARN__TLS struct tarn__page_lists *tarn__page_lists;

/* The list that a zone's pages of a group are popped from and pushed to. */
static inline struct tarn__page_list *tarn__list_of(struct tarn_zone *zone, unsigned group)
{
    unsigned mask = atomic_load_explicit(&zone->group_mask, memory_order_relaxed);
    return &tarn__page_lists->list[atomic_load_explicit(&zone->lists, memory_order_relaxed)][group & mask];
}

/* A page with one reference; NULL: the list is empty. */
static inline struct tarn_page *tarn__list_pop(struct tarn__page_list *list)
{
    struct tarn_page *page = list->head;
    if (TARN__UNLIKELY(!page))
        return NULL;
    list->head = page->lru.next;
    atomic_signal_fence(memory_order_release); /* see above: the head before the reference */
    tarn__block_set_references(page, 1);
    tarn__counter_add(&list->allocs, 1);
    return page;
}

/* Takes back a block of order 0 whose only reference is the caller's; false: there is no room. */
static inline bool tarn__list_push(struct tarn_page *page)
{
    unsigned home = page->bits >> TARN__PAGE_HOME_SHIFT & 3;
    struct tarn__page_list *list = tarn__list_of(tarn__page_section(page)->zone, home);
    if (TARN__UNLIKELY((long)(list->frees - list->allocs) >= list->limit))
        return false;
    tarn__block_set_references(page, 0);
    tarn__block_set_bits(page, home | home << TARN__PAGE_HOME_SHIFT);
    page->lru.next = list->head;
    atomic_signal_fence(memory_order_release); /* the link before the head */
    list->head = page;
    tarn__counter_add(&list->frees, 1);
    return true;
}

/* When tarn__list_pop found nothing: a page with one reference after a batch was taken; NULL: there is none without effort, or no list. */
struct tarn_page *tarn__lists_alloc(struct tarn_zone *zone, tarn_gfp_t flags);

/* When tarn__list_push found no room: true when it has the page now. */
bool tarn__lists_free(struct tarn_page *page);

/* Gives back what the calling thread's lists hold, and asks the others. Returns the pages given back. */
size_t tarn__lists_drain(void);

/* From now on no list of the calling thread holds anything, nor of threads to come; before there are others. */
void tarn__lists_stop(void);

/* Gives a zone a number, if it is large enough and there is one left; takes it back. Under the registry's lock. */
void tarn__lists_enter(struct tarn_zone *zone);
void tarn__lists_leave(struct tarn_zone *zone);

/* Pages of a zone in all threads' lists, and what they served. */
struct tarn__lists_sums {
    size_t held;
    uint64_t allocs, frees;
};
struct tarn__lists_sums tarn__lists_sum(struct tarn_zone *zone);

/* Empties all threads' lists of a zone that no thread uses any more. Gives the chain of what they held. */
struct tarn_page *tarn__lists_empty(struct tarn_zone *zone);

/* In the child of a fork: what the other threads' lists held goes back to the zones. */
void tarn__lists_adopt_orphans(void);

/* Guards the lists of zones and of threads' lists; the fork hooks hold it too. */
extern struct tarn__lock tarn__zones_lock;

#endif
