/*
 * Allocators to compare with; see allocators.h.
 *
 * They are looked for by the usual names of their libraries in the usual directories, and never loaded into
 * this command: an allocator that is loaded takes part. Whether one can be preloaded is found out in a
 * process of its own, since a loader that cannot only complains, and the run would silently be the system's.
 */
#define _GNU_SOURCE 1
#include "allocators.h"

#include "common.h"
#include "elf.h"
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    const char *libraries[4]; /* without .so; the first that is found is taken */
} known[] = {
    {"mimalloc", {"libmimalloc"}},
    {"jemalloc", {"libjemalloc"}},
    {"tcmalloc", {"libtcmalloc_minimal", "libtcmalloc"}},
    {"snmalloc", {"libsnmallocshim", "libsnmalloc", "libsnmallocshim-checks"}},
    {"rpmalloc", {"librpmallocwrap", "librpmalloc"}},
    {"hoard", {"libhoard"}},
    {"scudo", {"libscudo", "libclang_rt.scudo_standalone", "libclang_rt.scudo_standalone-*"}},
    {"mesh", {"libmesh"}},
    {"tbbmalloc", {"libtbbmalloc_proxy"}},
    {"hardened_malloc", {"libhardened_malloc"}},
    {"hardened_malloc-light", {"libhardened_malloc-light"}},
    {"isoalloc", {"libisoalloc"}},
    {"supermalloc", {"libsupermalloc"}},
    {"lockless", {"libllalloc"}},
    {"umem", {"libumem"}},
};

#define KNOWN (sizeof known / sizeof known[0])

/* Versioned first: the plain name is often a linker's link to it, or absent without development files. */
static const char *const endings[] = {".so.[0-9]", ".so.[0-9][0-9]", ".so", ".so.[0-9]*"};

static const char *const directories[] = {
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/local/lib/*-linux-*",
    "/usr/lib/*-linux-*",
    "/lib/*-linux-*",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/lib",
    "/usr/lib/*-linux-*/hardened_malloc",
    "/usr/lib/llvm-*/lib/clang/*/lib/linux",
    "/usr/lib/clang/*/lib/linux",
    "/usr/lib/clang/*/lib/*-linux-*",
    "/opt/*/lib",
    "/opt/homebrew/lib",
    "/home/linuxbrew/.linuxbrew/lib",
};

/* The last match is the highest version. */
static bool find_in(const char *directory, unsigned directory_length, const char *library, char found[PATH_MAX])
{
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char pattern[PATH_MAX];
        glob_t matches;

        if (snprintf(pattern, sizeof pattern, "%.*s/%s%s", (int)directory_length, directory, library, endings[i]) >=
            (int)sizeof pattern)
            continue;
        *found = 0;
        if (glob(pattern, 0, NULL, &matches) != 0)
            continue;
        for (size_t match = 0; match < matches.gl_pathc; match++)
            if (tool_elf_is_library(matches.gl_pathv[match]) && strlen(matches.gl_pathv[match]) < PATH_MAX)
                strcpy(found, matches.gl_pathv[match]);
        globfree(&matches);
        if (*found)
            return true;
    }
    return false;
}

static bool find_library(const char *library, char found[PATH_MAX])
{
    const char *at = getenv("LD_LIBRARY_PATH");

    for (; at && *at; at += strspn(at, ":;")) {
        unsigned length = (unsigned)strcspn(at, ":;");

        if (length && find_in(at, length, library, found))
            return true;
        at += length;
    }
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
        if (find_in(directories[i], (unsigned)strlen(directories[i]), library, found))
            return true;
    return false;
}

static bool find_known(size_t index, char found[PATH_MAX])
{
    for (size_t i = 0; i < 4 && known[index].libraries[i]; i++)
        if (find_library(known[index].libraries[i], found))
            return true;
    return false;
}

static void add(struct tool_allocators *allocators, const char *name, const char *path)
{
    struct tool_allocator *allocator;

    for (unsigned i = 0; i < allocators->count; i++)
        if (strcmp(allocators->all[i].path, path) == 0)
            return;
    if (allocators->count == TOOL_ALLOCATORS_MOST)
        return;
    allocator = &allocators->all[allocators->count++];
    snprintf(allocator->name, sizeof allocator->name, "%.*s", (int)sizeof allocator->name - 1, name);
    snprintf(allocator->path, sizeof allocator->path, "%s", path);
}

