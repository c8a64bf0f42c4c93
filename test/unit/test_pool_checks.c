/* Floor 4: what TARN_POOL_CHECK alone, and then what a letter of the environment alone finds of who uses a pool: two threads at once, and after its end. */
#include "test/unit/check.h"

#include "base/fail.h"
#include "base/modes.h"
#include "pool/bytes.h"
#include "tarn/blockpool.h"
#include "tarn/bump.h"
#include "tarn/classpool.h"
#include "tarn/levelpool.h"
#include "tarn/region.h"

#include <pthread.h>
#include <string.h>

static _Alignas(4096) char memory[65536], more[4 * 65536];

enum kind { REGION, CLASSPOOL, LEVELPOOL, BLOCKPOOL, BUMP, KINDS };

static struct tarn_classpool *classes;
static enum kind kind;
static void *pool, *block;
static unsigned flags, reports;
static enum tarn__crime seen;
static struct tarn__suspect said;

/* Carries on. */
static void remember(enum tarn__crime crime, const char *where, const void *address, const struct tarn__suspect *suspect,
                     bool final)
{
    (void)where, (void)address;
    assert_false(final);
    reports++;
    seen = crime;
    said = *suspect;
}

/* So many reports since the last look, all of a kind; without letters none. */
static void expect(unsigned count, enum tarn__crime what)
{
    assert_int_equal(reports, flags ? 0 : count);
    assert_true(reports == 0 || seen == what);
    reports = 0;
}

static void make(const struct tarn_pool_lock *lock)
{
    struct tarn_region_options region = {.flags = flags, .lock = lock};
    struct tarn_classpool_options class = {.flags = flags, .lock = lock};
    struct tarn_levelpool_options level = {.flags = flags, .lock = lock};
    struct tarn_blockpool_options run = {.flags = flags, .lock = lock};
    struct tarn_bump_options bump = {.flags = flags | TARN_BUMP_RECORD, .lock = lock};
    classes = NULL;
    if (kind == CLASSPOOL)
        assert_int_equal(tarn_classpool_open(&classes, memory, sizeof memory, &class), 0);
    pool = kind == REGION      ? (void *)tarn_region_create(memory, sizeof memory, &region)
           : kind == CLASSPOOL ? (void *)classes
           : kind == LEVELPOOL ? (void *)tarn_levelpool_create(memory, sizeof memory, &level)
           : kind == BLOCKPOOL ? (void *)tarn_blockpool_create_in(memory, sizeof memory, &run)
                               : (void *)tarn_bump_create(memory, sizeof memory, &bump);
    assert_non_null(pool);
}

static void *take(void)
{
    switch (kind) {
    case REGION:
        return tarn_region_alloc(pool, 40);
    case CLASSPOOL:
        return tarn_classpool_alloc(pool, 40);
    case LEVELPOOL:
        return tarn_levelpool_alloc(pool, 40);
    case BLOCKPOOL:
        return tarn_blockpool_alloc(pool, 40);
    default:
        return tarn_bump_alloc(pool, 40);
    }
}

/* What an arena answers where the others free. */
static int give(void *p)
{
    switch (kind) {
    case REGION:
        return tarn_region_free(pool, p);
    case CLASSPOOL:
        return tarn_classpool_free(pool, p);
    case LEVELPOOL:
        return tarn_levelpool_free(pool, p);
    case BLOCKPOOL:
        return tarn_blockpool_free(pool, p);
    default:
        return tarn_bump_check(pool);
    }
}

static int end(void)
{
    switch (kind) {
    case REGION:
        return tarn_region_destroy(pool);
    case CLASSPOOL:
        return tarn_classpool_close(&classes, NULL);
    case LEVELPOOL:
        return tarn_levelpool_destroy(pool);
    case BLOCKPOOL:
        return tarn_blockpool_destroy(pool);
    default:
        tarn_bump_destroy(pool);
        return 0;
    }
}

static void each(tarn_pool_visit *visit)
{
    switch (kind) {
    case REGION:
        tarn_region_each(pool, visit, NULL);
        break;
    case CLASSPOOL:
        tarn_classpool_each(pool, visit, NULL);
        break;
    case LEVELPOOL:
        tarn_levelpool_each(pool, visit, NULL);
        break;
    case BLOCKPOOL:
        tarn_blockpool_each(pool, visit, NULL);
        break;
    default:
        tarn_bump_each(pool, visit, NULL);
    }
}

struct answers {
    void *taken;
    int given, calls;
};

static void *other_thread(void *context)
{
    struct answers *answers = context;
    answers->calls++;
    answers->taken = take();
    answers->given = give(block);
    return NULL;
}

