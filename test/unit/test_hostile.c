/* Floor 4: pools with checks in memory that somebody else writes to. What fuzz/hostile.c found, and each byte of their structs. */
#include "test/unit/check.h"

#include "pool/blocks.h"
#include "pool/classpool.h"
#include "pool/levelpool.h"
#include "pool/region.h"

enum { MEMORY = 65536 };
enum kind { TLSF, BEST_FIT, FIRST_FIT, CLASSPOOL, LEVELPOOL, BLOCKPOOL, KINDS };

static _Alignas(64) char memory[MEMORY];
static enum kind kind;
static struct tarn_region *region;
static struct tarn_classpool *classes;
static struct tarn_levelpool *levels;
static struct tarn_blockpool *runs;
static struct tarn_pool_stats stats;

/* A place outside of the buffer that a link may lead to. Nothing is written there. */
static struct tarn__free outside[4];

static void make(unsigned more)
{
    unsigned flags = (unsigned)TARN_POOL_CHECK | more;
    struct tarn_region_options as_region = {.flags = flags, .strategy = (enum tarn_region_strategy)kind};
    struct tarn_classpool_options as_classes = {.flags = flags};
    struct tarn_levelpool_options as_levels = {.flags = flags};
    struct tarn_blockpool_options as_runs = {.flags = flags};
    memset(outside, 0, sizeof outside);
    classes = NULL;
    if (kind < CLASSPOOL)
        assert_non_null(region = tarn_region_create(memory, MEMORY, &as_region));
    else if (kind == CLASSPOOL)
        assert_int_equal(tarn_classpool_open(&classes, memory, MEMORY, &as_classes), 0);
    else if (kind == LEVELPOOL)
        assert_non_null(levels = tarn_levelpool_create(memory, MEMORY, &as_levels));
    else
        assert_non_null(runs = tarn_blockpool_create_in(memory, MEMORY, &as_runs));
}

static void *take(size_t size)
{
    return kind < CLASSPOOL    ? tarn_region_alloc(region, size)
           : kind == CLASSPOOL ? tarn_classpool_alloc(classes, size)
           : kind == LEVELPOOL ? tarn_levelpool_alloc(levels, size)
                               : tarn_blockpool_alloc(runs, size);
}

static int give(void *p)
{
    return kind < CLASSPOOL    ? tarn_region_free(region, p)
           : kind == CLASSPOOL ? tarn_classpool_free(classes, p)
           : kind == LEVELPOOL ? tarn_levelpool_free(levels, p)
                               : tarn_blockpool_free(runs, p);
}

static int check(void)
{
    return kind < CLASSPOOL    ? tarn_region_check(region)
           : kind == CLASSPOOL ? tarn_classpool_check(classes)
           : kind == LEVELPOOL ? tarn_levelpool_check(levels)
                               : tarn_blockpool_check(runs);
}

/* Where the words begin and end that are sealed between calls. */
static size_t sealed_from(void)
{
    return kind < CLASSPOOL    ? sizeof region->guard
           : kind == CLASSPOOL ? sizeof classes->guard
           : kind == LEVELPOOL ? sizeof levels->guard
                               : offsetof(struct tarn_blockpool, block_size);
}

static size_t sealed_to(void)
{
    return kind < CLASSPOOL    ? (size_t)((char *)region->ranges.latest + sizeof(struct tarn__range) - memory)
           : kind == CLASSPOOL ? sizeof *classes
           : kind == LEVELPOOL ? (size_t)((char *)(levels->segment + 1) - memory)
                               : sizeof *runs;
}

