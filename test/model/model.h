/*
 * What the model tests share. Each is a program:  model_x [seed [milliseconds]]
 *
 * Without arguments it runs a few seeds, one of them new each time, within a few seconds. When something is wrong, the last line on
 * stderr tells how to see it again.
 */
#ifndef TARN_TEST_MODEL_H
#define TARN_TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the process when `condition` is false: the sentence, the seed and the step. */
#define MODEL_REQUIRE(condition, sentence)                                                                                     \
    do {                                                                                                                       \
        if (!(condition))                                                                                                      \
            model_failed(sentence);                                                                                            \
    } while (0)

_Noreturn void model_failed(const char *sentence);

/* Runs `run(seed)` for the seeds that the arguments ask for; `run` goes on while model_goes_on(). */
int model_main(int argc, char **argv, void (*run)(uint64_t seed));

/* Whether there is time for another step. Counts the step. Safe in threads. */
bool model_goes_on(void);

/* How tarn is to report its own failures: with the seed. To be installed by tarn__set_fail_exit. */
void model_fail_exit(const char *message, size_t length);

/* The next of a thread's random numbers (xorshift64*, after Vigna). */
static inline uint64_t model_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* A number below `bound`. */
static inline size_t model_below(uint64_t *state, size_t bound) { return (size_t)((model_random(state) >> 16) % bound); }

/* A state for the random numbers of thread `number`. */
static inline uint64_t model_state(uint64_t seed, unsigned number)
{
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + number * UINT64_C(0xbf58476d1ce4e5b9) + 1;
    return state ? state : 1;
}

/* Writes what follows from `stamp`: all of the first page, the edges of the others. */
void model_stamp(void *p, size_t size, uint64_t stamp);

/* Whether the first `size` bytes still are what model_stamp wrote into at least as many. */
bool model_stamped(const void *p, size_t size, uint64_t stamp);

/* Whether all bytes are zero. */
bool model_zero(const void *p, size_t size);

#endif
