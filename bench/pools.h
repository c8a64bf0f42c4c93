/*
 * The loads by which pools and their peers are measured: one header for all, so that each is asked for the same.
 *
 * A program per peer (peer_*.c) includes this, gives its two functions, and prints a line for each figure: name, nanoseconds.
 * The functions are known where the loops are compiled, so a call costs what it costs a user, inlining included. A load is
 * repeated until it took SHARE, whole rounds of it; so what is slow takes no longer than what is fast. The clock is that of the
 * process: what else the machine does is not in it, but for caches. The first byte of each block is written.
 *
 *   pair        a block of 64 bytes, allocated and freed at once
 *   batch-N     N blocks of 64 bytes, allocated, then freed in another order
 *   random-M    1000 blocks of 1 … M bytes are live; one of them is freed, and one of another size takes its place
 *   arena-N     N blocks of 32 bytes, allocated, then all given back together
 */
#ifndef TARN_BENCH_POOLS_H
#define TARN_BENCH_POOLS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POOLS_SHARE 2e7 /* nanoseconds of one load */
enum { POOLS_SIZE = 64, POOLS_SMALL = 32, POOLS_LIVE = 1000, POOLS_TURNS = 4096, POOLS_ROUND = 20000 };

/* One allocator: what a block costs. `forget` gives everything back together; NULL where there is no such thing. */
struct pools_peer {
    void *(*alloc)(size_t size);
    void (*give)(void *p, size_t size);
    void (*forget)(void);
};

struct pools_turn {
    uint16_t slot, size;
};

static inline double pools_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void pools_touch(void *p)
{
    if (__builtin_expect(!p, 0)) {
        fprintf(stderr, "bench: a request for memory failed\n");
        exit(1);
    }
    *(volatile char *)p = 1;
}

static inline void pools_line(const char *peer, const char *load, double nanoseconds)
{
    printf("%s-%s %.3f\n", peer, load, nanoseconds);
}

#define POOLS_INLINE static inline __attribute__((always_inline))

POOLS_INLINE void pools_pair(const char *name, const struct pools_peer peer)
{
    double begin = pools_now(), done = 0;
    do {
        for (int i = 0; i < POOLS_ROUND; i++) {
            void *p = peer.alloc(POOLS_SIZE);
            pools_touch(p);
            peer.give(p, POOLS_SIZE);
        }
        done += POOLS_ROUND;
    } while (pools_now() - begin < POOLS_SHARE);
    pools_line(name, "pair", (pools_now() - begin) / done);
}

POOLS_INLINE void pools_batch(const char *name, const struct pools_peer peer, const char *load, int size, int stride)
{
    static void *objects[POOLS_LIVE];
    double begin = pools_now(), done = 0;
    do {
        for (int round = 0; round < POOLS_ROUND; round += size) {
            for (int i = 0; i < size; i++)
                pools_touch(objects[i] = peer.alloc(POOLS_SIZE));
            for (int i = 0, at = 0; i < size; i++, at += at + stride < size ? stride : stride - size)
                peer.give(objects[at], POOLS_SIZE);
            done += size;
        }
    } while (pools_now() - begin < POOLS_SHARE);
    pools_line(name, load, (pools_now() - begin) / done);
}

/* Strides are prime to the size: a shuffle that costs nothing. */
POOLS_INLINE void pools_batches(const char *name, const struct pools_peer peer)
{
    pools_batch(name, peer, "batch-10", 10, 3);
    pools_batch(name, peer, "batch-100", 100, 37);
    pools_batch(name, peer, "batch-1000", 1000, 617);
}

static inline void pools_draw(struct pools_turn *turns, unsigned most)
{
    uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < POOLS_TURNS; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        turns[i].slot = (uint16_t)(((x >> 32 & 0xffff) * POOLS_LIVE) >> 16);
        turns[i].size = (uint16_t)(1 + (((x >> 48) * most) >> 16));
    }
}

POOLS_INLINE void pools_random(const char *name, const struct pools_peer peer, const char *load, unsigned most)
{
    static struct pools_turn turns[POOLS_TURNS], live[POOLS_LIVE];
    static void *objects[POOLS_LIVE];
    pools_draw(turns, most);
    for (int i = 0; i < POOLS_LIVE; i++) {
        live[i] = turns[i];
        pools_touch(objects[i] = peer.alloc(live[i].size));
    }
    double begin = pools_now(), done = 0;
    do {
        for (int i = 0; i < POOLS_TURNS; i++) {
            const struct pools_turn turn = turns[i];
            peer.give(objects[turn.slot], live[turn.slot].size);
            live[turn.slot].size = turn.size;
            pools_touch(objects[turn.slot] = peer.alloc(turn.size));
        }
        done += POOLS_TURNS;
    } while (pools_now() - begin < POOLS_SHARE);
    pools_line(name, load, (pools_now() - begin) / done);
    for (int i = 0; i < POOLS_LIVE; i++)
        peer.give(objects[i], live[i].size);
}

/* What a malloc's program would do where another has an arena: keep them, and free each. */
static void *pools_kept[10000];

POOLS_INLINE void pools_arena_of(const char *name, const struct pools_peer peer, const char *load, int blocks)
{
    double begin = pools_now(), done = 0;
    do {
        for (int round = 0; round < POOLS_ROUND; round += blocks) {
            for (int i = 0; i < blocks; i++) {
                void *p = peer.alloc(POOLS_SMALL);
                pools_touch(p);
                if (!peer.forget)
                    pools_kept[i] = p;
            }
            if (peer.forget)
                peer.forget();
            for (int i = 0; !peer.forget && i < blocks; i++)
                peer.give(pools_kept[i], POOLS_SMALL);
            done += blocks;
        }
    } while (pools_now() - begin < POOLS_SHARE);
    pools_line(name, load, (pools_now() - begin) / done);
}

POOLS_INLINE void pools_arena(const char *name, const struct pools_peer peer)
{
    pools_arena_of(name, peer, "arena-1000", 1000);
    pools_arena_of(name, peer, "arena-10000", 10000);
}

#endif
