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
#include "tarn/bump.h"

#include "base/bits.h"
#include "pool/bytes.h"
#include "pool/host.h"

enum {
    PAGE = 4096,
    ALIGN = TARN_BUMP_ALIGN,
    ORDINARY = 65536,
    ZONE = 0xcc,
    ZONE_LEAST = 8,
    KEPT = 16,
    VOIDS = 6,
    RECORDED = TARN_BUMP_RECORD | TARN_POOL_RED_ZONE,
    ALL_FLAGS = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO | TARN_BUMP_RECORD,
};
#define MOST ((size_t)PTRDIFF_MAX / 4) /* of a size, an alignment: sums of them do not wrap */

enum kind { A_BLOCK, A_CLEANUP, A_GAP };

struct record {
    uint64_t size, tag;
};

struct chunk {
    struct chunk *previous, *next; /* older, newer */
    char *end;                     /* of its room */
    char *top;                     /* where its blocks end, once there is a newer one */
    size_t before;                 /* bytes live in older ones */
    size_t size;                   /* bytes that the source gets back; 0: it lies in another's memory, or it is the first */
    uintptr_t seal;
};

struct cleanup {
    struct cleanup *previous;
    void (*run)(void *argument);
    void *argument;
    size_t born; /* bytes live before it */
    uintptr_t seal;
};

/* A rewind: it left `live` bytes; marks that were made before it, of later moments, are void. */
struct rewound {
    uint64_t serial;
    size_t live;
};

struct arena {
    struct tarn_bump fast; /* the first member */
    struct tarn__guard guard;
    struct tarn_source *source; /* NULL: none */
    unsigned flags;
    unsigned rewinds; /* entries in use */
    bool slow;        /* `at` is the place, not fast.at */
    char *at;
    struct chunk *now, *first;
    struct chunk *spare;   /* of the ordinary size, linked by previous; so many at most */
    struct chunk *leaving; /* to be released as soon as nobody holds the guard; linked by previous */
    struct cleanup *cleanups;
    size_t spares, spares_most;
    size_t ordinary; /* bytes of a chunk */
    size_t size;     /* bytes of all chunks */
    size_t own;      /* bytes of the first that the source gets back */
    size_t peak;
    uint64_t serial; /* of the latest rewind */
    uint64_t born;   /* of the latest reset */
    uint64_t allocations, failures;
    struct rewound rewound[VOIDS]; /* rising in both */
};

enum {
    ARENA_ROOM = (sizeof(struct arena) + ALIGN - 1) & ~(ALIGN - 1),
    CHUNK_ROOM = (sizeof(struct chunk) + ALIGN - 1) & ~(ALIGN - 1)
};
_Static_assert(sizeof(struct record) == ALIGN, "blocks behind a record are aligned");
_Static_assert(ARENA_ROOM + CHUNK_ROOM + 5 * ALIGN <= TARN_BUMP_LEAST, "the least arena has room for a block");

static struct arena *arena_of(struct tarn_bump *bump) { return (struct arena *)(void *)bump; }

static char *start_of(const struct chunk *chunk) { return (char *)(uintptr_t)chunk + CHUNK_ROOM; }

static char *here(const struct arena *arena) { return arena->slow ? arena->at : arena->fast.at; }

static char *top_of(const struct arena *arena, const struct chunk *chunk)
{
    return chunk == arena->now ? here(arena) : chunk->top;
}

static size_t live_now(const struct arena *arena) { return arena->now->before + (size_t)(here(arena) - start_of(arena->now)); }

static void go_to(struct arena *arena, struct chunk *chunk, char *at)
{
    arena->now = chunk;
    if (arena->slow)
        arena->at = at;
    else
        arena->fast = (struct tarn_bump){at, chunk->end};
}

/* Seals: a mix of words that must stay as they are, and of where they are. */

