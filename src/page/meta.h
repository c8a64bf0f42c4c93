/*
 * Memory for descriptors: out of line, away from users' objects. Handed out by bumping a pointer, never given back;
 * who no longer needs a piece keeps it for the next of its kind.
 */
#ifndef TARN_PAGE_META_H
#define TARN_PAGE_META_H

#include "os/lock.h"

#include <stddef.h>

/* Largest alignment that can be asked for; larger pieces than TARN__META_CHUNK bytes cannot be had. */
#define TARN__META_ALIGN ((size_t)65536)
#define TARN__META_CHUNK ((size_t)1 << 20)

/* What is mapped for a chunk: wherever it lies, that suffices; cutting it to measure would be four calls more. */
#define TARN__META_MAPPED (TARN__META_CHUNK + TARN__META_ALIGN)

/* The first chunks, for readers of the process (format/live.h): 8 GiB of descriptors. */
#define TARN__META_CHUNKS 8192u
extern char *tarn__meta_chunks[TARN__META_CHUNKS];

/* Zeroed memory, or NULL. `align` is a power of two up to TARN__META_ALIGN. One mmap per MiB. Takes its lock under no other. */
void *tarn__meta_alloc(size_t size, size_t align);

/* Bytes mapped for descriptors so far; and what others map to the same end. */
size_t tarn__meta_bytes(void);
void tarn__meta_note(size_t bytes);

extern struct tarn__lock tarn__meta_lock;

#endif
