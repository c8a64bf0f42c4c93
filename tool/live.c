/*
 * Reading a running process; see live.h. Here: the process, its mappings and its memory. What is in it: live_root.c.
 */
#define _GNU_SOURCE 1
#include "live_root.h"

#include "common.h"
#include "elf.h"
#include "emit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define DOCUMENT_VERSION 1        /* counts up only if a field changes its meaning */
#define BATCH 512u                /* pieces of one call; the system takes 1024 */
#define KERNEL_THREAD 0x00200000u /* among the flags of /proc/PID/stat */

bool tool_live_arguments(const char *verb, char **argv, bool groups, struct tool_live_options *options)
{
    *options = (struct tool_live_options){.json = false};
    for (; *argv; argv++) {
        if (strcmp(*argv, "--json") == 0)
            options->json = true;
        else if (groups && strcmp(*argv, "--groups") == 0)
            options->groups = true;
        else if (strcmp(*argv, "--help") == 0 || strcmp(*argv, "-h") == 0)
            options->help = true;
        else if ((*argv)[0] == '-') {
            tool_complain("unknown option '%s'; see 'tarn %s --help'", *argv, verb);
            return false;
        } else if (options->pid) {
            tool_complain("one process at a time, not '%s' and '%s'", options->pid, *argv);
            return false;
        } else {
            options->pid = *argv;
        }
    }
    if (!options->pid && !options->help)
        tool_complain("no process is named; use 'tarn %s PID'", verb);
    return options->pid || options->help;
}

/* Files of /proc */

int tool_live_file(const struct tool_live *live, const char *name)
{
    return openat(live->directory, name, O_RDONLY | O_CLOEXEC);
}

static FILE *open_text(const struct tool_live *live, const char *name)
{
    int fd = tool_live_file(live, name);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;

    if (!file && fd >= 0)
        close(fd);
    return file;
}

/* From /proc/PID/stat. A state of 0: there is no such process any more. */
struct state {
    char letter;
    unsigned flags;
};

static struct state state_of(const struct tool_live *live)
{
    char line[512] = "";
    struct state state = {0, 0};
    int fd = tool_live_file(live, "stat");
    ssize_t length = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;
    const char *name_end = length > 0 ? strrchr(line, ')') : NULL;

    if (!name_end || sscanf(name_end + 1, " %c %*d %*d %*d %*d %*d %u", &state.letter, &state.flags) != 2)
        state.letter = 0;
    if (fd >= 0)
        close(fd);
    return state;
}

static bool has_ended(const struct tool_live *live)
{
    char letter = state_of(live).letter;
    return letter == 0 || letter == 'Z' || letter == 'X';
}

static void read_program(struct tool_live *live)
{
    int fd = tool_live_file(live, "comm");
    ssize_t length = fd >= 0 ? read(fd, live->program, sizeof live->program - 1) : 0;

    live->program[length > 0 ? length : 0] = 0;
    live->program[strcspn(live->program, "\n")] = 0;
    if (fd >= 0)
        close(fd);
}

/* Mappings */

static void add_size(struct tool_mapping *mapping, const char *line)
{
    uint64_t kib;

    if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
        mapping->resident = kib * 1024;
    else if (sscanf(line, "Anonymous: %" SCNu64, &kib) == 1)
        mapping->anonymous = kib * 1024;
    else if (sscanf(line, "Swap: %" SCNu64, &kib) == 1)
        mapping->swapped = kib * 1024;
}

static bool parse_mapping(const char *line, struct tool_mapping *mapping)
{
    unsigned major, minor;
    int path = 0;

    *mapping = (struct tool_mapping){.begin = 0};
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &mapping->begin, &mapping->end,
               mapping->mode, &mapping->offset, &major, &minor, &mapping->inode, &path) != 7 ||
        mapping->begin >= mapping->end)
        return false;
    mapping->device = makedev(major, minor);
    mapping->path = strdup(path ? line + path : "");
    if (!mapping->path)
        tool_die("out of memory");
    mapping->path[strcspn(mapping->path, "\n")] = 0;
    return true;
}

bool tool_mappings_read(const struct tool_live *live, bool sizes, struct tool_mappings *mappings)
{
    FILE *file = open_text(live, sizes ? "smaps" : "maps");
    char *line = NULL;
    size_t room = 0, allocated = 0;
    struct tool_mapping mapping;

    *mappings = (struct tool_mappings){.all = NULL};
    if (!file)
        return false;
    while (getline(&line, &room, file) > 0) {
        if (parse_mapping(line, &mapping)) {
            if (mappings->count == allocated) {
                allocated = allocated ? 2 * allocated : 128;
                mappings->all = tool_grow(mappings->all, allocated * sizeof mapping);
            }
            mappings->all[mappings->count++] = mapping;
        } else if (mappings->count > 0) {
            add_size(&mappings->all[mappings->count - 1], line);
        }
    }
    free(line);
    fclose(file);
    return true;
}

