/*
 * Bump arenas: memory is handed out forward, and given back from the end.
 *
 *     first   | arena | chunk | block | block | cleanup | block |···········|
 *                         ^ previous                            ^ at        ^ end
 *     own     | chunk | one large block |
 *                 ^ previous
 *     rest    (in what the first had left)                      | chunk | block |····|
 *
 * Chunks are a stack in order of time, so a moment is a chunk and a place in it, and giving back is cutting the stack there. A request that
 * is larger than an ordinary chunk gets one of its own; then what the chunk before it had left goes on as a chunk with a header, so that
 * the order stays true and nothing is wasted. The bytes live at a moment (`before` of its chunk and what lies in it) order all moments.
 *
 * Without lock and flags the public struct's at and end are the arena's place. With one of them both stay NULL for ever, so that the
 * fast path always refuses, whoever else is at work, and the place is in `at`.
 *
 * With red zones or records each block has a record in front, and so have the gaps that alignment leaves: chunks can be walked.
 *
 *     | size, tag | block, size bytes | 0xcc, at least 8 |      the tag mixes address, size and kind
 *
 * Marks that are void are found by a list of the latest rewinds: one that was made earlier, of a moment later than a rewind's, was rewound past.
 *
 * Wrong if: a valid mark is refused, or memory that a moment still needs is handed out again.
 */
#include "pool/arena.h"

enum {
    PAGE = 4096,
    ORDINARY = 65536,
    KEPT = 16,
    ALL_FLAGS = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO | TARN_BUMP_RECORD,
};
#define MOST ((size_t)PTRDIFF_MAX / 4) /* of a size, an alignment: sums of them do not wrap */

_Static_assert(sizeof(struct tarn__bump_record) == TARN__BUMP_ALIGN, "blocks behind a record are aligned");
_Static_assert(TARN__BUMP_ARENA_ROOM + TARN__BUMP_CHUNK_ROOM + 5 * TARN__BUMP_ALIGN <= TARN_BUMP_LEAST,
               "the least arena has room for a block");

static void go_to(struct tarn__arena *arena, struct tarn__chunk *chunk, char *at)
{
    arena->now = chunk;
    if (arena->slow)
        arena->at = at;
    else
        arena->fast = (struct tarn_bump){at, chunk->end};
}

int tarn__bump_enter(struct tarn__arena *arena, const char *where)
{
    bool seen = arena->flags & TARN__WATCHED;
    int error = seen ? tarn__watch_come(arena, where, arena) : 0;
    if (error)
        return error;
    error = tarn__guard_enter(&arena->guard);
    if (error && seen)
        tarn__watch_go(arena);
    return error;
}

void tarn__bump_leave(struct tarn__arena *arena)
{
    bool seen = arena->flags & TARN__WATCHED;
    tarn__guard_drop(&arena->guard);
    if (seen)
        tarn__watch_go(arena);
}

/* Chunks */

/* Puts a chunk on top: [memory, end) is its header and its room. */
static void push(struct tarn__arena *arena, void *memory, char *end, size_t size)
{
    struct tarn__chunk *chunk = memory, *previous = arena->now;
    if (arena->tools)
        tarn__watch_allow(memory, (size_t)(end - (char *)memory));
    *chunk = (struct tarn__chunk){.previous = previous, .end = end, .size = size};
    if (previous) {
        chunk->before = tarn__arena_live(arena);
        previous->top = tarn__arena_here(arena);
        previous->next = chunk;
    }
    chunk->seal = tarn__chunk_seal(chunk);
    if (arena->flags & TARN_POOL_POISON && (!previous || size))
        tarn__bytes_fill(tarn__chunk_start(chunk), TARN__FREED, (size_t)(end - tarn__chunk_start(chunk)));
    if (arena->tools)
        tarn__watch_deny(tarn__chunk_start(chunk), (size_t)(end - tarn__chunk_start(chunk)));
    go_to(arena, chunk, tarn__chunk_start(chunk));
}

