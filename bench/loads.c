/*
 * bench_loads LOAD [SCALE]: runs one load once and prints `ops N seconds S`.
 * bench_loads live:N | threads:N | exchange:N [SCALE]: a load with a parameter, how many objects live or threads run; for curves.
 * bench_loads --list: the names and how many threads each runs, one a line, in the order of a report.
 * bench_loads --line: what the hand-over of a cache line costs just now (loads_line.c).
 *
 * Exit status: 0, or 1 for a wrong command line, or 2 when a load found its memory damaged.
 */
#include "loads.h"
#include "harness.h"

#include <inttypes.h>
#include <stdio.h>

static const struct load {
    const char *name;
    unsigned threads; /* at once */
    uint64_t (*run)(double scale);
} loads[] = {
    {"pair", 1, load_pair},
    {"batch", 1, load_batch},
    {"churn_1k", 1, load_churn_1k},
    {"churn_100k", 1, load_churn_100k},
    {"churn_1m", 1, load_churn_1m},
    {"sizes", 1, load_sizes},
    {"large", 1, load_large},
    {"mixed_70k", 1, load_mixed_70k},
    {"calloc_churn", 1, load_calloc_churn},
    {"aligned_churn", 1, load_aligned_churn},
    {"realloc_grow", 1, load_realloc_grow},
    {"interpreter", 1, load_interpreter},
    {"tree", 1, load_tree},
    {"kv_grow_delete", 1, load_kv_grow_delete},
    {"fragment", 1, load_fragment},
    {"compiler", 1, load_compiler},
    {"producer_consumer", 2, load_producer_consumer},
    {"exchange", 4, load_exchange},
    {"thread_churn", 4, load_thread_churn},
    {"thread_leak", 4, load_thread_leak},
    {"sleepers", 49, load_sleepers},
    {"threads_private_2", 2, load_threads_private_2},
    {"threads_private_8", 8, load_threads_private_8},
    {"server", 4, load_server},
    {"false_sharing_active", 2, load_false_sharing_active},
    {"false_sharing_passive", 2, load_false_sharing_passive},
};

#define LOAD_COUNT (sizeof loads / sizeof loads[0])

static int run(const struct load *load, double scale)
{
    bench_sizes_init();
    double begin = bench_seconds();
    uint64_t ops = load->run(scale);
    double end = bench_seconds();

    printf("ops %" PRIu64 " seconds %.6f\n", ops, end - begin);
    if (load_floor_ns > 0)
        printf("pair_ns %.3f floor_ns %.3f ratio %.3f\n", load_pair_ns, load_floor_ns, load_pair_ns / load_floor_ns);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* Returns -1 when this is no load with a parameter. */
static int run_curve(const char *name, double scale)
{
    const char *colon = strchr(name, ':');
    unsigned long number = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);
    uint64_t ops;
    double seconds;

    if (number == 0 || number > 100000000)
        return -1;
    bench_sizes_init();
    double begin = bench_seconds();
    if (strncmp(name, "live:", 5) == 0) {
        ops = bench_scaled(2000000, scale);
        seconds = load_live_by((uint32_t)number, ops);
    } else if (number > BENCH_THREADS_MAX) {
        return -1;
    } else if (strncmp(name, "threads:", 8) == 0) {
        ops = load_threads_private_by((unsigned)number, bench_scaled(8000000, scale));
        seconds = bench_seconds() - begin;
    } else if (strncmp(name, "exchange:", 9) == 0) {
        ops = load_exchange_by((unsigned)number, bench_scaled(5000000, scale));
        seconds = bench_seconds() - begin;
    } else {
        return -1;
    }
    printf("ops %" PRIu64 " seconds %.6f\n", ops, seconds);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < LOAD_COUNT; i++)
            printf("%s %u\n", loads[i].name, loads[i].threads);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--line") == 0) {
        printf("line_ns %.1f\n", bench_line_ns());
        return 0;
    }
    double scale = argc == 3 ? strtod(argv[2], NULL) : 1.0;
    if (argc < 2 || argc > 3 || !(scale > 0)) {
        fputs("usage: bench_loads LOAD|live:N|threads:N|exchange:N [SCALE]\n       bench_loads --list | --line\n", stderr);
        return 1;
    }
    for (size_t i = 0; i < LOAD_COUNT; i++)
        if (strcmp(argv[1], loads[i].name) == 0)
            return run(&loads[i], scale);
    int status = run_curve(argv[1], scale);
    if (status >= 0)
        return status;
    fprintf(stderr, "bench_loads: no load is called %s; --list names them\n", argv[1]);
    return 1;
}
