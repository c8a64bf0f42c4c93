/*
 * Bump arenas: records that are walked, counters, a visit to each block, and the whole arena as a specification.
 */
#include "pool/arena.h"

/* Only as much as the flag asks for: what a tool wants behind it is nobody's. */
static bool zone_intact(const struct tarn__arena *arena, const char *zone, size_t size)
{
    if (!(arena->flags & TARN_POOL_RED_ZONE))
        return true;
    return tarn__bytes_are(zone, TARN__BUMP_ZONE, arena->tools ? size - TARN__BUMP_ALIGN : size);
}

int tarn__bump_walk(struct tarn__arena *arena, const struct tarn__chunk *chunk, char *at, tarn__bump_found *visit,
                    void *context)
{
    arena->bad = NULL;
    for (; chunk; chunk = chunk->next, at = chunk ? tarn__chunk_start(chunk) : NULL) {
        if (!tarn__chunk_sound(arena, chunk))
            return TARN_POOL_CORRUPT;
        for (char *top = tarn__chunk_top(arena, chunk); at < top;) {
            struct tarn__bump_record *record = (struct tarn__bump_record *)(void *)at;
            size_t left = (size_t)(top - at) - sizeof *record, size = (size_t)record->size;
            bool gap = tarn__record_is(record, TARN__BUMP_A_GAP);
            if ((!gap && !tarn__record_is(record, TARN__BUMP_A_BLOCK) && !tarn__record_is(record, TARN__BUMP_A_CLEANUP)) ||
                size > left)
                return TARN_POOL_CORRUPT;
            size_t room = gap ? size : tarn__bump_room(arena, size);
            at += sizeof *record;
            if (room > left)
                return TARN_POOL_CORRUPT;
            if (!gap && !zone_intact(arena, at + size, room - size)) {
                arena->bad = at;
                return TARN_POOL_CORRUPT;
            }
            if (visit && tarn__record_is(record, TARN__BUMP_A_BLOCK))
                visit(context, at, record);
            at += room;
        }
    }
    return 0;
}

static void count_block(void *context, char *block, const struct tarn__bump_record *record)
{
    (void)block;
    (void)record;
    ++*(size_t *)context;
}

/* The largest block that room of that many bytes is enough for. */
static size_t largest_in(const struct tarn__arena *arena, size_t left)
{
    size_t extra = tarn__bump_lead(arena) + (arena->flags & TARN_POOL_RED_ZONE ? TARN__BUMP_ZONE_LEAST : 0);
    return left > extra ? left - extra : 0;
}

void tarn_bump_stats(struct tarn_bump *bump, struct tarn_pool_stats *stats)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    *stats = (struct tarn_pool_stats){.size = 0};
    if (tarn__bump_enter(arena, "tarn_bump_stats"))
        return;
    *stats = (struct tarn_pool_stats){.size = arena->size, .live_bytes = tarn__arena_live(arena), .segments = 1};
    stats->peak_bytes = arena->peak = tarn__max(arena->peak, stats->live_bytes);
    stats->allocations = arena->allocations;
    stats->failures = arena->failures;
    stats->largest_free = largest_in(arena, (size_t)(arena->now->end - tarn__arena_here(arena)));
    stats->capacity = (size_t)(arena->first->end - tarn__chunk_start(arena->first));
    for (const struct tarn__chunk *chunk = arena->now; chunk && tarn__chunk_sound(arena, chunk); chunk = chunk->previous)
        if (chunk->size) {
            stats->capacity += chunk->size - TARN__BUMP_CHUNK_ROOM;
            stats->segments++;
        }
    if (arena->spare) {
        stats->segments += arena->spares;
        stats->capacity += arena->spares * (arena->ordinary - TARN__BUMP_CHUNK_ROOM);
        stats->largest_free = tarn__max(stats->largest_free, largest_in(arena, arena->ordinary - TARN__BUMP_CHUNK_ROOM));
    }
    if (arena->flags & TARN_BUMP_RECORD)
        tarn__bump_walk(arena, arena->first, tarn__chunk_start(arena->first), count_block, &stats->live_blocks);
    tarn__bump_leave(arena);
}

struct visitor {
    tarn_pool_visit *visit;
    void *context;
};

static void show_block(void *context, char *block, const struct tarn__bump_record *record)
{
    const struct visitor *visitor = context;
    visitor->visit(visitor->context, block, (size_t)record->size);
}

int tarn_bump_each(struct tarn_bump *bump, tarn_pool_visit *visit, void *context)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    struct visitor visitor = {visit, context};
    if (!(arena->flags & TARN_BUMP_RECORD))
        return TARN_POOL_INVALID;
    int error = tarn__bump_enter(arena, "tarn_bump_each");
    if (error)
        return error;
    error = tarn__bump_walk(arena, arena->first, tarn__chunk_start(arena->first), show_block, &visitor);
    tarn__bump_leave(arena);
    return error;
}

/* The stack of chunks, from the latest down: each is sealed, and holds as many bytes as it must. */
static bool chunks_hold(const struct tarn__arena *arena)
{
    const struct tarn__chunk *newer = NULL;
    for (const struct tarn__chunk *chunk = arena->now; chunk; newer = chunk, chunk = chunk->previous) {
        char *top = tarn__chunk_sealed(chunk) ? tarn__chunk_top(arena, chunk) : NULL;
        if (!top || chunk->next != newer || top < tarn__chunk_start(chunk) || top > chunk->end ||
            (uintptr_t)top % TARN__BUMP_ALIGN)
            return false;
        if (newer && newer->before != chunk->before + (size_t)(top - tarn__chunk_start(chunk)))
            return false;
        if (!chunk->previous && (chunk != arena->first || chunk->before != 0))
            return false;
    }
    return arena->slow ? !arena->fast.at && !arena->fast.end : arena->now && arena->fast.end == arena->now->end;
}

static bool cleanups_hold(const struct tarn__arena *arena)
{
    size_t live = tarn__arena_live(arena);
    for (const struct tarn__cleanup *cleanup = arena->cleanups; cleanup; cleanup = cleanup->previous) {
        if (!tarn__cleanup_sealed(cleanup) || cleanup->born >= live)
            return false;
        live = cleanup->born;
    }
    return true;
}

int tarn_bump_check(struct tarn_bump *bump)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    int error = tarn__bump_enter(arena, "tarn_bump_check");
    if (error)
        return error;
    arena->bad = NULL;
    bool holds = chunks_hold(arena) && cleanups_hold(arena);
    if (holds && arena->flags & TARN__BUMP_RECORDED)
        holds = tarn__bump_walk(arena, arena->first, tarn__chunk_start(arena->first), NULL, NULL) == 0;
    if (holds && arena->flags & TARN_POOL_POISON && !arena->tools)
        holds = tarn__bytes_are(tarn__arena_here(arena), TARN__FREED, (size_t)(arena->now->end - tarn__arena_here(arena)));
    const char *bad = arena->bad ? arena->bad : tarn__arena_here(arena);
    tarn__bump_leave(arena);
    return holds ? 0 : tarn__watch_wrong(arena, TARN_POOL_CORRUPT, "tarn_bump_check", bad);
}