void tool_mappings_free(struct tool_mappings *mappings)
{
    for (size_t i = 0; i < mappings->count; i++)
        free(mappings->all[i].path);
    free(mappings->all);
    *mappings = (struct tool_mappings){.all = NULL};
}

struct tool_mapping *tool_mapping_at(const struct tool_mappings *mappings, uintptr_t address)
{
    size_t low = 0, high = mappings->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (mappings->all[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < mappings->count && mappings->all[low].begin <= address ? &mappings->all[low] : NULL;
}

/* Memory */

static bool read_slowly(const struct tool_live *live, uintptr_t at, char *to, size_t bytes)
{
    while (bytes > 0) {
        ssize_t got = pread(live->memory, to, bytes, (off_t)at);
        if (got <= 0)
            return false;
        at += (size_t)got;
        to += got;
        bytes -= (size_t)got;
    }
    return true;
}

bool tool_live_read(const struct tool_live *live, uintptr_t at, void *to, size_t bytes)
{
    return tool_live_read_many(live, &(struct tool_piece){at, to, bytes}, 1);
}

bool tool_live_read_many(const struct tool_live *live, const struct tool_piece *pieces, size_t count)
{
    struct iovec here[BATCH], there[BATCH];

    for (size_t done = 0; done < count;) {
        size_t n = 0, wanted = 0;

        for (; n < BATCH && done + n < count; n++) {
            const struct tool_piece *piece = &pieces[done + n];
            if (piece->at > UINTPTR_MAX - piece->bytes)
                return false;
            if (live->memory >= 0 && !read_slowly(live, piece->at, piece->to, piece->bytes))
                return false;
            here[n] = (struct iovec){piece->to, piece->bytes};
            there[n] = (struct iovec){(void *)piece->at, piece->bytes};
            wanted += piece->bytes;
        }
        if (live->memory < 0 && process_vm_readv(live->pid, here, n, there, n, 0) != (ssize_t)wanted)
            return false;
        done += n;
    }
    return true;
}

/* Opening */

static void say_forbidden(const struct tool_live *live)
{
    struct stat status;
    int scope = 0;
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "r");

    if (file && fscanf(file, "%d", &scope) != 1)
        scope = 0;
    if (file)
        fclose(file);
    if (fstat(live->directory, &status) == 0 && status.st_uid != geteuid())
        tool_complain("process %d may not be read by this user: it is user %u's; run tarn as that user or as root",
                      (int)live->pid, (unsigned)status.st_uid);
    else if (scope >= 3)
        tool_complain(
            "process %d may not be read: kernel.yama.ptrace_scope is 3, which forbids it to everyone until the system is "
            "started again",
            (int)live->pid);
    else if (scope > 0)
        tool_complain("process %d may not be read: kernel.yama.ptrace_scope is %d; run tarn as root%s", (int)live->pid, scope,
                      scope == 1 ? ", or set it to 0" : "");
    else
        tool_complain("process %d may not be read: the system protects it; run tarn as root, with CAP_SYS_PTRACE",
                      (int)live->pid);
}

/* Why nothing of the process can be read, which has no mappings. */
static void say_empty(const struct tool_live *live)
{
    struct state state = state_of(live);

    if (state.letter == 0)
        tool_complain("there is no process %d", (int)live->pid);
    else if (state.letter == 'Z' || state.letter == 'X')
        tool_complain("process %d (%s) has ended and waits for its parent", (int)live->pid, live->program);
    else if (state.flags & KERNEL_THREAD)
        tool_complain("process %d (%s) is a thread of the kernel", (int)live->pid, live->program);
    else
        tool_complain("process %d (%s) is just ending", (int)live->pid, live->program);
}

static bool open_directory(struct tool_live *live, const char *pid)
{
    char path[64];
    char *end;
    long number;

    errno = 0;
    number = strtol(pid, &end, 10);
    if (errno || *end || pid[0] < '0' || pid[0] > '9' || number <= 0 || number > INT_MAX) {
        tool_complain("'%s' is no process number", pid);
        return false;
    }
    live->pid = (pid_t)number;
    snprintf(path, sizeof path, "/proc/%ld", number);
    live->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return true;
}

/* Whether its memory may be read, and how. `probe` is an address that is mapped. Returns 0 or an errno. */
static int open_memory(struct tool_live *live, uintptr_t probe)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)probe, 1};

    if (process_vm_readv(live->pid, &here, 1, &there, 1, 0) == 1)
        return 0;
    if (errno == EPERM || errno == EACCES || errno == ESRCH)
        return errno;
    /* ENOSYS, where the call is not configured or filtered; and EFAULT, if the mapping has gone. */
    live->memory = tool_live_file(live, "mem");
    return live->memory >= 0 ? 0 : errno;
}

