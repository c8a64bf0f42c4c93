/*
 * The controls of fake.c, which fulfils os.h inside one static array: for tests. It fails when it is told to, keeps its own time, and ends
 * the process with a message at each call that breaks a precondition of os.h.
 */
#ifndef TARN_OS_FAKE_H
#define TARN_OS_FAKE_H

#include "os/os.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARN__FAKE_SIZE ((size_t)384 << 20)

/* Sets of calls, for tarn__fake_fail. */
#define TARN__FAKE_KIND(call) (1u << (call))
#define TARN__FAKE_ANY                                                                                                         \
    (TARN__FAKE_KIND(TARN__OS_MAP) | TARN__FAKE_KIND(TARN__OS_UNMAP) | TARN__FAKE_KIND(TARN__OS_COMMIT) |                      \
     TARN__FAKE_KIND(TARN__OS_PURGE) | TARN__FAKE_KIND(TARN__OS_POPULATE) | TARN__FAKE_KIND(TARN__OS_MOVE))

/*
 * Of the calls in the set `kinds`, from now on number `first` (1: the next) and those after it fail, `times` of them (UINT64_MAX: all).
 * times 0: none. Replaces what was said before.
 */
void tarn__fake_fail(unsigned kinds, uint64_t first, uint64_t times);

/* Calls in the set since tarn__fake_fail, and how many of them were made to fail. */
uint64_t tarn__fake_seen(void);
uint64_t tarn__fake_failed(void);

/* Bytes mapped, reserved ones included. */
size_t tarn__fake_mapped(void);

/* Whether all of the range lies in the array and is committed. */
bool tarn__fake_is_committed(const void *p, size_t size);

/* The array: TARN__FAKE_SIZE bytes, at a multiple of 4 MiB. */
char *tarn__fake_arena(void);

/* What tarn__os_now answers. */
void tarn__fake_set_now(uint64_t ms);

/* What tarn__os_read finds at `path`: a string that stays, or with NULL nothing. Without a path: no file at all. At most 64. */
void tarn__fake_file(const char *path, const char *text);

/* Called in each tarn__os_read, with no lock of the fake's held; NULL: nothing. */
void tarn__fake_on_read(void (*act)(void));

/* What tarn__os_filtered answers. */
void tarn__fake_set_filtered(bool filtered);

/* What tarn__os_page_size answers, and what sizes and addresses must be multiples of. 4096 at first. */
void tarn__fake_set_page_size(size_t size);

#endif
