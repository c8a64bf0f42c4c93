/*
 * The window: the part of the address space that tarn's own heap lives in.
 *
 * Fixed limits on where objects can be make the test "is this pointer ours, and of which class" one subtraction and one byte of a
 * flat table. Nothing is reserved: the window is a decision about addresses. Slots of 4 MiB in it are mapped as they are needed, next
 * to each other, so that mappings merge and an address-space limit counts only what is in use.
 */
#ifndef TARN_SOURCE_WINDOW_H
#define TARN_SOURCE_WINDOW_H

#include "os/lock.h"
#include "tarn/source.h"

#if UINTPTR_MAX > 0xffffffff
#define TARN__WINDOW_BITS 40       /* 1 TiB */
#define TARN__WINDOW_FOUND_BITS 36 /* where the system places it: around its first mapping */
#else
#define TARN__WINDOW_BITS 32 /* all there is */
#define TARN__WINDOW_FOUND_BITS 32
#endif
#define TARN__SLOT_BITS 22
#define TARN__SLOT_SIZE ((size_t)1 << TARN__SLOT_BITS)
#define TARN__WINDOW_SLOTS ((size_t)1 << (TARN__WINDOW_BITS - TARN__SLOT_BITS))

/* First address of the window; set before the first memory is handed out, then constant. A multiple of 4 MiB. */
extern TARN__HIDDEN uintptr_t tarn__window_base;

/* How many slots the window has; changed with its base. */
extern TARN__HIDDEN size_t tarn__window_slots;

/* Taken by each operation of the window's source, under no other lock; the fork hooks hold it too. */
extern struct tarn__lock tarn__window_lock;

/*
 * The source of the window. Sizes are multiples of 4 MiB; alignments below that are raised to it.
 * acquire: one mmap in the common case.
 */
struct tarn_source *tarn__window_source(void);

#endif