/* Keeps a chunk that is on the stack no more as a spare one, or has it leave. `chunk->size` is set. */
static void retire(struct tarn__arena *arena, struct tarn__chunk *chunk)
{
    if (arena->tools)
        tarn__watch_allow(chunk, chunk->size);
    bool stays = arena->spares < arena->spares_most && chunk->size == arena->ordinary;
    struct tarn__chunk **list = stays ? &arena->spare : &arena->leaving;
    arena->spares += stays;
    chunk->previous = *list;
    *list = chunk;
}

/* Gives the source what is to leave. What it does not take stays, and is offered again the next time. */
static void give_back(struct tarn__arena *arena)
{
    struct tarn__chunk *chunk;
    int error = 0;
    while (!error && arena->source) {
        tarn__guard_take(&arena->guard);
        chunk = arena->leaving;
        if (chunk) {
            arena->leaving = chunk->previous;
            arena->size -= chunk->size;
        }
        tarn__guard_drop(&arena->guard);
        if (!chunk)
            return;
        size_t size = chunk->size;
        error = arena->source->ops->release(arena->source, chunk, size);
        if (!error)
            continue;
        tarn__guard_take(&arena->guard);
        chunk->previous = arena->leaving;
        arena->leaving = chunk;
        arena->size += size;
        tarn__guard_drop(&arena->guard);
    }
}

/* A spare chunk, or one from the source, for which the guard is let go of meanwhile. NULL: none. */
static struct tarn__chunk *obtain(struct tarn__arena *arena, size_t bytes)
{
    struct tarn__chunk *chunk = arena->spare;
    if (chunk && bytes == arena->ordinary) {
        arena->spare = chunk->previous;
        arena->spares--;
        return chunk;
    }
    if (!arena->source)
        return NULL;
    tarn__guard_drop(&arena->guard);
    chunk = arena->source->ops->acquire(arena->source, bytes, PAGE);
    tarn__guard_take(&arena->guard);
    if (!chunk)
        return NULL;
    chunk->size = bytes;
    arena->size += bytes;
    return chunk;
}

/* Goes on in what the chunk before the latest had left, if that is more than the latest has. */
static void resume(struct tarn__arena *arena, struct tarn__chunk *old, char *at)
{
    size_t rest = (size_t)(old->end - at);
    if (rest > (size_t)(arena->now->end - tarn__arena_here(arena)) + TARN__BUMP_CHUNK_ROOM)
        push(arena, at, old->end, 0);
}

/* Blocks in [from, to) are no longer in use. */
static void forget(struct tarn__arena *arena, char *from, char *to)
{
    if (arena->flags & TARN__WATCHED)
        tarn__watch_forget(arena, from, to);
    if (arena->tools)
        tarn__watch_allow(from, (size_t)(to - from));
}

/* Gives back all that is later than `at` in `chunk`. */
static void cut(struct tarn__arena *arena, struct tarn__chunk *chunk, char *at)
{
    arena->peak = tarn__max(arena->peak, tarn__arena_live(arena));
    for (struct tarn__chunk *top = arena->now, *previous; top != chunk; top = previous) {
        if (!tarn__chunk_sound(arena, top))
            break;
        previous = top->previous;
        forget(arena, (char *)top, tarn__chunk_top(arena, top));
        if (top->size)
            retire(arena, top);
        else if (arena->flags & TARN_POOL_POISON)
            tarn__bytes_fill(top, TARN__FREED, (size_t)(tarn__chunk_top(arena, top) - (char *)top));
    }
    forget(arena, at, tarn__chunk_top(arena, chunk));
    if (arena->flags & TARN_POOL_POISON)
        tarn__bytes_fill(at, TARN__FREED, (size_t)(tarn__chunk_top(arena, chunk) - at));
    if (arena->tools)
        tarn__watch_deny(at, (size_t)(chunk->end - at));
    chunk->next = NULL;
    go_to(arena, chunk, at);
}

/* Blocks */

