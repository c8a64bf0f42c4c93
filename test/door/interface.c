/*
 * The contract of the allocation functions, at the edges: sizes, alignments, overflow, errno, contents.
 * Standards: C11 7.22.3, POSIX.1-2017, and the C library's manual for what neither has.
 */
#include "check.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>

#define GIB ((size_t)1 << 30)

/* C23's; libraries that lack them do not link otherwise. */
__attribute__((weak)) void free_sized(void *p, size_t size);
__attribute__((weak)) void free_aligned_sized(void *p, size_t align, size_t size);

static const size_t sizes[] = {0,         1,
                               2,         7,
                               8,         15,
                               16,        17,
                               24,        31,
                               32,        33,
                               63,        64,
                               65,        100,
                               127,       128,
                               129,       255,
                               256,       257,
                               511,       512,
                               513,       1000,
                               1023,      1024,
                               1025,      2047,
                               2048,      2049,
                               4095,      4096,
                               4097,      8191,
                               8192,      8193,
                               16384,     16385,
                               32767,     32768,
                               32769,     65535,
                               65536,     65537,
                               69633,     100000,
                               131072,    1000000,
                               1048576,   4194303,
                               4194304,   4194305,
                               10000000,  (64u << 20) - 1,
                               64u << 20, (64u << 20) + 1,
                               200u << 20};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Larger than any object may be. */
static const size_t impossible[] = {(size_t)PTRDIFF_MAX + 1,
                                    (size_t)PTRDIFF_MAX + 4096,
                                    SIZE_MAX - 65536,
                                    SIZE_MAX - 4096,
                                    SIZE_MAX - 4095,
                                    SIZE_MAX - 16,
                                    SIZE_MAX - 1,
                                    SIZE_MAX};
enum { IMPOSSIBLE = sizeof impossible / sizeof *impossible };

