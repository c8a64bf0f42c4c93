/*
 * What the links of a chain of sources share: operations that are the parent's, passed on.
 */
#ifndef TARN_SOURCE_LINKS_H
#define TARN_SOURCE_LINKS_H

#include "tarn/source.h"

int tarn__pass_purge(struct tarn_source *source, void *p, size_t size);
int tarn__pass_populate(struct tarn_source *source, void *p, size_t size);
int tarn__pass_move(struct tarn_source *source, void *from, void *to, size_t size);

/* What tarn_source_system returns. */
extern struct tarn_source tarn__system_source;

#endif
