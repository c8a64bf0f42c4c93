/* A look at all that hardened mode has, and what reports say of it. */
#include "alloc/hard.h"
#include "alloc/hard_large.h"
#include "alloc/hard_slots.h"

#include "page/section.h"

enum { LOOKS = 4, AHEAD = 16 };

/* What is wrong with a slot now; -1: nothing. */
static int wrong_now(struct tarn__hard_class *class, uint32_t index)
{
    const char *p = tarn__hard_slot(class, index);
    unsigned state = tarn__hard_state(class, index), size = class->size;
    bool good = true;
    if (state >= TARN__HARD_LIVE)
        good = tarn__hard_intact(p, size - (state - TARN__HARD_LIVE), size, tarn__hard_canary(p)) &&
               tarn__hard_front_intact(&class->state[index - 1], p, size);
    else if (state == TARN__HARD_FREE)
        good = tarn__hard_zero(p, size);
    atomic_thread_fence(memory_order_acquire);
    if (good || tarn__hard_state(class, index) != state)
        return -1;
    return state >= TARN__HARD_LIVE ? TARN__RED_ZONE : TARN__POISONED;
}

/* Threads that go on may have changed the slot under the look; what is wrong stays so, and what was in change is different the next time. */
static int wrong(struct tarn__hard_class *class, uint32_t index)
{
    int crime = wrong_now(class, index);
    for (int i = 1; i < LOOKS && crime >= 0; i++)
        crime = wrong_now(class, index) == crime ? crime : -1;
    return crime;
}

static size_t check_class(struct tarn__hard_class *class)
{
    size_t found = 0;
    uint32_t known = tarn__hard_known(class);
    for (uint32_t index = 0; index < known; index++) {
        if (tarn__hard_state(class, index) <= TARN__HARD_GAP)
            continue;
        __builtin_prefetch(tarn__hard_slot(class, index + AHEAD) - 8);
        int crime = wrong(class, index);
        if (crime < 0)
            continue;
        struct tarn__suspect suspect = {0};
        tarn__hard_describe(tarn__hard_slot(class, index), &suspect);
        tarn__report((enum tarn__crime)crime, "check", tarn__hard_slot(class, index), &suspect);
        found++;
    }
    return found;
}

size_t tarn__hard_check(void)
{
    size_t found = 0;
    if (!tarn__hard_base)
        return 0;
    for (unsigned number = 1; number <= TARN__CLASSES; number++)
        found += check_class(&tarn__hard_class[number]);
    return found + tarn__hard_large_check();
}

/* Names as those of the ordinary classes: "malloc-" and the slot's size. */
static const char *name_of(size_t size)
{
    static _Thread_local char name[16] = "malloc-";
    char *at = name + 7;
    for (size_t rest = size; rest >= 10; rest /= 10)
        at++;
    for (at[1] = '\0'; size > 0; size /= 10)
        *at-- = (char)('0' + size % 10);
    return name;
}

/* The first byte that is not as it should be. */
static const char *first_wrong(const char *p, size_t asked, size_t size, uint64_t canary, bool live)
{
    const unsigned char *expected = (const unsigned char *)&canary;
    for (size_t i = live ? asked : 0; i < size; i++)
        if ((unsigned char)p[i] != (live ? expected[i % 8] : 0))
            return p + i;
    return NULL;
}

bool tarn__hard_describe(const void *p, struct tarn__suspect *suspect)
{
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    if (!class)
        return tarn__hard_base && tarn__hard_large_describe(p, suspect);
    uint32_t index = tarn__hard_index(class, p);
    suspect->pool = name_of(class->size);
    if (index >= tarn__hard_known(class))
        return true;
    unsigned state = tarn__hard_state(class, index);
    if (state <= TARN__HARD_GAP)
        return true;
    const char *slot = tarn__hard_slot(class, index);
    suspect->object = slot;
    suspect->live = state >= TARN__HARD_LIVE;
    suspect->size = suspect->live ? class->size - (state - TARN__HARD_LIVE) : class->size;
    suspect->bad = first_wrong(slot, suspect->size, class->size, tarn__hard_canary(slot), suspect->live);
    return true;
}

static void count_class(const struct tarn__hard_class *class, struct tarn__hard_stats *stats)
{
    uint32_t known = tarn__hard_known(class);
    for (uint32_t index = 0; index < known; index++) {
        unsigned state = tarn__hard_state(class, index);
        stats->live += state >= TARN__HARD_LIVE;
        stats->waiting += state == TARN__HARD_FREE;
    }
    stats->mapped += class->mapped;
    stats->metadata += class->state_mapped + class->stack_mapped;
}

void tarn__hard_stats(struct tarn__hard_stats *stats)
{
    *stats = (struct tarn__hard_stats){.metadata = tarn__hard_descriptors_mapped()};
    for (unsigned number = 1; tarn__hard_base && number <= TARN__CLASSES; number++)
        count_class(&tarn__hard_class[number], stats);
    tarn__hard_large_stats(stats);
}
