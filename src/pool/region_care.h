/*
 * Regions: requests in general, and what flags ask for. The paths without flags are in region.c.
 */
#ifndef TARN_POOL_REGION_CARE_H
#define TARN_POOL_REGION_CARE_H

#include "pool/region_blocks.h"

/* A request, in granules: how many, header included; what address the payload is a multiple of. */
struct tarn__ask {
    size_t granules, align;
    size_t size; /* bytes, as asked */
    size_t handle;
    bool header;
    bool hidden; /* not counted */
};

/* `sized`: it needs no header however long it is. `handle`: the number of its handle; 0: none. */
struct tarn__ask tarn__ask_for(const struct tarn_region *region, size_t size, size_t align, bool sized, size_t handle);

static inline void tarn__ask_header(struct tarn__ask *ask)
{
    ask->header = true;
    ask->granules++;
}

/* Serves a request from what there is. @return the payload, which is counted; NULL: no room, or what was found is not sound */
char *tarn__region_obtain(struct tarn_region *region, const struct tarn__ask *ask);

/* The same with what the source gives. The guard, held before and after, is let go of for that. Counts a failure. */
char *tarn__region_serve(struct tarn_region *region, const struct tarn__ask *ask);

/* Writes header and zones of a live block, and fills what `filled` granules of payload before did not have. @return the payload */
char *tarn__region_dress(struct tarn_region *region, struct tarn__range *range, size_t at, const struct tarn__ask *ask,
                         size_t kept);

/* With TARN_POOL_CHECK: whether tags and header agree on where a live block is and how long, so that it lies in its range. */
bool tarn__block_sound(struct tarn_region *region, const struct tarn__block *block);

/* The same, and its header and zone are as they were written. @return 0, or which enum tarn_pool_error it is that they are not */
int tarn__block_error(struct tarn_region *region, const struct tarn__block *block);

/* Whether a free block's links, sizes and bits agree with each other and with its neighbours in the strategy's structure. */
bool tarn__free_sound(struct tarn_region *region, struct tarn__range *range, size_t at);

/* Whether that is so of its links alone. */
bool tarn__links_sound(struct tarn_region *region, const struct tarn__free *block, size_t granules);

/* Whether a free block of that size may be put in at `at`: the same of what it will be linked to. */
bool tarn__place_sound(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);

/* Whether what a free block holds that is not its own is still poison; of granules [from, to). */
bool tarn__poison_intact(const struct tarn__range *range, size_t at, size_t from, size_t to);

/* Before granules of a block become free that has no error: verifies, as flags ask, what they will be merged with. @return 0 or TARN_POOL_CORRUPT */
int tarn__region_prepare(struct tarn_region *region, struct tarn__range *range, size_t at, size_t granules);

/* Whether a handle of that number, from 1 on, is that of the block with this header. */
bool tarn__handle_names(struct tarn_region *region, size_t number, const struct tarn__head *head);

#endif
