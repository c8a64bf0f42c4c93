/*
 * What an ELF file tells before it is run: can the dynamic loader put a library in front of it?
 */
#ifndef TARN_TOOL_ELF_H
#define TARN_TOOL_ELF_H

#include <limits.h>
#include <stdbool.h>

enum tool_elf_kind {
    TOOL_ELF_NONE,    /* cannot be read, or no ELF file */
    TOOL_ELF_FOREIGN, /* of another class, byte order or machine than this command */
    TOOL_ELF_STATIC,  /* a program without a dynamic loader */
    TOOL_ELF_DYNAMIC, /* a program that the dynamic loader in `loader` starts, or that loader itself */
    TOOL_ELF_LIBRARY, /* a shared object that is no program */
};

struct tool_elf {
    enum tool_elf_kind kind;
    char loader[PATH_MAX]; /* empty if there is none */
};

void tool_elf_read(const char *path, struct tool_elf *elf);

/* Whether `path` is a shared object that programs of this command's kind can load. */
bool tool_elf_is_library(const char *path);

#endif
