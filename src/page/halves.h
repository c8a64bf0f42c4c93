/*
 * Arithmetic of the buddy system: blocks of 2^order pages that begin at multiples of their length. Pure; what it says is proved (proof/halves.c).
 */
#ifndef TARN_PAGE_HALVES_H
#define TARN_PAGE_HALVES_H

#include <stddef.h>

/* Where the buddy of a block begins: the other half of the block twice as long. */
static inline size_t tarn__buddy_of(size_t index, unsigned order) { return index ^ (size_t)1 << order; }

/* Where the block twice as long begins that a block is half of. */
static inline size_t tarn__whole_of(size_t index, unsigned order) { return index & ~((size_t)1 << order); }

#endif
