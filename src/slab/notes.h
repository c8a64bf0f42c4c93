/*
 * Notes of who allocated (TARN_DEBUG=L, as `tarn run --leaks` sets it): the number of a stack for each object of tarn_malloc's, out of line, so that objects, slabs and frees
 * are as ever.
 *
 *     slot of the window, 4 MiB ──> notes, 1 MiB: a word of 32 bits for each 16 bytes of the slot, of which an object has those of its place
 *
 *     16 bytes      number of the stack + 2^28 * (16 - what was asked for, up to 15)
 *     more          number, what was asked for; of whole pages the higher half of that, too
 *
 * Where allocation is to be noted the fast path finds an empty bin for each size: tarn_malloc's tables lead to bin 0. Frees do not know of it. So a note
 * is of the last object in its place, whether that is in use the marks tell.
 *
 * Readers are outside of the process (format/live.h).
 */
#ifndef TARN_SLAB_NOTES_H
#define TARN_SLAB_NOTES_H

#include "source/window.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TARN__NOTE_GRAIN_BITS = 4,
    TARN__NOTE_NUMBER_BITS = 28,
};

#define TARN__NOTES_BYTES ((TARN__SLOT_SIZE >> TARN__NOTE_GRAIN_BITS) * sizeof(uint32_t))

typedef _Atomic uint32_t tarn__note_word;

/* By slot of the window; NULL there: nothing is noted in it yet. NULL: nothing is to be noted. */
extern tarn__note_word *_Atomic *tarn__notes;

/* Innermost frames of a stack that are kept; 1 to TARN__STACK_MOST. */
extern unsigned tarn__note_frames;

/* Makes the table. False: no memory. */
bool tarn__notes_begin(void);

/*
 * Notes who allocated an object: the stack of the caller of the caller, but for `skip` frames more. `slot` is what it takes, `asked` what was asked for. What
 * does not lie in the window is not noted.
 */
void tarn__note(const void *object, size_t slot, size_t asked, size_t skip);

#endif
