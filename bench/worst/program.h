/*
 * A program of requests to one region, whose last request is the one that is counted.
 *
 * As text: `65536: a16 s100 A64,100 f0 r a40` - a region of 65536 bytes; allocate, allocate without header, allocate aligned,
 * free what request 0 got, take all the rest. What was allocated without header is freed with its size. The last request is
 * counted.
 */
#ifndef TARN_BENCH_WORST_PROGRAM_H
#define TARN_BENCH_WORST_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROGRAM_MOST = 60, PROGRAM_TEXT = PROGRAM_MOST * 16 };
#define PROGRAM_MEMORY ((size_t)16 << 20)

enum request_kind { TAKE, TAKE_SIZED, TAKE_ALIGNED, GIVE, REST };

struct request {
    enum request_kind kind;
    unsigned of; /* GIVE: the number of the request whose block is freed. TAKE_ALIGNED: the logarithm of the alignment */
    size_t size;
};

struct program {
    size_t memory;
    unsigned count;
    struct request requests[PROGRAM_MOST];
};

/* What is counted, by the last request; COUNT_REFUSED: an allocation of either kind that finds no room, which is known when it has run. */
enum counted { COUNT_ALLOC, COUNT_FREE, COUNT_ALLOC_SIZED, COUNT_FREE_SIZED, COUNT_ALLOC_ALIGNED, COUNT_REFUSED, COUNTED };
extern const char *const counted_names[COUNTED];

/* COUNTED: it can be none (a free of nothing). */
enum counted program_counts(const struct program *program);

static inline unsigned program_add(struct program *program, enum request_kind kind, unsigned of, size_t size)
{
    if (program->count == PROGRAM_MOST)
        return PROGRAM_MOST - 1;
    program->requests[program->count] = (struct request){kind, of, size};
    return program->count++;
}

/* Runs all of it, in a region of its own; answers the instructions of the last request, and of what kind it was; 0 where there is nothing to be counted. */
unsigned long program_run(const struct program *program, enum counted *kind);

void program_print(const struct program *program, char text[PROGRAM_TEXT]);

/* Whether the text is a program. */
bool program_parse(struct program *program, const char *text);

#endif