/* Legal to ask for, and never there. */
static const size_t absurd[] = {(size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX - 4096, (size_t)1 << 62, (size_t)1 << 50,
                                (size_t)1 << 47};
enum { ABSURD = sizeof absurd / sizeof *absurd };

static bool multiple(const void *p, size_t align) { return ((uintptr_t)p & (align - 1)) == 0; }

static void touch(void *p, size_t size)
{
    volatile char *bytes = p;
    if (size > 0)
        bytes[0] = 1, bytes[size - 1] = 2;
}

static void malloc_sizes(void)
{
    for (int i = 0; i < SIZES; i++) {
        errno = 4711;
        char *p = malloc(sizes[i]);
        if (!CHECK(p != NULL, "malloc(%zu) gave NULL", sizes[i]))
            continue;
        CHECK(errno == 4711, "malloc(%zu) changed errno to %d", sizes[i], errno);
        CHECK(multiple(p, 16), "malloc(%zu) gave %p, not a multiple of 16", sizes[i], (void *)p);
        CHECK(malloc_usable_size(p) >= sizes[i], "usable size %zu of malloc(%zu)", malloc_usable_size(p), sizes[i]);
        touch(p, malloc_usable_size(p));
        free(p);
    }
}

static void malloc_zero(void)
{
    void *p[100];
    for (int i = 0; i < 100; i++) {
        p[i] = malloc(0);
        CHECK(p[i] != NULL, "malloc(0) gave NULL");
        for (int j = 0; j < i; j++)
            CHECK(p[i] != p[j], "malloc(0) gave %p twice", p[i]);
    }
    for (int i = 0; i < 100; i++)
        free(p[i]);
    void *q = calloc(0, 5), *r = calloc(5, 0), *s = realloc(NULL, 0);
    CHECK(q && r && s && q != r && r != s && q != s, "calloc(0, 5), calloc(5, 0), realloc(NULL, 0) gave %p %p %p", q, r, s);
    free(q), free(r), free(s);
    free(NULL);
}

/* Every object of a few pages of each small size lies apart from every other. */
static void objects_apart(void)
{
    enum { COUNT = 600 };
    for (int i = 1; i < SIZES && sizes[i] <= 32769; i++) {
        void *p[COUNT];
        for (unsigned k = 0; k < COUNT; k++)
            if ((p[k] = malloc(sizes[i])))
                stamp(p[k], sizes[i], k);
        for (unsigned k = 0; k < COUNT; k++) {
            CHECK(p[k] && stamped(p[k], sizes[i], k), "object %u of %zu bytes was changed", k, sizes[i]);
            free(p[k]);
        }
    }
}

static void is_out_of_memory(void *p, const char *what, size_t size, int line)
{
    check_that(p == NULL, line, "%s of %#zx gave %p", what, size, p);
    check_that(p || errno == ENOMEM, line, "%s of %#zx set errno to %d, not ENOMEM", what, size, errno);
    errno = 0;
    free(p);
}

static void refusals_of(size_t size)
{
    errno = 0;
    is_out_of_memory(malloc(size), "malloc", size, __LINE__);
    is_out_of_memory(calloc(1, size), "calloc", size, __LINE__);
    is_out_of_memory(realloc(NULL, size), "realloc(NULL)", size, __LINE__);
    is_out_of_memory(reallocarray(NULL, 1, size), "reallocarray(NULL, 1)", size, __LINE__);
    is_out_of_memory(aligned_alloc(64, size & ~(size_t)63), "aligned_alloc(64)", size, __LINE__);
    is_out_of_memory(memalign(1 << 20, size), "memalign(1 MiB)", size, __LINE__);
    is_out_of_memory(valloc(size), "valloc", size, __LINE__);
    is_out_of_memory(pvalloc(size), "pvalloc", size, __LINE__);
    for (size_t align = 8; align <= GIB; align *= 2) {
        void *p = &p, *was = p;
        errno = 4711;
        int error = posix_memalign(&p, align, size);
        CHECK(error == ENOMEM, "posix_memalign(%zu, %#zx) gave %d", align, size, error);
        CHECK(errno == 4711, "posix_memalign(%zu, %#zx) set errno to %d", align, size, errno);
        CHECK(p == was, "posix_memalign(%zu, %#zx) failed and wrote its result", align, size);
    }
}

static void too_large(void)
{
    for (int i = 0; i < IMPOSSIBLE; i++)
        refusals_of(impossible[i]);
    for (int i = 0; i < ABSURD; i++)
        refusals_of(absurd[i]);
}

static void calloc_overflow(void)
{
    static const size_t pairs[][2] = {{SIZE_MAX, 2},
                                      {2, SIZE_MAX},
                                      {(size_t)1 << 32, (size_t)1 << 32},
                                      {((size_t)1 << 63) + 1, 2},
                                      {SIZE_MAX / 3 + 1, 3},
                                      {SIZE_MAX / 16 + 2, 16},
                                      {SIZE_MAX, SIZE_MAX}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        void *kept = malloc(100);
        stamp(kept, 100, 1);
        errno = 0;
        is_out_of_memory(calloc(pairs[i][0], pairs[i][1]), "calloc that overflows", pairs[i][0], __LINE__);
        void *p = reallocarray(kept, pairs[i][0], pairs[i][1]);
        CHECK(!p && errno == ENOMEM, "reallocarray(%#zx, %#zx) gave %p, errno %d", pairs[i][0], pairs[i][1], p, errno);
        CHECK(stamped(kept, 100, 1), "a reallocarray that failed changed the object");
        free(kept);
    }
}

static bool all_zero(const unsigned char *p, size_t size)
{
    return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

/* Memory that was used before, in several blocks at once, so that some come back and some are merged. */
static void calloc_zero(void)
{
    enum { COUNT = 8 };
    for (int i = 1; i < SIZES; i++) {
        void *p[COUNT];
        int count = sizes[i] > 20u << 20 ? 2 : COUNT;
        for (int round = 0; round < 3; round++) {
            for (int k = 0; k < count; k++) {
                p[k] = malloc(sizes[i]);
                ENOUGH(p[k] != NULL, "malloc(%zu) gave NULL", sizes[i]);
                memset(p[k], 0xa5, malloc_usable_size(p[k]));
            }
            for (int k = 0; k < count; k++)
                free(p[k]);
            for (int k = 0; k < count; k++) {
                p[k] = k % 2 ? calloc(1, sizes[i]) : calloc(sizes[i], 1);
                ENOUGH(p[k] != NULL, "calloc(1, %zu) gave NULL", sizes[i]);
                CHECK(all_zero(p[k], sizes[i]), "calloc(1, %zu) gave memory that is not zero", sizes[i]);
            }
            for (int k = 0; k < count; k++)
                free(p[k]);
        }
    }
}

static void realloc_one(size_t from, size_t to)
{
    void *p = malloc(from);
    ENOUGH(p != NULL, "malloc(%zu) gave NULL", from);
    stamp(p, from, 3);
    errno = 4711;
    void *q = realloc(p, to);
    ENOUGH(q != NULL, "realloc from %zu to %zu gave NULL", from, to);
    CHECK(errno == 4711, "realloc from %zu to %zu changed errno to %d", from, to, errno);
    CHECK(multiple(q, 16), "realloc from %zu to %zu gave %p, not a multiple of 16", from, to, q);
    CHECK(malloc_usable_size(q) >= to, "usable size %zu after realloc to %zu", malloc_usable_size(q), to);
    CHECK(stamped(q, from < to ? from : to, 3), "realloc from %zu to %zu lost contents", from, to);
    touch(q, to);
    free(q);
}

static void realloc_contents(void)
{
    for (int i = 1; i < SIZES; i++)
        for (int j = 1; j < SIZES; j++)
            if ((sizes[i] <= 5u << 20 && sizes[j] <= 5u << 20) || (i + j) % 9 == 0)
                realloc_one(sizes[i] < 64u << 20 ? sizes[i] : sizes[i] / 4, sizes[j]);
}

/* Neighbours stay what they are while one object after another grows and shrinks. */
static void realloc_among_others(void)
{
    enum { COUNT = 64, STEPS = 6000 };
    static void *p[COUNT];
    static size_t size[COUNT];
    uint32_t state = 12345;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned k = next_random(&state) % COUNT;
        size_t wanted = next_random(&state) % (1u << (4 + next_random(&state) % 18)) + 1;
        size_t least = size[k] < wanted ? size[k] : wanted;
        void *q = realloc(p[k], wanted);
        ENOUGH(q != NULL, "realloc to %zu gave NULL", wanted);
        CHECK(stamped(q, least, k), "step %u: realloc from %zu to %zu lost contents", step, size[k], wanted);
        stamp(q, wanted, k);
        p[k] = q, size[k] = wanted;
    }
    for (unsigned k = 0; k < COUNT; k++) {
        CHECK(stamped(p[k], size[k], k), "an object of %zu bytes was changed", size[k]);
        free(p[k]);
        p[k] = NULL;
    }
}

static void realloc_failure(void)
{
    for (int i = 1; i < SIZES; i++) {
        void *p = malloc(sizes[i]);
        ENOUGH(p != NULL, "malloc(%zu) gave NULL", sizes[i]);
        size_t part = sizes[i] < 5000000 ? sizes[i] : 5000000;
        stamp(p, part, 5);
        for (int k = 0; k < IMPOSSIBLE + ABSURD; k++) {
            size_t wanted = k < IMPOSSIBLE ? impossible[k] : absurd[k - IMPOSSIBLE];
            errno = 0;
            void *q = realloc(p, wanted);
            ENOUGH(!q && errno == ENOMEM, "realloc from %zu to %#zx gave %p, errno %d", sizes[i], wanted, q, errno);
        }
        CHECK(stamped(p, part, 5), "a realloc of %zu bytes that failed changed the object", sizes[i]);
        free(p);
    }
}

static void realloc_to_zero(void)
{
    for (int i = 0; i < SIZES; i++) {
        errno = 4711;
        void *p = realloc(malloc(sizes[i]), 0);
        CHECK(p == NULL && errno == 4711, "realloc from %zu to 0 gave %p, errno %d", sizes[i], p, errno);
    }
}

static void reallocarray_contents(void)
{
    void *p = reallocarray(NULL, 10, 10);
    ENOUGH(p != NULL, "reallocarray(NULL, 10, 10) gave NULL");
    stamp(p, 100, 7);
    void *q = reallocarray(p, 1000, 1000);
    ENOUGH(q != NULL, "reallocarray(1000, 1000) gave NULL");
    CHECK(stamped(q, 100, 7) && malloc_usable_size(q) >= 1000000, "reallocarray lost contents or size");
    free(q);
}

static const size_t few_sizes[] = {0, 1, 8, 100, 1000, 4096, 5000, 33000, 70000, 5u << 20};

typedef void *aligned_function(size_t align, size_t size);

static void *by_posix_memalign(size_t align, size_t size)
{
    void *p = NULL;
    errno = 4711;
    int error = posix_memalign(&p, align, size);
    CHECK((error == 0) == (p != NULL), "posix_memalign(%zu, %zu) gave %d and %p", align, size, error, p);
    CHECK(errno == 4711, "posix_memalign(%zu, %zu) set errno", align, size);
    return p;
}

static void alignments_of(aligned_function *function, const char *name, size_t least)
{
    for (size_t align = least; align <= GIB; align *= 2)
        for (size_t i = 0; i < sizeof few_sizes / sizeof *few_sizes; i++) {
            size_t size = few_sizes[i];
            void *p = function(align, size), *q = function(align, size);
            if (!CHECK(p && q && p != q, "%s(%zu, %zu) gave %p and %p", name, align, size, p, q))
                continue;
            CHECK(multiple(p, align) && multiple(q, align), "%s(%zu, %zu) gave %p and %p", name, align, size, p, q);
            CHECK(malloc_usable_size(p) >= size, "%s(%zu, %zu): usable size %zu", name, align, size, malloc_usable_size(p));
            touch(p, malloc_usable_size(p));
            touch(q, malloc_usable_size(q));
            free(p);
            free(q);
        }
}

static void alignments(void)
{
    alignments_of(aligned_alloc, "aligned_alloc", 1);
    alignments_of(memalign, "memalign", 1);
    alignments_of(by_posix_memalign, "posix_memalign", sizeof(void *));
}

/* An aligned object is an object as any other: it can be resized, and its neighbours are not touched. */
static void aligned_realloc(void)
{
    for (size_t align = 16; align <= 1u << 22; align *= 4)
        for (size_t size = 1; size < 1u << 22; size *= 13) {
            void *p = memalign(align, size);
            ENOUGH(p != NULL, "memalign(%zu, %zu) gave NULL", align, size);
            stamp(p, size, 9);
            void *q = realloc(p, size * 3);
            ENOUGH(q != NULL && stamped(q, size, 9), "realloc of memalign(%zu, %zu) lost contents", align, size);
            free(q);
        }
}

static void alignments_invalid(void)
{
    static const size_t odd[] = {3, 5, 6, 7, 9, 12, 24, 48, 100, 4095, 4097, 1000000, (size_t)PTRDIFF_MAX, SIZE_MAX};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        void *p = &p, *was = p;
        int error = posix_memalign(&p, odd[i], 100);
        CHECK(error == EINVAL && p == was, "posix_memalign(%#zx) gave %d", odd[i], error);
        errno = 0;
        void *q = aligned_alloc(odd[i], 128);
        CHECK(!q && errno == EINVAL, "aligned_alloc(%#zx) gave %p, errno %d", odd[i], q, errno);
    }
    static const size_t small[] = {0, 1, 2, 4};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        void *p = NULL;
        int error = posix_memalign(&p, small[i], 100);
        CHECK(error == EINVAL && !p, "posix_memalign(%zu) gave %d", small[i], error);
    }
    errno = 0;
    void *none = aligned_alloc(0, 16);
    CHECK(!none && errno == EINVAL, "aligned_alloc(0) gave %p, errno %d", none, errno);
    errno = 0;
    void *far = memalign(((size_t)1 << 63) + 1, 16);
    CHECK(!far && errno == EINVAL, "memalign(2^63 + 1) gave %p, errno %d", far, errno);
    void *rounded = memalign(48, 100);
    CHECK(rounded && multiple(rounded, 64), "memalign(48) gave %p", rounded);
    free(rounded);
}

