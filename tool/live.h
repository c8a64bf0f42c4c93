/*
 * A running process on tarn, read from outside: the command's side of format/live.h.
 *
 * The process is not stopped and does not help. So what is read may be half changed, and in a process that is hostile or broken it may
 * be anything: every function here returns in bounded time, whatever it finds.
 */
#ifndef TARN_TOOL_LIVE_H
#define TARN_TOOL_LIVE_H

#include "format/live.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TOOL_LIVE_ROOTS 16u /* copies of the library in one process that are looked at */
#define TOOL_LIVE_NAME 48u

struct tool_emitter;

struct tool_mapping {
    uintptr_t begin, end;
    char mode[5]; /* "rwxp" */
    uint64_t offset, device, inode;
    char *path;                            /* empty for anonymous memory */
    uint64_t resident, anonymous, swapped; /* bytes; only where asked for */
};

struct tool_mappings {
    struct tool_mapping *all; /* by address */
    size_t count;
};

/* One copy of the library. */
struct tool_live_root {
    struct tarn_live root;
    char *path;  /* of the file that it lies in */
    bool in_use; /* it has memory */
};

struct tool_live {
    pid_t pid;
    int directory; /* /proc/PID: stays this process's, should the number be given to another */
    int memory;    /* /proc/PID/mem, where process_vm_readv is not to be had; else -1 */
    char program[64];
    struct tool_live_root roots[TOOL_LIVE_ROOTS];
    unsigned count;
};

/* A piece of the process's memory, and where to put it. */
struct tool_piece {
    uintptr_t at;
    void *to;
    size_t bytes;
};

/* What the commands about live processes have in common on their command lines. */
struct tool_live_options {
    bool json, groups, help;
    const char *pid;
};

/* False, after a line about it: the command line is wrong. `verb` as it was called; `groups`: whether --groups is an option of it. */
bool tool_live_arguments(const char *verb, char **argv, bool groups, struct tool_live_options *options);

/* Opens the process and finds the library in it; tells of copies besides the one in use. Returns 0, or the exit status after a line that says why not. */
int tool_live_open(struct tool_live *live, const char *pid);
void tool_live_close(struct tool_live *live);

/* Says what stopped the reading (the process has ended, or became another program, or changes too quickly). Returns the exit status. */
int tool_live_failed(const struct tool_live *live);

/* The beginning and the end of a JSON document about the process; between them, one object for each copy of the library. */
void tool_live_emit_head(struct tool_emitter *emitter, const struct tool_live *live);
void tool_live_emit_tail(struct tool_emitter *emitter);

/* A report written: 0, or trouble when standard output did not take it. */
int tool_live_finish(void);

/* A file of /proc/PID, for reading; -1. */
int tool_live_file(const struct tool_live *live, const char *name);

/* Reads the process's mappings, `sizes`: with what of them is resident. False: they cannot be read. */
bool tool_mappings_read(const struct tool_live *live, bool sizes, struct tool_mappings *mappings);
void tool_mappings_free(struct tool_mappings *mappings);

/* The mapping that holds the address, or NULL. */
struct tool_mapping *tool_mapping_at(const struct tool_mappings *mappings, uintptr_t address);

/* All of it, or false. */
bool tool_live_read(const struct tool_live *live, uintptr_t at, void *to, size_t bytes);

/* Many pieces in as few calls as can be, so that what belongs together is read at nearly one time. */
bool tool_live_read_many(const struct tool_live *live, const struct tool_piece *pieces, size_t count);

/* Value `index` of a field in a copy of its structure; 0 where there is none. */
uint64_t tool_live_value(const void *structure, struct tarn_live_field field, unsigned index);

/*
 * The addresses of a set's elements, allocated. False: the set did not hold still for one walk, in many tries; or the memory cannot be read.
 */
bool tool_live_elements(const struct tool_live *live, const struct tarn_live_set *set, uintptr_t **elements, size_t *count);

/* The name that a field holds or points to; what cannot be shown becomes '?'. Never empty. */
void tool_live_name(const struct tool_live *live, const void *structure, struct tarn_live_field field,
                    char name[TOOL_LIVE_NAME]);

#endif