static void write_record(char *at, size_t size, enum tarn__record_kind kind)
{
    struct tarn__bump_record *record = (struct tarn__bump_record *)(void *)at;
    record->size = size;
    record->tag = tarn__record_tag(record, size, kind);
}

/* Makes a block of `lead` and `room` bytes at `at`, as the flags say. */
static void dress(const struct tarn__arena *arena, char *at, size_t lead, size_t room, size_t size, enum tarn__record_kind kind)
{
    char *block = at + lead;
    if (arena->flags & TARN__BUMP_RECORDED) {
        if (lead > sizeof(struct tarn__bump_record))
            write_record(at, lead - 2 * sizeof(struct tarn__bump_record), TARN__BUMP_A_GAP);
        write_record(block - sizeof(struct tarn__bump_record), size, kind);
    }
    if (arena->flags & TARN_POOL_ZERO)
        tarn__bytes_fill(block, 0, size);
    else if (arena->flags & TARN_POOL_POISON)
        tarn__bytes_fill(block, TARN__FRESH, size);
    if (arena->flags & TARN_POOL_RED_ZONE)
        tarn__bytes_fill(block + size, TARN__BUMP_ZONE, room - size);
}

/* A block of the chunk on top, at *block. TARN_POOL_NO_MEMORY: there is no room; TARN_POOL_CORRUPT: free memory was written to. */
static int carve(struct tarn__arena *arena, size_t align, size_t size, enum tarn__record_kind kind, void **block)
{
    char *at = tarn__arena_here(arena);
    size_t lead = tarn__align_up((uintptr_t)at + tarn__bump_lead(arena), align) - (uintptr_t)at,
           room = tarn__bump_room(arena, size);
    size_t left = (size_t)(arena->now->end - at);
    if (!tarn__chunk_sound(arena, arena->now))
        return TARN_POOL_CORRUPT;
    if (lead > left || room > left - lead)
        return TARN_POOL_NO_MEMORY;
    if (arena->tools)
        tarn__watch_allow(at, lead + room);
    if (arena->flags & TARN_POOL_POISON && !tarn__bytes_are(at, TARN__FREED, lead + room))
        return TARN_POOL_CORRUPT;
    dress(arena, at, lead, room, size, kind);
    go_to(arena, arena->now, at + lead + room);
    *block = at + lead;
    return 0;
}

/* The same from a new chunk, of its own if an ordinary one is too small. Another thread may add one meanwhile, which will do, too. */
static int carve_new(struct tarn__arena *arena, size_t align, size_t size, enum tarn__record_kind kind, void **block)
{
    size_t need = TARN__BUMP_CHUNK_ROOM + tarn__bump_lead(arena) + align + tarn__bump_room(arena, size);
    bool own = need > arena->ordinary;
    struct tarn__chunk *chunk = obtain(arena, own ? tarn__align_up(need, PAGE) : arena->ordinary);
    int error = carve(arena, align, size, kind, block);
    if (!chunk)
        return error;
    if (error != TARN_POOL_NO_MEMORY) {
        retire(arena, chunk);
        return error;
    }
    struct tarn__chunk *old = arena->now;
    char *at = tarn__arena_here(arena);
    push(arena, chunk, (char *)chunk + chunk->size, chunk->size);
    error = carve(arena, align, size, kind, block);
    if (own)
        resume(arena, old, at);
    return error;
}

/* Under the guard. */
static void *allocate(struct tarn__arena *arena, size_t align, size_t size, enum tarn__record_kind kind)
{
    void *block = NULL;
    int error = TARN_POOL_INVALID;
    if (tarn__is_pow2(align) && align <= MOST && size <= MOST) {
        align = tarn__max(align, TARN__BUMP_ALIGN);
        size = tarn__max(size, 1);
        error = carve(arena, align, size, kind, &block);
        if (error == TARN_POOL_NO_MEMORY)
            error = carve_new(arena, align, size, kind, &block);
    }
    if (error == TARN_POOL_CORRUPT)
        arena->bad = tarn__arena_here(arena);
    if (error)
        arena->failures++;
    else if (arena->slow && kind == TARN__BUMP_A_BLOCK)
        arena->allocations++;
    return error ? NULL : block;
}

