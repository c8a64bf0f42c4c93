/*
 * Bits of bitmaps, base/bits.h: what is read, set and cleared, and nothing else is; the lowest of a word; which bits of a word a range covers. What goes through
 * ranges word by word is proved in ranges.c.
 */
#define WORDS_BITS
#include "proof/words.h"

/*@ requires \valid_read(map + i / 64);
  @ assigns \nothing;
  @ ensures \result != 0 <==> has(map[i / 64], i % 64); */
static inline bool tarn__bit_test(const uint64_t *map, size_t i);

/*@ requires \valid(map + i / 64);
  @ assigns map[i / 64];
  @ ensures \forall integer k; 0 <= k < 64 ==> (has(map[i / 64], k) <==> k == i % 64 || has(\old(map[i / 64]), k)); */
static inline void tarn__bit_set(uint64_t *map, size_t i);

/*@ requires \valid(map + i / 64);
  @ assigns map[i / 64];
  @ ensures \forall integer k; 0 <= k < 64 ==> (has(map[i / 64], k) <==> k != i % 64 && has(\old(map[i / 64]), k)); */
static inline void tarn__bit_clear(uint64_t *map, size_t i);

/*@ requires word != 0;
  @ assigns \nothing;
  @ ensures 0 <= \result < 64 && has(word, \result);
  @ ensures \forall integer k; 0 <= k < \result ==> !has(word, k); */
static inline size_t tarn__bit_lowest(uint64_t word);

/*@ requires count > 0 && first + count <= 0xffffffffffffffff;
  @ requires first / 64 <= w <= (first + count - 1) / 64;
  @ assigns \nothing;
  @ ensures \forall integer k; 0 <= k < 64 ==> (has(\result, k) <==> first <= w * 64 + k < first + count); */
static inline uint64_t tarn__word_mask(size_t w, size_t first, size_t count);

#include "base/bits.h"
