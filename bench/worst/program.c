#include "bench/worst/program.h"

#include "bench/worst/count.h"
#include "tarn/region.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const counted_names[COUNTED] = {"alloc", "free", "alloc_sized", "free_sized", "alloc_aligned", "alloc: NULL"};

static _Alignas(4096) char memory[PROGRAM_MEMORY];
static uintptr_t made[PROGRAM_MOST];

enum counted program_counts(const struct program *program)
{
    if (!program->count)
        return COUNTED;
    const struct request *last = &program->requests[program->count - 1];
    switch (last->kind) {
    case TAKE:
        return COUNT_ALLOC;
    case TAKE_SIZED:
        return COUNT_ALLOC_SIZED;
    case TAKE_ALIGNED:
        return COUNT_ALLOC_ALIGNED;
    case GIVE:
        if (last->of < program->count - 1 && program->requests[last->of].kind < GIVE)
            return program->requests[last->of].kind == TAKE_SIZED ? COUNT_FREE_SIZED : COUNT_FREE;
        return COUNTED;
    default:
        return COUNTED;
    }
}

/* One request as a call of up to three words. */
struct call {
    void (*function)(void);
    uintptr_t a, b, c;
};

static struct call call_of(const struct program *program, unsigned number, struct tarn_region *region)
{
    const struct request *request = &program->requests[number];
    uintptr_t self = (uintptr_t)region;
    switch (request->kind) {
    case TAKE:
        return (struct call){(void (*)(void))tarn_region_alloc, self, request->size, 0};
    case TAKE_SIZED:
        return (struct call){(void (*)(void))tarn_region_alloc_sized, self, request->size, 0};
    case TAKE_ALIGNED:
        return (struct call){(void (*)(void))tarn_region_alloc_aligned, self, (uintptr_t)1 << request->of, request->size};
    default:
        break;
    }
    if (request->kind == REST || request->of >= number || !made[request->of])
        return (struct call){NULL, 0, 0, 0};
    const struct request *taken = &program->requests[request->of];
    uintptr_t block = made[request->of];
    made[request->of] = 0;
    if (taken->kind == TAKE_SIZED)
        return (struct call){(void (*)(void))tarn_region_free_sized, self, block, taken->size};
    return (struct call){(void (*)(void))tarn_region_free, self, block, 0};
}

static void take_rest(struct tarn_region *region)
{
    struct tarn_pool_stats stats;
    do
        tarn_region_stats(region, &stats);
    while (stats.largest_free && tarn_region_alloc(region, stats.largest_free));
}

unsigned long program_run(const struct program *program, enum counted *kind)
{
    struct tarn_region *region = tarn_region_create(memory, program->memory, NULL);
    unsigned long counted = 0;
    *kind = program_counts(program);
    if (!region || *kind == COUNTED)
        return 0;
    for (unsigned i = 0; i < program->count; i++) {
        made[i] = 0;
        if (program->requests[i].kind == REST) {
            take_rest(region);
            continue;
        }
        const struct call call = call_of(program, i, region);
        if (!call.function)
            continue;
        uintptr_t answer;
        if (i + 1 == program->count)
            counted = count_of((count_call *)call.function, call.a, call.b, call.c, &answer);
        else
            answer = ((count_call *)call.function)(call.a, call.b, call.c);
        if (program->requests[i].kind < GIVE)
            made[i] = answer;
        if (counted && !answer && (*kind == COUNT_ALLOC || *kind == COUNT_ALLOC_SIZED))
            *kind = COUNT_REFUSED;
    }
    return counted;
}

void program_print(const struct program *program, char text[PROGRAM_TEXT])
{
    size_t at = (size_t)snprintf(text, PROGRAM_TEXT, "%zu:", program->memory);
    for (unsigned i = 0; i < program->count && at < PROGRAM_TEXT; i++) {
        const struct request *request = &program->requests[i];
        char *to = text + at;
        size_t room = PROGRAM_TEXT - at;
        int more = 0;
        switch (request->kind) {
        case TAKE:
            more = snprintf(to, room, " a%zu", request->size);
            break;
        case TAKE_SIZED:
            more = snprintf(to, room, " s%zu", request->size);
            break;
        case TAKE_ALIGNED:
            more = snprintf(to, room, " A%zu,%zu", (size_t)1 << request->of, request->size);
            break;
        case GIVE:
            more = snprintf(to, room, " f%u", request->of);
            break;
        case REST:
            more = snprintf(to, room, " r");
            break;
        }
        at += (size_t)more;
    }
}

static bool parse_request(struct program *program, const char *word)
{
    char *end;
    size_t value = strtoul(word + 1, &end, 10), second = 0;
    if (*word == 'A' && *end == ',')
        second = strtoul(end + 1, &end, 10);
    if (*end && *end != ' ' && *end != '\n')
        return false;
    switch (*word) {
    case 'a':
        program_add(program, TAKE, 0, value);
        return true;
    case 's':
        program_add(program, TAKE_SIZED, 0, value);
        return true;
    case 'A':
        program_add(program, TAKE_ALIGNED, (unsigned)__builtin_ctzl(value | 1ul << 20), second);
        return true;
    case 'f':
        program_add(program, GIVE, (unsigned)value, 0);
        return true;
    case 'r':
        program_add(program, REST, 0, 0);
        return true;
    default:
        return false;
    }
}

bool program_parse(struct program *program, const char *text)
{
    char *end;
    program->count = 0;
    program->memory = strtoul(text, &end, 10);
    if (*end != ':' || program->memory > PROGRAM_MEMORY)
        return false;
    for (const char *word = end + 1; *word == ' '; word = strchr(word, ' ')) {
        if (!parse_request(program, ++word))
            return false;
        if (!strchr(word, ' '))
            break;
    }
    return program->count > 0;
}
