/*
 * Whether memory is short, as the kernel tells: by the limits of the process's control groups and by how long tasks wait for memory (PSI).
 */
#ifndef TARN_OS_PRESSURE_H
#define TARN_OS_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

enum tarn__pressure {
    TARN__PRESSURE_CALM,
    TARN__PRESSURE_SOME, /* a group uses more than 3/4 of its limit, or some task waited for memory lately */
    TARN__PRESSURE_HIGH  /* more than 9/10, or all tasks waited at once */
};

/*
 * One of these. A load and a look at the clock, but at most ten times a second the reading of a few files, by whoever asks then; others do not wait for it.
 * Never allocates; keeps errno; any thread, signal handlers too; with no lock held, as a reading takes long: some six microseconds a file, of which there are
 * two to four, and several times that where caches are cold. So ten a second take less than a thousandth of a processor.
 */
int tarn__os_pressure(void);

/* What was found last, however long ago: one load, for under locks. */
int tarn__os_pressure_known(void);

/* The least limit that was found then, in KiB, at most UINT32_MAX (4 TiB), which also says: none. One load. */
uint32_t tarn__os_limit_known(void);

/*
 * For the door, at the start. Not wanted: it is calm for ever. When the process filters its own system calls from now on, files are not read any
 * more, and it is calm: the filter might end the process at the opening of one.
 */
void tarn__pressure_begin(bool wanted);

/* For the fork hooks: in the child. */
void tarn__pressure_child(void);

/* For tests: forgets all, and looks for /proc and groups below `prefix`, which stays. "" is the system itself. */
void tarn__pressure_look_below(const char *prefix);

#endif
