/*
 * Filling, copying and comparing memory without a C library: where there is one, its functions are used.
 */
#ifndef TARN_POOL_BYTES_H
#define TARN_POOL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARN__FRESH 0x5a /* of a new block, with TARN_POOL_POISON */
#define TARN__FREED 0x6b /* of free memory, then */

#if __STDC_HOSTED__
#include <string.h>
static inline void tarn__bytes_fill(void *to, unsigned char value, size_t size) { memset(to, value, size); }
static inline void tarn__bytes_copy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
static inline void tarn__bytes_move(void *to, const void *from, size_t size) { memmove(to, from, size); }
#else
void tarn__bytes_fill(void *to, unsigned char value, size_t size);
void tarn__bytes_copy(void *to, const void *from, size_t size);
void tarn__bytes_move(void *to, const void *from, size_t size);
#endif

/* Whether all bytes have that value. */
bool tarn__bytes_are(const void *p, unsigned char value, size_t size);

/* A seal: a mix of words and of where they are, which accidents do not keep; one word that differs always shows. */
uintptr_t tarn__words_mix(const uintptr_t *words, size_t count);

#endif