void *tarn_bump_alloc_aligned(struct tarn_bump *bump, size_t align, size_t size)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    if (tarn__bump_enter(arena, "tarn_bump_alloc"))
        return NULL;
    arena->bad = NULL;
    char *block = allocate(arena, align, size, TARN__BUMP_A_BLOCK);
    const char *bad = arena->bad;
    bool leaving = arena->leaving != NULL, seen = arena->flags & TARN__WATCHED;
    if (block && seen)
        tarn__watch_note(arena, block, size);
    if (arena->tools && block)
        tarn__watch_deny(block + size, TARN__BUMP_ALIGN);
    tarn__bump_leave(arena);
    if (__builtin_expect(leaving, 0))
        give_back(arena);
    if (__builtin_expect(bad && seen, 0))
        tarn__watch_wrong(arena, TARN_POOL_CORRUPT, "tarn_bump_alloc", bad);
    return block;
}

/* Giving back */

/* Notes a rewind that left `live` bytes. The earliest is forgotten when there are too many. */
static void note_rewind(struct tarn__arena *arena, size_t live)
{
    arena->serial++;
    while (arena->rewinds && arena->rewound[arena->rewinds - 1].live >= live)
        arena->rewinds--;
    if (arena->rewinds == TARN__BUMP_VOIDS)
        tarn__bytes_move(arena->rewound, arena->rewound + 1, --arena->rewinds * sizeof *arena->rewound);
    arena->rewound[arena->rewinds++] = (struct tarn__rewound){arena->serial, live};
}

/* Whether a mark is a moment that is still to be had. */
static int verify_mark(const struct tarn__arena *arena, const struct tarn_bump_mark *mark)
{
    if (mark->serial < arena->born || mark->serial > arena->serial || mark->live > tarn__arena_live(arena))
        return TARN_POOL_INVALID;
    for (unsigned i = 0; i < arena->rewinds; i++)
        if (mark->serial < arena->rewound[i].serial && mark->live > arena->rewound[i].live)
            return TARN_POOL_INVALID;
    struct tarn__chunk *chunk = arena->now;
    for (; chunk && chunk != mark->chunk; chunk = chunk->previous)
        if (!tarn__chunk_sound(arena, chunk))
            return TARN_POOL_CORRUPT;
    if (!chunk || mark->at < tarn__chunk_start(chunk) || mark->at > tarn__chunk_top(arena, chunk) ||
        mark->live != chunk->before + (size_t)(mark->at - tarn__chunk_start(chunk)))
        return TARN_POOL_INVALID;
    return tarn__chunk_sound(arena, chunk) ? 0 : TARN_POOL_CORRUPT;
}

/* Whether what is to be given back is whole: the cleanups, and the blocks if they have red zones. */
static int verify_later(struct tarn__arena *arena, const struct tarn_bump_mark *mark)
{
    for (const struct tarn__cleanup *cleanup = arena->cleanups; cleanup; cleanup = cleanup->previous) {
        if (!tarn__cleanup_sealed(cleanup))
            return TARN_POOL_CORRUPT;
        if (cleanup->born < mark->live)
            break;
    }
    return arena->flags & TARN_POOL_RED_ZONE ? tarn__bump_walk(arena, mark->chunk, mark->at, NULL, NULL) : 0;
}

/* Runs the latest cleanup, if it is not older than `live`. Under the guard, which is let go of while it runs. */
static bool run_latest(struct tarn__arena *arena, size_t live)
{
    struct tarn__cleanup *cleanup = arena->cleanups;
    if (cleanup && !tarn__cleanup_sealed(cleanup))
        cleanup = arena->cleanups = NULL;
    if (!cleanup || cleanup->born < live)
        return false;
    struct tarn__cleanup copy = *cleanup;
    arena->cleanups = copy.previous;
    tarn__guard_drop(&arena->guard);
    copy.run(copy.argument);
    tarn__guard_take(&arena->guard);
    return true;
}

