/*
 * Giving memory back. Between zone.c's files only. Each call decides under the zone's lock, takes what it chose off the lists, makes its
 * system calls with no lock held, and puts back what remains. Purging changes no address and unmapping only free ones.
 */
#ifndef TARN_PAGE_PURGE_H
#define TARN_PAGE_PURGE_H

#include "page/zone.h"

/* Unmaps a section that is on no list, and forgets it. False when the system refuses; its pages may then be clean. */
bool tarn__section_unmap(struct tarn__section *section);

/* Dirty pages that the zone may keep: as much as is in use, at least 32 MiB. Under the zone's lock. */
size_t tarn__dirty_budget(const struct tarn__zone *zone);

/* Whether it keeps more. Under the zone's lock. */
bool tarn__dirty_excess(const struct tarn__zone *zone);

/* Purges until the zone keeps well less than its budget. */
void tarn__purge_excess(struct tarn__zone *zone);

#endif
