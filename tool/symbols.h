/*
 * Where in the source code an address of a running process lies: function, file, line.
 *
 * With libdw from the debugging information of its files, inlined calls included; without, and of files that have none, by their tables of symbols, which
 * know functions only (symbols_dw.c, symbols_elf.c: one of them is built). The process is not stopped, and need not be alive any longer once something in a module
 * was looked for.
 */
#ifndef TARN_TOOL_SYMBOLS_H
#define TARN_TOOL_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Texts live until the symbols are closed, or are NULL: not known. */
struct tool_place {
    const char *function; /* C++ names with their scopes, without parameters */
    const char *file;     /* relative to where it was compiled, if it lies there */
    unsigned line;        /* 0: not known */
    const char *module;   /* path of the file that is mapped there */
    uint64_t offset;      /* in the module, as tools for files count: what its headers call the address */
    bool inlined;         /* into the next place */
};

struct tool_symbols;

/*
 * Takes in what `pid` has mapped. NULL, with errno: that may not be read. `brief`: of the C library only what its tables of symbols know, as its debugging
 * information, where that is installed, takes longer to read than many a program runs.
 */
struct tool_symbols *tool_symbols_open(pid_t pid, bool brief);

/*
 * Fills in up to `most` places of `address`, the innermost first: the last is the function, those before it were inlined. Returns how many: at
 * least 1, of which all may be unknown. For a return address ask for the byte before it, which belongs to the call.
 */
size_t tool_symbols_find(struct tool_symbols *symbols, uintptr_t address, struct tool_place *places, size_t most);

void tool_symbols_close(struct tool_symbols *symbols);

#endif
