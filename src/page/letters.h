/*
 * Users' pages (pages.h of the public headers) that letters of the environment name as "pages": F and P and Q and U and G; red zones have no room, as all of a page is its
 * user's.
 *
 *     block in use    | pages | as many that fault, with G |     behind exact pages one
 *     freed           it waits, filled (P) or shut (G), with Q up to 16 MiB of such, else 64 blocks; then it is looked at and goes to its zone
 *
 * A block that waits is still one, without a reference: so its second free is known as such. No list of a thread holds pages meanwhile, so the fast paths know
 * nothing of this. Guard pages are for the zone NORMAL only, whose memory is tarn's own; and not for runs (tarn_pages_alloc_run), of which only freed ones are shut.
 */
#ifndef TARN_PAGE_LETTERS_H
#define TARN_PAGE_LETTERS_H

#include "page/zone.h"

#include <stdbool.h>
#include <stddef.h>

extern TARN__HIDDEN unsigned tarn__pages_letters; /* 0: none */

/* At the start, before there are threads. */
void tarn__pages_letters_begin(unsigned letters);

/* Whether a request of the zone gets a page behind that faults. */
bool tarn__letters_guard(const struct tarn_zone *zone);

/* A block or run of `count` pages was allocated; `guard`: the first page of what is to fault behind it, or NULL. `zero`: it was asked for so. */
void tarn__letters_live(struct tarn_page *page, size_t count, struct tarn_page *guard, bool zero);

/* A block was made into single pages. */
void tarn__letters_split(struct tarn_page *page, size_t count);

/* A block without references, or a run, that is freed: true when it waits, and is to be left alone. */
bool tarn__letters_take(struct tarn_page *page, size_t count);

/* Whether a run waits. */
bool tarn__letters_waits(const struct tarn_page *page);

/* What waits goes to the zone; NULL: to all. */
void tarn__letters_empty(const struct tarn_zone *zone);

/* Looks at what waits. Returns how many reports there were. */
size_t tarn__letters_look(const char *where);

/* For the signal handler: what the access of this address was. True: it was to such pages, was reported, and is to be tried again. */
bool tarn__letters_seen(void *address);

extern struct tarn__lock tarn__letters_lock;

#endif