static int look_for_library(struct tool_live *live, const struct tool_mappings *mappings)
{
    struct tool_elf elf;
    char path[64];

    switch (tool_live_find(live, mappings)) {
    case TOOL_LIVE_FOUND:
        return 0;
    case TOOL_LIVE_UNUSABLE:
        return TOOL_STATUS_TROUBLE;
    case TOOL_LIVE_NOTHING:
        break;
    }
    snprintf(path, sizeof path, "/proc/%d/exe", (int)live->pid);
    tool_elf_read(path, &elf);
    if (has_ended(live))
        tool_complain("process %d (%s) ended while it was read", (int)live->pid, live->program);
    else if (elf.kind == TOOL_ELF_FOREIGN)
        tool_complain("process %d (%s) is of another machine or word size than this command", (int)live->pid, live->program);
    else
        tool_complain("process %d (%s) does not run on tarn: none of libtarn-malloc.so, libtarn.so and libtarn.a is in it",
                      (int)live->pid, live->program);
    return TOOL_STATUS_TROUBLE;
}

static int open_process(struct tool_live *live, struct tool_mappings *mappings)
{
    int error;

    read_program(live);
    if (!tool_mappings_read(live, false, mappings)) {
        if (errno == ENOENT || errno == ESRCH)
            say_empty(live);
        else
            say_forbidden(live);
        return TOOL_STATUS_TROUBLE;
    }
    if (mappings->count == 0) {
        say_empty(live);
        return TOOL_STATUS_TROUBLE;
    }
    error = open_memory(live, mappings->all[0].begin);
    if (error == EPERM || error == EACCES) {
        say_forbidden(live);
        return TOOL_STATUS_TROUBLE;
    }
    return error ? tool_live_failed(live) : look_for_library(live, mappings);
}

int tool_live_open(struct tool_live *live, const char *pid)
{
    struct tool_mappings mappings = {.all = NULL};
    int status = TOOL_STATUS_TROUBLE;

    *live = (struct tool_live){.directory = -1, .memory = -1};
    if (!open_directory(live, pid))
        return TOOL_STATUS_USAGE;
    if (live->directory < 0)
        tool_complain("there is no process %d", (int)live->pid);
    else
        status = open_process(live, &mappings);
    tool_mappings_free(&mappings);
    if (status != 0)
        tool_live_close(live);
    return status;
}

void tool_live_close(struct tool_live *live)
{
    for (unsigned i = 0; i < live->count; i++)
        free(live->roots[i].path);
    if (live->memory >= 0)
        close(live->memory);
    if (live->directory >= 0)
        close(live->directory);
    *live = (struct tool_live){.directory = -1, .memory = -1};
}

int tool_live_failed(const struct tool_live *live)
{
    if (has_ended(live))
        tool_complain("process %d (%s) ended while it was read", (int)live->pid, live->program);
    else
        tool_complain(
            "process %d (%s) could not be read: it became another program, its memory is damaged, or it changes too quickly; "
            "try again",
            (int)live->pid, live->program);
    return TOOL_STATUS_TROUBLE;
}

void tool_live_emit_head(struct tool_emitter *emitter, const struct tool_live *live)
{
    tool_emit_open(emitter, NULL, '{');
    tool_emit_string(emitter, "tarn", TARN_VERSION);
    tool_emit_count(emitter, "document_version", DOCUMENT_VERSION);
    tool_emit_integer(emitter, "pid", live->pid);
    tool_emit_string(emitter, "program", live->program);
    tool_emit_open(emitter, "copies", '[');
}

void tool_live_emit_tail(struct tool_emitter *emitter)
{
    tool_emit_close(emitter, ']');
    tool_emit_close(emitter, '}');
}

int tool_live_finish(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    tool_complain("standard output: %s", strerror(errno));
    return TOOL_STATUS_TROUBLE;
}
