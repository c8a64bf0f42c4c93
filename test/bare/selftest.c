/*
 * Every pool against a model: a few dozen slots of blocks, filled with bytes that follow from the slot, so that two blocks that overlap, or a block that is
 * written to by the pool, show. Then misuse, which must be answered and change nothing; then what each pool has of its own.
 *
 * Needs 256 KiB for its memory, and no C library.
 */
#include "selftest.h"

#ifdef SELFTEST_WHOLE_LIBRARY
#include "tarn.h"
#else
#include "tarn-pools.h"
#endif

enum { SLOTS = 48, STEPS = 3000, PAGE = 4096, PAGES = 32, MEMORY = 65536 };

static struct selftest_result result;
static void (*say)(const char *line);
static const char *part; /* of the test: what runs now */
static char memory[MEMORY] __attribute__((aligned(16)));

static void fail(const char *sentence)
{
    char line[160];
    size_t length = 0;
    for (const char *from = part; *from && length < 60; from++)
        line[length++] = *from;
    line[length++] = ':';
    line[length++] = ' ';
    for (const char *from = sentence; *from && length < sizeof line - 1; from++)
        line[length++] = *from;
    line[length] = '\0';
    if (result.failures++ < 20)
        say(line);
}

#define EXPECT(condition, sentence)                                                                                            \
    do {                                                                                                                       \
        result.checks++;                                                                                                       \
        if (!(condition))                                                                                                      \
            fail(sentence);                                                                                                    \
    } while (0)

/* xorshift32 (Marsaglia 2003). */
static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (random_state >> 8) % bound;
}

static void stamp(void *p, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)p)[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

static bool stamped(const void *p, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)p)[i] != (unsigned char)(seed * 31 + i * 7 + (i >> 8)))
            return false;
    return true;
}

static bool all_are(const void *p, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)p)[i] != value)
            return false;
    return true;
}

/* A source over an array of pages. */

static char pages[PAGES * PAGE] __attribute__((aligned(PAGE)));
static bool page_taken[PAGES];

static size_t pages_taken(void)
{
    size_t taken = 0;
    for (size_t i = 0; i < PAGES; i++)
        taken += page_taken[i];
    return taken;
}

static void *acquire(struct tarn_source *source, size_t size, size_t align)
{
    (void)source;
    EXPECT(size > 0 && size % PAGE == 0 && align >= PAGE && (align & (align - 1)) == 0, "a source is asked for whole pages");
    for (size_t first = 0; first + size / PAGE <= PAGES; first++) {
        size_t count = 0;
        while (count < size / PAGE && !page_taken[first + count])
            count++;
        if (count < size / PAGE || (uintptr_t)(pages + first * PAGE) % align)
            continue;
        for (size_t i = 0; i < size; i++)
            pages[first * PAGE + i] = 0;
        for (size_t i = 0; i < count; i++)
            page_taken[first + i] = true;
        return pages + first * PAGE;
    }
    return NULL;
}

static int release(struct tarn_source *source, void *p, size_t size)
{
    (void)source;
    size_t first = (size_t)((char *)p - pages) / PAGE;
    EXPECT(size > 0 && size % PAGE == 0 && first + size / PAGE <= PAGES, "what goes back to a source came from it");
    for (size_t i = 0; i < size / PAGE; i++) {
        EXPECT(page_taken[first + i], "a page goes back once");
        page_taken[first + i] = false;
    }
    return 0;
}

static const struct tarn_source_ops operations = {.acquire = acquire, .release = release};
static struct tarn_source source = {&operations, NULL};

/* A lock that counts, and knows when it is taken twice. */

static unsigned lock_held, lock_takes;

static void lock_acquire(void *context)
{
    EXPECT(context == &lock_held && lock_held == 0, "a lock is taken once");
    lock_held++;
    lock_takes++;
}

static void lock_release(void *context)
{
    EXPECT(context == &lock_held && lock_held == 1, "a lock that is let go of was taken");
    lock_held--;
}

static const struct tarn_pool_lock counting_lock = {lock_acquire, lock_release, &lock_held};