/* There is no such place in an address space, whatever the size. */
static void alignments_absurd(void)
{
    for (int bits = 47; bits < 64; bits++) {
        size_t align = (size_t)1 << bits;
        errno = 0;
        is_out_of_memory(aligned_alloc(align, 0), "aligned_alloc of 0 bytes", align, __LINE__);
        is_out_of_memory(memalign(align, 100), "memalign", align, __LINE__);
        void *p = NULL;
        int error = posix_memalign(&p, align, 1);
        CHECK(error == ENOMEM && !p, "posix_memalign(%#zx) gave %d", align, error);
    }
}

static void page_functions(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < sizeof few_sizes / sizeof *few_sizes; i++) {
        size_t size = few_sizes[i], whole = (size + page - 1) / page * page;
        void *p = valloc(size), *q = pvalloc(size);
        ENOUGH(p && q, "valloc(%zu), pvalloc(%zu) gave %p, %p", size, size, p, q);
        CHECK(multiple(p, page) && multiple(q, page), "valloc(%zu), pvalloc(%zu) gave %p, %p", size, size, p, q);
        CHECK(malloc_usable_size(q) >= whole, "pvalloc(%zu): usable size %zu", size, malloc_usable_size(q));
        touch(p, size);
        touch(q, whole);
        free(p), free(q);
    }
}