int tarn_bump_rewind(struct tarn_bump *bump, struct tarn_bump_mark mark)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    int error = tarn__bump_enter(arena, "tarn_bump_rewind");
    if (error)
        return error;
    arena->bad = NULL;
    error = verify_mark(arena, &mark);
    if (!error)
        error = verify_later(arena, &mark);
    /* A cleanup, or another thread, may rewind further: then all is done. */
    bool again = !error;
    while (again && run_latest(arena, mark.live))
        again = verify_mark(arena, &mark) == 0;
    if (again && mark.live < tarn__arena_live(arena)) {
        cut(arena, mark.chunk, mark.at);
        note_rewind(arena, mark.live);
    }
    const char *bad = arena->bad ? arena->bad : mark.at;
    tarn__bump_leave(arena);
    give_back(arena);
    return error && arena->flags & TARN__WATCHED ? tarn__watch_wrong(arena, error, "tarn_bump_rewind", bad) : error;
}

/* All of it goes, whatever it looks like; what is wrong is told where letters ask for it. */
static const char *overwritten(struct tarn__arena *arena)
{
    const unsigned both = TARN__WATCHED | TARN_POOL_RED_ZONE;
    bool wrong = both && (arena->flags & both) == both &&
                 tarn__bump_walk(arena, arena->first, tarn__chunk_start(arena->first), NULL, NULL) != 0;
    return !wrong ? NULL : arena->bad ? arena->bad : tarn__chunk_start(arena->first);
}

void tarn_bump_reset(struct tarn_bump *bump)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    if (tarn__bump_enter(arena, "tarn_bump_reset"))
        return;
    const char *bad = overwritten(arena);
    while (run_latest(arena, 0))
        ;
    arena->cleanups = NULL;
    cut(arena, arena->first, tarn__chunk_start(arena->first));
    arena->born = ++arena->serial;
    arena->rewinds = 0;
    tarn__bump_leave(arena);
    give_back(arena);
    if (bad)
        tarn__watch_wrong(arena, TARN_POOL_CORRUPT, "tarn_bump_reset", bad);
}

struct tarn_bump_mark tarn_bump_mark(struct tarn_bump *bump)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    struct tarn_bump_mark mark = {NULL, NULL, 0, 0}; /* no moment of any arena */
    if (tarn__bump_enter(arena, "tarn_bump_mark"))
        return mark;
    mark = (struct tarn_bump_mark){arena->now, tarn__arena_here(arena), tarn__arena_live(arena), arena->serial};
    tarn__bump_leave(arena);
    return mark;
}

/* Beginning and end */

/* The memory of the first chunk, from the arena on: whole granules of 16. NULL: too small, or none. */
static char *first_memory(void *memory, size_t *size, struct tarn_source *source)
{
    if (!memory) {
        if (!source || *size > MOST)
            return NULL;
        *size = tarn__align_up(*size, PAGE);
        return source->ops->acquire(source, *size, PAGE);
    }
    uintptr_t begin = tarn__align_up((uintptr_t)memory, TARN__BUMP_ALIGN),
              end = tarn__align_down((uintptr_t)memory + *size, TARN__BUMP_ALIGN);
    if (*size < TARN_BUMP_LEAST || *size > MOST || end <= begin)
        return NULL;
    *size = end - begin;
    return (char *)memory + (begin - (uintptr_t)memory);
}

static const struct tarn__watched watched = {.kind = "bump"};

