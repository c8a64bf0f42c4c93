/*
 * Stacks that are kept, each once, in memory of their own.
 *
 *     bucket[hash] -> entry -> entry ...     linked by number, newest first
 *     number        0                        none
 *                   chunk << 16 | place      in units of 16 bytes, in the chunk of 1 MiB of that number
 *
 * No lock: an entry is written, then linked by one compare-and-swap, and never changed; so a fork in between costs at most that entry. Who loses the race for
 * a bucket looks at what came before it tries again, so there are no two entries of one stack. Readers outside of the process follow
 * tarn__kept (format/live.h).
 */
#include "os/kept.h"

#include "os/os.h"
#include "os/stack.h"

#include <string.h>

struct tarn__kept *_Atomic tarn__kept;

static void *map(size_t size)
{
    size_t page = tarn__os_page_size();
    return tarn__os_map(NULL, (size + page - 1) & ~(page - 1), TARN__OS_COMMITTED);
}

static void unmap(void *p, size_t size)
{
    size_t page = tarn__os_page_size();
    tarn__os_unmap(p, (size + page - 1) & ~(page - 1));
}

static struct tarn__kept *table(void)
{
    struct tarn__kept *all = atomic_load_explicit(&tarn__kept, memory_order_acquire), *none = NULL;
    if (all)
        return all;
    all = map(sizeof *all);
    if (!all)
        return NULL;
    atomic_init(&all->next, 1);
    if (atomic_compare_exchange_strong_explicit(&tarn__kept, &none, all, memory_order_acq_rel, memory_order_acquire))
        return all;
    unmap(all, sizeof *all);
    return none;
}

static struct tarn__kept_stack *stack_at(struct tarn__kept *all, uint32_t number)
{
    char *chunk = atomic_load_explicit(&all->chunk[number >> TARN__KEPT_CHUNK_UNITS_BITS], memory_order_acquire);
    size_t offset = (size_t)(number & ((1u << TARN__KEPT_CHUNK_UNITS_BITS) - 1)) * TARN__KEPT_UNIT;
    return chunk ? (struct tarn__kept_stack *)(void *)(chunk + offset) : NULL;
}

/* Whether there is a chunk of this number, now. */
static bool has_chunk(struct tarn__kept *all, uint32_t number)
{
    char *chunk = atomic_load_explicit(&all->chunk[number], memory_order_acquire), *none = NULL;
    if (chunk)
        return true;
    chunk = map(TARN__KEPT_CHUNK);
    if (chunk &&
        !atomic_compare_exchange_strong_explicit(&all->chunk[number], &none, chunk, memory_order_acq_rel, memory_order_acquire))
        unmap(chunk, TARN__KEPT_CHUNK);
    return chunk != NULL || none != NULL;
}

/* Room for a stack, and its number; 0: there is none. */
static uint32_t take_room(struct tarn__kept *all, size_t bytes)
{
    const uint32_t in_chunk = 1u << TARN__KEPT_CHUNK_UNITS_BITS,
                   units = (uint32_t)((bytes + TARN__KEPT_UNIT - 1) / TARN__KEPT_UNIT);
    uint64_t next = atomic_load_explicit(&all->next, memory_order_relaxed), at;
    do {
        at = next % in_chunk + units > in_chunk ? next + in_chunk - next % in_chunk : next;
        if (at / in_chunk >= TARN__KEPT_CHUNKS || !has_chunk(all, (uint32_t)(at / in_chunk)))
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&all->next, &next, at + units, memory_order_relaxed, memory_order_relaxed));
    return (uint32_t)at;
}

static uint32_t hash_of(const uintptr_t *frames, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ frames[i]) * 0x9e3779b97f4a7c15u ^ hash >> 29;
    return (uint32_t)(hash >> 32);
}

static uint32_t find(struct tarn__kept *all, uint32_t from, uint32_t until, uint32_t hash, const uintptr_t *frames,
                     size_t count)
{
    for (uint32_t number = from; number != until;) {
        const struct tarn__kept_stack *stack = stack_at(all, number);
        if (stack->hash == hash && stack->count == count && memcmp(stack->frames, frames, count * sizeof *frames) == 0)
            return number;
        number = stack->next;
    }
    return 0;
}

uint32_t tarn__stack_keep(const uintptr_t *frames, size_t count)
{
    struct tarn__kept *all = count > 0 ? table() : NULL;
    if (!all)
        return 0;
    count = count < TARN__STACK_MOST ? count : TARN__STACK_MOST;
    uint32_t hash = hash_of(frames, count), number = 0, looked = 0;
    _Atomic uint32_t *bucket = &all->bucket[hash % TARN__KEPT_BUCKETS];
    uint32_t head = atomic_load_explicit(bucket, memory_order_acquire); /* pairs with the release below */
    for (;;) {
        uint32_t found = find(all, head, looked, hash, frames, count);
        if (found)
            return found;
        looked = head;
        if (!number) {
            number = take_room(all, sizeof(struct tarn__kept_stack) + count * sizeof *frames);
            if (!number)
                return 0;
            struct tarn__kept_stack *stack = stack_at(all, number);
            stack->hash = hash;
            stack->count = (uint32_t)count;
            memcpy(stack->frames, frames, count * sizeof *frames);
        }
        stack_at(all, number)->next = head;
        if (atomic_compare_exchange_strong_explicit(bucket, &head, number, memory_order_release, memory_order_acquire))
            return number;
    }
}

const uintptr_t *tarn__stack_frames(uint32_t number, size_t *count)
{
    struct tarn__kept *all = atomic_load_explicit(&tarn__kept, memory_order_acquire);
    *count = 0;
    if (!all || number == 0 || number >= atomic_load_explicit(&all->next, memory_order_relaxed))
        return NULL;
    const struct tarn__kept_stack *stack = stack_at(all, number);
    if (!stack || stack->count == 0 || stack->count > TARN__STACK_MOST)
        return NULL;
    *count = stack->count;
    return stack->frames;
}
