/* Floor 1: arithmetic and bitmaps against models that do it bit by bit, lists against arrays, the words of failures. */
#include "test/unit/check.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/fail.h"
#include "base/list.h"

#include <string.h>

enum { BITS = 200, WORDS = (BITS + 63) / 64 };

static void check_number(size_t x)
{
    size_t powers = 0, divides = 0;
    unsigned floor = 0, ceil = 0;
    for (unsigned k = 0; k < CHECK_BITS; k++) {
        size_t power = (size_t)1 << k;
        powers += x == power;
        floor = power <= x ? k : floor;
        if (x && x % power == 0)
            divides = power;
        if (ceil == k && power < x)
            ceil = k + 1;
    }
    assert_int_equal(tarn__is_pow2(x), powers == 1);
    if (x > 0) {
        assert_int_equal(tarn__log2_floor(x), floor);
        assert_int_equal(tarn__log2_ceil(x), ceil);
        assert_int_equal(tarn__pow2_factor(x), divides);
    }
    for (size_t align = 1; align <= 8192; align *= 2) {
        size_t rest = x % align;
        assert_int_equal(tarn__align_down(x, align), x - rest);
        assert_int_equal(tarn__align_up(x, align), rest ? x - rest + align : x);
    }
}

static void numbers(void **state)
{
    (void)state;
    for (size_t x = 0; x < 5000; x++)
        check_number(x);
    for (unsigned k = 12; k < CHECK_BITS; k++)
        for (size_t x = ((size_t)1 << k) - 3; x <= ((size_t)1 << k) + 3; x++)
            check_number(x);
    check_number(SIZE_MAX);
    assert_int_equal(tarn__align_up(SIZE_MAX, 4096), 0);
    assert_int_equal(tarn__min(3, 7), 3);
    assert_int_equal(tarn__min(7, 3), 3);
    assert_int_equal(tarn__max(3, 7), 7);
    assert_int_equal(tarn__max(7, 3), 7);
}

/* Bitmaps and their models: one byte a bit. */

static void fill(uint64_t *map, bool *model, int pattern, uint64_t *seed)
{
    memset(map, 0, WORDS * sizeof *map);
    for (size_t i = 0; i < WORDS * 64; i++) {
        uint64_t r = check_random(seed);
        bool bit = pattern == 0 ? false : pattern == 1 ? true : pattern == 2 ? r % 2 : pattern == 3 ? r % 16 == 0 : r % 16 != 0;
        model[i] = bit;
        if (bit)
            tarn__bit_set(map, i);
    }
}

static void check_same(const uint64_t *map, const bool *model)
{
    for (size_t i = 0; i < WORDS * 64; i++)
        if (tarn__bit_test(map, i) != model[i])
            fail_msg("bit %zu differs", i);
}

static void check_range(int pattern, size_t first, size_t count, uint64_t *seed)
{
    uint64_t map[WORDS];
    bool model[WORDS * 64];
    fill(map, model, pattern, seed);
    size_t ones = 0;
    for (size_t i = first; i < first + count; i++)
        ones += model[i];
    assert_int_equal(tarn__bits_count(map, first, count), ones);
    tarn__bits_set(map, first, count);
    memset(model + first, true, count);
    check_same(map, model);
    assert_int_equal(tarn__bits_count(map, first, count), count);
    fill(map, model, pattern, seed);
    tarn__bits_clear(map, first, count);
    memset(model + first, false, count);
    check_same(map, model);
    assert_int_equal(tarn__bits_count(map, first, count), 0);
}

static void bit_ranges(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t first = 0; first <= BITS; first++)
        for (size_t count = 0; count <= BITS - first; count++)
            check_range((int)((first + count) % 5), first, count, &seed);
}

static void single_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < BITS; i++) {
        uint64_t map[WORDS] = {0};
        bool model[WORDS * 64] = {false};
        tarn__bit_set(map, i);
        model[i] = true;
        check_same(map, model);
        memset(map, 0xff, sizeof map);
        memset(model, true, sizeof model);
        tarn__bit_clear(map, i);
        model[i] = false;
        check_same(map, model);
    }
}

