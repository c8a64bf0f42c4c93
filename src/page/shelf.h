/*
 * Shelves: runs that were freed and are likely to be wanted again, whole, as they are.
 *
 * A program that frees a run of 12 pages mostly wants one of about 12 pages soon. On a shelf such a run stays as it is: in use, as far as the zone
 * knows, neither merged nor searched for; so freeing and taking it again costs a short lock and no bookkeeping, and what is taken is
 * what was used last and is in the processor's caches.
 *
 *     thread ──> shelf (thread's number mod 16)    list[class] ──> run ──> run        the latest first
 *                                                  eight classes in each doubling of the length, exact up to 16 pages
 *
 * A request takes a run of its class or the next one that is up to an eighth longer. What a shelf may hold is 1 MiB, or its share in a sixteenth of the zone's pages in
 * use if that is more; of that a run may be an eighth. When it is full one class is given up for another, in turn.
 *
 * Runs on shelves count as free and dirty in reports. They are given up when they hold more than may be idle (decay.h), before a request would take clean memory, grow the zone, or fail; when a
 * run could grow into one; and when memory is trimmed. So they are worth memory that lies idle anyway, and never a page more.
 *
 * Locks: one per shelf, of one rank below the zone's; neither is held together with the other.
 */
#ifndef TARN_PAGE_SHELF_H
#define TARN_PAGE_SHELF_H

#include "page/zone.h"

enum {
    TARN__SHELVES = 16, /* at most 32 */
    TARN__SHELF_CLASSES = 64,
    TARN__SHELF_LEAST = 9,  /* pages; what is shorter is slabs' business */
    TARN__SHELF_MOST = 512, /* runs are shorter than this */
};

struct tarn__shelf {
    _Alignas(TARN__CACHE_LINE) struct tarn__lock lock;
    uint8_t hand; /* the class that was given up last */
    _Atomic size_t pages;
    uint64_t filled;     /* bit k: list[k] is not empty */
    uint64_t taken, put; /* requests and frees that it served */
    struct tarn_page *list[TARN__SHELF_CLASSES];
};

/* Of a zone. */
struct tarn__shelves {
    _Atomic uint32_t begun; /* bit i: shelf i holds or held something */
    _Atomic size_t room;    /* pages that each may hold; brought up to date when one of them is full */
    struct tarn__shelf shelf[TARN__SHELVES];
};

/* Gives a zone shelves, which are zeroed, before its first use. */
void tarn__shelves_init(struct tarn_zone *zone, struct tarn__shelves *shelves);

/* A run of `count` pages or a little more, in use from now on; NULL: the calling thread's shelf has none. What it holds is anything. */
struct tarn_page *tarn__shelf_take(struct tarn_zone *zone, size_t count);

/* Frees a run in use: keeps it on the calling thread's shelf, or frees it to its zone. Then, and for what it takes the place of, as tarn__pages_free. */
void tarn__shelf_free(struct tarn_page *run);

/* Frees to the zone what all shelves hold. Returns the pages. Purges nothing. */
size_t tarn__shelves_empty(struct tarn_zone *zone);

/* What they hold and have served. */
struct tarn__shelves_sums {
    size_t pages;
    uint64_t taken, put;
};
struct tarn__shelves_sums tarn__shelves_sum(struct tarn_zone *zone);

/* Pages that they hold, without a lock. */
size_t tarn__shelves_pages(const struct tarn_zone *zone);

/* For the fork hooks. */
void tarn__shelves_each_lock(struct tarn_zone *zone, void (*act)(struct tarn__lock *));

/* Verifies them, taking the locks. */
void tarn__shelves_check(struct tarn_zone *zone);

#endif
