/*
 * Symbols where there is no libdw: functions only, by tables of symbols. See symbols.h.
 */
#include "symbols.h"

#include "common.h"
#include "names.h"

#include <stdlib.h>

struct tool_symbols {
    struct tool_names *names;
};

struct tool_symbols *tool_symbols_open(pid_t pid, bool brief)
{
    struct tool_names *names = tool_names_open(pid);
    struct tool_symbols *symbols = names ? tool_grow(NULL, sizeof *symbols) : NULL;

    (void)brief;
    if (symbols)
        symbols->names = names;
    return symbols;
}

void tool_symbols_close(struct tool_symbols *symbols)
{
    tool_names_close(symbols->names);
    free(symbols);
}

size_t tool_symbols_find(struct tool_symbols *symbols, uintptr_t address, struct tool_place *places, size_t most)
{
    struct tool_named named;

    if (most == 0)
        return 0;
    places[0] = (struct tool_place){.function = NULL};
    if (tool_names_find(symbols->names, address, &named))
        places[0] = (struct tool_place){.function = named.function, .module = named.module, .offset = named.offset};
    return 1;
}
