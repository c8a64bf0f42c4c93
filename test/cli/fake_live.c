/*
 * A process that says of itself that it runs on tarn, and lies: for the tests of the command, which must end soon and say something.
 *
 *      fake_live version    its format is of another version
 *      fake_live bounds     fields beyond the ends of their structures
 *      fake_live wild       addresses that lead nowhere
 *      fake_live loop       lists that never come back to their heads
 *      fake_live broken     lists whose elements do not lead back
 *      fake_live chain      a section that is its own neighbour; names without an end; counts beyond reason
 *      fake_live empty      nothing: a library that has not begun
 *
 * Prints "ready", and waits for a signal.
 */
#include "format/live.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SIZE 65536u
#define ROOT 16u
#define LEAF 256u
#define SMALL_FIELD(at)                                                                                                        \
    {                                                                                                                          \
        at, 8, 1                                                                                                               \
    }

static struct element {
    struct element *next, *prev;
    char rest[SIZE - 2 * sizeof(void *)];
} head, one, two;

static uint64_t section[SIZE / 8];
static uintptr_t leaf[LEAF], *root[ROOT];

static _Alignas(TARN_LIVE_ALIGN) struct tarn_live live = {
    .magic = TARN_LIVE_MAGIC,
    .version = TARN_LIVE_VERSION,
    .bytes = sizeof live,
    .self = (uintptr_t)&live,
    .library = "fake",
    .cache =
        {
            .set = {(uintptr_t)&head, TARN_LIVE_LIST, SIZE, 0, 0},
            .name = {16, 1, 48},
            .number = SMALL_FIELD(64),
            .slabs = SMALL_FIELD(72),
            .objects = SMALL_FIELD(80),
            .size = SMALL_FIELD(88),
        },
    .thread = {.set = {(uintptr_t)&head, TARN_LIVE_LIST, SIZE, 0, 0},
               .bins_at = 1024,
               .bin_bytes = 32,
               .bins = 512,
               .allocs = SMALL_FIELD(8),
               .frees = SMALL_FIELD(16)},
    .zone = {.set = {(uintptr_t)&head, TARN_LIVE_LIST, SIZE, 0, 0},
             .name = {16, 1, 48},
             .pages = SMALL_FIELD(64),
             .blocks = {128, 8, 11}},
    .section =
        {
            .root = (uintptr_t)root,
            .root_bits = 4,
            .leaf_bits = 8,
            .section_bits = 22,
            .page_bits = 12,
            .bytes = SIZE,
            .slab_bytes = 576,
            .base = SMALL_FIELD(64),
            .zone = SMALL_FIELD(72),
            .slots = SMALL_FIELD(80),
            .neighbour = SMALL_FIELD(0),
            .page = {128, 24, 1024},
            .room = {24832, 576, 64},
            .unit_pages = 16,
            .state = {20, 1, 1},
            .order = {21, 1, 1},
            .count = {16, 4, 1},
            .states = {[1] = {TARN_LIVE_LARGE, 0}},
            .slab_cache = SMALL_FIELD(16),
        },
};

/* One that is not where it says that it is: a copy. */
static _Alignas(TARN_LIVE_ALIGN) struct tarn_live copy = {
    .magic = TARN_LIVE_MAGIC,
    .version = TARN_LIVE_VERSION + 1,
    .bytes = sizeof copy,
    .self = (uintptr_t)&live,
};

static void link_up(struct element *a, struct element *b, struct element *c)
{
    a->next = b, b->next = c, c->next = a;
    a->prev = c, c->prev = b, b->prev = a;
}

/* A section at address 0 whose neighbour is itself, all its pages in states that there are not or runs without end. */
static void make_chain(void)
{
    memset(one.rest, 0xff, sizeof one.rest);
    memset(section, 0x01, sizeof section);
    section[0] = (uintptr_t)section;
    section[8] = 0;
    section[9] = (uintptr_t)&one;
    section[10] = 1;
    for (size_t i = 0; i < LEAF; i++)
        leaf[i] = (uintptr_t)section | 1;
    for (size_t i = 0; i < ROOT; i++)
        root[i] = leaf;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    copy.unused++;
    link_up(&head, &one, &two);
    if (strcmp(what, "empty") == 0)
        head.next = head.prev = &head;
    if (strcmp(what, "version") == 0)
        live.version++;
    if (strcmp(what, "bounds") == 0)
        live.zone.pages.offset = SIZE - 4;
    if (strcmp(what, "wild") == 0)
        live.cache.set.at = live.thread.set.at = live.zone.set.at = live.section.root = 8;
    if (strcmp(what, "loop") == 0) {
        two.next = &one;
        one.prev = &two;
    }
    if (strcmp(what, "broken") == 0)
        two.prev = &head;
    if (strcmp(what, "chain") == 0)
        make_chain();
    puts("ready");
    fflush(stdout);
    alarm(100);
    for (;;)
        pause();
}
