/* Floor 7: what stands on kmalloc: reallocation, kvmalloc and vmalloc, copies and strings. */
#include "test/unit/kmalloc.h"

#include <errno.h>

/* Reallocation */

static void krealloc_begins_and_ends(void **state)
{
    (void)state;
    assert_ptr_equal(tarn_krealloc(NULL, 0, TARN_GFP_KERNEL), TARN_ZERO_SIZE_PTR);
    assert_ptr_equal(tarn_krealloc(TARN_ZERO_SIZE_PTR, 0, TARN_GFP_KERNEL), TARN_ZERO_SIZE_PTR);
    void *p = tarn_krealloc(NULL, 10, TARN_GFP_KERNEL);
    assert_int_equal(tarn_ksize(p), 16);
    assert_ptr_equal(tarn_krealloc(p, 0, TARN_GFP_KERNEL), TARN_ZERO_SIZE_PTR);
    p = tarn_krealloc(TARN_ZERO_SIZE_PTR, 10, TARN_GFP_KERNEL | TARN_GFP_ZERO);
    assert_true(check_all_bytes(p, 16, 0));
    tarn_kfree(p);
}

static void krealloc_stays_where_it_fits(void **state)
{
    (void)state;
    static const size_t some[] = {8, 60, 96, 1000, 8192, 8193, 100000};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        unsigned char *p = tarn_kmalloc(some[i], TARN_GFP_KERNEL);
        size_t room = tarn_ksize(p);
        memset(p, 0x42, room);
        assert_ptr_equal(tarn_krealloc(p, room, TARN_GFP_KERNEL), p);
        assert_ptr_equal(tarn_krealloc(p, 1, TARN_GFP_KERNEL), p); /* in the kernel, too, nothing is given back */
        assert_true(check_all_bytes(p, room, 0x42));
        unsigned char *q = tarn_krealloc(p, room + 1, TARN_GFP_KERNEL);
        assert_ptr_not_equal(q, p);
        assert_true(check_all_bytes(q, room, 0x42));
        tarn_kfree(q);
    }
}

static void krealloc_zeroes_what_is_added(void **state)
{
    (void)state;
    tarn_gfp_t flags = TARN_GFP_KERNEL | TARN_GFP_ZERO;
    unsigned char *p = NULL;
    size_t had = 0;
    for (size_t size = 2; size < 300000; size = size * 5 / 3 + 1) {
        p = tarn_krealloc(p, size, flags);
        assert_true(check_all_bytes(p, had, 0x42));
        assert_true(check_all_bytes(p + had, size - had, 0));
        memset(p, 0x42, size);
        size_t less = size * 7 / 8;
        assert_ptr_equal(tarn_krealloc(p, less, flags), p); /* what is cut off is zeroed, as it may be added again */
        assert_true(check_all_bytes(p + less, tarn_ksize(p) - less, 0));
        had = less;
    }
    tarn_kfree(p);
}

static void the_original_survives_a_failure(void **state)
{
    (void)state;
    unsigned char *p = tarn_kmalloc(100, TARN_GFP_KERNEL);
    memset(p, 0x42, 128);
    assert_null(tarn_krealloc(p, 4 * MIB + 1, TARN_GFP_KERNEL));
    assert_null(tarn_krealloc(p, 200, TARN_GFP_KERNEL | TARN_GFP_HIGHMEM));
    assert_null(tarn_krealloc_array(p, SIZE_MAX, 2, TARN_GFP_KERNEL));
    assert_null(tarn_kvrealloc(p, SIZE_MAX, TARN_GFP_KERNEL));
    assert_null(tarn_kvrealloc(p, CHECK_HUGE(40), TARN_GFP_KERNEL));
    assert_true(check_all_bytes(p, 128, 0x42));
    p = tarn_krealloc_array(p, 10, 50, TARN_GFP_KERNEL);
    assert_int_equal(tarn_ksize(p), 512);
    assert_true(check_all_bytes(p, 128, 0x42));
    tarn_kfree(p);
}