static void word_masks(void **state)
{
    (void)state;
    for (size_t first = 0; first < BITS; first++)
        for (size_t count = 1; count <= BITS - first; count++)
            for (size_t w = first / 64; w <= (first + count - 1) / 64; w++) {
                uint64_t expected = 0;
                for (size_t i = w * 64; i < w * 64 + 64; i++)
                    if (i >= first && i < first + count)
                        expected |= UINT64_C(1) << (i % 64);
                assert_int_equal(tarn__word_mask(w, first, count), expected);
            }
}

static void bit_search(void **state)
{
    (void)state;
    uint64_t seed = 2, map[WORDS];
    bool model[WORDS * 64];
    for (int pattern = 0; pattern < 5; pattern++) {
        fill(map, model, pattern, &seed);
        for (size_t limit = 0; limit <= BITS; limit++)
            for (size_t from = 0; from <= limit; from++)
                for (int value = 0; value < 2; value++) {
                    size_t expected = from;
                    while (expected < limit && model[expected] != value)
                        expected++;
                    assert_int_equal(tarn__bits_find(map, from, limit, value), expected);
                }
    }
}

static size_t naive_run(const bool *model, size_t limit, size_t count, size_t align, size_t bias)
{
    for (size_t at = 0; at + count <= limit; at++) {
        size_t clear = 0;
        while (clear < count && !model[at + clear])
            clear++;
        if (clear == count && (at + bias) % align == 0)
            return at;
    }
    return limit;
}

static void clear_runs(void **state)
{
    (void)state;
    uint64_t seed = 3, map[WORDS];
    bool model[WORDS * 64];
    for (int round = 0; round < 60; round++) {
        fill(map, model, round % 4, &seed);
        for (size_t limit = round % 7; limit <= BITS; limit += 13)
            for (size_t count = 1; count <= 70; count += count < 5 ? 1 : 7)
                for (size_t align = 1; align <= 128; align *= 2)
                    for (size_t bias = 0; bias < align; bias += align / 4 + 1)
                        assert_int_equal(tarn__bits_find_clear_run(map, limit, count, align, bias),
                                         naive_run(model, limit, count, align, bias));
    }
}

/* Lists: a queue of numbered elements beside an array in the same order. */

struct element {
    int number;
    struct tarn__list link;
};

static void check_list(struct tarn__list *head, const int *model, size_t count)
{
    struct tarn__list *link = head->next;
    assert_int_equal(tarn__list_empty(head), count == 0);
    for (size_t i = 0; i < count; i++, link = link->next) {
        assert_int_equal(TARN__CONTAINER(link, struct element, link)->number, model[i]);
        assert_ptr_equal(link->next->prev, link);
    }
    assert_ptr_equal(link, head);
}

static void lists(void **state)
{
    (void)state;
    enum { ELEMENTS = 12 };
    struct element elements[ELEMENTS];
    struct tarn__list head;
    int model[ELEMENTS];
    size_t count = 0;
    uint64_t seed = 4;
    tarn__list_init(&head);
    for (int i = 0; i < ELEMENTS; i++)
        elements[i].number = i;
    for (int step = 0; step < 20000; step++) {
        int number = (int)(check_random(&seed) % ELEMENTS);
        size_t at = 0;
        while (at < count && model[at] != number)
            at++;
        if (at < count) {
            tarn__list_remove(&elements[number].link);
            memmove(model + at, model + at + 1, (count - at - 1) * sizeof *model);
            count--;
        } else if (check_random(&seed) % 2) {
            tarn__list_push_back(&head, &elements[number].link);
            model[count++] = number;
        } else {
            tarn__list_push_front(&head, &elements[number].link);
            memmove(model + 1, model, count * sizeof *model);
            model[0] = number;
            count++;
        }
        check_list(&head, model, count);
    }
}

static void list_between(void **state)
{
    (void)state;
    struct element a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
    struct tarn__list head;
    tarn__list_init(&head);
    tarn__list_push_back(&head, &a.link);
    tarn__list_push_back(&head, &c.link);
    tarn__list_insert_between(&b.link, &a.link, &c.link);
    check_list(&head, (int[]){1, 2, 3}, 3);
}

