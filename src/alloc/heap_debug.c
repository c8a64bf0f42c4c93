/*
 * Users' heaps with debug flags: what lies around objects, and in them while nobody has them.
 *
 *     slot        | object | 0xbb … at least 8 | what was asked for |       red zone: the rest of the slot, whatever was asked for
 *     free slot   | 0x6b …                                          |       poison
 *
 * A heap without flags has none of this and pays one test at each request for it.
 */
#include "alloc/heaps.h"
#include "base/fail.h"

#include <string.h>

enum { FRESH = 0x5a, FREED = 0x6b, RED = 0xbb, RED_LEAST = 8 };

_Static_assert(TARN__HEAP_RED_ROOM == RED_LEAST + sizeof(uint64_t), "a request with a red zone has room for it");

static size_t slot_of(const struct tarn__piece *piece)
{
    return piece->objects ? piece->size : piece->run->count * TARN__PAGE_SIZE;
}

static bool all_are(const char *from, const char *to, unsigned char value)
{
    while (from < to && (unsigned char)*from == value)
        from++;
    return from >= to;
}

/* Differs from object to object, so that a word that was copied with its neighbour is found. */
static uint64_t mark(const char *p, size_t asked) { return asked ^ (uint64_t)(uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15); }

static void write_red(char *p, size_t asked, size_t slot)
{
    uint64_t word = mark(p, asked);
    memset(p + asked, RED, slot - sizeof word - asked);
    memcpy(p + slot - sizeof word, &word, sizeof word);
}

/* What was asked for; more than there is room for: the red zone was overwritten. */
static size_t read_red(const char *p, size_t slot)
{
    uint64_t word;
    memcpy(&word, p + slot - sizeof word, sizeof word);
    uint64_t asked = mark(p, 0) ^ word;
    return asked <= slot - TARN__HEAP_RED_ROOM && all_are(p + asked, p + slot - sizeof word, RED) ? (size_t)asked : slot;
}

static void expect_red(const char *p, size_t slot, const char *where)
{
    if (read_red(p, slot) == slot)
        tarn__fail(TARN__RED_ZONE, where, p);
}

static void expect_poison(const char *p, size_t slot, const char *where)
{
    if (!all_are(p, p + slot, FREED))
        tarn__fail(TARN__POISONED, where, p);
}

void tarn__heap_prepare(const struct tarn__piece *slab)
{
    if (slab->heap->flags & TARN_POOL_POISON)
        memset(slab->base, FREED, (size_t)slab->objects * slab->size);
}

void *tarn__heap_dress(char *p, size_t asked)
{
    struct tarn__piece *piece = tarn__piece_of(p);
    TARN__ASSERT(piece, "an object that was taken lies in a piece");
    unsigned flags = piece->heap->flags;
    size_t slot = slot_of(piece);
    if ((flags & TARN_POOL_POISON) && piece->objects)
        expect_poison(p, slot, "heap_alloc");
    if (flags & (TARN_POOL_POISON | TARN_POOL_ZERO))
        memset(p, flags & TARN_POOL_ZERO ? 0 : FRESH, slot);
    if (flags & TARN_POOL_RED_ZONE)
        write_red(p, asked, slot);
    return p;
}

void tarn__heap_undress(const struct tarn__piece *piece, char *p)
{
    size_t slot = slot_of(piece);
    if (piece->heap->flags & TARN_POOL_RED_ZONE)
        expect_red(p, slot, "free");
    if ((piece->heap->flags & TARN_POOL_POISON) && piece->objects)
        memset(p, FREED, slot);
}

size_t tarn__heap_asked(const struct tarn__piece *piece, const char *p, const char *where)
{
    size_t slot = slot_of(piece);
    if (!(piece->heap->flags & TARN_POOL_RED_ZONE))
        return slot;
    expect_red(p, slot, where);
    return read_red(p, slot);
}

void tarn__heap_inspect(const struct tarn__piece *piece)
{
    unsigned flags = piece->heap->flags;
    size_t slot = slot_of(piece);
    if (!piece->objects && (flags & TARN_POOL_RED_ZONE))
        expect_red(piece->base, slot, "heap_verify");
    for (size_t i = 0; i < piece->objects; i++) {
        bool free = tarn__bit_test(piece->map, i);
        if (free && (flags & TARN_POOL_POISON))
            expect_poison(piece->base + i * slot, slot, "heap_verify");
        if (!free && (flags & TARN_POOL_RED_ZONE))
            expect_red(piece->base + i * slot, slot, "heap_verify");
    }
}
