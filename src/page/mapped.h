/*
 * Mapped blocks: from 64 MiB on, each a section of several slots straight from the source, unmapped when it is freed. Between
 * zone.c's files only; takes the zone's lock itself.
 */
#ifndef TARN_PAGE_MAPPED_H
#define TARN_PAGE_MAPPED_H

#include "page/zone.h"

/* Always clean. NULL: no memory, or a limit forbids it. */
struct tarn_page *tarn__mapped_alloc(struct tarn__want *want);

/* False: the system refused to unmap it; its pages are given back, if that went, and its addresses are kept for another try. */
bool tarn__mapped_free(struct tarn__section *section);

/* Unmaps blocks that could not be unmapped when they were freed. Returns the bytes given back. */
size_t tarn__mapped_retry(struct tarn_zone *zone);

#endif
