/*
 * Class pool: allocation and free. (Layout and words: pool/classpool.h; making and ending: classpool_open.c.)
 *
 * A free block is in its class's queue, latest first, or not carved yet. Blocks are neither split nor merged, so nothing here depends on
 * how many there are; the price is that what was carved for one class serves smaller requests only when nothing else is left.
 *
 * The functions with which the file begins are whole for a pool without lock and flags; all else, and all that is wrong, goes the slow way.
 *
 * Wrong if: programs go through phases of very different sizes, so that classes of old phases hold the buffer.
 */
#include "pool/classpool.h"

#include "pool/bytes.h"

/* Writes a live block's words. */
static inline void dress(const struct tarn_classpool *pool, char *p, uint32_t state, uint32_t word, size_t extent)
{
    uint32_t mark = tarn__class_mark(pool, p);
    struct tarn__class_header *header = tarn__class_header(p);
    header->word = word;
    header->check = word ^ mark ^ state;
    *(tarn__class_guard *)(p + extent) = tarn__class_guard_of(mark);
}

static inline void *hand_out(struct tarn_classpool *pool, unsigned number, void *p, size_t asked)
{
    pool->classes[number].taken++;
    tarn__peak_take(&pool->bytes, tarn__classpool_class_size(number));
    dress(pool, p, TARN__CLASS_LIVE, tarn__class_word(number, asked), asked);
    return p;
}

#ifdef __OPTIMIZE_SIZE__
#define SHORT static __attribute__((noinline))
#else
#define SHORT static inline
#endif

/* The state is LIVE. The block's word stays as it is. */
SHORT void enqueue(struct tarn_classpool *pool, unsigned number, void *p)
{
    struct tarn__class *class = &pool->classes[number];
    struct tarn__class_header *header = tarn__class_header(p);
    struct tarn__class_queued *block = p;
    block->next = class->head;
    block->seal = tarn__class_seal(pool, block);
    header->check ^= TARN__CLASS_LIVE ^ TARN__CLASS_QUEUED;
    class->head = block;
    class->given++;
    tarn__peak_give(&pool->bytes, tarn__classpool_class_size(number));
}

static void *alloc_slow(struct tarn_classpool *pool, size_t size) __attribute__((noinline));
static int free_slow(struct tarn_classpool *pool, void *p) __attribute__((noinline));

void *tarn_classpool_alloc(struct tarn_classpool *pool, size_t size)
{
    if (__builtin_expect(pool->plain != (uintptr_t)pool || size - 1 >= pool->short_limit, 0))
        return alloc_slow(pool, size);
    unsigned number = tarn__classpool_class_of(size);
    struct tarn__class_queued *block = pool->classes[number].head;
    if (__builtin_expect(block->seal != tarn__class_seal(pool, block), 0))
        return alloc_slow(pool, size);
    pool->classes[number].head = block->next;
    return hand_out(pool, number, block, size);
}

int tarn_classpool_free(struct tarn_classpool *pool, void *p)
{
    if (__builtin_expect(pool->plain != (uintptr_t)pool || !tarn__class_begins(pool, p), 0))
        return free_slow(pool, p);
    uint32_t word = tarn__class_header(p)->word, mark = tarn__class_mark(pool, p);
    if (__builtin_expect(tarn__class_state(pool, p) != TARN__CLASS_LIVE, 0))
        return free_slow(pool, p);
    size_t asked = tarn__class_asked(word);
    unsigned number = tarn__class_number(word);
    if (__builtin_expect(asked > tarn__classpool_class_size(number), 0))
        return free_slow(pool, p);
    if (__builtin_expect(*(const tarn__class_guard *)((char *)p + asked) != tarn__class_guard_of(mark), 0))
        return free_slow(pool, p);
    enqueue(pool, number, p);
    return 0;
}

/*
 * The first of a queue, or NULL. One whose link was written to ends the queue there: what follows is out of use, as nobody knows any more where it
 * is. One whose poison was written to is out of use by itself.
 */