struct tarn_bump *tarn_bump_create(void *memory, size_t size, const struct tarn_bump_options *options)
{
    struct tarn_bump_options none = {0};
    const struct tarn_bump_options *as = options ? options : &none;
    size_t ordinary = tarn__align_up(as->chunk ? as->chunk : ORDINARY, PAGE);
    if (as->flags & ~(unsigned)ALL_FLAGS || as->chunk > MOST)
        return NULL;
    struct tarn_source *source = as->source || memory ? as->source : tarn__host_source();
    size = size || memory ? size : ordinary;
    struct tarn__arena *arena = (struct tarn__arena *)(void *)first_memory(memory, &size, source);
    if (!arena)
        return NULL;
    unsigned flags = as->flags | tarn__watch_flags(watched.kind);
    *arena =
        (struct tarn__arena){.flags = flags, .source = source, .ordinary = ordinary, .size = size, .own = memory ? 0 : size};
    arena->slow = flags || as->lock;
    arena->tools = flags & TARN__WATCHED && tarn__watch_tools();
    arena->spares_most = as->keep ? as->keep / ordinary : KEPT;
    tarn__guard_init(&arena->guard, as->lock);
    tarn__guard_arm(&arena->guard, flags, &arena->guard + 1);
    if (flags & TARN__WATCHED)
        tarn__watch_begin(&watched, arena, flags | (as->lock ? 0 : TARN__WATCH_ALONE));
    push(arena, (char *)arena + TARN__BUMP_ARENA_ROOM, (char *)arena + size, 0);
    arena->first = arena->now;
    return &arena->fast;
}

void tarn_bump_destroy(struct tarn_bump *bump)
{
    if (!bump)
        return;
    struct tarn__arena *arena = tarn__arena_of(bump);
    if (tarn__bump_enter(arena, "tarn_bump_destroy"))
        return;
    tarn__bump_leave(arena);
    tarn_bump_reset(bump);
    struct tarn_source *source = arena->source;
    arena->spares_most = 0;
    for (struct tarn__chunk *spare; (spare = arena->spare);) {
        arena->spare = spare->previous;
        retire(arena, spare);
    }
    give_back(arena);
    if (arena->flags & TARN__WATCHED)
        tarn__watch_end(arena);
    if (arena->tools)
        tarn__watch_allow(arena->first, (size_t)(arena->first->end - (char *)arena->first));
    tarn__guard_end(&arena->guard);
    if (arena->own)
        source->ops->release(source, arena, arena->own);
}

/* Cleanups */

int tarn_bump_cleanup(struct tarn_bump *bump, void (*run)(void *argument), void *argument)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    int error = tarn__bump_enter(arena, "tarn_bump_cleanup");
    if (error)
        return error;
    struct tarn__cleanup *cleanup = allocate(arena, TARN__BUMP_ALIGN, sizeof *cleanup, TARN__BUMP_A_CLEANUP);
    if (cleanup) {
        /* In a new chunk it was born at that chunk's beginning, as the chunk before ended there: no moment lies between. */
        size_t born = tarn__arena_live(arena) - tarn__bump_room(arena, sizeof *cleanup) - tarn__bump_lead(arena);
        *cleanup = (struct tarn__cleanup){arena->cleanups, run, argument, born, 0};
        cleanup->seal = tarn__cleanup_seal(cleanup);
        arena->cleanups = cleanup;
    }
    bool leaving = arena->leaving != NULL;
    tarn__bump_leave(arena);
    if (leaving)
        give_back(arena);
    return cleanup ? 0 : TARN_POOL_NO_MEMORY;
}

int tarn_bump_cleanup_cancel(struct tarn_bump *bump, void (*run)(void *argument), void *argument)
{
    struct tarn__arena *arena = tarn__arena_of(bump);
    int error = tarn__bump_enter(arena, "tarn_bump_cleanup_cancel");
    if (error)
        return error;
    error = TARN_POOL_INVALID;
    struct tarn__cleanup *newer = NULL, *cleanup = arena->cleanups;
    while (cleanup && tarn__cleanup_sealed(cleanup) && (cleanup->run != run || cleanup->argument != argument)) {
        newer = cleanup;
        cleanup = cleanup->previous;
    }
    if (cleanup && tarn__cleanup_sealed(cleanup)) {
        *(newer ? &newer->previous : &arena->cleanups) = cleanup->previous;
        if (newer)
            newer->seal = tarn__cleanup_seal(newer);
        error = 0;
    }
    tarn__bump_leave(arena);
    return error;
}
