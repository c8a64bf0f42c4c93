/* Floor 6: the arithmetic of size classes, every size against a search. */
#include "test/unit/check.h"

#include "alloc/classes.h"
#include "alloc/fast.h"

static void sizes_ascend(void **state)
{
    (void)state;
    for (unsigned number = 1; number <= TARN__CLASSES; number++) {
        size_t size = tarn__class_size(number);
        assert_int_equal(size % 16, 0);
        if (number > 1)
            assert_true(size > tarn__class_size(number - 1));
    }
    assert_int_equal(tarn__class_size(1), 16);
    assert_int_equal(tarn__class_size(TARN__CLASSES), TARN__SMALL_MOST);
}

/* The smallest class that holds the size. */
static unsigned searched(size_t size)
{
    unsigned number = 1;
    while (tarn__class_size(number) < size)
        number++;
    return number;
}

static void classes_are_minimal(void **state)
{
    (void)state;
    for (size_t size = 0; size <= TARN__SMALL_MOST; size++)
        if (tarn__class_of(size) != searched(size))
            fail_msg("size %zu: class %u, not %u", size, tarn__class_of(size), searched(size));
}

static void table_agrees(void **state)
{
    (void)state;
    for (size_t size = 0; size <= TARN__TABLE_MOST; size++)
        assert_int_equal(tarn__class_table[(size + 15) / 16], searched(size));
    for (size_t i = 0; i <= 64; i++)
        assert_int_equal(TARN__CLASS_OF_16(i), searched(16 * i));
    for (size_t size = 0; size <= TARN__TABLE_MOST; size++)
        assert_int_equal(tarn__bin_by_16[(size + 15) / 16], offsetof(struct tarn__local, bin[searched(size)]));
    for (size_t size = TARN__TABLE_MOST + 1; size <= TARN__SMALL_MOST; size++)
        assert_int_equal(tarn__bin_by_128[(size + 127) / 128], offsetof(struct tarn__local, bin[searched(size)]));
}

static void waste_is_bounded(void **state)
{
    (void)state;
    for (size_t size = 1; size <= TARN__SMALL_MOST; size++) {
        size_t rounded = tarn__class_size(tarn__class_of(size)), waste = rounded - size;
        assert_true(waste <= 15 || size > 128);
        assert_true(waste * 8 <= rounded || size <= 128); /* 12.5 % */
        assert_true(waste * 9 < rounded || size <= 128);  /* what classes.h says */
    }
}

/* A size rounded up to a multiple of an alignment has a class whose size is a multiple of the alignment. */
static void alignment_needs_no_search(void **state)
{
    (void)state;
    for (size_t align = 1; align <= TARN__SMALL_MOST; align *= 2)
        for (size_t size = 0; size <= TARN__SMALL_MOST; size++) {
            size_t rounded = tarn__align_up(tarn__max(size, 1), align);
            if (rounded > TARN__SMALL_MOST)
                break;
            size_t class_size = tarn__class_size(tarn__class_of(rounded));
            if (class_size % align != 0)
                fail_msg("size %zu at %zu: class of %zu", size, align, class_size);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_ascend),     cmocka_unit_test(classes_are_minimal),       cmocka_unit_test(table_agrees),
        cmocka_unit_test(waste_is_bounded), cmocka_unit_test(alignment_needs_no_search),
    };
    return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