static void *dequeue(struct tarn_classpool *pool, unsigned number)
{
    struct tarn__class *class = &pool->classes[number];
    while (class->head != &pool->none) {
        struct tarn__class_queued *block = class->head;
        bool sound = tarn__class_begins(pool, block) && block->seal == tarn__class_seal(pool, block);
        if (sound && (pool->flags & TARN_POOL_CHECK))
            sound = tarn__class_queued_sound(pool, number, block);
        if (!sound) {
            pool->lost[number] += tarn__class_waiting(pool, number);
            class->head = &pool->none;
            return NULL;
        }
        class->head = block->next;
        if (!(pool->flags & TARN_POOL_POISON) ||
            tarn__bytes_are(block + 1, TARN__FREED, tarn__classpool_class_size(number) - sizeof *block))
            return block;
        pool->lost[number]++;
    }
    return NULL;
}

/* A new block from the untouched rest, or NULL. */
static void *carve(struct tarn_classpool *pool, unsigned number)
{
    size_t size = tarn__classpool_class_size(number);
    if (!tarn__class_fits(pool->carved, pool->room, size))
        return NULL;
    char *p = pool->base + pool->carved;
    tarn__bit_set(tarn__class_starts(pool), pool->grains);
    pool->carved += size + TARN__CLASS_GRAIN;
    pool->grains = pool->carved / TARN__CLASS_GRAIN;
    pool->classes[number].carved++;
    return p;
}

static void *take(struct tarn_classpool *pool, size_t asked)
{
    unsigned number = tarn__classpool_class_of(tarn__max(asked, 1));
    void *p = dequeue(pool, number);
    if (!p)
        p = carve(pool, number);
    while (!p && ++number < TARN_CLASSPOOL_CLASSES)
        p = dequeue(pool, number);
    return p ? hand_out(pool, number, p, asked) : NULL;
}

/* What flags want a block's new bytes to hold. */
static void fill_new(const struct tarn_classpool *pool, char *from, const char *to)
{
    if (from >= to || !(pool->flags & (TARN_POOL_ZERO | TARN_POOL_POISON)))
        return;
    tarn__bytes_fill(from, pool->flags & TARN_POOL_ZERO ? 0 : TARN__FRESH, (size_t)(to - from));
}

static void *alloc_here(struct tarn_classpool *pool, size_t size)
{
    bool large = size > TARN_CLASSPOOL_MOST;
    if (tarn__guard_enter(&pool->guard))
        return NULL;
    char *p = large ? NULL : take(pool, size);
    if (!p && (pool->flags & (unsigned)(large ? TARN_CLASSPOOL_PASS_LARGE : TARN_CLASSPOOL_PASS_FULL))) {
        size_t passed = size ? size : TARN_CLASSPOOL_LEAST;
        p = tarn__passed_alloc(&pool->passed, &pool->guard, passed);
        if (p)
            tarn__peak_take(&pool->bytes, passed);
    }
    if (!p)
        pool->failures++;
    tarn__guard_drop(&pool->guard);
    if (p)
        fill_new(pool, p, p + size);
    return p;
}

static void *alloc_slow(struct tarn_classpool *pool, size_t size)
{
    void *p = pool->flags & TARN__WATCHED ? tarn__watch_alloc(pool, 1, size) : alloc_here(pool, size);
    if (p || tarn__guard_enter(&pool->guard)) /* an overwritten pointer is not called */
        return p;
    tarn__guard_drop(&pool->guard);
    if (pool->notify)
        pool->notify(pool->notify_context, size);
    return NULL;
}

/* 0 when a live block of the buffer begins at `p`, and is sound; else what is wrong. Under the guard, as what follows. */
static int find_live(const struct tarn_classpool *pool, const void *p)
{
    if (!tarn__class_begins(pool, p))
        return TARN_POOL_FOREIGN;
    if (!tarn__class_header_sound(pool, p))
        return TARN_POOL_CORRUPT;
    if (tarn__class_state(pool, p) == TARN__CLASS_QUEUED)
        return TARN_POOL_DOUBLE_FREE;
    return tarn__class_guard_sound(pool, p) ? 0 : TARN_POOL_CORRUPT;
}

static int free_here(struct tarn_classpool *pool, void *p)
{
    int error = tarn__guard_enter(&pool->guard);
    if (error)
        return error;
    bool passed = false;
    size_t size;
    error = find_live(pool, p);
    if (!error) {
        unsigned number = tarn__class_number(tarn__class_header(p)->word);
        if (pool->flags & TARN_POOL_POISON)
            tarn__bytes_fill(p, TARN__FREED, tarn__classpool_class_size(number));
        tarn__class_header(p)->check ^= tarn__class_state(pool, p) ^ TARN__CLASS_LIVE;
        enqueue(pool, number, p);
    } else if (error == TARN_POOL_FOREIGN && (passed = tarn__passed_remove(&pool->passed, p, &size))) {
        error = 0;
        pool->passed_given++;
        tarn__peak_give(&pool->bytes, size);
    }
    tarn__guard_drop(&pool->guard);
    if (passed)
        tarn__passed_give(&pool->passed, p, size);
    return error;
}

