/*
 * Functions by tables of symbols; see names.h.
 *
 * Of a file that is mapped in several pieces there is one `struct file`; its functions are put in order of address when it is first asked for.
 */
#define _GNU_SOURCE 1
#include "names.h"

#include "common.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct function {
    uint64_t begin, end;
    const char *name;
    unsigned rank; /* of several names the one with the least */
};

struct file {
    char *path;
    pid_t pid;                  /* in whose root it is */
    const unsigned char *bytes; /* mapped; NULL: it cannot be read, or is no such file */
    size_t size;
    bool asked, lines, system;
    struct function *functions; /* by address */
    size_t count;
};

struct piece {
    uintptr_t begin, end;
    uint64_t offset;
    size_t file;
};

struct tool_names {
    struct file *files;
    struct piece *pieces; /* by address */
    size_t file_count, piece_count;
};

/* What is mapped */

static size_t file_of(struct tool_names *names, pid_t pid, const char *path, size_t length)
{
    const char *base;
    char *copy;

    for (size_t i = names->file_count; i-- > 0;)
        if (strlen(names->files[i].path) == length && memcmp(names->files[i].path, path, length) == 0)
            return i;
    copy = strndup(path, length);
    if (!copy)
        tool_die("out of memory");
    base = tool_base_name(copy);
    names->files = tool_grow(names->files, (names->file_count + 1) * sizeof *names->files);
    names->files[names->file_count] = (struct file){.path = copy,
                                                    .pid = pid,
                                                    .system = strncmp(base, "libc.", 5) == 0 ||
                                                              strncmp(base, "libc-", 5) == 0 || strncmp(base, "ld-", 3) == 0};
    return names->file_count++;
}

static void take_mapping(struct tool_names *names, pid_t pid, const char *line)
{
    unsigned long begin, end, offset;
    int path = 0;

    if (sscanf(line, "%lx-%lx %*4s %lx %*s %*s %n", &begin, &end, &offset, &path) != 3 || line[path] != '/')
        return;
    names->pieces = tool_grow(names->pieces, (names->piece_count + 1) * sizeof *names->pieces);
    names->pieces[names->piece_count++] =
        (struct piece){begin, end, offset, file_of(names, pid, line + path, strcspn(line + path, "\n"))};
}

struct tool_names *tool_names_open(pid_t pid)
{
    struct tool_names *names;
    char path[64], *line = NULL;
    size_t room = 0;
    FILE *maps;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    if (!maps)
        return NULL;
    names = tool_grow(NULL, sizeof *names);
    *names = (struct tool_names){.file_count = 0};
    while (getline(&line, &room, maps) > 0)
        take_mapping(names, pid, line);
    free(line);
    fclose(maps);
    return names;
}

void tool_names_close(struct tool_names *names)
{
    for (size_t i = 0; i < names->file_count; i++) {
        if (names->files[i].bytes)
            munmap((void *)(uintptr_t)names->files[i].bytes, names->files[i].size);
        free(names->files[i].functions);
        free(names->files[i].path);
    }
    free(names->files);
    free(names->pieces);
    free(names);
}

/* A file */

/* As the process sees it, which may have another root than ours; else as we do. */
static int open_file(const struct file *file)
{
    char path[PATH_MAX + 32];
    int fd;

    snprintf(path, sizeof path, "/proc/%d/root%s", (int)file->pid, file->path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 ? fd : open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static void map_file(struct file *file)
{
    struct stat status;
    int fd = open_file(file);

    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > (off_t)sizeof(ElfW(Ehdr))) {
        void *p = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        file->bytes = p == MAP_FAILED ? NULL : p;
        file->size = p == MAP_FAILED ? 0 : (size_t)status.st_size;
    }
    if (fd >= 0)
        close(fd);
    if (file->bytes && (memcmp(file->bytes, ELFMAG, SELFMAG) != 0 || file->bytes[EI_CLASS] != (sizeof(long) == 8 ? 2 : 1))) {
        munmap((void *)(uintptr_t)file->bytes, file->size);
        file->bytes = NULL;
    }
}

/* A part of the file, or NULL: it has not that much. */
static const void *part(const struct file *file, uint64_t at, uint64_t bytes)
{
    return file->bytes && at <= file->size && bytes <= file->size - at ? file->bytes + at : NULL;
}

static const ElfW(Shdr) * section_of(const struct file *file, unsigned number)
{
    const ElfW(Ehdr) *header = part(file, 0, sizeof *header);
    return header && number < header->e_shnum && header->e_shentsize == sizeof(ElfW(Shdr))
               ? part(file, header->e_shoff + (uint64_t)number * sizeof(ElfW(Shdr)), sizeof(ElfW(Shdr)))
               : NULL;
}

/* A text that ends within the file, or NULL. */
static const char *text_at(const struct file *file, const ElfW(Shdr) * strings, uint64_t offset)
{
    const char *text = offset < strings->sh_size ? part(file, strings->sh_offset + offset, 1) : NULL;
    size_t most = text ? file->size - (size_t)((const unsigned char *)text - file->bytes) : 0;
    return text && strnlen(text, most) < most ? text : NULL;
}

static void take_symbols(struct file *file, const ElfW(Shdr) * section)
{
    const ElfW(Shdr) *strings = section_of(file, section->sh_link);
    const ElfW(Sym) *symbols = part(file, section->sh_offset, section->sh_size);
    size_t count = symbols ? section->sh_size / sizeof *symbols : 0;

    if (!strings || count == 0)
        return;
    file->functions = tool_grow(file->functions, (file->count + count) * sizeof *file->functions);
    for (size_t i = 0; i < count; i++) {
        ElfW(Sym) symbol;
        unsigned type, bind;
        memcpy(&symbol, (const char *)symbols + i * sizeof symbol, sizeof symbol);
        type = symbol.st_info & 15;
        bind = symbol.st_info >> 4;
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF || symbol.st_name >= strings->sh_size)
            continue;
        file->functions[file->count++] =
            (struct function){symbol.st_value, symbol.st_value + symbol.st_size, text_at(file, strings, symbol.st_name),
                              bind == STB_GLOBAL ? 0
                              : bind == STB_WEAK ? 1
                                                 : 2};
    }
}

