/*
 * Symbols by libdw, of elfutils; see symbols.h. It is asked of files that have debugging information only: tables of symbols are read quicker here (names.h).
 */
#define _GNU_SOURCE 1
#include "symbols.h"

#include "common.h"
#include "names.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct text {
    struct text *next;
    char s[];
};

struct tool_symbols {
    struct tool_names *names;
    Dwfl *dwfl; /* once it is needed */
    pid_t pid;
    bool brief, failed;
    struct text *texts;
};

static char debug_paths[] = ":.debug:/usr/lib/debug";
static char *debug_path = debug_paths;

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_linux_proc_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .debuginfo_path = &debug_path,
};

struct tool_symbols *tool_symbols_open(pid_t pid, bool brief)
{
    struct tool_names *names = tool_names_open(pid);
    struct tool_symbols *symbols = names ? tool_grow(NULL, sizeof *symbols) : NULL;

    if (symbols)
        *symbols = (struct tool_symbols){.names = names, .pid = pid, .brief = brief};
    return symbols;
}

/* False: libdw cannot take in what the process has mapped; then tables of symbols have to do. */
static bool begin_lines(struct tool_symbols *symbols)
{
    if (symbols->dwfl || symbols->failed)
        return symbols->dwfl;
    unsetenv("DEBUGINFOD_URLS"); /* nothing is asked of servers */
    symbols->dwfl = dwfl_begin(&callbacks);
    if (symbols->dwfl && dwfl_linux_proc_report(symbols->dwfl, symbols->pid) == 0 &&
        dwfl_report_end(symbols->dwfl, NULL, NULL) == 0)
        return true;
    if (symbols->dwfl)
        dwfl_end(symbols->dwfl);
    symbols->dwfl = NULL;
    symbols->failed = true;
    return false;
}

void tool_symbols_close(struct tool_symbols *symbols)
{
    while (symbols->texts) {
        struct text *next = symbols->texts->next;
        free(symbols->texts);
        symbols->texts = next;
    }
    if (symbols->dwfl)
        dwfl_end(symbols->dwfl);
    tool_names_close(symbols->names);
    free(symbols);
}

/* A text that lives as long as the symbols: both parts, with "::" between them if there are two. */
static const char *keep(struct tool_symbols *symbols, const char *outer, const char *inner)
{
    size_t front = outer ? strlen(outer) + 2 : 0, length = strlen(inner) + 1;
    struct text *text = tool_grow(NULL, sizeof *text + front + length);

    if (outer) {
        memcpy(text->s, outer, front - 2);
        memcpy(text->s + front - 2, "::", 2);
    }
    memcpy(text->s + front, inner, length);
    text->next = symbols->texts;
    symbols->texts = text;
    return text->s;
}

/* The declaration that a function's entry leads to: that lies within its class or namespace. */
static Dwarf_Die declaration_of(Dwarf_Die *die)
{
    Dwarf_Die at = *die, next;
    Dwarf_Attribute attribute;

    for (int i = 0; i < 8; i++) {
        if (!dwarf_attr(&at, DW_AT_abstract_origin, &attribute) && !dwarf_attr(&at, DW_AT_specification, &attribute))
            break;
        if (!dwarf_formref_die(&attribute, &next))
            break;
        at = next;
    }
    return at;
}

static const char *name_of(struct tool_symbols *symbols, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);
    Dwarf_Die declaration = declaration_of(die), *scopes = NULL;
    int count = name ? dwarf_getscopes_die(&declaration, &scopes) : 0;

    for (int i = 1; i < count; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_namespace && tag != DW_TAG_class_type && tag != DW_TAG_structure_type)
            continue;
        const char *outer = dwarf_diename(&scopes[i]);
        name = keep(symbols, outer ? outer : "(anonymous)", name);
    }
    free(scopes);
    return name;
}

/* A file's name without the directory that it was compiled in. */
static const char *shorten(Dwarf_Die *unit, const char *file)
{
    Dwarf_Attribute attribute;
    const char *directory = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    size_t length = directory ? strlen(directory) : 0;

    if (file && length > 1 && strncmp(file, directory, length) == 0 && file[length] == '/')
        return file + length + 1;
    return file;
}

/* Where an inlined function was called, which is where the one around it is. */
static void take_call(Dwarf_Die *unit, Dwarf_Die *inlined, const char **file, unsigned *line)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    Dwarf_Files *files = NULL;

    *file = NULL;
    *line = 0;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &value) == 0 &&
        dwarf_getsrcfiles(unit, &files, NULL) == 0)
        *file = shorten(unit, dwarf_filesrc(files, value, NULL, NULL));
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &value) == 0)
        *line = (unsigned)value;
}

/* The functions at an address of a unit, by its entries. Returns how many. */
static size_t take_functions(struct tool_symbols *symbols, Dwarf_Die *unit, Dwarf_Addr address, struct tool_place first,
                             struct tool_place *places, size_t most)
{
    Dwarf_Die *innermost = NULL, *scopes = NULL;
    int found = dwarf_getscopes(unit, address, &innermost);
    int count = found > 0 ? dwarf_getscopes_die(&innermost[0], &scopes) : 0;
    size_t n = 0;

    for (int i = 0; i < count && n < most; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
            continue;
        places[n] = first;
        places[n].inlined = tag == DW_TAG_inlined_subroutine;
        places[n].function = name_of(symbols, &scopes[i]);
        if (n > 0 && !places[n - 1].inlined)
            break;
        n++;
        if (tag == DW_TAG_subprogram)
            break;
        take_call(unit, &scopes[i], &first.file, &first.line);
    }
    free(innermost);
    free(scopes);
    return n;
}

static void take_line(Dwfl_Module *module, Dwarf_Addr address, Dwarf_Die *unit, struct tool_place *place)
{
    Dwfl_Line *line = dwfl_module_getsrc(module, address);
    int number = 0;
    const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;

    place->file = unit ? shorten(unit, file) : file;
    place->line = file && number > 0 ? (unsigned)number : 0;
}

/* By debugging information, and libdw's view of the tables. */
static size_t find_lines(struct tool_symbols *symbols, uintptr_t address, struct tool_place *places, size_t most)
{
    Dwfl_Module *module = dwfl_addrmodule(symbols->dwfl, address);
    struct tool_place place = {.function = NULL};
    Dwarf_Addr bias = 0, from = 0;
    GElf_Off offset = 0;
    GElf_Sym symbol;
    size_t count = 0;

    places[0] = place;
    if (!module)
        return 1;
    place.module = dwfl_module_info(module, NULL, &from, NULL, NULL, NULL, NULL, NULL);
    place.offset = dwfl_module_getelf(module, &bias) ? address - bias : address - from;
    Dwarf_Die *unit = dwfl_module_addrdie(module, address, &bias);
    take_line(module, address, unit, &place);
    if (unit)
        count = take_functions(symbols, unit, address - bias, place, places, most);
    if (count > 0 && places[count - 1].function)
        return count;
    if (count == 0)
        places[count++] = place;
    const char *name = dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);
    places[count - 1].function = name && (symbol.st_size == 0 || offset < symbol.st_size) ? name : NULL;
    return count;
}

size_t tool_symbols_find(struct tool_symbols *symbols, uintptr_t address, struct tool_place *places, size_t most)
{
    struct tool_named named;
    bool known = tool_names_find(symbols->names, address, &named);

    if (most == 0)
        return 0;
    if ((!known || (named.lines && !(symbols->brief && named.system))) && begin_lines(symbols))
        return find_lines(symbols, address, places, most);
    places[0] = (struct tool_place){.function = named.function, .module = named.module, .offset = named.offset};
    return 1;
}
