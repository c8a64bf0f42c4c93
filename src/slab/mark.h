/*
 * Which objects are in use: a byte for each, out of line, and the table of units that leads to it from an address.
 *
 *     tarn__units     unit ──> slab's marks + number        number: whose slab it is, in the entry's lowest byte
 *     marks           0 0 1 1 0 1 …                         by the object's place in its slab: 1 in use, 0 free
 *
 * Marks begin where the address's lowest byte is the number; so one word is both, and nothing is taken apart. The place is a multiplication by
 * the inverse of the size, whose low half says in addition whether an object begins there at all (Lemire, Kaser, Kurz 2019, "Faster remainder by
 * direct computation"). So a free knows for certain, without a lock and without a look at the object, whether it is one of a live object.
 *
 * Bytes and not bits: neighbours are allocated and freed by different threads at the same time, and stores of bytes need no atomic
 * read-modify-write. What lies in bins, magazines, depots and slabs is marked as free; so what a fork or a thread's end does with these changes no mark. Of
 * two threads that free one object in the same instant both may see it in use; that is found when it comes back to its slab for the second time.
 *
 * The table has a word for 64 KiB of the window. It grows with the highest slab, right below the window where that place was chosen; elsewhere it is
 * mapped whole. A slab of few objects has its marks in its descriptor, where the bitmap does not need all its words. Others come from
 * chunks of the descriptors' store, in which bits say what is taken; of chunks that hold nothing most of the memory is given back.
 *
 * Lock: the descriptors' (page/meta.h). Entries are read without it: by who holds, or claims to hold, an object there.
 */
#ifndef TARN_SLAB_MARK_H
#define TARN_SLAB_MARK_H

#include "base/atomic.h"
#include "page/section.h"
#include "source/window.h"

#include <stdint.h>

struct tarn__slab;

#define TARN__UNITS ((size_t)1 << (TARN__WINDOW_BITS - TARN__UNIT_BITS))

/* Units from this one on have no entry. Grows only. The gate, which malloc's fast path compares with, is the same, or 0: then each free takes the slow one. */
extern TARN__HIDDEN size_t tarn__units_end, tarn__units_gate;

/* Shuts the gate for good: before there are threads. */
void tarn__units_shut(void);

/* The table; and the address that the entry of the unit at address 0 would have, if the table went so far. */
extern TARN__HIDDEN uintptr_t *tarn__units, tarn__units_from_0;

static inline size_t tarn__unit_of(const void *p) { return ((uintptr_t)p - TARN__READ(tarn__window_base)) >> TARN__UNIT_BITS; }

/* The entry of a unit below tarn__units_end; 0: no slab is there that fast paths may use. */
static inline uintptr_t tarn__unit_entry(size_t unit) { return __atomic_load_n(&tarn__units[unit], __ATOMIC_RELAXED); }

/* The entry for any address; 0 if it has none. */
static inline uintptr_t tarn__unit_entry_any(const void *p)
{
    size_t unit = tarn__unit_of(p);
    return unit < __atomic_load_n(&tarn__units_end, __ATOMIC_RELAXED) ? tarn__unit_entry(unit) : 0;
}

/* The entry for an object in a slab that is in the table. */
static inline uintptr_t tarn__unit_entry_sure(const void *object)
{
    return __atomic_load_n((uintptr_t *)(tarn__units_from_0 + ((uintptr_t)object >> TARN__UNIT_BITS) * sizeof(uintptr_t)),
                           __ATOMIC_RELAXED);
}

/* The place of an object in its slab, in the high half; the low half is less than `inverse` exactly if an object begins there. */
static inline uint64_t tarn__mark_place(const void *p, uint32_t inverse) { return (uint64_t)inverse * (uint16_t)(uintptr_t)p; }

static inline uint8_t *tarn__mark_at(uintptr_t entry, uint64_t place) { return (uint8_t *)(entry + (uintptr_t)(place >> 32)); }

static inline bool tarn__mark_read(const uint8_t *mark) { return TARN__READ(*mark); }

static inline void tarn__mark_write(uint8_t *mark, bool used) { __atomic_store_n(mark, (uint8_t)used, __ATOMIC_RELAXED); }

/* What just left a bin, of a cache whose slabs are in the table, is in use from now on. */
static inline void tarn__mark_used(const void *object, uint32_t inverse)
{
    tarn__mark_write(tarn__mark_at(tarn__unit_entry_sure(object), tarn__mark_place(object, inverse)), true);
}

/* Marks for a new slab, whose cache and base are set, and its entry. False: no memory. */
bool tarn__marks_begin(struct tarn__slab *slab);

/* No address leads to them any more, and they are kept for others. */
void tarn__marks_end(struct tarn__slab *slab);

#endif