static void each_byte_of_a_struct(void **state)
{
    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        make(0);
        char *p = take(40);
        assert_non_null(p);
        size_t from = sealed_from(), to = sealed_to();
        for (size_t at = 0; at < to; at++) {
            char was = memory[at];
            memory[at] ^= (char)(1 << at % 8);
            char *q = take(40);
            int error = q ? give(q) : give(p);
            assert_true(!q || (q > memory && q <= memory + MEMORY - 40));
            assert_true(error == 0 || error == TARN_POOL_CORRUPT || error == TARN_POOL_RACE);
            if (at >= from) {
                assert_null(q);
                assert_int_equal(error, TARN_POOL_CORRUPT);
                assert_int_not_equal(check(), 0);
            }
            memory[at] = was;
        }
        assert_int_equal(check(), 0);
        assert_int_equal(give(p), 0);
    }
}

/* A callback of a visit calls the pool; and one that is inside already is no reason to believe the struct. */
static void again(void *context, void *block, size_t size)
{
    void *p = take(24);
    assert_non_null(p);
    assert_int_equal(give(p), 0);
    ++*(int *)context;
    (void)block, (void)size;
}

static void calls_within_calls(void **state)
{
    int visits = 0;
    (void)state;
    kind = TLSF;
    make(0);
    char *p = take(40);
    tarn_region_each(region, again, &visits);
    assert_int_equal(visits, 1);
    assert_int_equal(check(), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(tarn__guard_claim(&region->guard)); /* as if somebody had written this thread's number there */
        if (i == 0)
            assert_int_equal(give(take(100)), 0);
    }
    region->live_bytes++;
    assert_int_equal(give(p), TARN_POOL_CORRUPT);
}

/* Free blocks with live ones between them; the ones with odd numbers are live. */
static void chequer(char **p, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++)
        assert_non_null(p[i] = take(size));
    for (size_t i = 0; i < count; i += 2)
        assert_int_equal(give(p[i]), 0);
    assert_int_equal(check(), 0);
}

static void links_that_lead_outside(void **state)
{
    (void)state;
    for (kind = TLSF; kind <= FIRST_FIT; kind++)
        for (int word = 0; word < 2; word++) {
            char *p[8];
            make(0);
            chequer(p, 8, 200);
            for (size_t i = 0; i < 8; i += 2)
                ((struct tarn__free **)(void *)p[i])[word] = &outside[1];
            for (size_t i = 1; i < 8; i += 2)
                assert_int_equal(give(p[i]), TARN_POOL_CORRUPT);
            for (size_t size = 16; size < 8000; size *= 2) {
                char *q = take(size);
                assert_true(!q || (q > memory && q < memory + MEMORY));
            }
            assert_int_not_equal(check(), 0);
            for (size_t i = 0; i < sizeof outside; i++)
                assert_int_equal(((char *)outside)[i], 0);
        }
}

static void lists_that_lead_outside(void **state)
{
    char *p[8];
    (void)state;
    kind = TLSF;
    make(0);
    chequer(p, 8, 200);
    for (size_t list = 0; list < region->tlsf.lists; list++)
        region->tlsf.heads[list] = &outside[1];
    assert_null(take(100));
    assert_int_equal(give(p[1]), TARN_POOL_CORRUPT);
    tarn_region_stats(region, &stats);
    assert_int_not_equal(check(), 0);
    for (size_t i = 0; i < sizeof outside; i++)
        assert_int_equal(((char *)outside)[i], 0);

    make(0);
    chequer(p, 8, 200);
    for (size_t level = 0; level < region->tlsf.lists >> 5; level++)
        region->tlsf.second[level] = 0;
    assert_null(take(100));
    assert_int_not_equal(check(), 0);
}