/* What the pools have in common, so that one model serves them all. */
struct face {
    void *(*alloc)(void *pool, size_t size);
    void *(*realloc)(void *pool, void *p, size_t size);
    int (*free)(void *pool, void *p);
    size_t (*usable_size)(void *pool, const void *p);
    void (*stats)(void *pool, struct tarn_pool_stats *stats);
    void (*each)(void *pool, tarn_pool_visit *visit, void *context);
    int (*check)(void *pool);
};

#define FACE(kind)                                                                                                             \
    static void *kind##_alloc(void *pool, size_t size) { return tarn_##kind##_alloc(pool, size); }                             \
    static void *kind##_realloc(void *pool, void *p, size_t size) { return tarn_##kind##_realloc(pool, p, size); }             \
    static int kind##_free(void *pool, void *p) { return tarn_##kind##_free(pool, p); }                                        \
    static size_t kind##_usable_size(void *pool, const void *p) { return tarn_##kind##_usable_size(pool, p); }                 \
    static void kind##_stats(void *pool, struct tarn_pool_stats *stats) { tarn_##kind##_stats(pool, stats); }                  \
    static void kind##_each(void *pool, tarn_pool_visit *visit, void *context) { tarn_##kind##_each(pool, visit, context); }   \
    static int kind##_check(void *pool) { return tarn_##kind##_check(pool); }                                                  \
    static const struct face kind##_face = {kind##_alloc, kind##_realloc, kind##_free, kind##_usable_size,                     \
                                            kind##_stats, kind##_each,    kind##_check}

FACE(region);
FACE(classpool);
FACE(levelpool);
FACE(blockpool);

/* One run of the model. */
struct model {
    const struct face *face;
    void *pool;
    unsigned flags;
    size_t most, align; /* sizes go up to `most`; blocks are aligned to `align` */
    struct slot {
        unsigned char *p;
        size_t size;
        bool seen;
    } slot[SLOTS];
    size_t live;
    unsigned strange; /* blocks visited that the model does not know */
};

static size_t random_size(const struct model *model)
{
    return random_below(8) ? random_below((uint32_t)model->most / 8 + 1) : random_below((uint32_t)model->most + 1);
}

static void verify_block(struct model *model, unsigned i)
{
    struct slot *slot = &model->slot[i];
    EXPECT(stamped(slot->p, slot->size, i), "a block keeps its bytes");
    EXPECT(model->face->usable_size(model->pool, slot->p) >= slot->size, "as much may be used as was asked for");
}

static void model_alloc(struct model *model, unsigned i)
{
    struct slot *slot = &model->slot[i];
    slot->size = random_size(model);
    slot->p = model->face->alloc(model->pool, slot->size);
    if (!slot->p)
        return;
    model->live++;
    EXPECT((uintptr_t)slot->p % model->align == 0, "a block is aligned");
    if (model->flags & TARN_POOL_ZERO)
        EXPECT(all_are(slot->p, slot->size, 0), "a new block is zero");
    else if (model->flags & TARN_POOL_POISON)
        EXPECT(all_are(slot->p, slot->size, 0x5a), "a new block is filled with 0x5a");
    stamp(slot->p, slot->size, i);
}

static void model_free(struct model *model, unsigned i)
{
    struct slot *slot = &model->slot[i];
    verify_block(model, i);
    EXPECT(model->face->free(model->pool, slot->p) == 0, "a live block can be freed");
    slot->p = NULL;
    model->live--;
}

static void model_realloc(struct model *model, unsigned i)
{
    struct slot *slot = &model->slot[i];
    size_t size = random_size(model) + 1, kept = size < slot->size ? size : slot->size;
    verify_block(model, i);
    unsigned char *p = model->face->realloc(model->pool, slot->p, size);
    if (!p) {
        verify_block(model, i);
        return;
    }
    EXPECT((uintptr_t)p % model->align == 0, "a block that was changed is aligned");
    EXPECT(stamped(p, kept, i), "a block that was changed keeps its bytes");
    slot->p = p;
    slot->size = size;
    stamp(p, size, i);
}

