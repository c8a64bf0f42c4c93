/*
 * Symbols by the tables of ELF files; see symbols.h. A file is read when the first address in it is asked for.
 */
#define _GNU_SOURCE 1
#include "symbols.h"

#include "common.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A mapped file: its bytes, once they were asked for. */
struct module {
    uintptr_t begin, end;
    uint64_t offset;
    char *path;
    const unsigned char *bytes;
    size_t size;
    bool asked;
};

struct tool_symbols {
    struct module *modules;
    size_t count;
};

static void take_mapping(struct tool_symbols *symbols, const char *line)
{
    unsigned long begin, end, offset;
    int path = 0;

    if (sscanf(line, "%lx-%lx %*4s %lx %*s %*s %n", &begin, &end, &offset, &path) != 3 || line[path] != '/')
        return;
    symbols->modules = tool_grow(symbols->modules, (symbols->count + 1) * sizeof *symbols->modules);
    symbols->modules[symbols->count++] =
        (struct module){.begin = begin, .end = end, .offset = offset, .path = strndup(line + path, strcspn(line + path, "\n"))};
}

struct tool_symbols *tool_symbols_open(pid_t pid)
{
    struct tool_symbols *symbols;
    char path[64], *line = NULL;
    size_t room = 0;
    FILE *maps;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    if (!maps)
        return NULL;
    symbols = tool_grow(NULL, sizeof *symbols);
    *symbols = (struct tool_symbols){.count = 0};
    while (getline(&line, &room, maps) > 0)
        take_mapping(symbols, line);
    free(line);
    fclose(maps);
    return symbols;
}

void tool_symbols_close(struct tool_symbols *symbols)
{
    for (size_t i = 0; i < symbols->count; i++) {
        if (symbols->modules[i].bytes)
            munmap((void *)(uintptr_t)symbols->modules[i].bytes, symbols->modules[i].size);
        free(symbols->modules[i].path);
    }
    free(symbols->modules);
    free(symbols);
}

static void read_module(struct module *module)
{
    struct stat status;
    int fd = open(module->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    module->asked = true;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > (off_t)sizeof(ElfW(Ehdr))) {
        void *p = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        module->bytes = p == MAP_FAILED ? NULL : p;
        module->size = p == MAP_FAILED ? 0 : (size_t)status.st_size;
    }
    if (fd >= 0)
        close(fd);
    if (module->bytes &&
        (memcmp(module->bytes, ELFMAG, SELFMAG) != 0 || module->bytes[EI_CLASS] != (sizeof(long) == 8 ? 2 : 1))) {
        munmap((void *)(uintptr_t)module->bytes, module->size);
        module->bytes = NULL;
    }
}

/* A piece of the file, or NULL: it has not that much. */
static const void *piece(const struct module *module, uint64_t at, uint64_t bytes)
{
    return at <= module->size && bytes <= module->size - at ? module->bytes + at : NULL;
}

/* What the file's headers call the address that lies at `offset` in it. */
static uint64_t address_in(const struct module *module, uint64_t offset)
{
    const ElfW(Ehdr) *header = piece(module, 0, sizeof *header);

    for (unsigned i = 0; header && i < header->e_phnum; i++) {
        const ElfW(Phdr) *segment = piece(module, header->e_phoff + (uint64_t)i * header->e_phentsize, sizeof *segment);
        if (segment && segment->p_type == PT_LOAD && offset >= segment->p_offset &&
            offset - segment->p_offset < segment->p_filesz)
            return offset - segment->p_offset + segment->p_vaddr;
    }
    return offset;
}

/* The function that has `address` in the table of symbols that `section` is, or NULL. */
static const char *function_in(const struct module *module, const ElfW(Ehdr) * header, const ElfW(Shdr) * section,
                               uint64_t address)
{
    const ElfW(Shdr) *strings =
        piece(module, header->e_shoff + (uint64_t)section->sh_link * header->e_shentsize, sizeof *strings);

    for (uint64_t i = 0; strings && i + sizeof(ElfW(Sym)) <= section->sh_size; i += sizeof(ElfW(Sym))) {
        const ElfW(Sym) *symbol = piece(module, section->sh_offset + i, sizeof *symbol);
        if (!symbol)
            break;
        if ((symbol->st_info & 15) != STT_FUNC || symbol->st_shndx == SHN_UNDEF || address < symbol->st_value ||
            address - symbol->st_value >= symbol->st_size || symbol->st_name >= strings->sh_size)
            continue;
        const char *name = piece(module, strings->sh_offset + symbol->st_name, 1);
        size_t most = name ? module->size - (size_t)((const unsigned char *)name - module->bytes) : 0;
        return name && strnlen(name, most) < most ? name : NULL;
    }
    return NULL;
}

static const char *function_at(const struct module *module, uint64_t address)
{
    const ElfW(Ehdr) *header = piece(module, 0, sizeof *header);
    const char *found = NULL;

    for (unsigned i = 0; header && i < header->e_shnum && !found; i++) {
        const ElfW(Shdr) *section = piece(module, header->e_shoff + (uint64_t)i * header->e_shentsize, sizeof *section);
        if (section && (section->sh_type == SHT_SYMTAB || section->sh_type == SHT_DYNSYM))
            found = function_in(module, header, section, address);
    }
    return found;
}

size_t tool_symbols_find(struct tool_symbols *symbols, uintptr_t address, struct tool_place *places, size_t most)
{
    if (most == 0)
        return 0;
    places[0] = (struct tool_place){.function = NULL};
    for (size_t i = 0; i < symbols->count; i++) {
        struct module *module = &symbols->modules[i];
        if (address < module->begin || address >= module->end)
            continue;
        if (!module->asked)
            read_module(module);
        places[0].module = module->path;
        places[0].offset = address - module->begin + module->offset;
        if (module->bytes) {
            places[0].offset = address_in(module, places[0].offset);
            places[0].function = function_at(module, places[0].offset);
        }
    }
    return 1;
}
