/*
 * The source of addresses below 4 GiB, for the DMA zone.
 */
#ifndef TARN_SOURCE_LOW_H
#define TARN_SOURCE_LOW_H

#include "tarn/source.h"

/* acquire: tries a few hundred places; NULL when all are taken, and where such addresses cannot be had. */
struct tarn_source *tarn__low_source(void);

#endif