static void visit(void *context, void *block, size_t size)
{
    struct model *model = context;
    for (unsigned i = 0; i < SLOTS; i++)
        if (model->slot[i].p == block && !model->slot[i].seen && size >= model->slot[i].size) {
            model->slot[i].seen = true;
            return;
        }
    model->strange++;
}

/* The pool's own view of itself, and of what is live, is the model's. */
static void verify_all(struct model *model)
{
    struct tarn_pool_stats stats;
    size_t bytes = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        model->slot[i].seen = false;
        bytes += model->slot[i].p ? model->slot[i].size : 0;
    }
    EXPECT(model->face->check(model->pool) == 0, "the pool's structure holds");
    model->face->stats(model->pool, &stats);
    EXPECT(stats.live_blocks == model->live, "as many blocks are live");
    EXPECT(stats.live_bytes >= bytes && stats.peak_bytes >= stats.live_bytes && stats.capacity <= stats.size, "bytes add up");
    EXPECT(stats.allocations - stats.frees == model->live, "the difference of the counters is what is live");
    model->strange = 0;
    model->face->each(model->pool, visit, model);
    EXPECT(model->strange == 0, "only live blocks are visited");
    for (unsigned i = 0; i < SLOTS; i++)
        EXPECT(model->slot[i].seen == (model->slot[i].p != NULL), "each live block is visited");
}

/* Misuse is an answer, and changes nothing. */
static void misuse(struct model *model)
{
    static char foreign[64] __attribute__((aligned(64)));
    const struct face *face = model->face;
    void *pool = model->pool;
    unsigned char *p = face->alloc(pool, 32);
    EXPECT(p != NULL, "there is room again");
    if (!p)
        return;
    stamp(p, 32, 77);
    EXPECT(face->free(pool, foreign) == TARN_POOL_FOREIGN, "another's address is foreign");
    EXPECT(face->usable_size(pool, foreign) == 0, "nothing may be used of another's block");
    EXPECT(!face->realloc(pool, foreign, 40), "another's block cannot be changed");
    EXPECT(face->free(pool, p + 1) != 0, "an odd address is no block");
    EXPECT(face->free(pool, p + 16) != 0, "the middle of a block is no block");
    EXPECT(face->usable_size(pool, p + 16) == 0, "nothing may be used of a middle");
    EXPECT(face->free(pool, NULL) == 0, "NULL may be freed");
    EXPECT(stamped(p, 32, 77) && face->check(pool) == 0, "misuse changes nothing");
    EXPECT(face->free(pool, p) == 0, "a live block can be freed after misuse");
    EXPECT(face->free(pool, p) == TARN_POOL_DOUBLE_FREE, "a second free is told");
    EXPECT(!face->realloc(pool, p, 64), "a free block cannot be changed");
    EXPECT(face->usable_size(pool, p) == 0, "nothing may be used of a free block");
    EXPECT(face->check(pool) == 0, "a second free changes nothing");
}

/* Random steps; at the end nothing is live. */
static void run_model(const struct face *face, void *pool, unsigned flags, size_t most, size_t align)
{
    static struct model model;
    EXPECT(pool != NULL, "a pool can be made");
    if (!pool)
        return;
    model = (struct model){.face = face, .pool = pool, .flags = flags, .most = most, .align = align};
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = random_below(SLOTS);
        if (!model.slot[i].p)
            model_alloc(&model, i);
        else if (random_below(3))
            model_free(&model, i);
        else
            model_realloc(&model, i);
        if (step % 256 == 0)
            verify_all(&model);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (model.slot[i].p)
            model_free(&model, i);
    verify_all(&model);
    misuse(&model);
}

static const unsigned flag_sets[] = {0, TARN_POOL_CHECK, TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON,
                                     TARN_POOL_ZERO};
enum { FLAG_SETS = sizeof flag_sets / sizeof flag_sets[0] };

static const struct tarn_pool_lock *lock_for(unsigned i)
{
    return i == 0 ? NULL : i == 1 ? TARN_POOL_LOCK_BUILTIN : &counting_lock;
}

/* Region */

