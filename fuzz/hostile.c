/*
 * Pools with checks whose memory anybody writes to: a string of bytes is a program of requests, and of writes to the buffer.
 *
 * Any byte of the buffer may be written between two calls, those of the pool's own struct too. Each call must come back, answer with an error or a block inside of the
 * buffer, and touch nothing outside: on both sides of it lie pages that nobody may touch. Three bytes make a step: what, where, how much.
 */
#define _GNU_SOURCE
#include <tarn/blockpool.h>
#include <tarn/classpool.h>
#include <tarn/levelpool.h>
#include <tarn/region.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SIZE = 16384, EDGE = 65536, BLOCKS = 32, LEVELS = 16, HANDLES = 4 };

static unsigned char *own;
static unsigned char *blocks[BLOCKS];
static tarn_region_handle handles[HANDLES];

static size_t last; /* where in the buffer the last write was */

static struct tarn_region *region;
static struct tarn_blockpool *runs;
static struct tarn_classpool *classes;
static struct tarn_levelpool *levels;

/* Not assert: it must hold in every build. */
static void must(int holds, const char *sentence)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: does not hold: %s\n", sentence);
    abort();
}

static void look(void *context, void *block, size_t size)
{
    (void)context;
    unsigned char *p = block;
    must(p >= own && p <= own + SIZE && size <= (size_t)(own + SIZE - p), "what is shown lies in the buffer");
}

static unsigned char *alloc(size_t size, unsigned how)
{
    if (runs)
        return tarn_blockpool_alloc(runs, size);
    if (classes)
        return tarn_classpool_alloc(classes, size);
    if (levels)
        return tarn_levelpool_alloc(levels, size % (LEVELS * TARN_LEVELPOOL_STEP + 1));
    return how % 4 == 0 ? tarn_region_alloc_aligned(region, (size_t)16 << how / 4 % 6, size) : tarn_region_alloc(region, size);
}

static int give(void *p)
{
    return runs      ? tarn_blockpool_free(runs, p)
           : classes ? tarn_classpool_free(classes, p)
           : levels  ? tarn_levelpool_free(levels, p)
                     : tarn_region_free(region, p);
}

static unsigned char *resize(void *p, size_t size)
{
    return runs      ? tarn_blockpool_realloc(runs, p, size)
           : classes ? tarn_classpool_realloc(classes, p, size)
           : levels  ? tarn_levelpool_realloc(levels, p, size % (LEVELS * TARN_LEVELPOOL_STEP + 1))
                     : tarn_region_realloc(region, p, size);
}

static size_t usable(void *p)
{
    return runs      ? tarn_blockpool_usable_size(runs, p)
           : classes ? tarn_classpool_usable_size(classes, p)
           : levels  ? tarn_levelpool_usable_size(levels, p)
                     : tarn_region_usable_size(region, p);
}

/* All that walks over a pool. */
static void walk(void)
{
    struct tarn_pool_stats stats;
    if (runs) {
        tarn_blockpool_each(runs, look, NULL);
        tarn_blockpool_check(runs);
        tarn_blockpool_stats(runs, &stats);
        tarn_blockpool_trim(runs);
    } else if (classes) {
        tarn_classpool_each(classes, look, NULL);
        tarn_classpool_check(classes);
        tarn_classpool_stats(classes, &stats);
    } else if (levels) {
        tarn_levelpool_each(levels, look, NULL);
        tarn_levelpool_check(levels);
        tarn_levelpool_stats(levels, &stats);
    } else {
        tarn_region_each(region, look, NULL);
        tarn_region_check(region);
        tarn_region_stats(region, &stats);
        tarn_region_trim(region);
    }
}

/* Movable blocks, which regions alone have. */
static void move(const uint8_t *bytes)
{
    tarn_region_handle *handle = &handles[bytes[1] % HANDLES];
    if (!region)
        return;
    if (*handle)
        tarn_region_handle_free(region, *handle);
    *handle = tarn_region_handle_alloc(region, bytes[2]);
    unsigned char *p = *handle ? tarn_region_handle_lock(region, *handle) : NULL;
    if (p) {
        look(NULL, p, 0);
        tarn_region_handle_unlock(region, *handle);
    }
    tarn_region_compact(region, bytes[2] * 16u);
}

