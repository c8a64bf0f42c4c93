/*
 * The contract with the operating system: all that tarn asks of it, in fourteen calls.
 *
 * linux.c fulfils it with system calls, fake.c inside one static array, failing on demand. Common to all calls: sizes and
 * addresses are multiples of tarn__os_page_size() unless said otherwise; a call that fails changes nothing, returns NULL or
 * -errno, and leaves errno as it was; none allocates. Safe in any thread; async-signal-safe.
 */
#ifndef TARN_OS_OS_H
#define TARN_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a page of the system; at least 4096. */
size_t tarn__os_page_size(void);

enum tarn__os_use {
    TARN__OS_RESERVED, /* addresses only: an access faults */
    TARN__OS_COMMITTED /* readable, writable, reads as zero; memory is taken at first touch */
};

/*
 * Maps `size` bytes, exactly at `at` where nothing may be mapped yet, or, with NULL, where the system likes.
 * Returns the address, or NULL.
 */
void *tarn__os_map(void *at, size_t size, enum tarn__os_use use);

/* Makes a reserved range usable. */
int tarn__os_commit(void *p, size_t size);

/* Asks for the pages of a committed range at once instead of one fault each. Failing costs nothing but time. */
int tarn__os_populate(void *p, size_t size);

/* Gives the pages of a committed range back; the range stays usable and reads as zero. */
int tarn__os_purge(void *p, size_t size);

/* Ends a mapping or a part of one. */
int tarn__os_unmap(void *p, size_t size);

/*
 * Moves the pages of `from` to `to` by the page table. Both ranges are committed, equally long, and do not overlap; what `to`
 * held is lost; afterwards `from` is still committed and reads as zero.
 */
int tarn__os_move(void *from, void *to, size_t size);

/* Sleeps while *word == value; may return early. */
void tarn__os_wait(_Atomic uint32_t *word, uint32_t value);

/* The same, but for at most so many milliseconds. */
void tarn__os_wait_for(_Atomic uint32_t *word, uint32_t value, uint32_t milliseconds);

/* Wakes one sleeper. */
void tarn__os_wake(_Atomic uint32_t *word);

/* Milliseconds of a clock that never goes back, to within ten. No system call where the machine offers a way without. */
uint64_t tarn__os_now(void);

/*
 * Reads a file from its beginning, in pieces of at most a kilobyte, until its end or until `take` returns false. Nothing stays open, and it
 * does not wait for what other files than ordinary ones may one day say. 0; -EFBIG after a mebibyte; or -errno: what was taken until then is a part.
 */
int tarn__os_read(const char *path, bool (*take)(void *to, const char *bytes, size_t count), void *to);

/* Whether a filter (seccomp) bears on the calling thread's system calls: a call that it does not foresee may end the process. */
bool tarn__os_filtered(void);

/* The message is the last thing the process says: writes it to standard error and aborts. */
_Noreturn void tarn__os_die(const char *message, size_t length);

/* What was asked so far, for reports. */
enum tarn__os_call {
    TARN__OS_MAP,
    TARN__OS_UNMAP,
    TARN__OS_COMMIT,
    TARN__OS_PURGE,
    TARN__OS_POPULATE,
    TARN__OS_MOVE,
    TARN__OS_WAIT,
    TARN__OS_WAKE,
    TARN__OS_READ, /* counted once a file */
    TARN__OS_CALLS
};

/* System calls made for `call` since the process began. */
uint64_t tarn__os_calls(enum tarn__os_call call);

#endif
