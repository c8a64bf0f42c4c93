/* Floor 2: what a report says of each kind, and what a handler is told and may answer. */
#include "test/unit/check.h"

#include "base/fail.h"
#include "os/os.h"
#include "os/report.h"
#include "os/stack.h"
#include "tarn/report.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KINDS = TARN__BROKEN_INVARIANT + 1 };

static char objects[128], *const object = objects + 64;
static char text[16384];
static struct tarn_report seen;
static unsigned reports;

static enum tarn_report_answer remember(const struct tarn_report *report, void *context)
{
    assert_ptr_equal(context, &reports);
    seen = *report;
    snprintf(text, sizeof text, "%s", report->text);
    reports++;
    return TARN_REPORT_CONTINUE;
}

static int begin(void **state)
{
    (void)state;
    tarn__set_fail_exit(tarn__os_die);
    tarn__report_begin();
    tarn__fail_describe = NULL;
    tarn_report_to(remember, &reports);
    reports = 0;
    strcpy(object, "object");
    return setenv("TARN_COMMAND", "", 1);
}

static void has(const char *wanted)
{
    if (!strstr(text, wanted))
        fail_msg("no \"%s\" in:\n%s", wanted, text);
}

static void has_not(const char *unwanted)
{
    if (strstr(text, unwanted))
        fail_msg("\"%s\" in:\n%s", unwanted, text);
}

static void tells_each_kind(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        char first[200];
        tarn__report((enum tarn__crime)kind, "here", object, NULL);
        snprintf(first, sizeof first, "tarn: %s (here of %p, thread 1)\n", tarn__crime_text((enum tarn__crime)kind),
                 (void *)object);
        assert_int_equal(strncmp(text, first, strlen(first)), 0);
        assert_int_equal(seen.kind, kind);
        assert_false(seen.final);
        assert_ptr_equal(seen.address, object);
        assert_string_equal(seen.function, "here");
    }
    assert_int_equal(reports, KINDS);
    assert_int_equal(TARN_REPORT_INTERNAL, TARN__BROKEN_INVARIANT);
    assert_int_equal(TARN_REPORT_POISONED, TARN__POISONED);
    assert_int_equal(TARN_REPORT_CORRUPT_POOL, TARN__CORRUPT_POOL);
}

static void tells_what_the_caller_knows(void **state)
{
    (void)state;
    uintptr_t frames[] = {0x1001, 0x1002, 0x1003};
    struct tarn__suspect suspect = {
        .pool = "toys",
        .object = object,
        .size = 40,
        .bad = object + 40,
        .expected = 256 + 0xbb,
        .alloc_stack = tarn__stack_keep(frames, 2),
        .free_stack = tarn__stack_keep(frames + 1, 2),
        .alloc_thread = 7,
        .free_thread = 8,
        .neighbour = object - 64,
        .neighbour_size = 1,
        .neighbour_live = true,
        .neighbour_stack = tarn__stack_keep(frames, 3),
    };
    char line[200];
    object[40] = 0x41;
    tarn__report(TARN__DOUBLE_FREE, "free", object + 43, &suspect);
    snprintf(line, sizeof line,
             "\n  object %p of 40 bytes, of toys, free\n  address is 3 bytes behind it\n  first bytes 6f 62 6a 65 63 74 00 ",
             (void *)object);
    has(line);
    has(" |object..........|\n  first wrong byte at offset 40: 41, not bb\n");
    snprintf(line, sizeof line, "\n  neighbour in front %p of 1 byte, in use\n  freed again by thread 1:\n    #0 0x",
             (void *)(object - 64));
    has(line);
    has("\n  freed first by thread 8:\n    #0 0x1002\n    #1 0x1003\n  allocated by thread 7:\n    #0 0x1001\n    #1 0x1002\n"
        "  neighbour allocated:\n    #0 0x1001\n");
    has_not("TARN_DEBUG");
    has_not("the address");
    assert_int_equal(seen.freed.count, 2);
    assert_int_equal(seen.freed.thread, 8);
    assert_int_equal(seen.neighbour_allocated.count, 3);
    assert_true(seen.here.count > 1);
}

static void points_into_and_before(void **state)
{
    (void)state;
    struct tarn__suspect suspect = {.pool = "toys", .object = object + 16, .size = 40, .live = true, .bad = object + 15};
    tarn__report(TARN__RED_ZONE, "free", object + 20, &suspect);
    has(", of toys, in use\n  address is 4 bytes inside it\n");
    has("\n  first wrong byte at offset -1: 00\n");
    has("\n  found by thread 1:\n");
    has("\n  TARN_DEBUG=U shows where it was allocated\n");
    tarn__report(TARN__RED_ZONE, "free", object + 15, &suspect);
    has("\n  address is 1 byte in front of it\n");
    suspect.live = false;
    tarn__report(TARN__POISONED, "alloc", object + 16, &suspect);
    has(", free\n  first bytes");
    has("\n  TARN_DEBUG=U shows where it was allocated and freed first\n");
    suspect.object = (void *)(uintptr_t)0x10000; /* where nothing is: it is not read */
    suspect.bad = (void *)(uintptr_t)0x10008;
    tarn__report(TARN__POISONED, "alloc", suspect.object, &suspect);
    has("\n  first wrong byte at offset 8\n");
    has_not("first bytes");
}

static void describe(const void *address, struct tarn__suspect *suspect)
{
    *suspect = (struct tarn__suspect){.pool = "found", .object = address, .size = 5, .live = true};
}

static void asks_those_who_know(void **state)
{
    (void)state;
    tarn__fail_describe = describe;
    tarn__report(TARN__WRONG_SIZE, "free_sized", object, NULL);
    has(" of 5 bytes, of found, in use\n");
    tarn__report(TARN__DOUBLE_FREE, "free", object, NULL);
    has(" of 5 bytes, of found, free\n");
    struct tarn__suspect other = {.object = object + 8, .size = 3, .live = false};
    tarn__report(TARN__INVALID_FREE, "free", object, &other);
    has(" of 3 bytes, of found, free\n");
}

static void report_finally(void *value) { tarn__fail(TARN__DOUBLE_FREE, "free", value); }

static enum tarn_report_answer expect_final(const struct tarn_report *report, void *context)
{
    (void)context;
    if (!report->final)
        _exit(3);
    return TARN_REPORT_CONTINUE;
}

static void ends_where_it_must(void **state)
{
    (void)state;
    tarn_report_to(expect_final, NULL);
    check_dies(report_finally, object, ", thread 1)\n");
    tarn_report_to(NULL, NULL);
    check_dies(report_finally, object, ", thread 1)\n");
}

static void *report_often(void *argument)
{
    for (int i = 0; i < 200; i++)
        tarn__report(TARN__DOUBLE_FREE, "free", argument, NULL);
    return NULL;
}

static _Atomic unsigned counted;

static enum tarn_report_answer count(const struct tarn_report *report, void *context)
{
    (void)context;
    counted += report->address == object && strncmp(report->text, "tarn: double free", 17) == 0;
    return TARN_REPORT_CONTINUE;
}

static void bears_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    tarn_report_to(count, NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, report_often, object), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counted, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tells_each_kind, begin),        cmocka_unit_test_setup(tells_what_the_caller_knows, begin),
        cmocka_unit_test_setup(points_into_and_before, begin), cmocka_unit_test_setup(asks_those_who_know, begin),
        cmocka_unit_test_setup(ends_where_it_must, begin),     cmocka_unit_test_setup(bears_threads, begin),
    };
    return cmocka_run_group_tests_name("reports", tests, NULL, NULL);
}
