/*
 * Preloading; see preload.h.
 *
 * The loader ignores LD_PRELOAD for programs that gain rights by being run ("secure execution"), and
 * there is no loader in a static program. Both are decided by the kernel from facts of the file that
 * are visible beforehand, so they are looked at beforehand and the person is told, not left to wonder.
 */
#define _GNU_SOURCE 1
#include "preload.h"

#include "common.h"
#include "elf.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LIBRARY "libtarn-malloc.so"
#define SCRIPTS_DEEP 4 /* as many interpreters of interpreters as the kernel follows */

/* --- the library ------------------------------------------------------------------------------------- */

static int accept_library(const char *candidate, char path[PATH_MAX])
{
    if (!realpath(candidate, path)) {
        tool_complain("cannot open %s: %s; set TARN_LIBRARY to the path of " LIBRARY, candidate, strerror(errno));
        return -1;
    }
    if (!tool_elf_is_library(path)) {
        tool_complain("%s is no shared library for this machine; set TARN_LIBRARY to the path of " LIBRARY, path);
        return -1;
    }
    if (strpbrk(path, ": ")) {
        tool_complain(
            "'%s' has a space or colon in it, which LD_PRELOAD cannot express; "
            "set TARN_LIBRARY to a link without",
            path);
        return -1;
    }
    return 0;
}

/* Takes the file of that name, else the first that matches it as a pattern, that the loader can use. */
static bool find_by_pattern(const char *pattern, char found[PATH_MAX])
{
    glob_t matches;
    bool done = false;

    if (strlen(pattern) < PATH_MAX && tool_elf_is_library(pattern)) {
        strcpy(found, pattern);
        return true;
    }
    if (glob(pattern, 0, NULL, &matches) != 0)
        return false;
    for (size_t i = 0; i < matches.gl_pathc && !done; i++) {
        done = tool_elf_is_library(matches.gl_pathv[i]) && strlen(matches.gl_pathv[i]) < PATH_MAX;
        if (done)
            strcpy(found, matches.gl_pathv[i]);
    }
    globfree(&matches);
    return done;
}

static bool find_near_command(char found[PATH_MAX])
{
    static const char *const places[] = {"", "../lib/", "../lib64/", "../lib/*-linux-*/"};
    char here[PATH_MAX], pattern[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    char *slash;

    if (length <= 0)
        return false;
    here[length] = 0;
    slash = strrchr(here, '/');
    if (!slash)
        return false;
    slash[1] = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(pattern, sizeof pattern, "%s%s" LIBRARY, here, places[i]);
        if (find_by_pattern(pattern, found))
            return true;
    }
    return false;
}

int tool_find_library(char path[PATH_MAX])
{
    const char *named = getenv("TARN_LIBRARY");
    char found[PATH_MAX];

    if (named && *named)
        return accept_library(named, path);
    if (find_near_command(found))
        return accept_library(found, path);
#ifdef TARN_LIBDIR
    if (find_by_pattern(TARN_LIBDIR "/" LIBRARY, found))
        return accept_library(found, path);
#endif
    tool_complain(LIBRARY
                  " was not found beside this command, nor in ../lib from there; "
                  "set TARN_LIBRARY to its path");
    return -1;
}

/* --- the program ------------------------------------------------------------------------------------- */

static bool may_run(const char *path, bool *refused)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return false;
    if (S_ISREG(status.st_mode) && access(path, X_OK) == 0)
        return true;
    *refused = true;
    return false;
}

static void find_program(const char *name, char path[PATH_MAX], bool *refused)
{
    const char *at = getenv("PATH");

    *path = 0;
    if (strchr(name, '/')) {
        if (strlen(name) < PATH_MAX && may_run(name, refused))
            strcpy(path, name);
        return;
    }
    for (at = at ? at : "/bin:/usr/bin"; *name; at++) {
        size_t length = strcspn(at, ":");
        int written = snprintf(path, PATH_MAX, "%.*s%s%s", (int)length, at, length ? "/" : "", name);

        if (written < PATH_MAX && may_run(path, refused))
            return;
        at += length;
        if (!*at)
            break;
    }
    *path = 0;
}

