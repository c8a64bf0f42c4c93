/*
 * The most instructions that one request to a region takes: TLSF, one range, no lock, no flags.
 *
 *     worst [-e EVERY] [-c STEPS] [-l LIMIT] [-f FILE]
 *
 * Three searches, each of programs of requests (program.h) whose last one is counted (count.h). First what was found before
 * (FILE, a program a line). Then, systematically, each state that a request can meet: for a free, the sizes of the block and of
 * its neighbours, whether these are free, and what else is in the lists that they leave and the one that the merged block
 * enters; for an allocation, how the block found compares with the request, what else is in its list and in the one of the
 * remainder, whether the search has to go up a level or fails. Every EVERY-th of these is run. Then hill climbing, STEPS steps
 * for each kind of request: a program is changed a little, and the change stays if the count is not less.
 *
 * Prints a line for each kind: its name, the count, the program. Exit status: 0, also where nothing counts; 1 when alloc or
 * free is above LIMIT.
 */
#include "bench/worst/count.h"
#include "bench/worst/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRANULE = 2 * sizeof(void *), WORD = 8 * sizeof(void *) };
#define ENUMERATED 8000000ul

struct best {
    unsigned long count;
    struct program program;
};

static struct best best[COUNTED];
static unsigned long runs;
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t below(uint32_t bound)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(((state >> 32) * bound) >> 32);
}

/* Of what kind its last request was, which the caller may want to know: `kind`. */
static unsigned long try_as(const struct program *program, enum counted *kind)
{
    unsigned long count = program_run(program, kind);
    runs++;
    if (count && count > best[*kind].count)
        best[*kind] = (struct best){count, *program};
    return count;
}

static unsigned long try(const struct program *program)
{
    enum counted ignored;
    return try_as(program, &ignored);
}

/* Sizes in granules at which something may change. */
static const unsigned short marks[] = {
    1,   2,   3,   4,   7,   15,  31,  32,  33,  34,  47,  63,   64,   65,   66,   67,   70,   96,   127,
    128, 129, 130, 191, 255, 256, 257, 300, 511, 512, 520, 1000, 1023, 1024, 1025, 1040, 2047, 2048, 3000,
};
enum { MARKS = sizeof marks / sizeof *marks };

/* Bytes to ask for, for a block of so many granules. */
static size_t bytes_of(unsigned granules, bool sized)
{
    return (size_t)(granules > WORD && !sized ? granules - 1 : granules) * GRANULE;
}

/* Numbers of a mixed radix: which of `most` the next choice is. */
static unsigned choose(unsigned long *number, unsigned most)
{
    unsigned digit = (unsigned)(*number % most);
    *number /= most;
    return digit;
}

static unsigned take(struct program *program, unsigned granules, bool sized)
{
    return program_add(program, sized ? TAKE_SIZED : TAKE, 0, bytes_of(granules, sized));
}

static void begin(struct program *program, unsigned long *number)
{
    static const size_t memories[] = {(size_t)1 << 18, (size_t)1 << 20, ((size_t)1 << 17) + 4096 + GRANULE};
    static const unsigned shifts[] = {0, 1, WORD / 2, WORD - 2};
    program->count = 0;
    program->memory = memories[choose(number, 3)];
    unsigned shift = shifts[choose(number, 4)];
    if (shift)
        take(program, shift, false);
}

enum mates { ALONE, FIRST, BEHIND, MATES }; /* whether a list has others, and whether the block in question is before them */

/* A block of that size with a used one behind it, to be freed sooner or later than the one that matters. PROGRAM_MOST: none. */
static unsigned mate(struct program *program, enum mates mates, unsigned granules)
{
    if (mates == ALONE)
        return PROGRAM_MOST;
    unsigned made = take(program, granules, false);
    take(program, 1, false);
    return made;
}

static void give(struct program *program, unsigned number)
{
    if (number < PROGRAM_MOST)
        program_add(program, GIVE, number, 0);
}