void tool_allocators_find(struct tool_allocators *allocators, const char *tarn)
{
    char found[PATH_MAX];

    allocators->count = 0;
    add(allocators, TOOL_SYSTEM, "");
    add(allocators, TOOL_TARN, tarn);
    for (size_t i = 0; i < KNOWN; i++)
        if (find_known(i, found))
            add(allocators, known[i].name, found);
}

static void complain_unknown(const char *name)
{
    char all[1024] = TOOL_SYSTEM ", " TOOL_TARN, here[1024] = TOOL_SYSTEM ", " TOOL_TARN, found[PATH_MAX];

    for (size_t i = 0; i < KNOWN; i++) {
        strcat(strcat(all, ", "), known[i].name);
        if (find_known(i, found))
            strcat(strcat(here, ", "), known[i].name);
    }
    tool_complain("run: --with: no allocator '%s'; known are %s, or the path of a shared object; found here: %s", name, all,
                  here);
}

/* A path of a shared object, under the name of its file. */
static int choose_path(struct tool_allocators *allocators, const char *path)
{
    char real[PATH_MAX], name[64];

    if (!realpath(path, real)) {
        tool_complain("run: --with: cannot open %s: %s", path, strerror(errno));
        return -1;
    }
    if (!tool_elf_is_library(real) || strpbrk(real, ": ")) {
        tool_complain(
            "run: --with: %s cannot be preloaded: it must be a shared object for this machine, "
            "without space or colon in its path",
            path);
        return -1;
    }
    snprintf(name, sizeof name, "%s", tool_base_name(path));
    add(allocators, name, real);
    return 0;
}

static int choose(struct tool_allocators *allocators, const char *name, const char *tarn)
{
    char found[PATH_MAX];

    if (strcmp(name, TOOL_SYSTEM) == 0)
        return 0; /* there already */
    if (strcmp(name, TOOL_TARN) == 0) {
        add(allocators, TOOL_TARN, tarn);
        return 0;
    }
    if (strchr(name, '/'))
        return choose_path(allocators, name);
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(name, known[i].name) == 0 && find_known(i, found)) {
            add(allocators, name, found);
            return 0;
        }
    complain_unknown(name);
    return -1;
}

int tool_allocators_choose(struct tool_allocators *allocators, const char *names, const char *tarn)
{
    allocators->count = 0;
    add(allocators, TOOL_SYSTEM, "");
    while (*names) {
        char name[PATH_MAX];
        size_t length = strcspn(names, ",");

        if (length >= sizeof name) {
            tool_complain("run: --with: a name is too long");
            return -1;
        }
        memcpy(name, names, length);
        name[length] = 0;
        names += length + (names[length] == ',');
        if (length && choose(allocators, name, tarn) != 0)
            return -1;
    }
    return 0;
}

bool tool_allocator_loads(const struct tool_allocator *allocator)
{
    char self[] = "/proc/self/exe", verb[] = "--probe", path[PATH_MAX];
    char *argv[] = {self, verb, path, NULL};
    struct tool_launch launch = {.argv = argv, .preload = allocator->path, .in = -1, .out = -1, .err = -1};
    struct tool_outcome outcome;
    int null, result;

    if (!allocator->path[0])
        return true;
    if (!realpath(allocator->path, path))
        return false;
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    launch.in = launch.out = launch.err = null;
    result = tool_launch(&launch, &outcome);
    if (null >= 0)
        close(null);
    return result == 0 && !outcome.error && tool_exit_status(&outcome) == 0;
}

int tool_allocator_probe(const char *path)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 256];
    int status = 1;

    while (maps && fgets(line, sizeof line, maps)) {
        char *file = strchr(line, '/');

        line[strcspn(line, "\n")] = 0;
        if (file && strcmp(file, path) == 0)
            status = 0;
    }
    if (maps)
        fclose(maps);
    return status;
}
