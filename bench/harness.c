/*
 * The shared part of the loads that is not inline: failure, clock, threads, and the table of sizes.
 */
#include "harness.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

_Noreturn void bench_fail(const char *what, void *object)
{
    fprintf(stderr, "bench_loads: %s (%p)\n", what, object);
    fflush(stderr);
    _exit(2);
}

double bench_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

uint64_t bench_scaled(uint64_t count, double scale)
{
    double scaled = (double)count * scale;

    return scaled < 1 ? 1 : (uint64_t)scaled;
}

/*
 * What programs ask for, in 2048ths. Compilers, interpreters, servers and databases differ in detail and
 * agree in shape: nodes and cells of 16 to 64 bytes are half of all requests, strings and small records
 * to 128 bytes most of the rest, then a tail that halves with every doubling. The tail is few objects and
 * most of the bytes: here the mean is about 170 bytes, half of it from the 3 % above 1 KiB.
 */
static const struct size_weight {
    uint32_t weight;
    uint32_t lowest, highest; /* bytes; sizes are spread evenly between, odd ones too */
} size_weights[] = {
    {180, 8, 16},    {560, 17, 32},    {440, 33, 48},    {330, 49, 64},   {260, 65, 128},   {120, 129, 256},   {66, 257, 512},
    {38, 513, 1024}, {26, 1025, 2048}, {16, 2049, 4096}, {8, 4097, 8192}, {3, 8193, 32768}, {1, 32769, 65535},
};

uint16_t bench_program_sizes[BENCH_SIZES];
uint16_t bench_small_sizes[BENCH_SIZES];

void bench_sizes_init(void)
{
    uint32_t filled = 0;

    for (size_t i = 0; i < sizeof size_weights / sizeof size_weights[0]; i++) {
        const struct size_weight *w = &size_weights[i];
        uint32_t span = w->highest - w->lowest + 1;
        for (uint32_t k = 0; k < w->weight; k++)
            bench_program_sizes[filled++] = (uint16_t)(w->lowest + (span * (2 * k + 1)) / (2 * w->weight));
    }
    if (filled != BENCH_SIZES)
        bench_fail("the weights do not add up", NULL);
    for (uint32_t i = 0; i < BENCH_SIZES; i++) {
        uint16_t size = bench_program_sizes[i];
        bench_small_sizes[i] = size <= 1024 ? size : (uint16_t)(16 + size % 112);
    }
}

struct thread_start {
    pthread_t thread;
    unsigned number;
    uint64_t (*body)(unsigned number, void *shared);
    void *shared;
    uint64_t result;
};

static void *thread_main(void *argument)
{
    struct thread_start *start = argument;

    start->result = start->body(start->number, start->shared);
    return NULL;
}

uint64_t bench_run_threads(unsigned threads, uint64_t (*body)(unsigned number, void *shared), void *shared)
{
    struct thread_start starts[BENCH_THREADS_MAX];
    uint64_t sum = 0;

    if (threads > BENCH_THREADS_MAX)
        bench_fail("too many threads", NULL);
    for (unsigned i = 0; i < threads; i++) {
        starts[i] = (struct thread_start){.number = i, .body = body, .shared = shared};
        if (pthread_create(&starts[i].thread, NULL, thread_main, &starts[i]) != 0)
            bench_fail("a thread could not be started", NULL);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(starts[i].thread, NULL);
        sum += starts[i].result;
    }
    return sum;
}
