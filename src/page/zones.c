/* The zones that are always there. */
#include "page/zone.h"

static struct tarn_zone *normal;

void tarn__zone_set_normal(struct tarn_zone *zone) { normal = zone; }

struct tarn_zone *tarn_zone_normal(void) { return normal; }

struct tarn_zone *tarn_zone_dma(void) { return NULL; }