static void kvrealloc_goes_further(void **state)
{
    (void)state;
    tarn_gfp_t flags = TARN_GFP_KERNEL | TARN_GFP_ZERO;
    unsigned char *p = tarn_kvrealloc(NULL, 100, flags);
    memset(p, 0x42, 100);
    p = tarn_kvrealloc(p, 10000, flags);
    assert_true(check_all_bytes(p, 100, 0x42) && check_all_bytes(p + 100, 9900, 0));
    assert_int_equal(tarn_ksize(p), 12288);
    p = tarn_kvrealloc(p, 6 * MIB, flags);
    assert_true(check_all_bytes(p, 100, 0x42) && check_all_bytes(p + 100, 6 * MIB - 100, 0));
    assert_ptr_equal(tarn_kvrealloc(p, 50, flags), p);
    assert_true(check_all_bytes(p + 50, 6 * MIB - 50, 0));
    assert_ptr_equal(tarn_kvrealloc(p, 0, flags), TARN_ZERO_SIZE_PTR);
}

/* Pages */

static void kvmalloc_is_exact(void **state)
{
    (void)state;
    static const size_t some[][2] = {{1, 8},
                                     {8192, 8192},
                                     {8193, 12288},
                                     {12289, 16384},
                                     {100000, 102400},
                                     {4 * MIB, 4 * MIB},
                                     {4 * MIB + 1, 4 * MIB + 4096},
                                     {70 * MIB - 5, 70 * MIB}};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        unsigned char *p = tarn_kvmalloc(some[i][0], TARN_GFP_KERNEL);
        assert_int_equal(tarn_ksize(p), some[i][1]);
        p[0] = p[some[i][1] - 1] = 1;
        tarn_kvfree(p);
        p = tarn_kvzalloc(some[i][0], TARN_GFP_KERNEL);
        assert_true(p[0] == 0 && p[some[i][1] - 1] == 0);
        tarn_kvfree(p);
    }
    assert_ptr_equal(tarn_kvmalloc(0, TARN_GFP_KERNEL), TARN_ZERO_SIZE_PTR);
    assert_string_equal(last_warning, "");
    assert_null(tarn_kvmalloc(SIZE_MAX, TARN_GFP_KERNEL));
    assert_null(tarn_kvmalloc((size_t)PTRDIFF_MAX + 1, TARN_GFP_KERNEL));
    assert_null(tarn_kvmalloc(100000, TARN_GFP_KERNEL | TARN_GFP_HIGHMEM));
    assert_non_null(strstr(last_warning, "high memory"));
    assert_null(tarn_kvmalloc_array(SIZE_MAX / 2, 3, TARN_GFP_KERNEL));
    assert_null(tarn_kvcalloc(SIZE_MAX / 2, 3, TARN_GFP_KERNEL));
    unsigned char *p = tarn_kvmalloc_array(300, 100, TARN_GFP_KERNEL);
    memset(p, 1, 30000);
    tarn_kvfree(p);
    p = tarn_kvcalloc(300, 100, TARN_GFP_KERNEL);
    assert_true(check_all_bytes(p, 32768, 0));
    tarn_kvfree(p);
}

static void vmalloc_gives_whole_pages(void **state)
{
    (void)state;
    assert_null(tarn_vmalloc(0));
    assert_null(tarn_vzalloc(0));
    assert_null(tarn_vmalloc(SIZE_MAX));
    assert_string_equal(last_warning, "");
    assert_null(tarn_vmalloc(CHECK_BITS > 32 ? CHECK_HUGE(45) : PTRDIFF_MAX));
    assert_non_null(strstr(last_warning, "page allocation failure"));
    last_warning[0] = 0;
    tarn_vfree(NULL);
    static const size_t some[] = {1, 4096, 4097, 100000, 9 * MIB, 65 * MIB};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        size_t rounded = (some[i] + 4095) / 4096 * 4096;
        unsigned char *p = tarn_vmalloc(some[i]);
        assert_int_equal((uintptr_t)p % 4096, 0);
        assert_int_equal(tarn_ksize(p), rounded);
        memset(p, 0xee, some[i] < MIB ? rounded : 4096);
        tarn_vfree(p);
        p = tarn_vzalloc(some[i]);
        assert_true(check_all_bytes(p, some[i] < 10 * MIB ? rounded : 4096, 0));
        tarn_vfree(p);
    }
    void *p = tarn_vmalloc_flags(10, TARN_GFP_KERNEL | TARN_GFP_HIGHMEM);
    assert_non_null(p);
    tarn_vfree(p);
    assert_string_equal(last_warning, "");
    assert_null(tarn_vmalloc_flags(10, TARN_GFP_KERNEL | TARN_GFP_MOVABLE | TARN_GFP_RECLAIMABLE));
    assert_non_null(strstr(last_warning, "two mobility groups"));
}

