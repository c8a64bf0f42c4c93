/*
 * Class pools in a buffer that is overwritten at random: a string of bytes is a program of requests and of overwriting.
 *
 * As long as nothing was overwritten each live block must keep its contents. Afterwards every call must come to an end, answer with one of the
 * errors of pool.h, and touch nothing outside of the buffer. What is overwritten is where blocks lie, headers and free blocks
 * too; a pool's struct, in front of them, is not: nothing could stand on it.
 */
#include "tarn/classpool.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 16, FRONT = 4096, EDGE = 256, BLOCKS = 32 };

static _Alignas(16) unsigned char memory[EDGE + ROOM + EDGE];
static struct {
    unsigned char *p;
    size_t size;
    unsigned char fill;
} blocks[BLOCKS];
static struct tarn_classpool *pool;
static int spoilt;

static void must(int holds, const char *sentence)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: does not hold: %s\n", sentence);
    abort();
}

static void must_be_an_answer(int error)
{
    must(error == 0 || error == TARN_POOL_DOUBLE_FREE || error == TARN_POOL_FOREIGN || error == TARN_POOL_CORRUPT,
         "an answer is one that the header names");
    must(error == 0 || spoilt, "nothing is wrong as long as nothing was overwritten");
}

static void fill(size_t i, unsigned char *p, size_t size, unsigned char with)
{
    blocks[i].p = p;
    blocks[i].size = size;
    blocks[i].fill = with;
    if (!p)
        return;
    must(p >= memory + EDGE && p + size <= memory + EDGE + ROOM, "a block lies in the buffer");
    memset(p, with, size);
}

static void verify(size_t i, size_t size)
{
    for (size_t at = 0; !spoilt && at < size; at++)
        must(blocks[i].p[at] == blocks[i].fill, "a block keeps its contents");
}

static void visit(void *context, void *p, size_t size)
{
    must((unsigned char *)p + size <= memory + EDGE + ROOM, "a block ends in the buffer");
    ++*(size_t *)context;
}

static void look(void)
{
    struct tarn_pool_stats stats;
    size_t count = 0;
    tarn_classpool_stats(pool, &stats);
    tarn_classpool_each(pool, visit, &count);
    must(spoilt || count == stats.live_blocks, "each live block is visited");
    int error = tarn_classpool_check(pool);
    must(error == 0 || (error == TARN_POOL_CORRUPT && spoilt), "the checker finds what was overwritten only");
}

static void step(const uint8_t *bytes)
{
    size_t i = bytes[1] % BLOCKS, size = (size_t)bytes[2] << (bytes[3] & 15) >> 6;
    unsigned char *at = memory + EDGE + FRONT + ((size_t)bytes[1] << 8 | bytes[2]) % (ROOM - FRONT);
    switch (bytes[0] % 8) {
    case 0:
    case 1:
        if (!blocks[i].p)
            fill(i, tarn_classpool_alloc(pool, size), size, bytes[3]);
        break;
    case 2:
    case 3:
        if (!blocks[i].p)
            break;
        verify(i, blocks[i].size);
        must_be_an_answer(tarn_classpool_free(pool, blocks[i].p));
        blocks[i].p = NULL;
        break;
    case 4: {
        unsigned char *p = tarn_classpool_realloc(pool, blocks[i].p, size);
        if (!p && size)
            break;
        if (p && blocks[i].p) {
            blocks[i].p = p;
            verify(i, size < blocks[i].size ? size : blocks[i].size);
        }
        fill(i, p, size, bytes[3]);
        break;
    }
    case 5: /* anywhere, or where a pointer may have gone */
        spoilt = 1;
        if (bytes[0] & 8 && blocks[i].p && blocks[i].p + (signed char)bytes[2] < memory + EDGE + ROOM)
            at = blocks[i].p + (signed char)bytes[2];
        *at = bytes[3];
        break;
    case 6: {
        void *p = bytes[0] & 8 ? memory + EDGE + (at - memory) / 16 * 16 : at;
        spoilt = 1; /* it may be a block of ours */
        must_be_an_answer(tarn_classpool_free(pool, p));
        break;
    }
    default:
        tarn_classpool_usable_size(pool, at);
        look();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct tarn_classpool_options options = {.flags = count ? bytes[0] & 15u : 0};
    memset(memory, 0xee, sizeof memory);
    memset(blocks, 0, sizeof blocks);
    spoilt = 0;
    must(tarn_classpool_open(&pool, memory + EDGE, ROOM, &options) == 0, "the buffer is large enough");
    for (; count >= 4; bytes += 4, count -= 4)
        step(bytes);
    look();
    int error = tarn_classpool_close(&pool, NULL);
    must(!pool && (error == 0 || error == TARN_POOL_BUSY), "a pool ends");
    for (size_t i = 0; i < EDGE; i++)
        must(memory[i] == 0xee && memory[EDGE + ROOM + i] == 0xee, "nothing outside of the buffer is written");
    return 0;
}
