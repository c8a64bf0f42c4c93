#include "slab/notes.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "os/kept.h"
#include "os/os.h"
#include "os/stack.h"
#include "page/meta.h"
#include "page/section.h"

enum { MOST_SLACK = 15, USUAL_FRAMES = 16 };

_Static_assert(TARN__KEPT_CHUNKS <= 1 << (TARN__NOTE_NUMBER_BITS - TARN__KEPT_CHUNK_UNITS_BITS),
               "numbers of stacks fit a note");

tarn__note_word *_Atomic *tarn__notes;
unsigned tarn__note_frames = USUAL_FRAMES;

/* Mapped memory; 0: there is none. */
static void *map(size_t size)
{
    size_t page = tarn__os_page_size();
    void *p = tarn__os_map(NULL, tarn__align_up(size, page), TARN__OS_COMMITTED);
    if (p)
        tarn__meta_note(size);
    return p;
}

bool tarn__notes_begin(void)
{
    if (!tarn__notes)
        tarn__notes = map(tarn__window_slots * sizeof *tarn__notes);
    return tarn__notes != NULL;
}

/* Of a slot, made now unless another thread just has. */
static TARN__NOINLINE tarn__note_word *make(size_t slot)
{
    tarn__note_word *none = NULL, *made = map(TARN__NOTES_BYTES);
    if (made &&
        !atomic_compare_exchange_strong_explicit(&tarn__notes[slot], &none, made, memory_order_acq_rel, memory_order_acquire)) {
        tarn__os_unmap(made, TARN__NOTES_BYTES);
        made = none;
    }
    return made;
}

static void set(tarn__note_word *word, uint32_t value) { atomic_store_explicit(word, value, memory_order_relaxed); }

TARN__NOINLINE void tarn__note(const void *object, size_t slot, size_t asked, size_t skip)
{
    uintptr_t offset = (uintptr_t)object - tarn__window_base;
    size_t number = offset >> TARN__SLOT_BITS;
    if (number >= tarn__window_slots)
        return;
    tarn__note_word *notes = atomic_load_explicit(&tarn__notes[number], memory_order_acquire);
    if (TARN__UNLIKELY(!notes) && !(notes = make(number)))
        return;
    uint32_t stack = tarn__stack_again(tarn__note_frames, skip);
    notes += (offset & (TARN__SLOT_SIZE - 1)) >> TARN__NOTE_GRAIN_BITS;
    if (slot <= (size_t)1 << TARN__NOTE_GRAIN_BITS) {
        set(notes, stack | (uint32_t)tarn__min(slot - asked, MOST_SLACK) << TARN__NOTE_NUMBER_BITS);
        return;
    }
    set(notes, stack);
    set(notes + 1, (uint32_t)asked);
    if (slot >= TARN__PAGE_SIZE)
        set(notes + 2, (uint32_t)((uint64_t)asked >> 32));
}