static void frees_with_size(void)
{
    ENOUGH(free_sized && free_aligned_sized, "free_sized and free_aligned_sized are not there");
    for (int i = 0; i < SIZES; i++)
        for (int round = 0; round < 3; round++) {
            free_sized(malloc(sizes[i]), sizes[i]);
            free_sized(calloc(1, sizes[i]), sizes[i]);
            free_aligned_sized(aligned_alloc(128, sizes[i]), 128, sizes[i]);
        }
    free_sized(NULL, 100);
    free_aligned_sized(NULL, 16, 100);
}

static void free_keeps_errno(void)
{
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < 300 && (k < 4 || sizes[i] < 100000); k++) {
            void *p = malloc(sizes[i]);
            touch(p, sizes[i]);
            errno = 4711;
            free(p);
            ENOUGH(errno == 4711, "free of %zu bytes changed errno to %d", sizes[i], errno);
        }
}

static void usable_size(void)
{
    CHECK(malloc_usable_size(NULL) == 0, "malloc_usable_size(NULL) is not 0");
    for (int i = 0; i < SIZES; i++) {
        void *p = malloc(sizes[i]);
        size_t usable = malloc_usable_size(p), rounding = sizes[i] / 4 + 4096;
        CHECK(usable >= sizes[i] && usable <= sizes[i] + rounding, "malloc(%zu): usable size %zu", sizes[i], usable);
        CHECK(malloc_usable_size(p) == usable, "usable size of %zu changes", sizes[i]);
        memset(p, 0x5a, usable);
        free(p);
    }
}

