/*
 * No system call on a request that memory already held can serve: after a load ran once, it runs again and again without any.
 * tarn counts its own; the count is checked against what must make one.
 */
#include "check.h"

#include "tarn/stats.h"

#include <malloc.h>
#include <pthread.h>

typedef void stats_function(struct tarn_stats *stats);
static stats_function *stats_of;

static uint64_t calls(void)
{
    struct tarn_stats stats;
    stats_of(&stats);
    return stats.system_calls;
}

enum { KEPT = 2000, OPERATIONS = 1000000 };

/* Of the sizes that programs use, with few large ones; the same ones in each run. */
static void mixed(void)
{
    static void *kept[KEPT];
    uint32_t state = 2024;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        void **slot = &kept[next_random(&state) % KEPT];
        uint32_t kind = next_random(&state) % 1000;
        size_t size = next_random(&state) % (kind == 0 ? 150000 : kind < 50 ? 10000 : 300) + 1;
        if (kind % 10 == 9)
            *slot = realloc(*slot, size);
        else
            free(*slot), *slot = kind % 10 == 8 ? calloc(1, size) : malloc(size);
        *(char *)*slot = 1;
    }
    for (unsigned i = 0; i < KEPT; i++) {
        free(kept[i]);
        kept[i] = NULL;
    }
}

/* What is kept is looked at ten times a second; so on a machine that is busy with other things some run may be the one that finds too much. */
static void in_steady_state(void (*load)(void))
{
    enum { RUNS = 6 };
    uint64_t made = 1;
    load();
    load();
    for (int i = 0; i < RUNS && made > 0; i++) {
        uint64_t before = calls();
        load();
        made = calls() - before;
    }
    CHECK(made == 0, "%lu system calls in the last of %d runs", (unsigned long)made, RUNS);
}

static void one_thread(void) { in_steady_state(mixed); }

/* Grows to 24 MiB and shrinks to nothing, in small objects. */
static void swing(void)
{
    enum { COUNT = 100000 };
    static void *all[COUNT];
    for (int i = 0; i < COUNT; i++)
        all[i] = malloc(240);
    for (int i = 0; i < COUNT; i++)
        free(all[i]);
}

static void swinging(void) { in_steady_state(swing); }

/* Large blocks within what is kept. */
static void blocks(void)
{
    for (int i = 0; i < 20000; i++) {
        char *p = malloc(100000 + (size_t)(i % 7) * 100000);
        p[0] = 1;
        free(p);
    }
}

static void large_blocks(void) { in_steady_state(blocks); }

/* The count counts: otherwise the cases above say nothing. */
static void count_counts(void)
{
    uint64_t before = calls();
    free(malloc(300u << 20));
    CHECK(calls() - before >= 2, "a block of 300 MiB came and went with %lu system calls", (unsigned long)(calls() - before));
    malloc_trim(0);
    before = calls();
    memset(malloc(3000000), 1, 3000000);
    malloc_trim(0);
    swing();
    malloc_trim(0);
    CHECK(calls() - before >= 1, "malloc_trim gave back 24 MiB without a system call");
}

int main(void)
{
    static const struct check_case cases[] = {
        {"a million mixed operations without a system call", one_thread},
        {"24 MiB of small objects that come and go", swinging},
        {"large blocks that come and go", large_blocks},
        {"system calls are counted", count_counts},
    };
    check_preloaded();
    stats_of = (stats_function *)dlsym(RTLD_DEFAULT, "tarn_stats");
    return CASES(cases);
}
