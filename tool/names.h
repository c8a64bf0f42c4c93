/*
 * Functions by the tables of symbols of ELF files, quickly; and whether a file's debugging information could tell more. The other half is symbols_dw.c.
 */
#ifndef TARN_TOOL_NAMES_H
#define TARN_TOOL_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tool_named {
    const char *function; /* NULL: no table knows it. As in the table: C++ names are not taken apart */
    const char *module;   /* path of the file that is mapped there */
    uint64_t offset;      /* what the file's headers call the address */
    bool lines;           /* it has debugging information, or a file apart has */
    bool system;          /* the C library or its loader */
};

struct tool_names;

/* Takes in what `pid` has mapped. NULL, with errno: that may not be read. */
struct tool_names *tool_names_open(pid_t pid);

/* False: no file is mapped at `address`. Texts live as long as the names. A file is read when it is first asked for; then an answer takes two binary searches. */
bool tool_names_find(struct tool_names *names, uintptr_t address, struct tool_named *named);

void tool_names_close(struct tool_names *names);

#endif