static void test_region_sized(struct tarn_region *region)
{
    char *p = tarn_region_alloc_aligned(region, 256, 100);
    EXPECT(p && (uintptr_t)p % 256 == 0, "an alignment is kept");
    EXPECT(!tarn_region_alloc_aligned(region, 48, 100), "48 is no alignment");
    char *sized = tarn_region_alloc_sized(region, 500);
    EXPECT(sized != NULL, "a block without a header");
    EXPECT(tarn_region_free_sized(region, sized, 5000) == TARN_POOL_WRONG_SIZE, "a wrong size is told");
    EXPECT(tarn_region_free_sized(region, sized, 500) == 0, "the right size frees");
    EXPECT(tarn_region_destroy(region) == TARN_POOL_BUSY, "a region with a live block stays");
    EXPECT(tarn_region_free(region, p) == 0, "an aligned block is freed");
}

static void test_region_handles(struct tarn_region *region)
{
    enum { HANDLES = 24 };
    tarn_region_handle handle[HANDLES];
    for (unsigned i = 0; i < HANDLES; i++) {
        handle[i] = tarn_region_handle_alloc(region, 200 + i * 8);
        char *p = handle[i] ? tarn_region_handle_lock(region, handle[i]) : NULL;
        EXPECT(p != NULL, "a movable block");
        if (p)
            stamp(p, 200 + i * 8, i);
    }
    EXPECT(tarn_region_handle_free(region, handle[2]) == TARN_POOL_BUSY, "a locked block stays");
    for (unsigned i = 0; i < HANDLES; i++)
        EXPECT(tarn_region_handle_unlock(region, handle[i]) == 0, "a locked block is unlocked");
    EXPECT(tarn_region_handle_unlock(region, handle[1]) == TARN_POOL_INVALID, "an unlocked block cannot be unlocked");
    for (unsigned i = 0; i < HANDLES; i += 2)
        EXPECT(tarn_region_handle_free(region, handle[i]) == 0, "a movable block is freed");
    EXPECT(tarn_region_handle_lock(region, handle[0]) == NULL, "a handle that was freed names nothing");
    size_t moved = 0, step;
    for (unsigned i = 0; i < 1000 && (step = tarn_region_compact(region, 500)) > 0; i++)
        moved += step;
    EXPECT(moved > 0 && tarn_region_check(region) == 0, "blocks slide together");
    for (unsigned i = 1; i < HANDLES; i += 2) {
        char *p = tarn_region_handle_lock(region, handle[i]);
        EXPECT(p && stamped(p, 200 + i * 8, i), "a block that moved keeps its bytes");
        tarn_region_handle_unlock(region, handle[i]);
        EXPECT(tarn_region_handle_free(region, handle[i]) == 0, "a block that moved is freed");
    }
}

static void test_region_ranges(struct tarn_region *region, char *second)
{
    EXPECT(tarn_region_add(region, memory + 1000, 10000) == TARN_POOL_EXISTS, "a range lies once");
    EXPECT(tarn_region_add(region, second, 20000) == 0, "a range is added");
    bool used = false;
    for (char *p; !used && (p = tarn_region_alloc(region, 5000)) != NULL;)
        used = p >= second && p < second + 20000;
    EXPECT(used, "a range that was added serves");
    EXPECT(tarn_region_remove(region, second) == TARN_POOL_BUSY, "a range in use stays");
    tarn_region_reset(region);
    EXPECT(tarn_region_remove(region, second) == 0, "a range is taken out");
    EXPECT(tarn_region_remove(region, second) == TARN_POOL_FOREIGN, "once");
}