/* Copies */

static void copies_of_memory(void **state)
{
    (void)state;
    static const char source[] = "some\0bytes";
    char *p = tarn_kmemdup(source, sizeof source, TARN_GFP_KERNEL);
    assert_memory_equal(p, source, sizeof source);
    tarn_kfree(p);
    assert_ptr_equal(tarn_kmemdup(source, 0, TARN_GFP_KERNEL), TARN_ZERO_SIZE_PTR);
    assert_null(tarn_kmemdup(source, 4 * MIB + 1, TARN_GFP_KERNEL));
    p = tarn_kmemdup_nul(source, 7, TARN_GFP_KERNEL); /* beyond a zero in it */
    assert_memory_equal(p, "some\0by\0", 8);
    tarn_kfree(p);
    p = tarn_kmemdup_nul(source, 0, TARN_GFP_KERNEL);
    assert_string_equal(p, "");
    tarn_kfree(p);
    assert_null(tarn_kmemdup_nul(NULL, 5, TARN_GFP_KERNEL));
    assert_null(tarn_kmemdup_nul(source, SIZE_MAX, TARN_GFP_KERNEL));
}

static void copies_of_strings(void **state)
{
    (void)state;
    static const char not_ended[4] = {'a', 'b', 'c', 'd'};
    char *p = tarn_kstrdup("a string of words", TARN_GFP_KERNEL);
    assert_string_equal(p, "a string of words");
    assert_int_equal(tarn_ksize(p), 32);
    tarn_kfree(p);
    p = tarn_kstrndup(not_ended, 4, TARN_GFP_KERNEL);
    assert_string_equal(p, "abcd");
    assert_int_equal(tarn_ksize(p), 8);
    tarn_kfree(p);
    p = tarn_kstrndup("short", SIZE_MAX, TARN_GFP_KERNEL);
    assert_string_equal(p, "short");
    tarn_kfree(p);
    p = tarn_kstrndup("x", 0, TARN_GFP_KERNEL);
    assert_string_equal(p, "");
    tarn_kfree(p);
    assert_null(tarn_kstrdup(NULL, TARN_GFP_KERNEL));
    assert_null(tarn_kstrndup(NULL, 3, TARN_GFP_KERNEL));
}

static void formatted_strings(void **state)
{
    (void)state;
    errno = 55;
    char *p = tarn_kasprintf(TARN_GFP_KERNEL, "%s-%d %05.1f", "disk", -7, 2.25);
    assert_string_equal(p, "disk--7 002.2");
    tarn_kfree(p);
    p = tarn_kasprintf(TARN_GFP_KERNEL, "%s", "");
    assert_string_equal(p, "");
    tarn_kfree(p);
    p = tarn_kasprintf(TARN_GFP_KERNEL, "%9000d", 1);
    assert_int_equal(strlen(p), 9000);
    tarn_kfree(p);
    assert_null(tarn_kasprintf(TARN_GFP_KERNEL, "%ls", L"\xd800")); /* what has no multibyte form */
    assert_null(tarn_kasprintf(TARN_GFP_KERNEL, "%*d", 5 << 20, 1));
    assert_int_equal(errno, 55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KMALLOC_TEST(krealloc_begins_and_ends),
        KMALLOC_TEST(krealloc_stays_where_it_fits),
        KMALLOC_TEST(krealloc_zeroes_what_is_added),
        KMALLOC_TEST(the_original_survives_a_failure),
        KMALLOC_TEST(kvrealloc_goes_further),
        KMALLOC_TEST(kvmalloc_is_exact),
        KMALLOC_TEST(vmalloc_gives_whole_pages),
        KMALLOC_TEST(copies_of_memory),
        KMALLOC_TEST(copies_of_strings),
        KMALLOC_TEST(formatted_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