static struct answers found;

static void during(void *context, void *p, size_t size)
{
    pthread_t thread;
    (void)context, (void)p, (void)size;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &found), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void two_threads_at_once(void **state)
{
    (void)state;
    for (kind = REGION; kind < KINDS; kind++) {
        make(NULL);
        block = take();
        assert_non_null(block);
        found = (struct answers){NULL, 0, 0};
        each(during);
        assert_int_equal(found.calls, 1);
        assert_null(found.taken);
        assert_int_equal(found.given, TARN_POOL_RACE);
        assert_int_equal(give(block), 0); /* and nothing has changed */
        assert_int_equal(end(), 0);
    }
}

/* One after the other is no race. */
static void threads_in_turn(void **state)
{
    (void)state;
    for (kind = REGION; kind < KINDS; kind++) {
        make(NULL);
        block = take();
        found = (struct answers){NULL, 0, 0};
        during(NULL, NULL, 0);
        assert_non_null(found.taken);
        assert_int_equal(found.given, 0);
        assert_int_equal(give(found.taken), 0);
        assert_int_equal(end(), 0);
        expect(0, 0);
    }
}

static void after_the_end(void **state)
{
    (void)state;
    for (int locked = 0; locked < 2; locked++)
        for (kind = REGION; kind < KINDS; kind++) {
            make(locked ? TARN_POOL_LOCK_BUILTIN : NULL);
            block = take();
            assert_int_equal(give(block), 0);
            assert_int_equal(end(), 0);
            assert_null(take());
            assert_int_equal(give(block), TARN_POOL_DESTROYED);
            expect(2, TARN__DESTROYED_POOL);
            if (flags && kind != CLASSPOOL && kind != BUMP) /* of the one the name is gone; of the other the answer is none */
                assert_int_equal(end(), TARN_POOL_DESTROYED);
        }
}

/* A watched pool without a lock is one thread's, also while it asks its source for memory. */
static void *grows(struct tarn_source *source, size_t size, size_t align)
{
    (void)source, (void)align;
    during(NULL, NULL, 0);
    return size <= sizeof more ? more : NULL;
}

static int gives_back(struct tarn_source *source, void *p, size_t size)
{
    (void)source, (void)p, (void)size;
    return 0;
}

static void two_threads_in_a_watched_region(void **state)
{
    (void)state;
    static const struct tarn_source_ops ops = {.acquire = grows, .release = gives_back};
    struct tarn_source source = {.ops = &ops};
    for (int locked = 0; locked < 2; locked++) {
        struct tarn_region_options options = {.source = &source, .lock = locked ? TARN_POOL_LOCK_BUILTIN : NULL};
        kind = REGION;
        pool = tarn_region_create(memory, sizeof memory, &options);
        assert_non_null(pool);
        block = take();
        found = (struct answers){NULL, 0, 0};
        assert_non_null(tarn_region_alloc(pool, sizeof memory));
        assert_int_equal(found.calls, 1);
        assert_int_equal(found.given, locked ? 0 : TARN_POOL_RACE);
        assert_true(locked ? found.taken != NULL : found.taken == NULL);
        expect(locked ? 0 : 2, TARN__DATA_RACE);
        tarn_region_reset(pool);
        assert_int_equal(end(), 0);
    }
}

static void watched_threads_in_turn(void **state) { threads_in_turn(state); }

static void after_the_end_of_a_watched_pool(void **state) { after_the_end(state); }

/* Which block it was, and the one in front of it, and what became of both. */
static void watched_blocks_are_told(void **state)
{
    (void)state;
    for (kind = REGION; kind < BUMP; kind++) {
        make(NULL);
        char *p = take(), *q = take(), *first = p < q ? p : q, *second = p < q ? q : p;
        assert_true(first && second);
        assert_int_not_equal(give(second + 8), 0);
        expect(1, TARN__INVALID_FREE);
        assert_ptr_equal(said.object, second);
        assert_true(said.size == 40 && said.live && said.alloc_stack && said.alloc_thread && !said.free_stack);
        assert_ptr_equal(said.neighbour, first);
        assert_true(said.neighbour_size == 40 && said.neighbour_live && said.neighbour_stack);
        assert_int_equal(give(first), 0);
        assert_int_equal(give(second), 0);
        assert_int_equal(give(second), TARN_POOL_DOUBLE_FREE);
        expect(1, TARN__DOUBLE_FREE);
        assert_ptr_equal(said.object, second);
        assert_true(said.size == 40 && !said.live && said.alloc_stack && said.free_stack && said.free_thread);
        assert_true(said.neighbour == first && !said.neighbour_live);
        assert_int_equal(give(first), TARN_POOL_DOUBLE_FREE);
        assert_true(said.object == first && !said.neighbour);
        reports = 0;
        assert_int_equal(end(), 0);
    }
}