static uintptr_t mix(uintptr_t so_far, uintptr_t word)
{
    so_far ^= word;
    so_far *= (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
    return so_far ^ so_far >> (sizeof so_far * 4 - 3);
}

static uintptr_t seal_of_chunk(const struct chunk *chunk)
{
    uintptr_t sum = mix(mix((uintptr_t)chunk, (uintptr_t)chunk->previous), (uintptr_t)chunk->end);
    return mix(mix(sum, chunk->before), chunk->size);
}

static uintptr_t seal_of_cleanup(const struct cleanup *cleanup)
{
    uintptr_t sum = mix(mix((uintptr_t)cleanup, (uintptr_t)cleanup->previous), (uintptr_t)cleanup->run);
    return mix(mix(sum, (uintptr_t)cleanup->argument), cleanup->born);
}

static bool sealed(const struct chunk *chunk) { return chunk->seal == seal_of_chunk(chunk); }

static bool cleanup_sealed(const struct cleanup *cleanup) { return cleanup->seal == seal_of_cleanup(cleanup); }

static uint64_t tag_of(const struct record *record, uint64_t size, enum kind kind)
{
    return mix(mix((uintptr_t)record, (uintptr_t)size), (uintptr_t)kind) | 1; /* zeros are no tag */
}

static bool has_kind(const struct record *record, enum kind kind) { return record->tag == tag_of(record, record->size, kind); }

/* With the flag, what is about to be followed is verified. */
static bool may_follow(const struct arena *arena, const struct chunk *chunk)
{
    return !(arena->flags & TARN_POOL_CHECK) || sealed(chunk);
}

/* Bytes of a block, with what comes behind it. */
static size_t room_for(const struct arena *arena, size_t size)
{
    return tarn__align_up(size + (arena->flags & TARN_POOL_RED_ZONE ? ZONE_LEAST : 0), ALIGN);
}

static size_t lead_of(const struct arena *arena) { return arena->flags & RECORDED ? sizeof(struct record) : 0; }

/* Chunks */

/* Puts a chunk on top: [memory, end) is its header and its room. */
static void push(struct arena *arena, void *memory, char *end, size_t size)
{
    struct chunk *chunk = memory, *previous = arena->now;
    *chunk = (struct chunk){.previous = previous, .end = end, .size = size};
    if (previous) {
        chunk->before = live_now(arena);
        previous->top = here(arena);
        previous->next = chunk;
    }
    chunk->seal = seal_of_chunk(chunk);
    if (arena->flags & TARN_POOL_POISON && (!previous || size))
        tarn__bytes_fill(start_of(chunk), TARN__FREED, (size_t)(end - start_of(chunk)));
    go_to(arena, chunk, start_of(chunk));
}

/* Keeps a chunk that is on the stack no more as a spare one, or has it leave. `chunk->size` is set. */
static void retire(struct arena *arena, struct chunk *chunk)
{
    bool stays = arena->spares < arena->spares_most && chunk->size == arena->ordinary;
    struct chunk **list = stays ? &arena->spare : &arena->leaving;
    arena->spares += stays;
    chunk->previous = *list;
    *list = chunk;
}

/* Gives the source what is to leave. What it does not take stays, and is offered again the next time. */
static void give_back(struct arena *arena)
{
    struct chunk *chunk;
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
static struct chunk *obtain(struct arena *arena, size_t bytes)
{
    struct chunk *chunk = arena->spare;
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
static void resume(struct arena *arena, struct chunk *old, char *at)
{
    size_t rest = (size_t)(old->end - at);
    if (rest > (size_t)(arena->now->end - here(arena)) + CHUNK_ROOM)
        push(arena, at, old->end, 0);
}

/* Gives back all that is later than `at` in `chunk`. */
static void cut(struct arena *arena, struct chunk *chunk, char *at)
{
    arena->peak = tarn__max(arena->peak, live_now(arena));
    for (struct chunk *top = arena->now, *previous; top != chunk; top = previous) {
        if (!may_follow(arena, top))
            break;
        previous = top->previous;
        if (top->size)
            retire(arena, top);
        else if (arena->flags & TARN_POOL_POISON)
            tarn__bytes_fill(top, TARN__FREED, (size_t)(top_of(arena, top) - (char *)top));
    }
    if (arena->flags & TARN_POOL_POISON)
        tarn__bytes_fill(at, TARN__FREED, (size_t)(top_of(arena, chunk) - at));
    chunk->next = NULL;
    go_to(arena, chunk, at);
}

/* Blocks */

static void write_record(char *at, size_t size, enum kind kind)
{
    struct record *record = (struct record *)(void *)at;
    record->size = size;
    record->tag = tag_of(record, size, kind);
}

/* Makes a block of `lead` and `room` bytes at `at`, as the flags say. */
static void dress(const struct arena *arena, char *at, size_t lead, size_t room, size_t size, enum kind kind)
{
    char *block = at + lead;
    if (arena->flags & RECORDED) {
        if (lead > sizeof(struct record))
            write_record(at, lead - 2 * sizeof(struct record), A_GAP);
        write_record(block - sizeof(struct record), size, kind);
    }
    if (arena->flags & TARN_POOL_ZERO)
        tarn__bytes_fill(block, 0, size);
    else if (arena->flags & TARN_POOL_POISON)
        tarn__bytes_fill(block, TARN__FRESH, size);
    if (arena->flags & TARN_POOL_RED_ZONE)
        tarn__bytes_fill(block + size, ZONE, room - size);
}

/* A block of the chunk on top, at *block. TARN_POOL_NO_MEMORY: there is no room; TARN_POOL_CORRUPT: free memory was written to. */
static int carve(struct arena *arena, size_t align, size_t size, enum kind kind, void **block)
{
    char *at = here(arena);
    size_t lead = tarn__align_up((uintptr_t)at + lead_of(arena), align) - (uintptr_t)at, room = room_for(arena, size);
    size_t left = (size_t)(arena->now->end - at);
    if (!may_follow(arena, arena->now))
        return TARN_POOL_CORRUPT;
    if (lead > left || room > left - lead)
        return TARN_POOL_NO_MEMORY;
    if (arena->flags & TARN_POOL_POISON && !tarn__bytes_are(at, TARN__FREED, lead + room))
        return TARN_POOL_CORRUPT;
    dress(arena, at, lead, room, size, kind);
    go_to(arena, arena->now, at + lead + room);
    *block = at + lead;
    return 0;
}

/* The same from a new chunk, of its own if an ordinary one is too small. Another thread may add one meanwhile, which will do, too. */
static int carve_new(struct arena *arena, size_t align, size_t size, enum kind kind, void **block)
{
    size_t need = CHUNK_ROOM + lead_of(arena) + align + room_for(arena, size);
    bool own = need > arena->ordinary;
    struct chunk *chunk = obtain(arena, own ? tarn__align_up(need, PAGE) : arena->ordinary);
    int error = carve(arena, align, size, kind, block);
    if (!chunk)
        return error;
    if (error != TARN_POOL_NO_MEMORY) {
        retire(arena, chunk);
        return error;
    }
    struct chunk *old = arena->now;
    char *at = here(arena);
    push(arena, chunk, (char *)chunk + chunk->size, chunk->size);
    error = carve(arena, align, size, kind, block);
    if (own)
        resume(arena, old, at);
    return error;
}

/* Under the guard. */
static void *allocate(struct arena *arena, size_t align, size_t size, enum kind kind)
{
    void *block = NULL;
    int error = TARN_POOL_INVALID;
    if (tarn__is_pow2(align) && align <= MOST && size <= MOST) {
        align = tarn__max(align, ALIGN);
        size = tarn__max(size, 1);
        error = carve(arena, align, size, kind, &block);
        if (error == TARN_POOL_NO_MEMORY)
            error = carve_new(arena, align, size, kind, &block);
    }
    if (error)
        arena->failures++;
    else if (arena->slow && kind == A_BLOCK)
        arena->allocations++;
    return error ? NULL : block;
}

void *tarn_bump_alloc_aligned(struct tarn_bump *bump, size_t align, size_t size)
{
    struct arena *arena = arena_of(bump);
    tarn__guard_take(&arena->guard);
    void *block = allocate(arena, align, size, A_BLOCK);
    bool leaving = arena->leaving != NULL;
    tarn__guard_drop(&arena->guard);
    if (__builtin_expect(leaving, 0))
        give_back(arena);
    return block;
}

/* What a walk found: the block behind its record. */
typedef void found(void *context, char *block, const struct record *record);

/* Walks the records from `at` in `chunk` to the latest, and verifies them. */
static int walk(const struct arena *arena, const struct chunk *chunk, char *at, found *visit, void *context)
{
    for (; chunk; chunk = chunk->next, at = chunk ? start_of(chunk) : NULL) {
        if (!may_follow(arena, chunk))
            return TARN_POOL_CORRUPT;
        for (char *top = top_of(arena, chunk); at < top;) {
            struct record *record = (struct record *)(void *)at;
            size_t left = (size_t)(top - at) - sizeof *record, size = (size_t)record->size;
            bool gap = has_kind(record, A_GAP);
            if ((!gap && !has_kind(record, A_BLOCK) && !has_kind(record, A_CLEANUP)) || size > left)
                return TARN_POOL_CORRUPT;
            size_t room = gap ? size : room_for(arena, size);
            at += sizeof *record;
            if (room > left || (arena->flags & TARN_POOL_RED_ZONE && !gap && !tarn__bytes_are(at + size, ZONE, room - size)))
                return TARN_POOL_CORRUPT;
            if (visit && has_kind(record, A_BLOCK))
                visit(context, at, record);
            at += room;
        }
    }
    return 0;
}

/* Giving back */

/* Notes a rewind that left `live` bytes. The earliest is forgotten when there are too many. */
static void note_rewind(struct arena *arena, size_t live)
{
    arena->serial++;
    while (arena->rewinds && arena->rewound[arena->rewinds - 1].live >= live)
        arena->rewinds--;
    if (arena->rewinds == VOIDS)
        tarn__bytes_move(arena->rewound, arena->rewound + 1, --arena->rewinds * sizeof *arena->rewound);
    arena->rewound[arena->rewinds++] = (struct rewound){arena->serial, live};
}

/* Whether a mark is a moment that is still to be had. */
static int verify_mark(const struct arena *arena, const struct tarn_bump_mark *mark)
{
    if (mark->serial < arena->born || mark->serial > arena->serial || mark->live > live_now(arena))
        return TARN_POOL_INVALID;
    for (unsigned i = 0; i < arena->rewinds; i++)
        if (mark->serial < arena->rewound[i].serial && mark->live > arena->rewound[i].live)
            return TARN_POOL_INVALID;
    struct chunk *chunk = arena->now;
    for (; chunk && chunk != mark->chunk; chunk = chunk->previous)
        if (!may_follow(arena, chunk))
            return TARN_POOL_CORRUPT;
    if (!chunk || mark->at < start_of(chunk) || mark->at > top_of(arena, chunk) ||
        mark->live != chunk->before + (size_t)(mark->at - start_of(chunk)))
        return TARN_POOL_INVALID;
    return may_follow(arena, chunk) ? 0 : TARN_POOL_CORRUPT;
}

/* Whether what is to be given back is whole: the cleanups, and the blocks if they have red zones. */
static int verify_later(const struct arena *arena, const struct tarn_bump_mark *mark)
{
    for (const struct cleanup *cleanup = arena->cleanups; cleanup; cleanup = cleanup->previous) {
        if (!cleanup_sealed(cleanup))
            return TARN_POOL_CORRUPT;
        if (cleanup->born < mark->live)
            break;
    }
    return arena->flags & TARN_POOL_RED_ZONE ? walk(arena, mark->chunk, mark->at, NULL, NULL) : 0;
}

/* Runs the latest cleanup, if it is not older than `live`. Under the guard, which is let go of while it runs. */
static bool run_latest(struct arena *arena, size_t live)
{
    struct cleanup *cleanup = arena->cleanups;
    if (cleanup && !cleanup_sealed(cleanup))
        cleanup = arena->cleanups = NULL;
    if (!cleanup || cleanup->born < live)
        return false;
    struct cleanup copy = *cleanup;
    arena->cleanups = copy.previous;
    tarn__guard_drop(&arena->guard);
    copy.run(copy.argument);
    tarn__guard_take(&arena->guard);
    return true;
}

int tarn_bump_rewind(struct tarn_bump *bump, struct tarn_bump_mark mark)
{
    struct arena *arena = arena_of(bump);
    tarn__guard_take(&arena->guard);
    int error = verify_mark(arena, &mark);
    if (!error)
        error = verify_later(arena, &mark);
    /* A cleanup, or another thread, may rewind further: then all is done. */
    bool again = !error;
    while (again && run_latest(arena, mark.live))
        again = verify_mark(arena, &mark) == 0;
    if (again && mark.live < live_now(arena)) {
        cut(arena, mark.chunk, mark.at);
        note_rewind(arena, mark.live);
    }
    tarn__guard_drop(&arena->guard);
    give_back(arena);
    return error;
}

void tarn_bump_reset(struct tarn_bump *bump)
{
    struct arena *arena = arena_of(bump);
    tarn__guard_take(&arena->guard);
    while (run_latest(arena, 0))
        ;
    arena->cleanups = NULL;
    cut(arena, arena->first, start_of(arena->first));
    arena->born = ++arena->serial;
    arena->rewinds = 0;
    tarn__guard_drop(&arena->guard);
    give_back(arena);
}

struct tarn_bump_mark tarn_bump_mark(struct tarn_bump *bump)
{
    struct arena *arena = arena_of(bump);
    tarn__guard_take(&arena->guard);
    struct tarn_bump_mark mark = {arena->now, here(arena), live_now(arena), arena->serial};
    tarn__guard_drop(&arena->guard);
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
    uintptr_t begin = tarn__align_up((uintptr_t)memory, ALIGN), end = tarn__align_down((uintptr_t)memory + *size, ALIGN);
    if (*size < TARN_BUMP_LEAST || *size > MOST || end <= begin)
        return NULL;
    *size = end - begin;
    return (char *)memory + (begin - (uintptr_t)memory);
}

struct tarn_bump *tarn_bump_create(void *memory, size_t size, const struct tarn_bump_options *options)
{
    struct tarn_bump_options none = {0};
    const struct tarn_bump_options *as = options ? options : &none;
    size_t ordinary = tarn__align_up(as->chunk ? as->chunk : ORDINARY, PAGE);
    if (as->flags & ~(unsigned)ALL_FLAGS || as->chunk > MOST)
        return NULL;
    struct tarn_source *source = as->source || memory ? as->source : tarn__host_source();
    size = size || memory ? size : ordinary;
    struct arena *arena = (struct arena *)(void *)first_memory(memory, &size, source);
    if (!arena)
        return NULL;
    *arena = (struct arena){.flags = as->flags, .source = source, .ordinary = ordinary, .size = size, .own = memory ? 0 : size};
    arena->slow = as->flags || as->lock;
    arena->spares_most = as->keep ? as->keep / ordinary : KEPT;
    tarn__guard_init(&arena->guard, as->lock);
    push(arena, (char *)arena + ARENA_ROOM, (char *)arena + size, 0);
    arena->first = arena->now;
    return &arena->fast;
}

void tarn_bump_destroy(struct tarn_bump *bump)
{
    if (!bump)
        return;
    tarn_bump_reset(bump);
    struct arena *arena = arena_of(bump);
    struct tarn_source *source = arena->source;
    arena->spares_most = 0;
    for (struct chunk *spare; (spare = arena->spare);) {
        arena->spare = spare->previous;
        retire(arena, spare);
    }
    give_back(arena);
    tarn__guard_end(&arena->guard);
    if (arena->own)
        source->ops->release(source, arena, arena->own);
}

/* Cleanups */

int tarn_bump_cleanup(struct tarn_bump *bump, void (*run)(void *argument), void *argument)
{
    struct arena *arena = arena_of(bump);
    tarn__guard_take(&arena->guard);
    struct cleanup *cleanup = allocate(arena, ALIGN, sizeof *cleanup, A_CLEANUP);
    if (cleanup) {
        /* In a new chunk it was born at that chunk's beginning, as the chunk before ended there: no moment lies between. */
        size_t born = live_now(arena) - room_for(arena, sizeof *cleanup) - lead_of(arena);
        *cleanup = (struct cleanup){arena->cleanups, run, argument, born, 0};
        cleanup->seal = seal_of_cleanup(cleanup);
        arena->cleanups = cleanup;
    }
    bool leaving = arena->leaving != NULL;
    tarn__guard_drop(&arena->guard);
    if (leaving)
        give_back(arena);
    return cleanup ? 0 : TARN_POOL_NO_MEMORY;
}

int tarn_bump_cleanup_cancel(struct tarn_bump *bump, void (*run)(void *argument), void *argument)
{
    struct arena *arena = arena_of(bump);
    int error = TARN_POOL_INVALID;
    tarn__guard_take(&arena->guard);
    struct cleanup *newer = NULL, *cleanup = arena->cleanups;
    while (cleanup && cleanup_sealed(cleanup) && (cleanup->run != run || cleanup->argument != argument)) {
        newer = cleanup;
        cleanup = cleanup->previous;
    }
    if (cleanup && cleanup_sealed(cleanup)) {
        *(newer ? &newer->previous : &arena->cleanups) = cleanup->previous;
        if (newer)
            newer->seal = seal_of_cleanup(newer);
        error = 0;
    }
    tarn__guard_drop(&arena->guard);
    return error;
}

/* Looking */

static void count_block(void *context, char *block, const struct record *record)
{
    (void)block;
    (void)record;
    ++*(size_t *)context;
}

/* The largest block that room of that many bytes is enough for. */
static size_t largest_in(const struct arena *arena, size_t left)
{
    size_t extra = lead_of(arena) + (arena->flags & TARN_POOL_RED_ZONE ? ZONE_LEAST : 0);
    return left > extra ? left - extra : 0;
}

void tarn_bump_stats(struct tarn_bump *bump, struct tarn_pool_stats *stats)
{
    struct arena *arena = arena_of(bump);
    tarn__guard_take(&arena->guard);
    *stats = (struct tarn_pool_stats){.size = arena->size, .live_bytes = live_now(arena), .segments = 1};
    stats->peak_bytes = arena->peak = tarn__max(arena->peak, stats->live_bytes);
    stats->allocations = arena->allocations;
    stats->failures = arena->failures;
    stats->largest_free = largest_in(arena, (size_t)(arena->now->end - here(arena)));
    stats->capacity = (size_t)(arena->first->end - start_of(arena->first));
    for (const struct chunk *chunk = arena->now; chunk && may_follow(arena, chunk); chunk = chunk->previous)
        if (chunk->size) {
            stats->capacity += chunk->size - CHUNK_ROOM;
            stats->segments++;
        }
    if (arena->spare) {
        stats->segments += arena->spares;
        stats->capacity += arena->spares * (arena->ordinary - CHUNK_ROOM);
        stats->largest_free = tarn__max(stats->largest_free, largest_in(arena, arena->ordinary - CHUNK_ROOM));
    }
    if (arena->flags & TARN_BUMP_RECORD)
        walk(arena, arena->first, start_of(arena->first), count_block, &stats->live_blocks);
    tarn__guard_drop(&arena->guard);
}

struct visitor {
    tarn_pool_visit *visit;
    void *context;
};

static void show_block(void *context, char *block, const struct record *record)
{
    const struct visitor *visitor = context;
    visitor->visit(visitor->context, block, (size_t)record->size);
}

int tarn_bump_each(struct tarn_bump *bump, tarn_pool_visit *visit, void *context)
{
    struct arena *arena = arena_of(bump);
    struct visitor visitor = {visit, context};
    if (!(arena->flags & TARN_BUMP_RECORD))
        return TARN_POOL_INVALID;
    tarn__guard_take(&arena->guard);
    int error = walk(arena, arena->first, start_of(arena->first), show_block, &visitor);
    tarn__guard_drop(&arena->guard);
    return error;
}

/* The stack of chunks, from the latest down: each is sealed, and holds as many bytes as it must. */
static bool chunks_hold(const struct arena *arena)
{
    const struct chunk *newer = NULL;
    for (const struct chunk *chunk = arena->now; chunk; newer = chunk, chunk = chunk->previous) {
        char *top = sealed(chunk) ? top_of(arena, chunk) : NULL;
        if (!top || chunk->next != newer || top < start_of(chunk) || top > chunk->end || (uintptr_t)top % ALIGN)
            return false;
        if (newer && newer->before != chunk->before + (size_t)(top - start_of(chunk)))
            return false;
        if (!chunk->previous && (chunk != arena->first || chunk->before != 0))
            return false;
    }
    return arena->slow ? !arena->fast.at && !arena->fast.end : arena->now && arena->fast.end == arena->now->end;
}

static bool cleanups_hold(const struct arena *arena)
{
    size_t live = live_now(arena);
    for (const struct cleanup *cleanup = arena->cleanups; cleanup; cleanup = cleanup->previous) {
        if (!cleanup_sealed(cleanup) || cleanup->born >= live)
            return false;
        live = cleanup->born;
    }
    return true;
}

int tarn_bump_check(struct tarn_bump *bump)
{
    struct arena *arena = arena_of(bump);
    tarn__guard_take(&arena->guard);
    bool holds = chunks_hold(arena) && cleanups_hold(arena);
    if (holds && arena->flags & RECORDED)
        holds = walk(arena, arena->first, start_of(arena->first), NULL, NULL) == 0;
    if (holds && arena->flags & TARN_POOL_POISON)
        holds = tarn__bytes_are(here(arena), TARN__FREED, (size_t)(arena->now->end - here(arena)));
    tarn__guard_drop(&arena->guard);
    return holds ? 0 : TARN_POOL_CORRUPT;
}
