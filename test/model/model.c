#include "test/model/model.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, SEEDS = 4, DEFAULT_MS = 500 };

static const char *program = "model";
static uint64_t seed_now, end_ms;
static _Atomic uint64_t steps;
static _Atomic bool over;

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say_how_to_repeat(void)
{
    char line[200];
    int length = snprintf(line, sizeof line, "step %llu; again: %s %llu 60000\n", (unsigned long long)atomic_load(&steps),
                          program, (unsigned long long)seed_now);
    (void)!write(STDERR_FILENO, line, (size_t)length);
}

void model_fail_exit(const char *message, size_t length)
{
    (void)!write(STDERR_FILENO, message, length);
    say_how_to_repeat();
    abort();
}

void model_failed(const char *sentence)
{
    fprintf(stderr, "model: does not hold: %s\n", sentence);
    model_fail_exit("", 0);
    abort();
}

static void at_fault(int signal_number)
{
    say_how_to_repeat();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

bool model_goes_on(void)
{
    uint64_t step = atomic_fetch_add_explicit(&steps, 1, memory_order_relaxed);
    if (step % 16 == 0 && now_ms() >= end_ms)
        atomic_store_explicit(&over, true, memory_order_relaxed);
    return !atomic_load_explicit(&over, memory_order_relaxed);
}

static void run_seed(void (*run)(uint64_t), uint64_t seed, uint64_t ms)
{
    seed_now = seed;
    atomic_store(&steps, 0);
    atomic_store(&over, false);
    end_ms = now_ms() + ms;
    run(seed);
    printf("%s: seed %llu, %llu steps\n", program, (unsigned long long)seed, (unsigned long long)atomic_load(&steps));
}

int model_main(int argc, char **argv, void (*run)(uint64_t seed))
{
    program = argv[0];
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, ms = argc > 2 ? strtoull(argv[2], NULL, 10) : DEFAULT_MS;
    signal(SIGSEGV, at_fault);
    signal(SIGBUS, at_fault);
    signal(SIGILL, at_fault);
    if (argc > 1) {
        run_seed(run, seed, ms);
        return 0;
    }
    for (uint64_t i = 1; i < SEEDS; i++)
        run_seed(run, i, ms);
    run_seed(run, now_ms() * 2654435761u % 1000000000u, ms);
    return 0;
}

/*
 * Stamps: word i of memory holds a mix of the stamp and i, and a rest of less than a word its first bytes. All words of the first page
 * are written, of the others the first two and the last two: so which words are does not depend on the size.
 */

static uint64_t word(uint64_t stamp, size_t i) { return (stamp + i) * UINT64_C(0x9e3779b97f4a7c15); }

static size_t next_word(size_t i)
{
    bool skip = i * 8 >= PAGE && i * 8 % PAGE == 8;
    return skip ? i + (PAGE - 24) / 8 : i + 1;
}

void model_stamp(void *p, size_t size, uint64_t stamp)
{
    for (size_t i = 0; i * 8 < size; i = next_word(i)) {
        uint64_t value = word(stamp, i);
        memcpy((char *)p + i * 8, &value, size - i * 8 < 8 ? size - i * 8 : 8);
    }
}

bool model_stamped(const void *p, size_t size, uint64_t stamp)
{
    for (size_t i = 0; i * 8 < size; i = next_word(i)) {
        uint64_t value = word(stamp, i);
        if (memcmp((const char *)p + i * 8, &value, size - i * 8 < 8 ? size - i * 8 : 8) != 0)
            return false;
    }
    return true;
}

bool model_zero(const void *p, size_t size)
{
    const char *bytes = p;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}
