/*
 * What every load of the benchmark shares: the random numbers, the stamps, the clock, the threads.
 *
 * A load is a function that does `rounds * scale` operations and returns how many it did; one operation
 * is one object's life (allocated, written, checked, freed) unless the load's own comment says otherwise.
 * Random numbers come from fixed seeds, so a load asks every allocator for the same things in the same
 * order (between threads: for the same things).
 *
 * An object carries a stamp, so that an allocator that hands out overlapping or stale memory fails
 * loudly instead of looking fast:
 *
 *      byte 0    4      7       8            4096 * i       size-1
 *           +----+------+-------+-----------+-------+------+-------+
 *           |size|serial| check |  not      | check | ...  | check |
 *           +----+------+-------+-----------+-------+------+-------+
 *                                 written
 *
 * First and last byte are always written, and one byte in every page between: as little as a program
 * does that uses what it asked for, so that the allocator's share of the time stays visible.
 */
#ifndef TARN_BENCH_HARNESS_H
#define TARN_BENCH_HARNESS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_PAGE ((size_t)4096)
#define BENCH_THREADS_MAX 64u

struct bench_random {
    uint64_t state; /* never 0 */
};

static inline struct bench_random bench_seed(uint64_t seed)
{
    return (struct bench_random){seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x2545f4914f6cdd1d)};
}

/* Marsaglia's xorshift, 64 bits: three shifts, about a nanosecond. */
static inline uint64_t bench_next(struct bench_random *random)
{
    uint64_t x = random->state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    random->state = x;
    return x;
}

/* A number below `bound`, from the high half: multiplication instead of a division. */
static inline uint32_t bench_below(struct bench_random *random, uint32_t bound)
{
    return (uint32_t)(((bench_next(random) >> 32) * bound) >> 32);
}

/* Says what is wrong on stderr and ends the process with status 2. Any thread. */
_Noreturn void bench_fail(const char *what, void *object);

/* Seconds of CLOCK_MONOTONIC. */
double bench_seconds(void);

/* `count` scaled, at least 1. */
uint64_t bench_scaled(uint64_t count, double scale);

/* Runs `body` in `threads` threads at once with the numbers 0 … threads-1; returns the sum of what they return. */
uint64_t bench_run_threads(unsigned threads, uint64_t (*body)(unsigned number, void *shared), void *shared);

/*
 * Sizes as programs ask for them, drawn once from a table of weights (harness.c) so that a draw costs
 * one load. bench_program_size: up to 64 KiB. bench_small_size: the same without what is above 1 KiB.
 */
#define BENCH_SIZES 2048u
extern uint16_t bench_program_sizes[BENCH_SIZES];
extern uint16_t bench_small_sizes[BENCH_SIZES];
void bench_sizes_init(void);

static inline size_t bench_program_size(struct bench_random *random) { return bench_program_sizes[bench_next(random) >> 53]; }

static inline size_t bench_small_size(struct bench_random *random) { return bench_small_sizes[bench_next(random) >> 53]; }

/* Keeps the compiler from reasoning about what `pointer` points to. */
static inline void *bench_opaque(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer) : : "memory");
    return pointer;
}

static inline unsigned char stamp_check(uint32_t size, uint32_t serial)
{
    return (unsigned char)(size ^ (size >> 8) ^ serial ^ (serial >> 8) ^ 0xa5u);
}

/* Writes the stamp of `size` bytes, 8 at least; `serial` is any number, of which 24 bits are kept. */
static inline void object_stamp(void *object, size_t size, uint32_t serial)
{
    unsigned char *bytes = object;
    uint32_t kept = serial & 0xffffffu;
    unsigned char check = stamp_check((uint32_t)size, kept);
    uint64_t head = (uint32_t)size | (uint64_t)kept << 32 | (uint64_t)check << 56;

    memcpy(bytes, &head, sizeof head);
    for (size_t at = BENCH_PAGE; at < size; at += BENCH_PAGE)
        bytes[at] = check;
    if (size > sizeof head)
        bytes[size - 1] = check;
}

/* Checks the stamp and returns the size written there. */
static inline size_t object_size(void *object)
{
    const unsigned char *bytes = object;
    uint64_t head;

    memcpy(&head, bytes, sizeof head);
    uint32_t size = (uint32_t)head;
    unsigned char check = stamp_check(size, (uint32_t)(head >> 32) & 0xffffffu);
    if ((unsigned char)(head >> 56) != check || size < sizeof head)
        bench_fail("the head of an object was overwritten", object);
    if (size > sizeof head && bytes[size - 1] != check)
        bench_fail("the last byte of an object was overwritten", object);
    return size;
}

static inline void *object_accept(void *object, size_t size, uint32_t serial)
{
    if (object == NULL)
        bench_fail("an allocation failed", object);
    if ((uintptr_t)object & (size < 16 ? 7u : 15u))
        bench_fail("an object is not aligned", object);
    object_stamp(object, size, serial);
    return object;
}

static inline void *object_new(size_t size, uint32_t serial) { return object_accept(malloc(size), size, serial); }

/* Checks and frees; NULL is taken. Returns the size. */
static inline size_t object_drop(void *object)
{
    if (object == NULL)
        return 0;
    size_t size = object_size(object);
    free(object);
    return size;
}

#endif
