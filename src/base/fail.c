/*
 * Formats a failure into a buffer on the stack and hands it to the exit that the floor above installed.
 * Allocates nothing, locks nothing: it may be called with any lock held.
 */
#include "base/fail.h"

#include <stdint.h>

static tarn__fail_exit fail_exit;

static const char *const crime_texts[] = {
    [TARN__INVALID_FREE] = "invalid free: not the start of a live object",
    [TARN__DOUBLE_FREE] = "double free: the object is free already",
    [TARN__WRONG_SIZE] = "wrong size: the object given to a sized free has another size",
    [TARN__CORRUPT_LIST] = "write after free: a free object was overwritten",
    [TARN__WRONG_CACHE] = "wrong cache: the object belongs to another cache",
    [TARN__WRONG_ORDER] = "wrong order: the block was allocated with another order",
    [TARN__RED_ZONE] = "red zone overwritten: a write beyond an object's bounds",
    [TARN__POISONED] = "poison overwritten: a write after free",
    [TARN__USE_AFTER_FREE] = "use after free: an access to a freed object",
    [TARN__OUT_OF_BOUNDS] = "out of bounds: an access beyond an object",
    [TARN__DESTROYED_POOL] = "destroyed pool: it was used after its end",
    [TARN__LIVE_OBJECTS] = "live objects: a pool ended while they were in use",
    [TARN__DATA_RACE] = "data race: two threads at once in a pool without lock",
    [TARN__CORRUPT_POOL] = "corrupt pool: its own words were overwritten",
    [TARN__NO_CACHE] = "a cache that must be there could not be made",
    [TARN__BROKEN_INVARIANT] = "internal error",
};

struct line {
    char text[256];
    size_t length;
};

static void add_text(struct line *line, const char *text)
{
    while (*text && line->length < sizeof line->text - 1)
        line->text[line->length++] = *text++;
}

static void add_address(struct line *line, uintptr_t value)
{
    char digits[2 * sizeof value + 1];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    add_text(line, "0x");
    add_text(line, digits + at);
}

static tarn__reporter reporter;

void (*tarn__fail_describe)(const void *address, struct tarn__suspect *suspect);

void tarn__set_fail_exit(tarn__fail_exit exit) { fail_exit = exit; }

bool tarn__fail_exit_is(tarn__fail_exit exit) { return fail_exit == exit; }

void tarn__set_reporter(tarn__reporter by) { reporter = by; }

const char *tarn__crime_text(enum tarn__crime crime) { return crime_texts[crime]; }

void tarn__fail_end(const char *message, size_t length)
{
    if (fail_exit)
        fail_exit(message, length);
    __builtin_trap();
}

static _Noreturn void finish(struct line *line)
{
    line->text[line->length++] = '\n';
    tarn__fail_end(line->text, line->length);
}

static _Noreturn void fail_in_a_line(enum tarn__crime crime, const char *where, const void *address)
{
    struct line line = {.length = 0};
    add_text(&line, "tarn: ");
    add_text(&line, crime_texts[crime]);
    add_text(&line, " (");
    add_text(&line, where);
    add_text(&line, " of ");
    add_address(&line, (uintptr_t)address);
    add_text(&line, ")");
    finish(&line);
}

void tarn__fail(enum tarn__crime crime, const char *where, const void *address)
{
    if (reporter)
        reporter(crime, where, address, NULL, true);
    fail_in_a_line(crime, where, address);
}

void tarn__report(enum tarn__crime crime, const char *where, const void *address, const struct tarn__suspect *suspect)
{
    if (!reporter)
        fail_in_a_line(crime, where, address);
    reporter(crime, where, address, suspect, false);
}

void tarn__assert_failed(const char *sentence)
{
    struct line line = {.length = 0};
    add_text(&line, "tarn: internal error: does not hold: ");
    add_text(&line, sentence);
    finish(&line);
}