static void trim(void)
{
    void *p[64];
    for (int i = 0; i < 64; i++) {
        p[i] = malloc(400000);
        memset(p[i], 1, 400000);
    }
    for (int i = 0; i < 64; i++)
        free(p[i]);
    CHECK(malloc_trim(0) == 1, "malloc_trim(0) gave back nothing of 25 MB");
    CHECK(malloc_trim(0) == 0, "malloc_trim(0) gave back something of nothing");
    CHECK(mallinfo2().keepcost == 0, "keepcost is %zu after malloc_trim(0)", mallinfo2().keepcost);
}

static void information(void)
{
    struct mallinfo2 before = mallinfo2();
    char *small = malloc(1000), *large = malloc(1000000);
    struct mallinfo2 with = mallinfo2();
    CHECK(with.uordblks - before.uordblks >= 1001000, "uordblks grew by %zu", with.uordblks - before.uordblks);
    CHECK(with.uordblks - before.uordblks <= 1030000, "uordblks grew by %zu", with.uordblks - before.uordblks);
    CHECK(with.hblks == before.hblks + 1, "hblks went from %zu to %zu", before.hblks, with.hblks);
    CHECK(with.hblkhd - before.hblkhd >= 1000000, "hblkhd grew by %zu", with.hblkhd - before.hblkhd);
    struct mallinfo old = mallinfo();
    CHECK((size_t)(unsigned)old.uordblks == with.uordblks, "mallinfo: uordblks %d, mallinfo2: %zu", old.uordblks,
          with.uordblks);
    free(small), free(large);
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks == before.uordblks, "uordblks was %zu and is %zu", before.uordblks, after.uordblks);
    char *huge = malloc((size_t)3 << 30);
    CHECK(huge && mallinfo().hblkhd == INT_MAX, "mallinfo: hblkhd is %d with 3 GiB", mallinfo().hblkhd);
    free(huge);
}