static void test_region(void)
{
    static const char *const names[] = {"region, TLSF", "region, best fit", "region, first fit"};
    for (unsigned i = 0; i < 3 * FLAG_SETS; i++) {
        struct tarn_region_options options = {
            .strategy = (enum tarn_region_strategy)(i % 3), .flags = flag_sets[i / 3], .lock = lock_for(i % 3)};
        part = names[i % 3];
        char *place = memory + i % 5; /* any alignment will do */
        struct tarn_region *region = tarn_region_create(place, MEMORY / 2, &options);
        run_model(&region_face, region, options.flags, 4096, 2 * sizeof(void *));
        if (!region)
            continue;
        test_region_sized(region);
        test_region_handles(region);
        test_region_ranges(region, memory + MEMORY / 2 + 100);
        EXPECT(tarn_region_destroy(region) == 0, "a region ends");
    }
    part = "region on a source";
    struct tarn_region_options options = {.source = &source, .increment = 8192};
    struct tarn_region *region = tarn_region_create(NULL, 8192, &options);
    run_model(&region_face, region, 0, 6000, 2 * sizeof(void *));
    if (region) {
        tarn_region_trim(region);
        EXPECT(pages_taken() == 2, "a source gets back what is empty");
        EXPECT(tarn_region_destroy(region) == 0, "a region ends");
    }
    EXPECT(pages_taken() == 0, "a source gets everything back");
    EXPECT(!tarn_region_create(memory, 64, NULL), "64 bytes are too few");
}

/* Class pool */

static unsigned passed_on, notified;
static char *const passed_block = pages; /* what the fallback gives */

static void *pass(void *context, size_t size)
{
    (void)context;
    return passed_on == 0 && size <= sizeof pages ? (passed_on++, (void *)passed_block) : NULL;
}

static void pass_back(void *context, void *p, size_t size)
{
    (void)context;
    EXPECT(p == passed_block && size > 0 && passed_on == 1, "what was passed on goes back once");
    passed_on--;
}

static void notify(void *context, size_t size)
{
    (void)size;
    ++*(unsigned *)context;
}

static void test_classpool(void)
{
    part = "class pool";
    for (unsigned i = 0; i < FLAG_SETS; i++) {
        struct tarn_classpool_options options = {.flags = flag_sets[i] | TARN_CLASSPOOL_PASS_LARGE,
                                                 .lock = lock_for(i % 3),
                                                 .fallback = {pass, pass_back, NULL},
                                                 .notify = notify,
                                                 .notify_context = &notified};
        struct tarn_classpool *pool = NULL;
        struct tarn_pool_stats left;
        notified = 0;
        EXPECT(tarn_classpool_open(&pool, memory, MEMORY, &options) == 0, "a pool opens");
        run_model(&classpool_face, pool, flag_sets[i], 2048, 16);
        if (!pool)
            continue;
        EXPECT(tarn_classpool_open(&pool, NULL, 0, NULL) == 0, "a pool opens again");
        void *large = tarn_classpool_alloc(pool, 70000);
        EXPECT(large == passed_block, "a large request is passed on");
        unsigned before = notified;
        EXPECT(!tarn_classpool_alloc(pool, 70000) && notified == before + 1, "what nobody can serve is told");
        EXPECT(tarn_classpool_free(pool, large) == 0 && passed_on == 0, "what was passed on is freed there");
        EXPECT(tarn_classpool_alloc(pool, 70000) != NULL, "and can be had again");
        EXPECT(tarn_classpool_close(&pool, NULL) == 0 && pool, "the first close leaves it");
        EXPECT(tarn_classpool_close(&pool, &left) == TARN_POOL_BUSY && !pool, "the last close ends it");
        EXPECT(left.live_blocks == 1 && passed_on == 0, "what was left is told, and given back");
    }
    part = "class pool on a source";
    struct tarn_classpool_options options = {.source = &source};
    struct tarn_classpool *pool = NULL;
    EXPECT(tarn_classpool_open(&pool, NULL, 40000, &options) == 0, "a pool opens");
    run_model(&classpool_face, pool, 0, 1024, 16);
    if (pool)
        tarn_classpool_close(&pool, NULL);
    EXPECT(pages_taken() == 0, "a source gets everything back");
}

/* Level pool */