/* One of the states that a free can meet. */
static void build_free(struct program *program, unsigned long number)
{
    static const unsigned sizes[] = {1, 2, 3, WORD - 1, WORD, WORD + 1, WORD + 2, 3 * WORD, 8 * WORD, 16 * WORD + 16};
    const unsigned kinds = sizeof sizes / sizeof *sizes;
    enum { NONE, USED, FREE };
    begin(program, &number);
    unsigned x = sizes[choose(&number, kinds)], p = sizes[choose(&number, kinds)], n = sizes[choose(&number, kinds)];
    unsigned previous = choose(&number, 3), next = choose(&number, 3);
    enum mates of_p = choose(&number, MATES), of_n = choose(&number, MATES), of_all = choose(&number, MATES);
    bool rest = choose(&number, 2), sized = choose(&number, 2);
    unsigned all = x + (previous == FREE ? p : 0) + (next == FREE ? n : 0);
    unsigned mate_p = mate(program, of_p, p), mate_n = mate(program, of_n, n), mate_all = mate(program, of_all, all);
    unsigned before = previous == NONE ? PROGRAM_MOST : take(program, p, false);
    unsigned block = take(program, x, sized);
    unsigned behind = next == NONE ? PROGRAM_MOST : take(program, n, false);
    if (next != NONE)
        take(program, 1, false);
    if (rest)
        program_add(program, REST, 0, 0);
    give(program, mate_all);
    if (of_p == BEHIND)
        give(program, mate_p);
    if (of_n == BEHIND)
        give(program, mate_n);
    give(program, previous == FREE ? before : PROGRAM_MOST);
    give(program, next == FREE ? behind : PROGRAM_MOST);
    if (of_p == FIRST)
        give(program, mate_p);
    if (of_n == FIRST)
        give(program, mate_n);
    give(program, block);
}

/* One of the states that an allocation can meet: a hole of `h` granules, a request for `r`. */
static void build_alloc(struct program *program, unsigned long number)
{
    begin(program, &number);
    unsigned h = marks[choose(&number, MARKS)];
    const unsigned requests[] = {h,     h - 1, h - 2, h - WORD - 1, h - WORD,  h / 2, h / 2 + 1,
                                 h / 4, 1,     2,     h - h / 32,   h - h / 64};
    unsigned r = requests[choose(&number, sizeof requests / sizeof *requests)];
    r = r - 1 < h ? r : h;
    enum mates of_h = choose(&number, MATES), of_rest = choose(&number, MATES);
    bool smaller = choose(&number, 2), rest = choose(&number, 2);
    unsigned kind = choose(&number, 4), align = choose(&number, 9);
    unsigned mate_h = mate(program, of_h, h), hole = take(program, h, false);
    take(program, 1, false);
    unsigned mate_rest = h > r ? mate(program, of_rest, h - r) : PROGRAM_MOST;
    unsigned mate_small = r > 1 ? mate(program, smaller ? FIRST : ALONE, r - 1) : PROGRAM_MOST;
    if (rest)
        program_add(program, REST, 0, 0);
    give(program, mate_rest);
    give(program, mate_small);
    if (of_h == BEHIND)
        give(program, mate_h);
    give(program, hole);
    if (of_h == FIRST)
        give(program, mate_h);
    if (kind == 3)
        program_add(program, TAKE_ALIGNED, 4 + align, bytes_of(r, false));
    else
        take(program, r, kind == 2);
}

static void enumerate(unsigned long every)
{
    struct program program;
    for (unsigned long number = 0; number < ENUMERATED; number += every) {
        build_free(&program, number);
        try(&program);
        build_alloc(&program, number);
        try(&program);
    }
}

static size_t random_size(void)
{
    size_t granules = below(4) ? marks[below(MARKS)] : 1 + below(1u << below(16));
    size_t bytes = (granules + below(3)) * GRANULE;
    return bytes - (below(2) ? bytes > GRANULE ? GRANULE : 0 : below(2) ? below(GRANULE) : 0);
}

static struct request random_request(unsigned number)
{
    static const enum request_kind kinds[] = {TAKE, TAKE, TAKE, TAKE, TAKE_SIZED, TAKE_ALIGNED,
                                              GIVE, GIVE, GIVE, GIVE, GIVE,       REST};
    struct request request = {kinds[below(sizeof kinds / sizeof *kinds)], 0, random_size()};
    if (request.kind == GIVE)
        request.of = number ? below(number) : 0;
    if (request.kind == TAKE_ALIGNED)
        request.of = 3 + below(10);
    return request;
}