/* Tags of `text` match each other. */
static bool well_formed(const char *text)
{
    char stack[16][32];
    int depth = 0;
    while ((text = strchr(text, '<'))) {
        const char *end = strchr(text, '>');
        int length = (int)strcspn(++text, " />");
        if (!end)
            return false;
        if (*text == '/') {
            length = (int)strcspn(text + 1, " >");
            if (depth == 0 || strncmp(stack[--depth], text + 1, (size_t)length) != 0 || stack[depth][length])
                return false;
        } else if (end[-1] != '/') {
            if (depth == 16 || length > 31)
                return false;
            snprintf(stack[depth++], sizeof stack[0], "%.*s", length, text);
        }
        text = end;
    }
    return depth == 0;
}

static void xml(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    ENOUGH(malloc_info(0, stream) == 0, "malloc_info failed");
    fclose(stream);
    CHECK(strncmp(text, "<malloc version=", 16) == 0, "malloc_info begins with %.16s", text);
    CHECK(length > 10 && strcmp(text + length - 10, "</malloc>\n") == 0, "malloc_info has no end");
    CHECK(well_formed(text), "malloc_info is not well formed: %s", text);
    CHECK(!well_formed("<a><b></a></b>") && well_formed("<a><b x=\"1\"/></a>"), "the test's parser errs");
    free(text);
    errno = 0;
    CHECK(malloc_info(1, stdout) == -1 && errno == EINVAL, "malloc_info(1) was accepted");
}

static void statistics_text(void)
{
    char text[4096] = "";
    int pipes[2];
    ENOUGH(pipe(pipes) == 0, "no pipe");
    int saved = dup(2);
    dup2(pipes[1], 2);
    malloc_stats();
    dup2(saved, 2);
    close(saved), close(pipes[1]);
    ssize_t length = 0, got;
    while ((got = read(pipes[0], text + length, sizeof text - 1 - (size_t)length)) > 0)
        length += got;
    close(pipes[0]);
    CHECK(strstr(text, " bytes live in ") && strstr(text, " system calls\n"), "malloc_stats says: %s", text);
    CHECK(mallopt(M_MMAP_THRESHOLD, 65536) == 1, "mallopt refuses");
}

int main(void)
{
    static const struct check_case cases[] = {
        {"malloc: sizes from 0 to 200 MiB", malloc_sizes},
        {"malloc(0): objects of their own", malloc_zero},
        {"malloc: objects lie apart", objects_apart},
        {"sizes above what can be: NULL and ENOMEM", too_large},
        {"products that overflow: NULL and ENOMEM", calloc_overflow},
        {"calloc: zero, after use too", calloc_zero},
        {"realloc: contents, between all sizes", realloc_contents},
        {"realloc: neighbours", realloc_among_others},
        {"realloc that fails: the object stays", realloc_failure},
        {"realloc to 0: frees, NULL", realloc_to_zero},
        {"reallocarray", reallocarray_contents},
        {"alignments from 1 to 1 GiB", alignments},
        {"realloc of aligned objects", aligned_realloc},
        {"alignments that are none: EINVAL", alignments_invalid},
        {"alignments beyond the address space: ENOMEM", alignments_absurd},
        {"valloc, pvalloc", page_functions},
        {"free_sized, free_aligned_sized", frees_with_size},
        {"free keeps errno", free_keeps_errno},
        {"malloc_usable_size: all of it, and stable", usable_size},
        {"malloc_trim", trim},
        {"mallinfo2, mallinfo", information},
        {"malloc_info: XML", xml},
        {"malloc_stats, mallopt", statistics_text},
    };
    check_preloaded();
    return CASES(cases);
}
