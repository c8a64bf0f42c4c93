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

static const char *first_other(const char *from, const char *to, unsigned char value)
{
    while (from < to && (unsigned char)*from == value)
        from++;
    return from < to ? from : NULL;
}

/* Differs from object to object, so that a word that was copied with its neighbour is found. */
static uint64_t mark(const char *p, size_t asked) { return asked ^ (uint64_t)(uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15); }

static void write_red(char *p, size_t asked, size_t slot)
{
    uint64_t word = mark(p, asked);
    memset(p + asked, RED, slot - sizeof word - asked);
    memcpy(p + slot - sizeof word, &word, sizeof word);
}

static struct tarn__heap_finding look_at_red(const char *p, size_t slot)
{
    struct tarn__heap_finding found = {.object = p, .crime = TARN__RED_ZONE, .live = true};
    const char *last = p + slot - sizeof(uint64_t);
    uint64_t word;
    memcpy(&word, last, sizeof word);
    uint64_t asked = mark(p, 0) ^ word;
    if (asked > slot - TARN__HEAP_RED_ROOM) { /* which byte is wrong cannot be known */
        found.bad = last;
        return found;
    }
    found.asked = (size_t)asked;
    found.bad = first_other(p + asked, last, RED);
    found.expected = 256 + RED;
    return found;
}

static struct tarn__heap_finding look_at_poison(const char *p, size_t slot)
{
    return (struct tarn__heap_finding){
        .object = p, .bad = first_other(p, p + slot, FREED), .crime = TARN__POISONED, .expected = 256 + FREED};
}

void tarn__heap_tell(const struct tarn__heap_finding *found, const char *where)
{
    struct tarn__suspect suspect = {
        .object = found->object, .size = found->asked, .bad = found->bad, .expected = found->expected, .live = found->live};
    if (found->bad)
        tarn__report(found->crime, where, found->object, &suspect);
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
    if ((flags & TARN_POOL_POISON) && piece->objects) {
        struct tarn__heap_finding found = look_at_poison(p, slot);
        tarn__heap_tell(&found, "heap_alloc");
    }
    if (flags & (TARN_POOL_POISON | TARN_POOL_ZERO))
        memset(p, flags & TARN_POOL_ZERO ? 0 : FRESH, slot);
    if (flags & TARN_POOL_RED_ZONE)
        write_red(p, asked, slot);
    return p;
}

bool tarn__heap_undress(const struct tarn__piece *piece, char *p)
{
    size_t slot = slot_of(piece);
    if (tarn__heap_asked(piece, p, "free") == SIZE_MAX)
        return false;
    if ((piece->heap->flags & TARN_POOL_POISON) && piece->objects)
        memset(p, FREED, slot);
    return true;
}

size_t tarn__heap_asked(const struct tarn__piece *piece, const char *p, const char *where)
{
    size_t slot = slot_of(piece);
    if (!(piece->heap->flags & TARN_POOL_RED_ZONE))
        return slot;
    struct tarn__heap_finding found = look_at_red(p, slot);
    tarn__heap_tell(&found, where);
    return found.bad ? SIZE_MAX : found.asked;
}

struct tarn__heap_finding tarn__heap_inspect(const struct tarn__piece *piece)
{
    unsigned flags = piece->heap->flags;
    size_t slot = slot_of(piece);
    struct tarn__heap_finding found = {.bad = NULL};
    if (!piece->objects && (flags & TARN_POOL_RED_ZONE))
        found = look_at_red(piece->base, slot);
    for (size_t i = 0; i < piece->objects && !found.bad; i++) {
        bool free = tarn__bit_test(piece->map, i);
        if (free && (flags & TARN_POOL_POISON))
            found = look_at_poison(piece->base + i * slot, slot);
        if (!free && (flags & TARN_POOL_RED_ZONE))
            found = look_at_red(piece->base + i * slot, slot);
    }
    return found;
}