static void insert_request(struct program *program, unsigned at)
{
    if (program->count == PROGRAM_MOST)
        return;
    memmove(program->requests + at + 1, program->requests + at, (program->count++ - at) * sizeof *program->requests);
    for (unsigned i = at + 1; i < program->count; i++)
        if (program->requests[i].kind == GIVE && program->requests[i].of >= at)
            program->requests[i].of++;
    program->requests[at] = random_request(at);
}

static void remove_request(struct program *program, unsigned at)
{
    memmove(program->requests + at, program->requests + at + 1, (--program->count - at) * sizeof *program->requests);
    for (unsigned i = at; i < program->count; i++)
        if (program->requests[i].kind == GIVE && program->requests[i].of > at)
            program->requests[i].of--;
}

static void mutate(struct program *program)
{
    unsigned at = below(program->count);
    struct request *request = &program->requests[at];
    switch (below(7)) {
    case 0:
        insert_request(program, at);
        break;
    case 1:
        if (program->count > 1)
            remove_request(program, at);
        break;
    case 2:
        *request = random_request(at);
        break;
    case 3:
        request->size += GRANULE;
        break;
    case 4:
        request->size -= request->size > GRANULE ? GRANULE : 0;
        break;
    case 5:
        if (request->kind == GIVE && at)
            request->of = below(at);
        break;
    default:
        request->size = random_size();
    }
    if (below(200) == 0)
        program->memory = (size_t)1 << (14 + below(8));
}

/* From the best so far, from one that was enumerated, or from any. */
static struct program start(enum counted kind)
{
    struct program program = best[kind].program;
    unsigned from = below(3);
    if (from == 1)
        kind == COUNT_FREE || kind == COUNT_FREE_SIZED ? build_free(&program, below(ENUMERATED))
                                                       : build_alloc(&program, below(ENUMERATED));
    for (unsigned i = 0; from == 2 && i < 20; i++)
        mutate(&program);
    return program;
}

static void climb(enum counted kind, unsigned long steps)
{
    enum { STEPS_OF_ONE = 3000 };
    struct program now, next;
    enum counted is;
    unsigned long height = 0;
    for (unsigned long step = 0; step < steps; step++) {
        if (step % STEPS_OF_ONE == 0) {
            now = start(kind);
            height = try_as(&now, &is);
            height = is == kind ? height : 0;
        }
        next = now;
        for (unsigned changes = 1 + below(3); changes; changes--)
            mutate(&next);
        unsigned long count = try_as(&next, &is);
        if (is == kind && count >= height)
            now = next, height = count;
    }
}

static int replay(const char *path)
{
    char line[PROGRAM_TEXT];
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "worst: no %s\n", path);
        return 2;
    }
    while (fgets(line, sizeof line, file)) {
        struct program program;
        if (*line == '#' || *line == '\n')
            continue;
        if (!program_parse(&program, line)) {
            fprintf(stderr, "worst: not a program: %s", line);
            return 2;
        }
        try(&program);
    }
    fclose(file);
    return 0;
}

static int report(unsigned long limit, const char *method)
{
    char text[PROGRAM_TEXT];
    printf("# %s; %lu programs\n", method, runs);
    for (enum counted kind = 0; kind < COUNTED; kind++) {
        program_print(&best[kind].program, text);
        printf("%s; %lu; %s\n", counted_names[kind], best[kind].count, text);
    }
    return limit && (best[COUNT_ALLOC].count > limit || best[COUNT_FREE].count > limit);
}

int main(int argc, char **argv)
{
    unsigned long every = 0, steps = 0, limit = 0;
    const char *method = count_method();
    if (!method) {
        printf("# not tested: nothing counts instructions here\n");
        return 0;
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned long value = strtoul(argv[i + 1], NULL, 10);
        switch (argv[i][1]) {
        case 'e':
            every = value;
            break;
        case 'c':
            steps = value;
            break;
        case 'l':
            limit = value;
            break;
        case 'f':
            if (replay(argv[i + 1]))
                return 2;
            break;
        default:
            return 2;
        }
    }
    if (every)
        enumerate(every);
    for (enum counted kind = 0; kind < COUNTED; kind++)
        climb(kind, steps);
    return report(limit, method);
}
