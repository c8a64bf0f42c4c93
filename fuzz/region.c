/*
 * Regions with checks: a string of bytes is a program of requests, and of writes to the region's memory.
 *
 * Until the first write blocks must lie in the memory, apart, keep their contents, and every answer must be right. The write fills
 * all granules, live blocks and free ones, or one byte of them; after it each call may answer with an error, but must come back, and
 * must touch nothing outside. The region's own struct and its tags, in front of the first block, stay whole: a lock's address
 * lies there. Three bytes make a step: what, where, how much.
 */
#include "tarn/region.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 32768, EDGE = 4096, BLOCKS = 64, GRANULE = 2 * sizeof(void *) };

static _Alignas(4096) unsigned char memory[EDGE + SIZE + EDGE], before[EDGE];
static unsigned char *const own = memory + EDGE;
static size_t first; /* where granules begin */

struct block {
    unsigned char *p;
    size_t size;
    bool sized;
    tarn_region_handle handle; /* then it is locked only while it is looked at */
};
static struct block blocks[BLOCKS];
static bool hostile;

/* Not assert: it must hold in every build. */
static void must(int holds, const char *sentence)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: does not hold: %s\n", sentence);
    abort();
}

static void adopt(struct block *block, void *at, size_t size, bool sized)
{
    unsigned char *p = at;
    *block = (struct block){NULL, 0, false, 0};
    if (!p)
        return;
    must(p >= own + first && p + size <= own + SIZE, "a block lies in the memory");
    for (const struct block *other = blocks; !hostile && other < blocks + BLOCKS; other++)
        must(!other->p || p + size <= other->p || other->p + other->size <= p, "blocks lie apart");
    *block = (struct block){p, size, sized, 0};
    memset(p, (int)(block - blocks), size);
}

static void keeps(const struct block *block, size_t size)
{
    for (size_t i = 0; !hostile && i < size; i++)
        must(block->p[i] == block - blocks, "a block keeps its contents");
}

static void drop(struct tarn_region *region, struct block *block)
{
    if (block->handle) {
        int error = tarn_region_handle_free(region, block->handle);
        must(hostile || error == 0, "a movable block is freed");
        must(hostile || tarn_region_handle_free(region, block->handle) == TARN_POOL_INVALID, "but once");
    } else if (block->p) {
        keeps(block, block->size);
        int error = block->sized ? tarn_region_free_sized(region, block->p, block->size) : tarn_region_free(region, block->p);
        must(hostile || error == 0, "a live block is freed");
        must(hostile || tarn_region_free(region, block->p) != 0, "but once");
    }
    *block = (struct block){NULL, 0, false, 0};
}

static void resize(struct tarn_region *region, struct block *block, size_t size)
{
    struct block was = *block;
    if (was.sized || was.handle)
        return;
    unsigned char *p = tarn_region_realloc(region, was.p, size);
    if (!p && size > 0)
        return;
    must(!p || (p >= own + first && p + size <= own + SIZE), "a block lies in the memory");
    if (p && was.p) {
        block->p = p;
        keeps(block, size < was.size ? size : was.size);
    }
    *block = (struct block){NULL, 0, false, 0};
    adopt(block, size > 0 ? p : NULL, size, false);
}

static void take_movable(struct tarn_region *region, struct block *block, size_t size)
{
    tarn_region_handle handle = tarn_region_handle_alloc(region, size);
    if (!handle)
        return;
    unsigned char *p = tarn_region_handle_lock(region, handle);
    must(hostile || p, "a movable block can be locked");
    if (p)
        must(hostile || (p >= own + first && p + size <= own + SIZE), "a movable block lies in the memory");
    must(hostile || tarn_region_handle_unlock(region, handle) == 0, "and unlocked");
    block->handle = handle;
}

static void look(void *context, void *block, size_t size)
{
    (void)context;
    unsigned char *p = block;
    must(hostile || (p >= own + first && p + size <= own + SIZE), "what is shown lies in the memory");
}

static void wreck(const uint8_t *bytes)
{
    size_t granules = SIZE - first, at = first + ((size_t)bytes[1] * 256 + bytes[2]) % granules;
    hostile = true;
    if (bytes[0] & 0x80)
        memset(own + at, bytes[2], (size_t)bytes[1] < SIZE - at ? bytes[1] : SIZE - at);
    else if (bytes[0] & 0x40)
        memset(own + first, bytes[2], granules);
    else
        own[at] ^= (unsigned char)(1u << (bytes[2] & 7));
}

static void step(struct tarn_region *region, const uint8_t *bytes)
{
    struct block *block = &blocks[bytes[1] % BLOCKS];
    size_t size = bytes[0] & 0x40 ? bytes[2] * 37u : bytes[2], align = (size_t)1 << (bytes[0] >> 5);
    struct tarn_pool_stats stats;
    switch (bytes[0] % 16) {
    case 0 ... 2:
        drop(region, block);
        adopt(block, tarn_region_alloc(region, size), size, false);
        break;
    case 3:
        drop(region, block);
        adopt(block, tarn_region_alloc_sized(region, size), size, true);
        break;
    case 4:
        drop(region, block);
        adopt(block, tarn_region_alloc_aligned(region, align * GRANULE, size), size, false);
        must(!block->p || (uintptr_t)block->p % (align * GRANULE) == 0, "a block is aligned");
        break;
    case 5 ... 7:
        drop(region, block);
        break;
    case 8:
    case 9:
        resize(region, block, size);
        break;
    case 10:
        drop(region, block);
        take_movable(region, block, size);
        break;
    case 11:
        tarn_region_compact(region, size);
        break;
    case 12:
        tarn_region_each(region, look, NULL);
        tarn_region_usable_size(region, own + (bytes[1] * 256u + bytes[2]) % SIZE);
        break;
    case 13:
        tarn_region_stats(region, &stats);
        tarn_region_trim(region);
        break;
    case 14:
        must(tarn_region_check(region) == 0 || hostile, "the region holds together");
        break;
    default:
        wreck(bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 1)
        return 0;
    struct tarn_region_options options = {.strategy = (enum tarn_region_strategy)(bytes[0] % 3)};
    unsigned flags = bytes[0] / 3u;
    options.flags = TARN_POOL_CHECK;
    options.flags |= flags & 1 ? TARN_POOL_RED_ZONE : 0;
    options.flags |= flags & 2 ? TARN_POOL_POISON : 0;
    options.flags |= flags & 4 ? TARN_POOL_ZERO : 0;
    memset(memory, 0xee, sizeof memory);
    memset(before, 0xee, sizeof before);
    memset(blocks, 0, sizeof blocks);
    hostile = false;
    struct tarn_pool_stats stats;
    struct tarn_region *region = tarn_region_create(own, SIZE, &options);
    must(region != NULL, "the memory is enough");
    tarn_region_stats(region, &stats);
    first = SIZE - stats.capacity;
    for (bytes++, count--; count >= 3; bytes += 3, count -= 3)
        step(region, bytes);
    must(memcmp(memory, before, EDGE) == 0 && memcmp(own + SIZE, before, EDGE) == 0, "nothing outside was touched");
    return 0;
}