/* A word that holds the pool's own address, or its guard's close behind it, tells that its memory is believed: that is trusted, and changed again. */
static void spare(size_t at, size_t bytes)
{
    for (size_t word = at - at % sizeof(uintptr_t); word < at + bytes; word += sizeof(uintptr_t))
        if (*(uintptr_t *)(void *)(own + word) - (uintptr_t)own < 64)
            own[word] ^= 64;
}

/* An address inside of the buffer, where the last write was, becomes a word. */
static void mislead(const uint8_t *bytes)
{
    size_t at = (bytes[1] * 256u + bytes[2]) * sizeof(uintptr_t) % SIZE;
    uintptr_t address = (uintptr_t)own + last;
    if (bytes[0] & 0x20)
        at %= 4096;
    memcpy(own + at, &address, sizeof address);
    spare(at, sizeof address);
    last = at;
}

static void wreck(const uint8_t *bytes)
{
    size_t at = (bytes[1] * 256u + bytes[2]) % SIZE, many = 1;
    if (bytes[0] & 0x20)
        at %= 4096; /* where the pool's own words are, more often */
    last = at;
    if (bytes[0] & 0x40)
        own[at] ^= (unsigned char)(1u << (bytes[2] & 7));
    else if (bytes[0] & 0x80)
        own[at] = bytes[2];
    else
        memset(own + at, bytes[2], many = bytes[1] < SIZE - at ? bytes[1] : SIZE - at);
    spare(at, many);
}

static void step(const uint8_t *bytes)
{
    unsigned char **block = &blocks[bytes[1] % BLOCKS], *p;
    size_t size = bytes[0] & 0x40 ? bytes[2] * 37u : bytes[2];
    switch (bytes[0] % 16) {
    case 0 ... 4:
        *block = alloc(size, bytes[1]);
        if (*block)
            look(NULL, *block, levels ? 0 : size);
        break;
    case 5 ... 7:
        give(*block);
        break;
    case 8:
        give(own + (bytes[1] * 256u + bytes[2]) % SIZE);
        break;
    case 9:
        p = *block ? resize(*block, size) : NULL;
        if (p)
            look(NULL, *block = p, levels ? 0 : size);
        break;
    case 10:
        size = usable(bytes[0] & 0x80 ? own + (bytes[1] * 256u + bytes[2]) % SIZE : *block);
        must(size <= SIZE, "what may be used lies in the buffer");
        break;
    case 11:
        move(bytes);
        break;
    case 12:
        walk();
        break;
    case 13:
        mislead(bytes);
        break;
    default:
        wreck(bytes);
    }
}

/* Six kinds: three of regions, and the other pools. */
static void open_pool(unsigned kind, unsigned flags)
{
    struct tarn_region_options region_options = {.flags = flags, .strategy = (enum tarn_region_strategy)(kind % 3)};
    struct tarn_blockpool_options run_options = {.flags = flags, .block_size = 64};
    struct tarn_classpool_options class_options = {.flags = flags};
    struct tarn_levelpool_options level_options = {.flags = flags, .classes = LEVELS, .blocks = 8};
    region = NULL, runs = NULL, classes = NULL, levels = NULL;
    last = 0;
    if (kind < 3) {
        region = tarn_region_create(own, SIZE, &region_options);
    } else if (kind == 3) {
        runs = tarn_blockpool_create_in(own, SIZE, &run_options);
    } else if (kind == 4) {
        must(tarn_classpool_open(&classes, own, SIZE, &class_options) == 0, "the buffer is enough");
    } else {
        levels = tarn_levelpool_create(own, SIZE, &level_options);
    }
    must(region || runs || classes || levels, "the buffer is enough");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 1)
        return 0;
    if (!own) {
        unsigned char *all = mmap(NULL, EDGE + SIZE + EDGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        must(all != MAP_FAILED && mprotect(all + EDGE, SIZE, PROT_READ | PROT_WRITE) == 0, "there is memory");
        own = all + EDGE;
    }
    memset(own, 0xee, SIZE);
    memset(blocks, 0, sizeof blocks);
    memset(handles, 0, sizeof handles);
    unsigned flags = bytes[0] / 6u;
    open_pool(bytes[0] % 6, (unsigned)TARN_POOL_CHECK | (flags & 1 ? TARN_POOL_RED_ZONE : 0u) |
                                (flags & 2 ? TARN_POOL_POISON : 0u) | (flags & 4 ? TARN_POOL_ZERO : 0u));
    for (bytes++, count--; count >= 3; bytes += 3, count -= 3)
        step(bytes);
    return 0;
}