static void test_levelpool(void)
{
    part = "level pool";
    for (unsigned i = 0; i < FLAG_SETS; i++) {
        struct tarn_levelpool_options options = {
            .flags = flag_sets[i], .lock = lock_for(i % 3), .fallback = {pass, pass_back, NULL}};
        struct tarn_levelpool *pool = tarn_levelpool_create(memory, MEMORY, &options);
        run_model(&levelpool_face, pool, flag_sets[i], 128, 8);
        if (!pool)
            continue;
        EXPECT(tarn_levelpool_ready(pool, 24) >= 5, "blocks are kept ready");
        EXPECT(tarn_levelpool_ready(pool, 1000) == 0, "no class serves that");
        void *large = tarn_levelpool_alloc(pool, 1000);
        EXPECT(large == passed_block, "a large request is passed on");
        EXPECT(tarn_levelpool_destroy(pool) == TARN_POOL_BUSY, "a pool with a live block stays");
        EXPECT(tarn_levelpool_free(pool, large) == 0 && passed_on == 0, "what was passed on is freed there");
        EXPECT(tarn_levelpool_destroy(pool) == 0, "a pool ends");
    }
    part = "level pool on a source";
    struct tarn_levelpool_options options = {.source = &source, .classes = 32, .blocks = 8, .low_water = 4};
    struct tarn_levelpool *pool = tarn_levelpool_create(NULL, 0, &options);
    run_model(&levelpool_face, pool, 0, 256, 8);
    if (pool)
        EXPECT(tarn_levelpool_destroy(pool) == 0, "a pool ends");
    EXPECT(pages_taken() == 0, "a source gets everything back");
}

/* Block pool */

static void test_blockpool(void)
{
    static const size_t sizes[] = {64, 24, 8, 512};
    part = "block pool";
    for (unsigned i = 0; i < 2 * FLAG_SETS; i++) {
        struct tarn_blockpool_options options = {.flags = flag_sets[i / 2],
                                                 .fit = i % 2 ? TARN_BLOCKPOOL_NEXT_FIT : TARN_BLOCKPOOL_FIRST_FIT,
                                                 .block_size = sizes[i % 4],
                                                 .lock = lock_for(i % 3)};
        struct tarn_blockpool *pool = tarn_blockpool_create_in(memory, MEMORY, &options);
        run_model(&blockpool_face, pool, options.flags, 3000, 8);
        if (!pool)
            continue;
        void *p = tarn_blockpool_alloc(pool, 3 * options.block_size);
        EXPECT(tarn_blockpool_used(pool) >= 3 * options.block_size, "three blocks are used");
        EXPECT(tarn_blockpool_free(pool, (char *)p + options.block_size) == TARN_POOL_INSIDE, "a run ends as a whole");
        EXPECT(tarn_blockpool_destroy(pool) == TARN_POOL_BUSY, "a pool with a live run stays");
        EXPECT(tarn_blockpool_free(pool, p) == 0 && tarn_blockpool_used(pool) == 0, "a run is freed");
        EXPECT(tarn_blockpool_destroy(pool) == 0, "a pool ends");
    }
    part = "block pool on a source";
    struct tarn_blockpool_options options = {.source = &source, .increment = 8192, .block_size = 128};
    struct tarn_blockpool *pool = tarn_blockpool_create_in(NULL, 4096, &options);
    run_model(&blockpool_face, pool, 0, 5000, 8);
    if (pool) {
        tarn_blockpool_trim(pool);
        EXPECT(pages_taken() <= 3, "a source gets back what is empty");
        EXPECT(tarn_blockpool_destroy(pool) == 0, "a pool ends");
    }
    EXPECT(pages_taken() == 0, "a source gets everything back");
}

/* Bump arena */

static unsigned cleaned;

static void clean(void *argument) { cleaned = cleaned * 10 + *(unsigned *)argument; }

static void count_block(void *context, void *block, size_t size)
{
    (void)block;
    (void)size;
    ++*(unsigned *)context;
}

