/*
 * Memory for what is met at random, in large pages where the system has them; given back all at once.
 */
#ifndef TARN_TOOL_ARENA_H
#define TARN_TOOL_ARENA_H

#include <stddef.h>

struct tool_arena {
    char *at, *end;
    void **chunks;
    size_t count, chunk_bytes;
};

/* `bytes` of it, at a multiple of 64, that read as zero; ends the command where there is no memory. */
void *tool_arena_take(struct tool_arena *arena, size_t bytes);
void tool_arena_free(struct tool_arena *arena);

#endif
