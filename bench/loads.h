/*
 * The loads by name. Each does its work `scale` times as long as the default, and returns how many
 * operations it did. Where a load lives: loads_simple.c (one thread, one pattern), loads_program.c and
 * loads_compiler.c (one thread, shaped like a kind of program), loads_threads.c (several threads).
 */
#ifndef TARN_BENCH_LOADS_H
#define TARN_BENCH_LOADS_H

#include <stdint.h>

/* Nanoseconds that a cache line takes to another processor (loads_line.c); 0 where there is only one. */
double bench_line_ns(void);

/* Per pair of malloc and free, and per pair of pop and push in the same loop; set by load_pair, else 0. */
extern double load_pair_ns, load_floor_ns;

uint64_t load_pair(double scale);
uint64_t load_batch(double scale);
uint64_t load_churn_1k(double scale);
uint64_t load_churn_100k(double scale);
uint64_t load_churn_1m(double scale);
uint64_t load_sizes(double scale);
uint64_t load_large(double scale);
uint64_t load_mixed_70k(double scale);
uint64_t load_calloc_churn(double scale);
uint64_t load_aligned_churn(double scale);

uint64_t load_realloc_grow(double scale);
uint64_t load_interpreter(double scale);
uint64_t load_tree(double scale);
uint64_t load_kv_grow_delete(double scale);
uint64_t load_fragment(double scale);
uint64_t load_compiler(double scale);

uint64_t load_producer_consumer(double scale);
uint64_t load_exchange(double scale);
uint64_t load_thread_churn(double scale);
uint64_t load_thread_leak(double scale);
uint64_t load_sleepers(double scale);
uint64_t load_threads_private_2(double scale);
uint64_t load_threads_private_8(double scale);
uint64_t load_server(double scale);
uint64_t load_false_sharing_active(double scale);
uint64_t load_false_sharing_passive(double scale);

/* Loads with a parameter, for curves. The first returns the seconds of its steps, the others how many operations they did. */
double load_live_by(uint32_t live, uint64_t steps);
uint64_t load_threads_private_by(unsigned threads, uint64_t total);
uint64_t load_exchange_by(unsigned threads, uint64_t total);

#endif
