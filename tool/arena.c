/*
 * Memory in large pages; see arena.h. Chunks double, so that a small process costs little.
 */
#define _GNU_SOURCE 1
#include "arena.h"

#include "common.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FIRST ((size_t)1 << 20)
#define LARGEST ((size_t)64 << 20)
#define LINE ((size_t)64)
#define HUGE_PAGE ((size_t)2 << 20)

/* Of each chunk its length is kept before what is handed out. */
static void add_chunk(struct tool_arena *arena, size_t bytes)
{
    size_t length = arena->chunk_bytes ? arena->chunk_bytes : FIRST;
    char *chunk;

    while (length < bytes + LINE)
        length *= 2;
    arena->chunk_bytes = length < LARGEST ? 2 * length : LARGEST;
    chunk = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (chunk == MAP_FAILED)
        tool_die("out of memory");
    if (length >= 2 * HUGE_PAGE)
        (void)madvise(chunk, length, MADV_HUGEPAGE); /* else small ones do */
    *(size_t *)(void *)chunk = length;
    arena->chunks = tool_grow(arena->chunks, (arena->count + 1) * sizeof *arena->chunks);
    arena->chunks[arena->count++] = chunk;
    arena->at = chunk + LINE;
    arena->end = chunk + length;
}

void *tool_arena_take(struct tool_arena *arena, size_t bytes)
{
    size_t needed = (bytes + LINE - 1) & ~(LINE - 1);
    void *p;

    if (needed > (size_t)(arena->end - arena->at))
        add_chunk(arena, needed);
    p = arena->at;
    arena->at += needed;
    return p;
}

void tool_arena_free(struct tool_arena *arena)
{
    for (size_t i = 0; i < arena->count; i++)
        munmap(arena->chunks[i], *(size_t *)arena->chunks[i]);
    free(arena->chunks);
    *arena = (struct tool_arena){.at = NULL};
}
