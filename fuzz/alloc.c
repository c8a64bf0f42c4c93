/*
 * The malloc family against a shadow of it: a string of bytes is a program of requests, and after each the objects must be
 * where and what the shadow says: apart, aligned, large enough, with their contents.
 *
 * Three bytes make a step: what, which object, how large. Sizes come from a table of edges as often as from the bytes, as the
 * mistakes are there. Objects are stamped at both ends only, so that large ones cost little.
 */
#include "tarn/tarn.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 64, STAMP = 48, LIVE_MOST = 512 << 20 };

struct object {
    unsigned char *p;
    size_t size;
    unsigned char seed;
};
static struct object objects[OBJECTS];
static size_t live;

static const size_t edges[] = {0,
                               1,
                               15,
                               16,
                               17,
                               127,
                               128,
                               129,
                               1023,
                               1024,
                               1025,
                               4095,
                               4096,
                               4097,
                               32767,
                               32768,
                               32769,
                               65535,
                               65536,
                               65537,
                               1 << 20,
                               (4 << 20) - 4096,
                               4 << 20,
                               (4 << 20) + 1,
                               9 << 20,
                               64 << 20,
                               (64 << 20) + 1,
                               (size_t)1 << 45,
                               PTRDIFF_MAX,
                               (size_t)PTRDIFF_MAX + 1,
                               SIZE_MAX - 4095,
                               SIZE_MAX};
enum { EDGES = sizeof edges / sizeof *edges };

/* Not assert: it must hold in every build. */
static void must(int holds, const char *sentence)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: does not hold: %s\n", sentence);
    abort();
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static void stamp(const struct object *o)
{
    size_t end = least(o->size, STAMP);
    memset(o->p, o->seed, end);
    memset(o->p + o->size - end, o->seed ^ (o->size > 2 * STAMP ? 0xff : 0), end);
}

static void verify_front(const struct object *o, size_t size)
{
    for (size_t i = 0; i < least(size, least(o->size, STAMP)); i++)
        must(o->p[i] == o->seed, "an object's first bytes are its own");
}

static void verify(const struct object *o)
{
    size_t end = least(o->size, STAMP);
    verify_front(o, o->size);
    for (size_t i = o->size - end; i < o->size; i++)
        must(o->p[i] == (unsigned char)(o->seed ^ (o->size > 2 * STAMP ? 0xff : 0)), "an object's last bytes are its own");
}

static void verify_apart(const struct object *o)
{
    for (const struct object *other = objects; other < objects + OBJECTS; other++)
        if (other != o && other->p)
            must(o->p + o->size <= other->p || other->p + other->size <= o->p, "objects lie apart");
}

static void adopt(struct object *o, void *p, size_t size, size_t align, unsigned char seed)
{
    must(size <= PTRDIFF_MAX || !p, "sizes above PTRDIFF_MAX are refused");
    must(p || size > LIVE_MOST || align > 1 << 22, "ordinary requests are served");
    *o = (struct object){p, size, seed};
    if (!p)
        return;
    must((uintptr_t)p % align == 0, "objects are aligned");
    must(tarn_usable_size(p) >= size, "the usable size is at least what was asked for");
    live += size;
    verify_apart(o);
    stamp(o);
}

static void drop(struct object *o, int sized)
{
    if (!o->p)
        return;
    verify(o);
    live -= o->size;
    if (sized)
        tarn_free_sized(o->p, o->size);
    else
        tarn_free(o->p);
    o->p = NULL;
}

static void resize(struct object *o, size_t size, unsigned char seed)
{
    if (o->p)
        verify(o);
    struct object was = *o;
    void *p = tarn_realloc(o->p, size);
    if (was.p && !p && size > 0) {
        must(size > LIVE_MOST, "ordinary requests are served");
        verify(&was);
        return;
    }
    live -= was.p ? was.size : 0;
    o->p = NULL;
    if (was.p && size == 0) {
        must(!p, "realloc to 0 frees");
        return;
    }
    if (was.p && p) {
        struct object moved = {p, was.size, was.seed};
        verify_front(&moved, size);
    }
    adopt(o, p, size, 16, seed);
}

static void clear(struct object *o, size_t size, unsigned char seed)
{
    unsigned char *p = tarn_calloc(seed % 3 + 1, size / (seed % 3 + 1));
    size = size / (seed % 3 + 1) * (seed % 3 + 1);
    for (size_t i = 0; p && i < size; i += i < 9000 ? 1 : 4093)
        must(p[i] == 0, "calloc gives zero");
    adopt(o, p, size, 16, seed);
}

static size_t size_of(unsigned char kind, unsigned char byte)
{
    if (kind & 0x80)
        return edges[byte % EDGES];
    return kind & 0x40 ? (size_t)byte * 1031 : byte * 5u;
}

static void step(const uint8_t *bytes)
{
    struct object *o = &objects[bytes[1] % OBJECTS];
    size_t size = size_of(bytes[0], bytes[2]), align = (size_t)1 << bytes[1] % 24;
    unsigned char seed = (unsigned char)(bytes[1] * 7 + bytes[2]);
    unsigned what = bytes[0] % 16;
    if (live > LIVE_MOST && what < 9)
        what = 9;
    if (what < 9 && what != 5 && what != 6)
        drop(o, bytes[2] & 1);
    if (what < 5)
        adopt(o, tarn_malloc(size), size, 16, seed);
    else if (what < 7)
        resize(o, size, seed);
    else if (what == 7)
        clear(o, size, seed);
    else if (what == 8)
        adopt(o, tarn_aligned_alloc(align, size), size, align, seed);
    else if (what < 15)
        drop(o, bytes[2] & 1);
    else
        tarn_trim(size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct tarn_stats before, after;
    tarn_stats(&before);
    for (; count >= 3; bytes += 3, count -= 3)
        step(bytes);
    for (struct object *o = objects; o < objects + OBJECTS; o++)
        drop(o, o->seed & 1);
    tarn_stats(&after);
    must(after.live_objects == before.live_objects && after.live_bytes == before.live_bytes, "all that was freed is counted");
    return 0;
}
