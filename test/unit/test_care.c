/* TARN_DEBUG: how it is read, and each misuse under each letter, of malloc, of kmalloc, and of users' caches. Modes are set in child processes. */
#include "test/unit/check.h"

#include "alloc/care.h"
#include "alloc/heap.h"
#include "tarn/alloc.h"
#include "tarn/cache.h"
#include "tarn/debug.h"
#include "tarn/kmalloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values */

enum { F = TARN__LETTER_F, Z = TARN__LETTER_Z, P = TARN__LETTER_P, U = TARN__LETTER_U, Q = TARN__LETTER_Q, G = TARN__LETTER_G };

static void letters_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *value, *name;
        unsigned letters;
        int error;
    } list[] = {
        {NULL, "malloc-64", 0, 0},
        {"", "malloc-64", 0, 0},
        {"F", "malloc-64", F, 0},
        {"FZPUQG", "anything", F | Z | P | U | Q | G, 0},
        {"FZ,malloc-64", "malloc-64", F | Z, 0},
        {"FZ,malloc-64", "malloc-640", 0, 0},
        {"FZ,malloc-64", "malloc-6", 0, 0},
        {"FZ,malloc-64", "", 0, 0},
        {"P,malloc-*,region", "malloc-96", P, 0},
        {"P,malloc-*,region", "malloc-", P, 0},
        {"P,malloc-*,region", "malloc", 0, 0},
        {"P,malloc-*,region", "region", P, 0},
        {"P,malloc-*,region", "regions", 0, 0},
        {"U,*", "x", U, 0},
        {"F,a;Z,b;P", "a", F, 0},
        {"F,a;Z,b;P", "b", Z, 0},
        {"F,a;Z,b;P", "c", P, 0},
        {"P;F,a", "a", P, 0},
        {"FX", "a", F, -EINVAL},
        {"f", "a", 0, -EINVAL},
        {"F Z", "a", F | Z, -EINVAL},
        {"X;F", "a", F, -EINVAL},
        {";F", "a", F, -EINVAL},
        {",a", "a", 0, -EINVAL},
        {"F,", "a", 0, -EINVAL},
        {"F,,a", "a", F, -EINVAL},
        {"F,a,", "a", F, -EINVAL},
        {"FF", "a", F, 0},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        int error = tarn__modes_set(list[i].value, NULL, NULL);
        unsigned letters = tarn__letters_for(list[i].name);
        if (error != list[i].error || letters != list[i].letters)
            fail_msg("row %zu: %#x, error %d", i, letters, error);
        assert_int_equal(tarn__modes_any,
                         list[i].value && *list[i].value && strcmp(list[i].value, "f") && list[i].value[0] != ',');
    }
    tarn__modes_set(NULL, NULL, NULL);
}

static void long_values_end_with_a_whole_name(void **state)
{
    char value[4000], name[20];
    size_t length = 1;
    int last = 0;
    (void)state;
    strcpy(value, "F");
    for (int i = 0; length < 3900; i++)
        length += (size_t)sprintf(value + length, ",name%d", i);
    assert_int_equal(tarn__modes_set(value, NULL, NULL), -EINVAL);
    for (int i = 0; i < 1000; i++) {
        sprintf(name, "name%d", i);
        if (tarn__letters_for(name))
            last = i;
    }
    assert_in_range(last, 250, 280);
    for (int i = 0; i <= last; i++) {
        sprintf(name, "name%d", i);
        assert_int_equal(tarn__letters_for(name), F);
    }
    tarn__modes_set(NULL, NULL, NULL);
}

