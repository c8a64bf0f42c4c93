/* The letter L: who allocated each object of malloc's is noted, whichever way it came, and frees are as ever. Modes are set in child processes. */
#include "test/unit/check.h"

#include "alloc/care.h"
#include "alloc/fast.h"
#include "alloc/heap.h"
#include "os/stack.h"
#include "slab/notes.h"
#include "tarn/alloc.h"
#include "tarn/cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition) require(condition, __LINE__)

static volatile int sink;

static void require(bool condition, int line)
{
    if (!condition) {
        fprintf(stderr, "test_notes: line %d\n", line);
        _Exit(1);
    }
}

static void begin(const char *letters)
{
    tarn__modes_set(letters, NULL, NULL);
    tarn__care_begin();
}

static const tarn__note_word *words_of(const void *p)
{
    uintptr_t offset = (uintptr_t)p - tarn__window_base;
    const tarn__note_word *notes = tarn__notes ? tarn__notes[offset >> TARN__SLOT_BITS] : NULL;
    REQUIRE(notes != NULL);
    return notes + (offset % TARN__SLOT_SIZE >> TARN__NOTE_GRAIN_BITS);
}

static uint32_t number_of(const void *p) { return words_of(p)[0] & ((1u << TARN__NOTE_NUMBER_BITS) - 1); }

static uint64_t asked_of(const void *p)
{
    const tarn__note_word *words = words_of(p);
    size_t usable = tarn_usable_size(p);
    return usable == 16 ? 16 - (words[0] >> TARN__NOTE_NUMBER_BITS)
                        : words[1] | (usable >= 4096 ? (uint64_t)words[2] << 32 : 0);
}

/* Whether a stack leads through the function that begins at `from`. */
static bool leads_through(uint32_t number, uintptr_t from)
{
    size_t count;
    const uintptr_t *frames = tarn__stack_frames(number, &count);
    bool found = false;
    for (size_t i = 0; i < count; i++)
        found |= frames[i] - from < 256;
    return found;
}

__attribute__((noinline)) static void *get(size_t size)
{
    void *p = tarn_malloc(size);
    sink++;
    return p;
}

__attribute__((noinline)) static void *get_zeroed(size_t size)
{
    void *p = tarn_calloc(1, size);
    sink++;
    return p;
}

__attribute__((noinline)) static void *get_aligned(size_t size)
{
    void *p = tarn_aligned_alloc(256, size);
    sink++;
    return p;
}

__attribute__((noinline)) static void *get_again(size_t size)
{
    void *p = tarn_realloc(tarn_malloc(24), size);
    sink++;
    return p;
}

static void *(*const ways[])(size_t) = {get, get_zeroed, get_aligned, get_again};
static const size_t sizes[] = {1, 2, 15, 16, 17, 24, 100, 1000, 1024, 1025, 5000, 32767, 32768, 32769, 100000, 5000000};

static void look_at_all(void *value)
{
    (void)value;
    begin("L");
    for (size_t w = 0; w < 4; w++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int round = 0; round < 3; round++) { /* fresh, and after a free */
                void *p = ways[w](sizes[s]);
                REQUIRE(p != NULL);
                REQUIRE(asked_of(p) == sizes[s]);
                REQUIRE(leads_through(number_of(p), (uintptr_t)ways[w]));
                tarn_free(p);
            }
}

static void each_is_noted(void **state)
{
    (void)state;
    check_lives(look_at_all, NULL);
}

/* In place, to a smaller place and a larger one, within a block and beyond. */
static void resize(void *value)
{
    static const size_t steps[] = {90, 96, 60, 20, 3000, 3100, 40000, 41000, 33000, 9000000, 100};
    (void)value;
    begin("L");
    char *p = get(80);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        p = tarn_realloc(p, steps[i]);
        REQUIRE(asked_of(p) == steps[i]);
        REQUIRE(leads_through(number_of(p), (uintptr_t)resize) || number_of(p) != 0);
    }
    tarn_free(p);
}

static void new_sizes_are_noted(void **state)
{
    (void)state;
    check_lives(resize, NULL);
}

/* Frees go to the bin, from which the next request is served. */
static void use_bins(void *value)
{
    (void)value;
    void *early[3] = {get(64), get(64), get(64)};
    begin("L");
    const struct tarn__bin *bin = &tarn__self->bin[tarn__class_of(64)];
    REQUIRE(tarn__alloc_is_slow(tarn__class_of(64)));
    void *p = get(64);
    uint64_t frees = bin->frees;
    tarn_free(p);
    REQUIRE(bin->head == p && bin->frees == frees + 1);
    REQUIRE(get(64) == p);
    for (int i = 0; i < 3; i++) { /* in place; nothing was noted of it */
        void *same = tarn_realloc(early[i], 60);
        REQUIRE(same == early[i] && asked_of(same) == 60);
        tarn_free(same);
    }
}

static void bins_are_used(void **state)
{
    (void)state;
    check_lives(use_bins, NULL);
}

/* What other letters are for, or nobody has named, is as ever; and L does not hide what they find. */
static void use_some(void *value)
{
    (void)value;
    begin("L,malloc-64;LFZ,malloc-128");
    void *p = get(64), *other = get(200), *checked = get(120);
    REQUIRE(number_of(p) != 0);
    REQUIRE(!tarn__alloc_is_slow(tarn__class_of(200)) && words_of(p) != words_of(other) && words_of(other)[0] == 0);
    REQUIRE((tarn_cache_of(checked)->flags & TARN_CACHE_RED_ZONE) && (tarn_cache_of(checked)->flags & TARN_CACHE_STORE_USER));
    tarn_free(p);
    tarn_free(other);
    tarn_free(checked);
    tarn_free(get(100000));
}

static void free_twice(void *value)
{
    begin(value);
    void *p = get(64);
    tarn_free(p);
    tarn_free(p);
}

static void letters_go_together(void **state)
{
    (void)state;
    check_lives(use_some, NULL);
    check_dies(free_twice, (char[]){"L"}, "double free");
    check_dies(free_twice, (char[]){"LFZ"}, "double free");
}

static void *get_and_give(void *unused)
{
    void *held[64] = {NULL};
    for (int i = 0; i < 20000; i++) {
        size_t size = 16 + (size_t)i * 7 % 300;
        void **at = &held[i % 64];
        REQUIRE(!*at || (asked_of(*at) >= 16 && leads_through(number_of(*at), (uintptr_t)get)));
        tarn_free(*at);
        *at = get(size);
        REQUIRE(asked_of(*at) == size);
    }
    for (int i = 0; i < 64; i++)
        tarn_free(held[i]);
    return unused;
}

static void use_threads(void *value)
{
    (void)value;
    pthread_t threads[4];
    begin("L");
    for (int i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, get_and_give, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void threads_note_at_once(void **state)
{
    (void)state;
    if (check_children_bear_threads())
        check_lives(use_threads, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_noted),       cmocka_unit_test(new_sizes_are_noted),  cmocka_unit_test(bins_are_used),
        cmocka_unit_test(letters_go_together), cmocka_unit_test(threads_note_at_once),
    };
    return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