/* A tag inside of a free block is no neighbour of what is moved to its beginning. */
static void tags_inside(void **state)
{
    (void)state;
    kind = TLSF;
    make(0);
    tarn_region_handle first = tarn_region_handle_alloc(region, 400), second = tarn_region_handle_alloc(region, 100);
    char *p = tarn_region_handle_lock(region, first);
    struct tarn__range *range = (struct tarn__range *)(void *)region->ranges.latest;
    size_t at = (size_t)(p - range->first) / TARN__GRANULE - 1, moved = (100 + TARN__GRANULE - 1) / TARN__GRANULE + 1;
    assert_int_equal(tarn_region_handle_unlock(region, first), 0);
    char *q = tarn_region_handle_lock(region, second);
    memset(q, 'x', 100);
    assert_int_equal(tarn_region_handle_unlock(region, second), 0);
    assert_int_equal(tarn_region_handle_free(region, first), 0);
    if (range->tags[(size_t)(q - range->first) / TARN__GRANULE - 1] != TARN__HEAD) /* short movable ones have headers, too */
        fail();
    range->tags[at + moved - 1] = TARN__LAST | 2;
    assert_true(tarn_region_compact(region, MEMORY) > 0);
    assert_int_equal(check(), 0);
    char *r = tarn_region_handle_lock(region, second);
    assert_true(r < q && check_all_bytes(r, 100, 'x'));
}

/* A handle's place leads to another block. */
static void handles_of_others(void **state)
{
    (void)state;
    kind = TLSF;
    make(0);
    tarn_region_handle first = tarn_region_handle_alloc(region, 400);
    char *p = tarn_region_alloc(region, 3000);
    assert_non_null(p);
    *(uintptr_t *)(void *)region->handles.table = (uintptr_t)p;
    assert_null(tarn_region_handle_lock(region, first));
    assert_int_equal(tarn_region_handle_free(region, first), TARN_POOL_CORRUPT);
    assert_int_equal(give(p), 0);
}

static unsigned notified;

static void notify(void *context, size_t size)
{
    (void)context, (void)size;
    notified++;
}

static void unexpected(void *context, void *block, size_t size)
{
    (void)context, (void)size;
    char *p = block;
    assert_true(p > memory && p < memory + MEMORY);
}

/* The words that tell that a pool is plain hold addresses in the buffer, and all limits are off. */
static void short_ways(void **state)
{
    (void)state;
    kind = CLASSPOOL;
    make(0);
    char *p = take(40);
    for (size_t off = 0; off < 64; off += 8) {
        struct tarn_classpool was = *classes;
        classes->plain = (uintptr_t)memory + (off ? off : 1);
        classes->short_limit = classes->grains = SIZE_MAX;
        classes->classes[2].head = (void *)outside;
        classes->notify = notify;
        assert_null(take(40));
        assert_null(take(100));
        assert_int_equal(give(p), TARN_POOL_CORRUPT);
        *classes = was;
    }
    classes->passed.few[1].p = outside;
    tarn_classpool_each(classes, unexpected, NULL);
    assert_int_equal(notified, 0);
    assert_int_equal(tarn_classpool_close(&classes, NULL), TARN_POOL_CORRUPT);

    kind = LEVELPOOL;
    make(0);
    p = take(40);
    levels->plain = (uintptr_t)memory + 8;
    levels->short_limit = levels->near_grains = SIZE_MAX;
    levels->near_live = (uint64_t *)(void *)outside;
    assert_null(take(40));
    assert_int_equal(give(p), TARN_POOL_CORRUPT);
}

static void classes_of_blocks(void **state)
{
    (void)state;
    kind = LEVELPOOL;
    make(0);
    char *p = take(40);
    assert_non_null(p);
    memset(levels->segment->class_of, 0xff, levels->segment->taken / TARN__LEVEL_UNIT);
    assert_int_equal(give(p), TARN_POOL_CORRUPT);
    assert_int_equal(tarn_levelpool_usable_size(levels, p), 0);
    tarn_levelpool_each(levels, unexpected, NULL);
    assert_null(tarn_levelpool_realloc(levels, p, 100));
    assert_int_not_equal(check(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_of_a_struct),
        cmocka_unit_test(calls_within_calls),
        cmocka_unit_test(links_that_lead_outside),
        cmocka_unit_test(lists_that_lead_outside),
        cmocka_unit_test(tags_inside),
        cmocka_unit_test(handles_of_others),
        cmocka_unit_test(short_ways),
        cmocka_unit_test(classes_of_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
