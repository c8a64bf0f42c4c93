/*
 * Stacks as lines; see symbolize.h.
 */
#define _GNU_SOURCE 1
#include "symbolize.h"

#include "common.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { INLINED_MOST = 16, FRAMES_MOST = 64 };

/* Whether a place is in tarn: in a library of its own, or by its names within a program. */
static bool is_ours(const struct tool_place *place)
{
    const char *base = place->module ? tool_base_name(place->module) : "";

    return strncmp(base, "libtarn", 7) == 0 || (place->function && strncmp(place->function, "tarn_", 5) == 0);
}

static void print_place(FILE *out, const char *indent, unsigned number, uintptr_t address, const struct tool_place *place)
{
    fprintf(out, "%s#%u 0x%" PRIxPTR, indent, number, address);
    if (place->function)
        fprintf(out, " %s", place->function);
    if (place->file)
        fprintf(out, place->line ? " at %s:%u" : " at %s", place->file, place->line);
    if (place->inlined)
        fputs(" (inlined)", out);
    else if (place->module)
        fprintf(out, " (%s+0x%" PRIx64 ")", tool_base_name(place->module), place->offset);
    fputc('\n', out);
}

void tool_stack_print(FILE *out, struct tool_symbols *symbols, const uintptr_t *frames, size_t count, const char *indent)
{
    struct tool_place places[INLINED_MOST];
    unsigned number = 0;
    size_t first = 0;

    while (first < count) {
        size_t n = tool_symbols_find(symbols, frames[first] - 1, places, INLINED_MOST);
        if (!is_ours(&places[n - 1]))
            break;
        first++;
    }
    for (size_t i = first < count ? first : 0; i < count; i++) {
        size_t n = tool_symbols_find(symbols, frames[i] - 1, places, INLINED_MOST);
        for (size_t k = 0; k < n; k++) {
            places[k].offset += k == n - 1 && places[k].module; /* of the return address, as the address is */
            print_place(out, indent, number++, frames[i], &places[k]);
        }
    }
}

int tool_symbolize(char **argv)
{
    struct tool_symbols *symbols = argv[0] ? tool_symbols_open((pid_t)strtol(argv[0], NULL, 10), false) : NULL;
    uintptr_t frames[FRAMES_MOST];

    if (!symbols)
        return TOOL_STATUS_TROUBLE;
    for (argv++; *argv; argv++) {
        size_t count = 0;
        for (; *argv && strcmp(*argv, "/") != 0; argv++)
            if (count < FRAMES_MOST)
                frames[count++] = (uintptr_t)strtoull(*argv, NULL, 16);
        tool_stack_print(stdout, symbols, frames, count, "");
        putchar('\n');
        if (!*argv)
            break;
    }
    tool_symbols_close(symbols);
    puts("end");
    return fflush(stdout) == 0 ? 0 : TOOL_STATUS_TROUBLE;
}
