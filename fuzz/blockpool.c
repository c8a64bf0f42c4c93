/*
 * Block pools with checks: a string of bytes is a program of requests, and of writes to the pool's memory.
 *
 * Until the first write to what is the pool's own, runs must lie in the memory, apart, and every answer must be right. After it each
 * call may answer with an error, but must come back, and must touch nothing outside. Three bytes make a step: what, where, how much.
 */
#include "tarn/blockpool.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 16384, GUARD = 4096, RUNS = 64 };

static _Alignas(4096) unsigned char memory[GUARD + SIZE + GUARD], before[2 * GUARD];
static unsigned char *const own = memory + GUARD;

struct run {
    unsigned char *p;
    size_t size;
};
static struct run runs[RUNS];
static bool hostile;

/* Not assert: it must hold in every build. */
static void must(int holds, const char *sentence)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: does not hold: %s\n", sentence);
    abort();
}

static void adopt(struct run *run, unsigned char *p, size_t size)
{
    run->p = NULL;
    if (!p)
        return;
    must(p >= own && p + size <= own + SIZE, "a run lies in the memory");
    for (const struct run *other = runs; !hostile && other < runs + RUNS; other++)
        must(!other->p || p + size <= other->p || other->p + other->size <= p, "runs lie apart");
    *run = (struct run){p, size};
    memset(p, (int)(run - runs), size);
}

static void drop(struct tarn_blockpool *pool, struct run *run)
{
    int error = tarn_blockpool_free(pool, run->p);
    must(hostile || error == 0, "a live run is freed");
    must(hostile || !run->p || tarn_blockpool_free(pool, run->p) == TARN_POOL_DOUBLE_FREE, "but once");
    run->p = NULL;
}

static void resize(struct tarn_blockpool *pool, struct run *run, size_t size)
{
    struct run was = *run;
    run->p = NULL;
    unsigned char *p = tarn_blockpool_realloc(pool, was.p, size);
    if (!p && size > 0)
        *run = was;
    else
        adopt(run, size > 0 ? p : NULL, size);
}

static void look(void *context, void *block, size_t size)
{
    (void)context;
    must((unsigned char *)block >= own && (unsigned char *)block + size <= own + SIZE, "what is shown lies in the memory");
}

static void wreck(const uint8_t *bytes)
{
    size_t at = (size_t)bytes[1] * 256 + bytes[2];
    hostile = true;
    if (bytes[0] & 0x40)
        at %= 1024; /* of the pool's own words more often */
    if (bytes[0] & 0x80)
        memset(own + at % (SIZE - 64), bytes[2], bytes[1] % 64);
    else
        own[at % SIZE] ^= (unsigned char)(1u << (bytes[2] & 7));
}

static void step(struct tarn_blockpool *pool, const uint8_t *bytes)
{
    struct run *run = &runs[bytes[1] % RUNS];
    size_t size = bytes[0] & 0x40 ? bytes[2] * 67u : bytes[2];
    struct tarn_pool_stats stats;
    switch (bytes[0] % 16) {
    case 0 ... 5:
        drop(pool, run);
        adopt(run, tarn_blockpool_alloc(pool, size), size);
        break;
    case 6 ... 8:
        drop(pool, run);
        break;
    case 9:
    case 10:
        resize(pool, run, size);
        break;
    case 11:
        tarn_blockpool_free(pool, own + (bytes[1] * 256u + bytes[2]) % SIZE);
        hostile = true; /* it may have been one */
        break;
    case 12:
        tarn_blockpool_each(pool, look, NULL);
        break;
    case 13:
        tarn_blockpool_stats(pool, &stats);
        tarn_blockpool_usable_size(pool, run->p);
        tarn_blockpool_trim(pool);
        break;
    case 14:
        must(hostile || tarn_blockpool_check(pool) == 0, "the pool holds together");
        tarn_blockpool_check(pool);
        break;
    default:
        wreck(bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const size_t sizes[] = {8, 16, 24, 64, 96, 128, 1000, 4096};
    if (count < 1)
        return 0;
    struct tarn_blockpool_options options = {.flags = TARN_POOL_CHECK, .block_size = sizes[bytes[0] % 8]};
    options.flags |= bytes[0] & 8 ? TARN_POOL_RED_ZONE : 0;
    options.flags |= bytes[0] & 16 ? TARN_POOL_POISON : 0;
    options.flags |= bytes[0] & 32 ? TARN_POOL_ZERO : 0;
    options.fit = bytes[0] & 64 ? TARN_BLOCKPOOL_NEXT_FIT : TARN_BLOCKPOOL_FIRST_FIT;
    memset(memory, 0xee, sizeof memory);
    memset(before, 0xee, sizeof before);
    memset(runs, 0, sizeof runs);
    hostile = false;
    struct tarn_blockpool *pool = tarn_blockpool_create_in(own, SIZE, &options);
    must(pool != NULL, "the memory is enough");
    for (bytes++, count--; count >= 3; bytes += 3, count -= 3)
        step(pool, bytes);
    must(memcmp(memory, before, GUARD) == 0 && memcmp(own + SIZE, before, GUARD) == 0, "nothing outside was touched");
    return 0;
}
