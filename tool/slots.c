/*
 * The command's side of format/snapshot.h; see slots.h.
 *
 * What is in the file was written by other processes, perhaps wrongly: everything that is used as an
 * index or a string is cut to its bounds here, once, so that the rest of the command need not doubt it.
 */
#define _GNU_SOURCE 1
#include "slots.h"

#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define READ_ATTEMPTS 10000 /* an update takes microseconds; an owner that was killed in one never ends it */

void tool_slots_open(struct tool_slots *slots)
{
    struct tarn_snapshot_header header = {.magic = TARN_SNAPSHOT_MAGIC, .version = TARN_SNAPSHOT_VERSION};

    slots->fd = memfd_create("tarn-snapshot", MFD_CLOEXEC);
    if (slots->fd < 0 || ftruncate(slots->fd, (off_t)TARN_SNAPSHOT_FILE_BYTES) != 0 ||
        pwrite(slots->fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        tool_die("cannot make the file for the figures: %s", strerror(errno));
    snprintf(slots->path, sizeof slots->path, "/proc/%ld/fd/%d", (long)getpid(), slots->fd);
}

void tool_slots_close(struct tool_slots *slots)
{
    if (slots->fd >= 0)
        close(slots->fd);
    slots->fd = -1;
}

static void copy_slot(const struct tarn_snapshot *slot, struct tool_process *process)
{
    struct tarn_snapshot *copy = &process->figures;
    uint32_t before = 0, after = 1;

    for (int i = 0; i < READ_ATTEMPTS && (before % 2 || before != after); i++) {
        if (i > 0)
            sched_yield();
        before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
        memcpy(copy, slot, sizeof *copy);
        /* Partner: the owner's fence between making the sequence odd and its first store. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        after = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
    }
    process->torn = before % 2 || before != after;
    copy->program[sizeof copy->program - 1] = 0;
    if (copy->classes > TARN_SNAPSHOT_CLASSES)
        copy->classes = TARN_SNAPSHOT_CLASSES;
}

/* CLOCK_MONOTONIC from the clock that process start times are given in. */
static int64_t boot_to_monotonic(void)
{
    struct timespec boot;

    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (int64_t)tool_now() - ((int64_t)boot.tv_sec * 1000000000 + boot.tv_nsec);
}

/* Whether the process that took a slot at `begin_ns` is still there, and not another with its number. */
static bool still_runs(pid_t pid, uint64_t begin_ns)
{
    char path[64], line[1024];
    unsigned long long start_ticks;
    const char *rest;
    char state;
    ssize_t length;
    int64_t start_ns;
    int fd;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    length = read(fd, line, sizeof line - 1);
    close(fd);
    line[length > 0 ? length : 0] = 0;
    rest = strrchr(line, ')'); /* the name before it may hold anything */
    if (!rest || sscanf(rest + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &state,
                        &start_ticks) != 2)
        return false;
    start_ns = (int64_t)(start_ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK))) + boot_to_monotonic();
    return state != 'Z' && state != 'X' && start_ns <= (int64_t)begin_ns + 20000000;
}

/* An exec keeps the process number, and its new image takes a slot of its own; a fork has a new number. */
static bool was_replaced(const struct tool_processes *processes, size_t index)
{
    const struct tarn_snapshot *figures = &processes->all[index].figures;

    if (figures->state != TARN_SNAPSHOT_RUNNING)
        return false;
    for (size_t i = index + 1; i < processes->count; i++)
        if (processes->all[i].figures.pid == figures->pid)
            return processes->all[i].figures.origin == TARN_SNAPSHOT_EXEC;
    return false;
}

static enum tool_end end_of(const struct tool_processes *processes, size_t index, bool killed)
{
    const struct tool_process *process = &processes->all[index];

    if (was_replaced(processes, index))
        return TOOL_END_REPLACED;
    if (process->figures.state == TARN_SNAPSHOT_EXITED)
        return TOOL_END_EXITED;
    if (process->launched)
        return killed ? TOOL_END_KILLED : TOOL_END_UNSEEN;
    return still_runs(process->figures.pid, process->figures.begin_ns) ? TOOL_END_RUNNING : TOOL_END_UNSEEN;
}

static void read_all(const unsigned char *file, struct tool_processes *processes)
{
    uint64_t taken = __atomic_load_n(&((const struct tarn_snapshot_header *)file)->slots_taken, __ATOMIC_ACQUIRE);
    size_t slots = taken < TARN_SNAPSHOT_SLOTS ? (size_t)taken : TARN_SNAPSHOT_SLOTS;

    processes->without_slot = taken - slots;
    processes->all = tool_grow(NULL, slots * sizeof *processes->all);
    for (size_t i = 0; i < slots; i++) {
        struct tool_process *process = &processes->all[processes->count];

        memset(process, 0, sizeof *process);
        copy_slot((const struct tarn_snapshot *)(file + (i + 1) * TARN_SNAPSHOT_SLOT_BYTES), process);
        if (process->figures.state == TARN_SNAPSHOT_RUNNING || process->figures.state == TARN_SNAPSHOT_EXITED)
            processes->count++;
    }
}

void tool_slots_read(const struct tool_slots *slots, pid_t launched, uint64_t end_ns, bool killed,
                     struct tool_processes *processes)
{
    void *file = mmap(NULL, TARN_SNAPSHOT_FILE_BYTES, PROT_READ, MAP_SHARED, slots->fd, 0);

    *processes = (struct tool_processes){0};
    if (file == MAP_FAILED)
        tool_die("cannot read the figures: %s", strerror(errno));
    read_all(file, processes);
    munmap(file, TARN_SNAPSHOT_FILE_BYTES);
    for (size_t i = 0; i < processes->count; i++) {
        struct tool_process *process = &processes->all[i];

        process->launched = process->figures.pid == launched;
        process->age_ns = end_ns > process->figures.update_ns ? end_ns - process->figures.update_ns : 0;
    }
    for (size_t i = 0; i < processes->count; i++)
        processes->all[i].end = end_of(processes, i, killed);
}

void tool_processes_free(struct tool_processes *processes)
{
    free(processes->all);
    *processes = (struct tool_processes){0};
}

const struct tool_process *tool_launched(const struct tool_processes *processes)
{
    for (size_t i = processes->count; i-- > 0;)
        if (processes->all[i].launched)
            return &processes->all[i];
    return NULL;
}