static void test_bump_blocks(struct tarn_bump *bump, bool zeroed)
{
    unsigned char *p[SLOTS];
    size_t size[SLOTS];
    for (unsigned round = 0; round < 8; round++) {
        struct tarn_bump_mark mark = tarn_bump_mark(bump);
        for (unsigned i = 0; i < SLOTS; i++) {
            size[i] = random_below(300);
            p[i] = tarn_bump_alloc(bump, size[i]);
            EXPECT(p[i] && (uintptr_t)p[i] % TARN_BUMP_ALIGN == 0, "a block is aligned");
            EXPECT(!zeroed || all_are(p[i], size[i], 0), "a new block is zero");
            stamp(p[i], size[i], i);
        }
        for (unsigned i = 0; i < SLOTS; i++)
            EXPECT(stamped(p[i], size[i], i), "a block keeps its bytes");
        EXPECT(tarn_bump_check(bump) == 0, "the arena's structure holds");
        EXPECT(tarn_bump_rewind(bump, mark) == 0, "an arena goes back to a mark");
    }
    p[0] = tarn_bump_alloc_aligned(bump, 512, 40);
    EXPECT(p[0] && (uintptr_t)p[0] % 512 == 0, "an alignment is kept");
}

static void test_bump_cleanups(struct tarn_bump *bump)
{
    static unsigned digit[] = {1, 2, 3};
    tarn_bump_reset(bump);
    cleaned = 0;
    EXPECT(tarn_bump_cleanup(bump, clean, &digit[0]) == 0, "a cleanup is registered");
    struct tarn_bump_mark mark = tarn_bump_mark(bump);
    EXPECT(tarn_bump_alloc(bump, 100) != NULL, "a block behind a mark");
    struct tarn_bump_mark later = tarn_bump_mark(bump);
    EXPECT(tarn_bump_cleanup(bump, clean, &digit[1]) == 0 && tarn_bump_cleanup(bump, clean, &digit[2]) == 0, "and two more");
    EXPECT(tarn_bump_cleanup_cancel(bump, clean, &digit[1]) == 0, "a cleanup is taken back");
    EXPECT(tarn_bump_cleanup_cancel(bump, clean, &digit[1]) == TARN_POOL_INVALID, "once");
    EXPECT(tarn_bump_rewind(bump, mark) == 0 && cleaned == 3, "a rewind runs what came since");
    EXPECT(tarn_bump_rewind(bump, later) == TARN_POOL_INVALID, "a later mark is void then");
    tarn_bump_reset(bump);
    EXPECT(cleaned == 31, "a reset runs the rest");
}

static void test_bump(void)
{
    part = "bump arena";
    for (unsigned i = 0; i < FLAG_SETS; i++) {
        struct tarn_bump_options options = {.flags = flag_sets[i] | (i % 2 ? TARN_BUMP_RECORD : 0), .lock = lock_for(i % 3)};
        struct tarn_bump *bump = tarn_bump_create(memory + i, MEMORY / 2, &options);
        EXPECT(bump != NULL, "an arena can be made");
        if (!bump)
            continue;
        test_bump_blocks(bump, flag_sets[i] & TARN_POOL_ZERO);
        unsigned blocks = 0;
        int answer = tarn_bump_each(bump, count_block, &blocks);
        EXPECT(i % 2 ? answer == 0 && blocks == 1 : answer == TARN_POOL_INVALID, "blocks are visited where they are recorded");
        test_bump_cleanups(bump);
        EXPECT(!tarn_bump_alloc(bump, MEMORY), "what is too large is not there");
        tarn_bump_destroy(bump);
    }
    part = "bump arena on a source";
    struct tarn_bump_options options = {.source = &source, .chunk = 4096};
    struct tarn_bump *bump = tarn_bump_create(NULL, 4096, &options);
    EXPECT(bump != NULL, "an arena can be made");
    if (bump) {
        test_bump_blocks(bump, false);
        EXPECT(tarn_bump_alloc(bump, 10000) != NULL, "a large block gets a chunk of its own");
        test_bump_cleanups(bump);
        EXPECT(pages_taken() <= 3, "one chunk stays after a reset");
        tarn_bump_destroy(bump);
    }
    EXPECT(pages_taken() == 0, "a source gets everything back");
}

struct selftest_result selftest(void (*say_line)(const char *line))
{
    say = say_line;
    result = (struct selftest_result){0, 0};
    random_state = 2463534242u;
    test_region();
    test_classpool();
    test_levelpool();
    test_blockpool();
    test_bump();
    part = "locks";
    EXPECT(lock_held == 0 && lock_takes > 0, "each lock that was taken was let go of");
    return result;
}