static int free_slow(struct tarn_classpool *pool, void *p)
{
    if (!p)
        return 0;
    return pool->flags & TARN__WATCHED ? tarn__watch_free(pool, p, TARN__ANY_SIZE, "tarn_classpool_free") : free_here(pool, p);
}

static size_t extent_of(const struct tarn_classpool *pool, const void *p)
{
    return tarn__class_extent(tarn__class_state(pool, p), tarn__class_header(p)->word);
}

/* Moves the guard of a live block, and fills what it gains. */
static void redress(const struct tarn_classpool *pool, char *p, uint32_t state, uint32_t word)
{
    size_t had = extent_of(pool, p), has = tarn__class_extent(state, word);
    dress(pool, p, state, word, has);
    fill_new(pool, p + had, p + has);
}

void *tarn_classpool_realloc(struct tarn_classpool *pool, void *p, size_t size)
{
    if (!p)
        return tarn_classpool_alloc(pool, size);
    if (size == 0) {
        tarn_classpool_free(pool, p);
        return NULL;
    }
    if (pool->flags & TARN__WATCHED)
        return tarn__watch_realloc(pool, p, size, "tarn_classpool_realloc");
    size_t had = 0;
    bool stays = false;
    if (tarn__guard_enter(&pool->guard))
        return NULL;
    const struct tarn__passed_entry *entry = NULL;
    int error = find_live(pool, p);
    if (!error) {
        uint32_t word = tarn__class_header(p)->word;
        unsigned number = tarn__class_number(word);
        had = extent_of(pool, p);
        stays = size <= tarn__classpool_class_size(number);
        if (stays)
            redress(pool, p, TARN__CLASS_LIVE, tarn__class_word(number, size));
    } else if (error == TARN_POOL_FOREIGN && (entry = tarn__passed_find(&pool->passed, p))) {
        error = 0;
        had = entry->size;
        stays = size == had;
    }
    tarn__guard_drop(&pool->guard);
    if (error || stays)
        return error ? NULL : p;
    void *moved = tarn_classpool_alloc(pool, size);
    if (moved) {
        tarn__bytes_copy(moved, p, tarn__min(had, size));
        tarn_classpool_free(pool, p);
    }
    return moved;
}

/* Who knows the class's size may use it; so the guard moves behind it. */
static size_t usable(struct tarn_classpool *pool, const void *p)
{
    size_t size = 0;
    if (tarn__guard_enter(&pool->guard))
        return 0;
    const struct tarn__passed_entry *entry = tarn__passed_find(&pool->passed, p);
    if (entry) {
        size = entry->size;
    } else if (find_live(pool, p) == 0) {
        uint32_t word = tarn__class_header(p)->word;
        unsigned number = tarn__class_number(word);
        size = tarn__classpool_class_size(number);
        redress(pool, (char *)(uintptr_t)p, TARN__CLASS_GRANTED, word);
    }
    tarn__guard_drop(&pool->guard);
    return size;
}

size_t tarn_classpool_usable_size(struct tarn_classpool *pool, const void *p)
{
    return pool->flags & TARN__WATCHED ? tarn__watch_usable(pool, p) : usable(pool, p);
}

/* What watched pools are asked */

static void *watched_alloc(void *pool, size_t align, size_t size)
{
    (void)align;
    return alloc_here(pool, size);
}

static int watched_free(void *pool, void *p, size_t size)
{
    (void)size;
    return free_here(pool, p);
}

static int watched_look(void *at, const void *p)
{
    struct tarn_classpool *pool = at;
    int error = tarn__guard_enter(&pool->guard);
    if (error)
        return error;
    error = find_live(pool, p);
    if (error == TARN_POOL_FOREIGN && tarn__passed_find(&pool->passed, p))
        error = 0;
    tarn__guard_drop(&pool->guard);
    return error;
}

static size_t watched_usable(void *pool, const void *p) { return usable(pool, p); }

const struct tarn__watched tarn__classpool_watched = {"classpool",    watched_alloc, watched_free, watched_look,
                                                      watched_usable, NULL,          true};
