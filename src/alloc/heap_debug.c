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
#include "os/records.h"
#include "os/stack.h"

#include <string.h>

enum { FRESH = 0x5a, FREED = 0x6b, RED = 0xbb, RED_LEAST = 8 };

_Static_assert(TARN__HEAP_RED_ROOM == RED_LEAST + sizeof(uint64_t), "a request with a red zone has room for it");

static size_t slot_of(const struct tarn__piece *piece) { return piece->objects ? piece->size : tarn__piece_bytes(piece); }

static const char *first_other(const char *from, const char *to, unsigned char value)
{
    while (from < to && (unsigned char)*from == value)
        from++;
    return from < to ? from : NULL;
}

/* Differs from object to object, so that a word that was copied with its neighbour is found; and its highest bytes from text and small numbers. */
static uint64_t mark(const char *p, size_t asked)
{
    return asked ^ ((uint64_t)(uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15) | UINT64_C(0x8080808080808080));
}

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
    if (flags & TARN__HEAP_USERS)
        tarn__record_live(piece->heap, p, asked, NULL, tarn__stack_here(0));
    return p;
}

bool tarn__heap_undress(const struct tarn__piece *piece, char *p)
{
    size_t slot = slot_of(piece);
    if (tarn__heap_asked(piece, p, "free") == SIZE_MAX)
        return false;
    if ((piece->heap->flags & TARN_POOL_POISON) && (piece->objects || tarn__heap_waits(piece)))
        memset(p, FREED, slot);
    if (piece->heap->flags & TARN__HEAP_USERS)
        tarn__record_free(piece->heap, p, TARN__RECORD_FREED, tarn__stack_here(0));
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
    if (!piece->run)
        return found;
    if (!piece->objects && piece->waiting)
        return flags & TARN_POOL_POISON ? look_at_poison(piece->base, slot) : found;
    if (!piece->objects && (flags & TARN_POOL_RED_ZONE))
        found = look_at_red(piece->base, slot);
    for (size_t i = 0; i < piece->objects && !found.bad; i++) {
        bool free = tarn__bit_test(piece->map, i) || tarn__piece_has_waiting(piece, i);
        if (free && (flags & TARN_POOL_POISON))
            found = look_at_poison(piece->base + i * slot, slot);
        if (!free && (flags & TARN_POOL_RED_ZONE))
            found = look_at_red(piece->base + i * slot, slot);
    }
    return found;
}

/* Quarantine */

bool tarn__heap_waits(const struct tarn__piece *piece)
{
    return (piece->heap->flags & TARN__HEAP_QUARANTINE) && slot_of(piece) <= TARN__HEAP_WAITING_BYTES / 4 &&
           piece->heap->wait->count < TARN__HEAP_WAITING;
}

void tarn__heap_wait(struct tarn__piece *piece, char *p)
{
    struct tarn__heap_wait *wait = piece->heap->wait;
    if (piece->objects)
        tarn__bit_set(tarn__piece_waits(piece), tarn__piece_index(piece, p));
    piece->waiting++;
    size_t at = (wait->first + wait->count++) % TARN__HEAP_WAITING;
    wait->entry[at].piece = piece;
    wait->entry[at].p = p;
    wait->bytes += slot_of(piece);
}

/* The one that waits longest is free for others. The heap's lock is held. Whether its piece is to go. */
static bool leave(struct tarn_heap *heap, struct tarn__piece *piece, const char *p)
{
    bool goes = true;
    heap->wait->first = (heap->wait->first + 1) % TARN__HEAP_WAITING;
    heap->wait->count--;
    heap->wait->bytes -= slot_of(piece);
    piece->waiting--;
    if (piece->objects) {
        size_t index = tarn__piece_index(piece, p);
        tarn__bit_clear(tarn__piece_waits(piece), index);
        goes = tarn__piece_push(heap, piece, index);
    }
    if (goes)
        tarn__piece_leave(heap, piece);
    return goes;
}

void tarn__heap_wait_less(struct tarn_heap *heap)
{
    struct tarn__heap_wait *wait = heap->wait;
    for (bool more = true; more;) {
        struct tarn__heap_finding found = {.bad = NULL};
        struct tarn__piece *ends = NULL;
        tarn__lock(&heap->lock);
        more = wait->count > TARN__HEAP_WAITING * 3 / 4 || wait->bytes > TARN__HEAP_WAITING_BYTES;
        if (more) {
            struct tarn__piece *piece = wait->entry[wait->first].piece;
            const char *p = wait->entry[wait->first].p;
            if (heap->flags & TARN_POOL_POISON)
                found = look_at_poison(p, slot_of(piece));
            ends = leave(heap, piece, p) ? piece : NULL;
        }
        tarn__unlock(&heap->lock);
        tarn__heap_tell(&found, "quarantine");
        if (ends)
            tarn__piece_end(ends);
    }
}