static void counters(void **state)
{
    (void)state;
    tarn__counter counter = 0;
    _Atomic uint64_t shared = 0;
    tarn__counter_add(&counter, 3);
    tarn__counter_add(&counter, 4);
    tarn__atomic_add(&shared, 5);
    tarn__atomic_add(&shared, 6);
    assert_int_equal(tarn__counter_read(&counter), 7);
    assert_int_equal(shared, 11);
}

/* Failures */

static jmp_buf after_fail;
static char said[512];
static size_t said_length;

static void remember(const char *message, size_t length)
{
    memcpy(said, message, length);
    said[length] = 0;
    said_length = length;
    longjmp(after_fail, 1);
}

static void fail_texts(void **state)
{
    static const struct {
        enum tarn__crime crime;
        const char *text;
    } expected[] = {
        {TARN__INVALID_FREE, "tarn: invalid free: not the start of a live object (free of 0x1234abcd)\n"},
        {TARN__DOUBLE_FREE, "tarn: double free: the object is free already (free of 0x1234abcd)\n"},
        {TARN__WRONG_SIZE, "tarn: wrong size: the object given to a sized free has another size (free of 0x1234abcd)\n"},
        {TARN__CORRUPT_LIST, "tarn: write after free: a free object was overwritten (free of 0x1234abcd)\n"},
        {TARN__BROKEN_INVARIANT, "tarn: internal error (free of 0x1234abcd)\n"},
    };
    (void)state;
    tarn__set_fail_exit(remember);
    for (volatile size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        if (setjmp(after_fail) == 0)
            tarn__fail(expected[i].crime, "free", (void *)0x1234abcd);
        assert_string_equal(said, expected[i].text);
        assert_int_equal(said_length, strlen(said));
    }
    if (setjmp(after_fail) == 0)
        tarn__fail(TARN__DOUBLE_FREE, "realloc", NULL);
    assert_non_null(strstr(said, "(realloc of 0x0)\n"));
    if (setjmp(after_fail) == 0)
        tarn__fail(TARN__DOUBLE_FREE, "realloc", (void *)UINTPTR_MAX);
    assert_non_null(strstr(said, CHECK_BITS > 32 ? "0xffffffffffffffff" : "0xffffffff"));
    tarn__set_fail_exit(NULL);
}

static void assertions(void **state)
{
    (void)state;
    char long_sentence[400];
    volatile int one = 1;
    tarn__set_fail_exit(remember);
    TARN__ASSERT(one == 1, "this is not said");
    if (setjmp(after_fail) == 0)
        TARN__ASSERT(one == 2, "one is two");
    assert_string_equal(said, "tarn: internal error: does not hold: one is two\n");
    memset(long_sentence, 'x', sizeof long_sentence);
    long_sentence[sizeof long_sentence - 1] = 0;
    if (setjmp(after_fail) == 0)
        tarn__assert_failed(long_sentence);
    assert_int_equal(said_length, 256);
    assert_int_equal(said[255], '\n');
    assert_int_equal(said[254], 'x');
    tarn__set_fail_exit(NULL);
}

static void fail_now(void *value) { tarn__fail(TARN__DOUBLE_FREE, "free", value); }

static void return_at_once(const char *message, size_t length)
{
    (void)message;
    (void)length;
}

static void fail_with_exit_that_returns(void *value)
{
    tarn__set_fail_exit(return_at_once);
    tarn__fail(TARN__DOUBLE_FREE, "free", value);
}

static void fail_without_exit(void **state)
{
    (void)state;
    check_dies(fail_now, NULL, "");
    check_dies(fail_with_exit_that_returns, NULL, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),    cmocka_unit_test(single_bits),  cmocka_unit_test(word_masks),
        cmocka_unit_test(bit_ranges), cmocka_unit_test(bit_search),   cmocka_unit_test(clear_runs),
        cmocka_unit_test(lists),      cmocka_unit_test(list_between), cmocka_unit_test(counters),
        cmocka_unit_test(fail_texts), cmocka_unit_test(assertions),   cmocka_unit_test(fail_without_exit),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