static void numbers_are_read(void **state)
{
    static const struct {
        const char *harden, *sample;
        bool hardened;
        unsigned rate;
        int error;
    } list[] = {
        {"1", NULL, true, 0, 0},
        {"0", "0", false, 0, 0},
        {"", "", false, 0, 0},
        {"yes", "5", false, 5, -EINVAL},
        {"1", "12345", true, 12345, 0},
        {NULL, "-1", false, 0, -EINVAL},
        {"1", "1k", true, 0, -EINVAL},
        {NULL, "4294967295", false, 4294967295u, 0},
        {NULL, "4294967296", false, 0, -EINVAL},
        {NULL, "99999999999999999999", false, 0, -EINVAL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        assert_int_equal(tarn__modes_set(NULL, list[i].harden, list[i].sample), list[i].error);
        assert_int_equal(tarn__hardened, list[i].hardened);
        assert_int_equal(tarn__sample_rate, list[i].rate);
        assert_int_equal(tarn__modes_any, list[i].hardened || list[i].rate > 0);
    }
    tarn__modes_set(NULL, NULL, NULL);
}

/* Misuse */

static void begin_modes(const char *letters)
{
    tarn__modes_set(letters, NULL, NULL);
    tarn__care_begin();
}

/* Where an object comes from. */
enum pool { SMALL, ODD, ALIGNED, CLASS_MOST, LARGE, FAR_ALIGNED, KMALLOC, CACHE, POOLS };
static const size_t sizes[POOLS] = {100, 1, 200, 32768, 40001, 500, 64, 72};
static struct tarn_cache *cache;

static unsigned char *take(enum pool pool)
{
    void *p;
    if (pool == CACHE && !cache)
        cache = tarn_cache_create("cared-for", sizes[CACHE], 0, 0, NULL, NULL);
    if (pool == KMALLOC)
        p = tarn_kmalloc(sizes[pool], TARN_GFP_KERNEL);
    else if (pool == CACHE)
        p = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
    else if (pool == ALIGNED || pool == FAR_ALIGNED)
        p = tarn_aligned_alloc(pool == ALIGNED ? 128 : 65536, sizes[pool]);
    else
        p = tarn_malloc(sizes[pool]);
    if (!p || (pool == ALIGNED && (uintptr_t)p % 128) || (pool == FAR_ALIGNED && (uintptr_t)p % 65536))
        abort();
    return p;
}

static void put(enum pool pool, void *p)
{
    if (pool == CACHE)
        tarn_cache_free(cache, p);
    else if (pool == KMALLOC)
        tarn_kfree(p);
    else
        tarn_free(p);
}

enum misuse {
    NOTHING,
    TWICE,
    TWICE_LATER,
    INSIDE,
    OVER,
    OVER_8,
    UNDER,
    LATE,
    OVER_UNSEEN,
    LATE_UNSEEN,
    RESIZED,
    ASKED,
    MISUSES
};

struct trial {
    const char *letters;
    enum pool pool;
    enum misuse misuse;
};

static void commit(void *value)
{
    const struct trial *trial = value;
    begin_modes(trial->letters);
    unsigned char *keeps = take(trial->pool), *p = take(trial->pool), *other[50];
    size_t size = sizes[trial->pool];
    memset(p, 0x77, size);
    switch (trial->misuse) {
    case TWICE:
        put(trial->pool, p);
        break;
    case TWICE_LATER:
        put(trial->pool, p);
        memset(p, 0xff, trial->letters[0] == 'U' ? size : 0); /* whatever it holds */
        for (int i = 0; i < 50; i++)
            other[i] = take(SMALL);
        for (int i = 0; i < 50; i++)
            put(SMALL, other[i]);
        break;
    case INSIDE:
        put(trial->pool, p + (size > 1 ? size / 2 : 8));
        break;
    case OVER:
    case OVER_UNSEEN:
        p[size] ^= 1;
        break;
    case OVER_8:
        p[size + 7] ^= 1;
        break;
    case UNDER:
        p[-1] ^= 1;
        break;
    case LATE:
    case LATE_UNSEEN:
        put(trial->pool, p);
        p[size / 2] ^= 1;
        break;
    case RESIZED:
        put(trial->pool, p);
        p = tarn_realloc(p, size);
        break;
    case ASKED:
        put(trial->pool, p);
        tarn_usable_size(p);
        break;
    default:
        break;
    }
    if (trial->misuse == OVER_UNSEEN || trial->misuse == LATE_UNSEEN)
        tarn_debug_check();
    else if (trial->misuse == LATE)
        tarn_trim(0), take(trial->pool);
    else
        put(trial->pool, p);
    put(trial->pool, keeps);
}

static bool has(const char *letters, char letter) { return strchr(letters, letter) != NULL; }

/* What is said of a misuse; NULL: it is not found. */
static const char *finding(const struct trial *trial)
{
    bool large = trial->pool == LARGE || trial->pool == FAR_ALIGNED || trial->pool == CLASS_MOST,
         red = has(trial->letters, 'Z');
    switch (trial->misuse) {
    case TWICE:
    case TWICE_LATER:
    case RESIZED:
    case ASKED:
        return large && !has(trial->letters, 'Q') ? "tarn: " : "tarn: double free: the object is free already (";
    case INSIDE:
        return "tarn: invalid free: not the start of a live object (";
    case OVER:
        return red ? "tarn: red zone overwritten: a write beyond an object's bounds (" : NULL;
    case OVER_8:
    case UNDER:
        return red ? "tarn: red zone overwritten: a write beyond an object's bounds (" : NULL;
    case OVER_UNSEEN:
        return red ? "tarn: red zone overwritten: a write beyond an object's bounds (debug_check of " : NULL;
    case LATE:
    case LATE_UNSEEN:
        return has(trial->letters, 'P') && (has(trial->letters, 'Q') || !large)
                   ? "tarn: poison overwritten: a write after free ("
                   : NULL;
    default:
        return NULL;
    }
}

/* Whether what is written then belongs to somebody, or to nobody that looks: no trial. */
static bool is_left_out(const struct trial *trial)
{
    bool writes = trial->misuse >= OVER && trial->misuse <= LATE_UNSEEN;
    bool small_only = trial->misuse == RESIZED || trial->misuse == ASKED;
    return (writes && !finding(trial)) || (small_only && trial->pool >= KMALLOC) ||
           (trial->misuse == TWICE_LATER && has(trial->letters, 'P')) ||
           (trial->misuse == TWICE_LATER && trial->pool == SMALL && !has(trial->letters, 'Q'));
}

static void each_misuse_under_each_letter(void **state)
{
    static const char *const letters[] = {"F", "Z", "P", "U", "Q", "FZ", "PQ", "FZPUQ"};
    (void)state;
    for (size_t l = 0; l < sizeof letters / sizeof *letters; l++)
        for (enum pool pool = 0; pool < POOLS; pool++)
            for (enum misuse misuse = 0; misuse < MISUSES; misuse++) {
                struct trial trial = {letters[l], pool, misuse};
                const char *said = finding(&trial);
                if (is_left_out(&trial))
                    continue;
                if (said)
                    check_dies(commit, &trial, said);
                else
                    check_lives(commit, &trial);
            }
}

/* Where the first wrong byte is, what it is, and what it should be. */
static void the_first_wrong_byte_is_told(void **state)
{
    (void)state;
    for (enum pool pool = 0; pool < POOLS; pool++) {
        char over[80], late[80];
        snprintf(over, sizeof over, "\n  first wrong byte at offset %zu: cd, not cc\n", sizes[pool]);
        snprintf(late, sizeof late, "\n  first wrong byte at offset %zu: 6a, not 6b\n", sizes[pool] / 2);
        check_dies(commit, &(struct trial){"FZPUQ", pool, OVER_UNSEEN}, over);
        check_dies(commit, &(struct trial){"FZPUQ", pool, UNDER}, "\n  first wrong byte at offset -1: cd, not cc\n");
        check_dies(commit, &(struct trial){"FZPUQ", pool, LATE_UNSEEN}, late);
    }
}

/* Correct use */

static void require(bool condition, int line)
{
    if (!condition) {
        fprintf(stderr, "line %d\n", line);
        abort();
    }
}
#define REQUIRE(condition) require(condition, __LINE__)

static void use_sizes(void *value)
{
    begin_modes(value);
    bool all = !has(value, ','), red = all && has(value, 'Z'), poison = all && has(value, 'P');
    for (size_t size = 0; size < 70000; size += 1 + size / 7) {
        unsigned char *p = tarn_malloc(size), *zeroed = tarn_calloc(1, size);
        REQUIRE(p && zeroed && (uintptr_t)p % 16 == 0 && check_all_bytes(zeroed, size, 0));
        REQUIRE(red ? tarn_usable_size(p) == size : tarn_usable_size(p) >= size);
        REQUIRE(!poison || check_all_bytes(p, size, 0x5a));
        memset(p, 0x31, tarn_usable_size(p));
        p = tarn_realloc(p, size + 1);
        REQUIRE(p && check_all_bytes(p, size, 0x31));
        p = tarn_realloc(p, 3 * size + 20);
        REQUIRE(p && check_all_bytes(p, size, 0x31));
        REQUIRE(!red || tarn_usable_size(p) == 3 * size + 20);
        p = tarn_realloc(p, size / 3 + 1);
        REQUIRE(p && check_all_bytes(p, tarn__min(size, size / 3 + 1), 0x31));
        tarn_free_sized(p, size / 3 + 1);
        tarn_free(zeroed);
    }
    REQUIRE(tarn_debug_check() == 0);
    REQUIRE(!tarn_malloc(SIZE_MAX) && !tarn_malloc(PTRDIFF_MAX) && !tarn_calloc(SIZE_MAX / 2, 3) &&
            !tarn_aligned_alloc(64, SIZE_MAX));
    tarn_free(NULL);
    tarn_trim(0);
}

static void *use_in_thread(void *value)
{
    uint64_t random = (uintptr_t)value + 1;
    enum { HELD = 200 };
    struct {
        unsigned char *p;
        size_t size;
    } held[HELD] = {{NULL, 0}};
    for (int i = 0; i < 20000; i++) {
        size_t k = check_random(&random) % HELD;
        if (held[k].p)
            REQUIRE(check_all_bytes(held[k].p, held[k].size, (unsigned char)k));
        tarn_free(held[k].p);
        held[k].size = check_random(&random) % (check_random(&random) % 50 ? 600 : 60000);
        held[k].p = tarn_malloc(held[k].size);
        memset(held[k].p, (int)k, held[k].size);
        if (i % 4000 == 0 && !TARN__SANITIZE_THREAD) /* to which a look that is taken back if something changed is a race */
            REQUIRE(tarn_debug_check() == 0);
    }
    for (size_t k = 0; k < HELD; k++)
        tarn_free(held[k].p);
    return NULL;
}

static void use_threads(void *value)
{
    pthread_t thread[4];
    begin_modes(value);
    for (uintptr_t i = 0; i < 4; i++)
        REQUIRE(pthread_create(&thread[i], NULL, use_in_thread, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    REQUIRE(tarn_debug_check() == 0);
}

static void correct_use_is_not_disturbed(void **state)
{
    static char letters[][24] = {"F", "Z", "P", "U", "Q", "FZPUQ", "ZP,malloc-64,large", "Q,malloc-*", "FZPUQ,large"};
    (void)state;
    for (size_t l = 0; l < sizeof letters / sizeof *letters; l++)
        check_lives(use_sizes, letters[l]);
    check_lives(use_threads, letters[5]);
    check_lives(use_threads, letters[1]);
}

/* What was allocated before the modes were known is freed as ever, and its class has no magazine afterwards. */
static void use_early(void *value)
{
    void *early[300], *large = tarn_malloc(100000), *other = tarn_malloc(200);
    for (int i = 0; i < 300; i++)
        early[i] = tarn_malloc(64);
    for (int i = 0; i < 100; i++)
        tarn_free(early[i]);
    begin_modes(value);
    unsigned class = tarn__class_of(64);
    const struct tarn__bin *bin = &tarn__self->bin[class];
    REQUIRE(!bin->head);
    early[100] = tarn_realloc(early[100], 60);
    early[101] = tarn_realloc(early[101], 600);
    for (int i = 100; i < 300; i++)
        tarn_free(early[i]);
    REQUIRE(!bin->head);
    void *p = tarn_malloc(64);
    REQUIRE(tarn_cache_of(p) != &tarn__heap.cache[class]);
    tarn_free(p);
    large = tarn_realloc(large, 200000);
    tarn_free(large);
    tarn_free(other);
    REQUIRE(tarn__heap.cache[class].free_objects == tarn__heap.cache[class].slabs * tarn__heap.cache[class].objects);
    REQUIRE(tarn_debug_check() == 0);
}

static void early_objects_are_freed(void **state)
{
    (void)state;
    check_lives(use_early, (char[]){"FZPUQ"});
    check_lives(use_early, (char[]){"Z,malloc-64"});
}

/* A class that is not named keeps its magazines. */
static void use_others(void *value)
{
    begin_modes(value);
    tarn_free(tarn_malloc(128));
    REQUIRE(tarn__self->bin[tarn__class_of(128)].head);
    tarn_free(tarn_malloc(64));
    REQUIRE(!tarn__self->bin[tarn__class_of(64)].head);
}

static void other_classes_are_as_ever(void **state)
{
    (void)state;
    check_lives(use_others, (char[]){"FZPUQ,malloc-64"});
}

/* Quarantine: what is freed does not come again soon, and what it may hold is bounded. */
static void use_quarantine(void *value)
{
    begin_modes(value);
    void *first = tarn_malloc(64), *p = NULL;
    int i = 0;
    tarn_free(first);
    for (; i < 100000 && p != first; i++)
        tarn_free(p = tarn_malloc(64));
    REQUIRE(i > 1000 && i < 20000);
    for (i = 0; i < 10000; i++)
        tarn_free(p = tarn_malloc(8000));
    p = tarn_malloc(8000);
    REQUIRE(tarn_cache_of(p)->slabs < 40); /* by its bytes, not by the count */
    tarn_free(p);
    first = tarn_malloc(100000), p = NULL;
    tarn_free(first);
    for (i = 0; i < 10000 && p != first; i++)
        tarn_free(p = tarn_malloc(100000));
    REQUIRE(i > 20 && i < 1000);
}

static void quarantine_is_long_and_bounded(void **state)
{
    (void)state;
    check_lives(use_quarantine, (char[]){"Q"});
    check_lives(use_quarantine, (char[]){"ZPQ"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_read),
        cmocka_unit_test(long_values_end_with_a_whole_name),
        cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(each_misuse_under_each_letter),
        cmocka_unit_test(the_first_wrong_byte_is_told),
        cmocka_unit_test(correct_use_is_not_disturbed),
        cmocka_unit_test(early_objects_are_freed),
        cmocka_unit_test(other_classes_are_as_ever),
        cmocka_unit_test(quarantine_is_long_and_bounded),
    };
    return cmocka_run_group_tests_name("care", tests, NULL, NULL);
}
