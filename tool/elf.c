/*
 * Reading ELF headers; see elf.h.
 *
 * Only files of this command's own class and machine are read further than their first bytes, so the
 * native structures suffice. "Own" is taken from /proc/self/exe, not from a list of machines.
 */
#include "elf.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

static bool read_at(int fd, void *to, size_t bytes, uint64_t offset)
{
    return pread(fd, to, bytes, (off_t)offset) == (ssize_t)bytes;
}

static bool same_machine(const ElfW(Ehdr) * a, const ElfW(Ehdr) * b)
{
    return a->e_ident[EI_CLASS] == b->e_ident[EI_CLASS] && a->e_ident[EI_DATA] == b->e_ident[EI_DATA] &&
           a->e_machine == b->e_machine;
}

static bool read_own_header(ElfW(Ehdr) * header)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && read_at(fd, header, sizeof *header, 0);

    if (fd >= 0)
        close(fd);
    return done;
}

/* A shared object has a name of its own (DT_SONAME); a static-pie program has not. */
static bool has_soname(int fd, const ElfW(Phdr) * dynamic)
{
    for (uint64_t at = 0; at + sizeof(ElfW(Dyn)) <= dynamic->p_filesz; at += sizeof(ElfW(Dyn))) {
        ElfW(Dyn) entry;

        if (!read_at(fd, &entry, sizeof entry, dynamic->p_offset + at) || entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == DT_SONAME)
            return true;
    }
    return false;
}

static void read_segments(int fd, const ElfW(Ehdr) * header, struct tool_elf *elf)
{
    bool dynamic = false, named = false;

    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;

        if (!read_at(fd, &segment, sizeof segment, header->e_phoff + (uint64_t)i * header->e_phentsize))
            return;
        if (segment.p_type == PT_INTERP && segment.p_filesz > 0 && segment.p_filesz < sizeof elf->loader) {
            if (!read_at(fd, elf->loader, segment.p_filesz, segment.p_offset))
                return;
            elf->loader[segment.p_filesz] = 0;
        }
        if (segment.p_type == PT_DYNAMIC) {
            dynamic = true;
            named = has_soname(fd, &segment);
        }
    }
    if (elf->loader[0])
        elf->kind = TOOL_ELF_DYNAMIC;
    else if (header->e_type == ET_DYN && dynamic && named)
        elf->kind = TOOL_ELF_LIBRARY;
    else
        elf->kind = TOOL_ELF_STATIC;
}

void tool_elf_read(const char *path, struct tool_elf *elf)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ElfW(Ehdr) header, own;

    elf->kind = TOOL_ELF_NONE;
    elf->loader[0] = 0;
    if (fd < 0)
        return;
    memset(&header, 0, sizeof header);
    /* A file of the smaller class may be shorter than a header of the larger one: only the ident is needed to tell. */
    if (pread(fd, &header, sizeof header, 0) >= 20 && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && read_own_header(&own)) {
        if (!same_machine(&header, &own))
            elf->kind = TOOL_ELF_FOREIGN;
        else
            read_segments(fd, &header, elf);
    }
    close(fd);
}

bool tool_elf_is_library(const char *path)
{
    struct tool_elf elf;

    tool_elf_read(path, &elf);
    /* libc and its like carry a loader's name and can be run; as libraries they are libraries all the same. */
    if (elf.kind == TOOL_ELF_STATIC) {
        /* A shared object linked without a soname looks like a static-pie program: let the loader decide. */
        const char *base = strrchr(path, '/');
        return strstr(base ? base : path, ".so") != NULL;
    }
    return elf.kind == TOOL_ELF_LIBRARY || elf.kind == TOOL_ELF_DYNAMIC;
}
