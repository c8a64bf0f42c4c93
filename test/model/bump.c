/* Bump arenas by one thread: blocks keep their contents, moments come again, and cleanups run once, the latest first. */
#include "test/model/model.h"

#include "tarn/bump.h"

enum { MOMENTS = 4000, PAGE = 4096 };

/* A moment and what was done at it: the shadow is a stack of these. */
struct moment {
    struct tarn_bump_mark mark;
    char *p; /* NULL: a cleanup was registered */
    size_t size;
    uint64_t stamp;
};

static struct moment moments[MOMENTS];
static size_t count, to_run; /* moments; the cleanup that is to run next, + 1 */
static struct tarn_bump *bump;
static struct tarn_source_count counted;

static void run_cleanup(void *argument)
{
    size_t own = (size_t)(uintptr_t)argument;
    while (to_run > 0 && moments[to_run - 1].p)
        to_run--;
    MODEL_REQUIRE(to_run == own + 1, "cleanups run once, the latest first");
    to_run--;
}

static void verify_all(void)
{
    MODEL_REQUIRE(tarn_bump_check(bump) == 0, "the arena holds together");
    for (size_t i = 0; i < count; i++)
        MODEL_REQUIRE(!moments[i].p || model_stamped(moments[i].p, moments[i].size, moments[i].stamp),
                      "a block keeps its contents");
}

static void step_on(uint64_t *random)
{
    struct moment *moment = &moments[count];
    *moment = (struct moment){.mark = tarn_bump_mark(bump), .stamp = model_random(random)};
    if (model_below(random, 10) == 0) {
        MODEL_REQUIRE(tarn_bump_cleanup(bump, run_cleanup, (void *)(uintptr_t)count) == 0, "there is memory for a cleanup");
        count++;
        return;
    }
    size_t align = model_below(random, 8) ? 16 : (size_t)1 << model_below(random, 13);
    moment->size = model_below(random, model_below(random, 30) ? 300 : 30000);
    moment->p = align == 16 ? tarn_bump_alloc(bump, moment->size) : tarn_bump_alloc_aligned(bump, align, moment->size);
    MODEL_REQUIRE(moment->p, "there is memory");
    MODEL_REQUIRE((uintptr_t)moment->p % align == 0 && (uintptr_t)moment->p % 16 == 0, "a block is aligned");
    model_stamp(moment->p, moment->size, moment->stamp);
    count++;
}

static void step_back(size_t to)
{
    to_run = count;
    if (to == 0)
        tarn_bump_reset(bump);
    else
        MODEL_REQUIRE(tarn_bump_rewind(bump, moments[to].mark) == 0, "a moment comes again");
    while (to_run > to && moments[to_run - 1].p)
        to_run--;
    MODEL_REQUIRE(to_run <= to, "all cleanups have run");
    if (to + 1 < count)
        MODEL_REQUIRE(tarn_bump_rewind(bump, moments[count - 1].mark) == TARN_POOL_INVALID ||
                          moments[count - 1].mark.live == moments[to].mark.live,
                      "a moment that was rewound past is gone");
    count = to;
}

static size_t seen;
static void see(void *context, void *block, size_t size)
{
    (void)context;
    while (seen < count && !moments[seen].p)
        seen++;
    MODEL_REQUIRE(seen < count && moments[seen].p == block && (moments[seen].size ? moments[seen].size : 1) == size,
                  "blocks are shown in order of age");
    seen++;
}

static void one_arena(uint64_t *random)
{
    static const unsigned bits[] = {TARN_POOL_CHECK, TARN_POOL_RED_ZONE, TARN_POOL_POISON, TARN_BUMP_RECORD};
    struct tarn_bump_options options = {.source = &counted.source, .chunk = PAGE << model_below(random, 5)};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        options.flags |= model_below(random, 3) == 0 ? bits[i] : 0;
    if (model_below(random, 3) == 0)
        options.lock = TARN_POOL_LOCK_BUILTIN;
    bump = tarn_bump_create(NULL, PAGE << model_below(random, 3), &options);
    MODEL_REQUIRE(bump, "there is memory for an arena");
    for (size_t i = 0; i < 6000 && model_goes_on(); i++) {
        if (count == MOMENTS || (count && model_below(random, 60) == 0))
            step_back(model_below(random, 4) ? count - 1 - model_below(random, count < 40 ? count : 40)
                                             : model_below(random, count));
        else
            step_on(random);
        if (i % 500 != 0)
            continue;
        verify_all();
        seen = 0;
        if (options.flags & TARN_BUMP_RECORD)
            MODEL_REQUIRE(tarn_bump_each(bump, see, NULL) == 0, "records are whole");
    }
    verify_all();
    to_run = count;
    tarn_bump_destroy(bump);
    count = 0;
    MODEL_REQUIRE(counted.acquired == counted.released, "all memory is given back");
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    tarn_source_count_init(&counted, tarn_source_system());
    while (model_goes_on())
        one_arena(&random);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