/* The interpreter in a first line `#! /path argument`. False if the file has none. */
static bool read_interpreter(const char *path, char interpreter[PATH_MAX])
{
    char line[PATH_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t length = fd >= 0 ? pread(fd, line, sizeof line - 1, 0) : -1;
    size_t blanks;

    if (fd >= 0)
        close(fd);
    if (length < 3 || line[0] != '#' || line[1] != '!')
        return false;
    line[length] = 0;
    line[strcspn(line, "\n")] = 0;
    blanks = 2 + strspn(line + 2, " \t");
    line[blanks + strcspn(line + blanks, " \t\r")] = 0;
    strcpy(interpreter, line + blanks);
    return *interpreter != 0;
}

/* Whether running the file gives rights that its caller has not, so that its loader runs in secure mode. */
static enum tool_obstacle gained_rights(const char *path)
{
    struct stat status;
    struct statvfs mount;

    if (stat(path, &status) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return TOOL_FREE;
    if (statvfs(path, &mount) == 0 && (mount.f_flag & ST_NOSUID))
        return TOOL_FREE;
    if ((status.st_mode & S_ISUID) && status.st_uid != getuid())
        return TOOL_SET_ID;
    if ((status.st_mode & S_ISGID) && (status.st_mode & S_IXGRP) && status.st_gid != getgid())
        return TOOL_SET_ID;
    /* To root, capabilities of a file are nothing that it had not. */
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return TOOL_CAPABILITIES;
    return TOOL_FREE;
}

static bool same_loader(const char *a, const char *b) { return strcmp(tool_base_name(a), tool_base_name(b)) == 0; }

static void inspect_file(const char *path, struct tool_program *program)
{
    struct tool_elf elf, own;

    tool_elf_read(path, &elf);
    tool_elf_read("/proc/self/exe", &own);
    strcpy(program->loader, elf.loader);
    if (elf.kind == TOOL_ELF_FOREIGN)
        program->obstacle = TOOL_FOREIGN;
    else if (elf.kind == TOOL_ELF_STATIC)
        program->obstacle = TOOL_STATIC;
    else if (elf.loader[0] && own.loader[0] && !same_loader(elf.loader, own.loader))
        program->obstacle = TOOL_OTHER_LOADER;
    else
        program->obstacle = gained_rights(path);
}

void tool_inspect(const char *name, struct tool_program *program)
{
    char path[PATH_MAX], next[PATH_MAX];

    memset(program, 0, sizeof *program);
    find_program(name, program->path, &program->refused);
    if (!program->path[0])
        return;
    strcpy(path, program->path);
    for (int deep = 0; deep < SCRIPTS_DEEP && read_interpreter(path, next); deep++) {
        strcpy(program->interpreter, next);
        strcpy(path, next);
    }
    inspect_file(path, program);
}

bool tool_preload_harms(const struct tool_program *program)
{
    return program->obstacle == TOOL_FOREIGN || program->obstacle == TOOL_OTHER_LOADER;
}

void tool_explain(const struct tool_program *program, char *buffer, size_t size)
{
    const char *what = program->interpreter[0] ? program->interpreter : program->path;
    const char *script = program->interpreter[0] ? ", which runs this script," : "";

    switch (program->obstacle) {
    case TOOL_FREE:
        *buffer = 0;
        break;
    case TOOL_STATIC:
        snprintf(buffer, size, "%s%s is statically linked: it has no dynamic loader that could preload a library", what,
                 script);
        break;
    case TOOL_SET_ID:
        snprintf(buffer, size, "%s%s is set-user-ID or set-group-ID: the loader ignores LD_PRELOAD for it", what, script);
        break;
    case TOOL_CAPABILITIES:
        snprintf(buffer, size, "%s%s has file capabilities: the loader ignores LD_PRELOAD for it", what, script);
        break;
    case TOOL_FOREIGN:
        snprintf(buffer, size, "%s%s is built for another kind of processor than libtarn-malloc.so", what, script);
        break;
    case TOOL_OTHER_LOADER:
        snprintf(buffer, size, "%s%s is started by %s, the loader of another C library than libtarn-malloc.so's", what, script,
                 program->loader);
        break;
    }
}

const char *tool_obstacle_name(enum tool_obstacle obstacle)
{
    static const char *const names[] = {
        [TOOL_FREE] = NULL,
        [TOOL_STATIC] = "static",
        [TOOL_SET_ID] = "set_id",
        [TOOL_CAPABILITIES] = "capabilities",
        [TOOL_FOREIGN] = "foreign_machine",
        [TOOL_OTHER_LOADER] = "other_loader",
    };
    return names[obstacle];
}