/* What is freed waits, poisoned, and is looked at before its pool gets it back. */
static void watched_frees_wait(void **state)
{
    (void)state;
    for (kind = REGION; kind < BUMP; kind++) {
        make(NULL);
        char *p = take(), *q = take();
        assert_true(p && q);
        memset(p, 1, 40);
        assert_int_equal(give(p), 0);
        assert_true(check_all_bytes(p, 40, TARN__FREED));
        for (int i = 0; i < 20; i++) { /* nobody else gets it */
            char *other = take();
            assert_true(other != p);
            assert_int_equal(give(other), 0);
        }
        expect(0, 0);
        p[3] = 7;
        assert_int_equal(give(q), 0);
        assert_int_equal(end(), 0);
        expect(1, TARN__POISONED);
        assert_true(said.object == p && said.bad == p + 3 && !said.live);
    }
}

/* A watched block moves when its size changes; the old address is a freed block's. */
static void watched_blocks_move(void **state)
{
    (void)state;
    kind = REGION;
    make(NULL);
    char *p = take();
    memset(p, 5, 40);
    assert_int_equal(tarn_region_usable_size(pool, p), 40);
    char *moved = tarn_region_realloc(pool, p, 100);
    assert_true(moved && moved != p && check_all_bytes(moved, 40, 5));
    assert_int_equal(tarn_region_usable_size(pool, moved), 100);
    assert_int_equal(tarn_region_usable_size(pool, p), 0);
    expect(0, 0);
    assert_null(tarn_region_realloc(pool, p, 10));
    expect(1, TARN__DOUBLE_FREE);
    assert_null(tarn_region_realloc(pool, moved, SIZE_MAX / 2 + 1));
    assert_true(check_all_bytes(moved, 40, 5));
    assert_int_not_equal(tarn_region_free(pool, moved + 16), 0);
    expect(1, TARN__INVALID_FREE);
    assert_int_equal(tarn_region_destroy(pool), TARN_POOL_BUSY);
    expect(1, TARN__LIVE_OBJECTS);
    tarn_region_reset(pool);
    assert_int_equal(tarn_region_free(pool, moved), TARN_POOL_DOUBLE_FREE);
    expect(1, TARN__DOUBLE_FREE);
    assert_int_equal(end(), 0);
}

/* More blocks than the table of a watched pool holds at first, and more frees than it remembers. */
static void many_watched_blocks(void **state)
{
    (void)state;
    static char *p[500];
    for (kind = REGION; kind < BUMP; kind++) {
        make(NULL);
        size_t count = 0;
        for (int round = 0; round < 20; round++) {
            for (count = 0; count < 500 && (p[count] = take()); count++)
                memset(p[count], (int)count, 40);
            assert_true(count > 100);
            for (size_t i = 0; i < count; i++) {
                assert_true(check_all_bytes(p[i], 40, (unsigned char)i));
                assert_int_equal(give(p[i]), 0);
            }
        }
        assert_int_equal(end(), 0);
        expect(0, 0);
    }
}

static int with_checks(void **state)
{
    (void)state;
    flags = TARN_POOL_CHECK;
    return 0;
}

static int with_a_letter(void **state)
{
    (void)state;
    flags = 0;
    tarn__set_reporter(remember);
    return tarn__modes_set("U", NULL, NULL);
}

static int with_all_letters(void **state) { return with_a_letter(state) | tarn__modes_set("FZPUQ", NULL, NULL); }

static int without(void **state)
{
    (void)state;
    tarn__set_reporter(NULL);
    return tarn__modes_set(NULL, NULL, NULL);
}

#define LETTERS_TEST(test) cmocka_unit_test_setup_teardown(test, with_all_letters, without)
#define WATCHED_TEST(test) cmocka_unit_test_setup_teardown(test, with_a_letter, without)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_at_once),
        cmocka_unit_test(threads_in_turn),
        cmocka_unit_test(after_the_end),
        WATCHED_TEST(two_threads_in_a_watched_region),
        WATCHED_TEST(watched_blocks_are_told),
        WATCHED_TEST(watched_threads_in_turn),
        WATCHED_TEST(after_the_end_of_a_watched_pool),
        LETTERS_TEST(watched_frees_wait),
        LETTERS_TEST(watched_blocks_move),
        LETTERS_TEST(many_watched_blocks),
    };
    return cmocka_run_group_tests(tests, with_checks, NULL);
}
