/*
 * How long a cache line takes from one processor to another, and what that says of the machine.
 *
 * In a virtual machine the host moves the processors about: at times the two share a cache, at times they
 * lie far apart, and loads whose threads share memory then take two to four times as long, under any
 * allocator. The driver asks before and after such a run, and runs it again when the answer is unusual.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* thread affinity */
#endif
#include "harness.h"
#include "loads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define LINE_TRIPS 2000u
#define LINE_TRIES 5u /* the least counts: a preempted thread says nothing of the line */

static _Alignas(128) _Atomic uint32_t line_turn;
static cpu_set_t line_allowed;
static double line_seconds; /* written by thread 0 */

static void pin_to(unsigned number)
{
    cpu_set_t one;
    unsigned seen = 0;

    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &line_allowed) && seen++ == number)
            CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

/* Two threads hand the line to and fro. The first trip is not timed: one of them comes later than the other. */
static uint64_t hand_over(unsigned number, void *shared)
{
    double begin = 0;

    (void)shared;
    pin_to(number);
    for (uint32_t turn = number; turn < 2 * LINE_TRIPS; turn += 2) {
        while (atomic_load_explicit(&line_turn, memory_order_acquire) != turn)
            ;
        if (turn == 2)
            begin = bench_seconds();
        atomic_store_explicit(&line_turn, turn + 1, memory_order_release); /* partner: the other's acquire above */
    }
    if (number == 0)
        line_seconds = bench_seconds() - begin;
    return 0;
}

double bench_line_ns(void)
{
    if (sched_getaffinity(0, sizeof line_allowed, &line_allowed) != 0 || CPU_COUNT(&line_allowed) < 2)
        return 0;
    double least = 0;
    for (unsigned i = 0; i < LINE_TRIES; i++) {
        atomic_store_explicit(&line_turn, 0, memory_order_relaxed); /* before the threads are there */
        bench_run_threads(2, hand_over, NULL);
        if (i == 0 || line_seconds < least)
            least = line_seconds;
    }
    return least * 1e9 / (2.0 * (LINE_TRIPS - 2));
}