static int by_address(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Whether a file apart has its debugging information, by the number of the build. */
static bool is_apart(const struct file *file, const ElfW(Shdr) * notes)
{
    static const char directory[] = "/usr/lib/debug/.build-id/";
    const ElfW(Nhdr) *note = part(file, notes->sh_offset, sizeof *note);
    char path[sizeof directory + 2 * 64 + 16], *to = path + sizeof directory - 1;
    const unsigned char *id = note && note->n_descsz > 2 && note->n_descsz <= 64 && note->n_type == NT_GNU_BUILD_ID
                                  ? part(file, notes->sh_offset + sizeof *note + 4, note->n_descsz)
                                  : NULL;

    if (!id)
        return false;
    memcpy(path, directory, sizeof directory);
    for (uint32_t i = 0; i < note->n_descsz; i++)
        to += sprintf(to, i == 1 ? "/%02x" : "%02x", id[i]);
    strcpy(to, ".debug");
    return access(path, R_OK) == 0;
}

/* The same by its name: beside it, or where distributions put them. */
static bool is_beside(const struct file *file, const ElfW(Shdr) * link)
{
    const char *name = text_at(file, link, 0);
    int length = (int)(tool_base_name(file->path) - file->path);
    char path[2 * PATH_MAX];
    static const char *const forms[] = {"%.*s%s", "%.*s.debug/%s", "/usr/lib/debug%.*s%s"};

    for (size_t i = 0; name && i < sizeof forms / sizeof *forms; i++) {
        int written = snprintf(path, sizeof path, forms[i], length, file->path, name);
        if (written > 0 && (size_t)written < sizeof path && access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static void take_section(struct file *file, const ElfW(Shdr) * section, const char *name)
{
    if (section->sh_type == SHT_SYMTAB || section->sh_type == SHT_DYNSYM)
        take_symbols(file, section);
    else if (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0)
        file->lines |= section->sh_type != SHT_NOBITS;
    else if (strcmp(name, ".note.gnu.build-id") == 0)
        file->lines |= is_apart(file, section);
    else if (strcmp(name, ".gnu_debuglink") == 0)
        file->lines |= is_beside(file, section);
}

static void read_file(struct file *file)
{
    const ElfW(Ehdr) * header;
    const ElfW(Shdr) * names, *section;

    file->asked = true;
    map_file(file);
    header = part(file, 0, sizeof *header);
    names = header ? section_of(file, header->e_shstrndx) : NULL;
    for (unsigned i = 0; names && (section = section_of(file, i)); i++) {
        const char *name = text_at(file, names, section->sh_name);
        take_section(file, section, name ? name : "");
    }
    if (file->count > 0)
        qsort(file->functions, file->count, sizeof *file->functions, by_address);
}

/* Looking up */

/* What the file's headers call the address that lies at `offset` in it. */
static uint64_t address_in(const struct file *file, uint64_t offset)
{
    const ElfW(Ehdr) *header = part(file, 0, sizeof *header);

    for (unsigned i = 0; header && i < header->e_phnum; i++) {
        const ElfW(Phdr) *segment = part(file, header->e_phoff + (uint64_t)i * header->e_phentsize, sizeof *segment);
        if (segment && segment->p_type == PT_LOAD && offset >= segment->p_offset &&
            offset - segment->p_offset < segment->p_filesz)
            return offset - segment->p_offset + segment->p_vaddr;
    }
    return offset;
}

static const char *function_at(const struct file *file, uint64_t address)
{
    size_t low = 0, high = file->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (file->functions[middle].begin <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    for (high = low - 1; high > 0 && file->functions[high - 1].begin == file->functions[low - 1].begin;)
        high--;
    for (; high < low; high++)
        if (address < file->functions[high].end || file->functions[high].begin == file->functions[high].end)
            return file->functions[high].name;
    return NULL;
}

bool tool_names_find(struct tool_names *names, uintptr_t address, struct tool_named *named)
{
    size_t low = 0, high = names->piece_count;
    const struct piece *piece;
    struct file *file;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->pieces[middle].begin <= address)
            low = middle + 1;
        else
            high = middle;
    }
    piece = low > 0 ? &names->pieces[low - 1] : NULL;
    *named = (struct tool_named){.function = NULL};
    if (!piece || address >= piece->end)
        return false;
    file = &names->files[piece->file];
    if (!file->asked)
        read_file(file);
    named->offset = address_in(file, address - piece->begin + piece->offset);
    named->function = function_at(file, named->offset);
    named->module = file->path;
    named->lines = file->lines;
    named->system = file->system;
    return true;
}
