/*
 * Ranges of bitmaps, base/bits.h and pool/bitmap.h, which go from word to word: each bit of the range is set or cleared and none beside it, what is counted is the
 * range's, and what is found is the first. What holds at each turn of a loop, and steps of the proof, are put where they
 * belong when this is proved.
 */
#define WORDS_BITS
#define WORDS_RANGES
#include "proof/words.h"

/*@ lemma same_word: \forall integer f, i; 0 <= f <= i && i < (f / 64 + 1) * 64 ==> i / 64 == f / 64 && f % 64 <= i % 64; */
/*@ lemma place: \forall integer i; 0 <= i ==> i == i / 64 * 64 + i % 64 && 0 <= i % 64 < 64; */

/* As bitmaps.c proves it. */
/*@ requires count > 0 && first + count <= 0xffffffffffffffff;
  @ requires first / 64 <= w <= (first + count - 1) / 64;
  @ assigns \nothing;
  @ ensures \forall integer k; 0 <= k < 64 ==> (has(\result, k) <==> first <= w * 64 + k < first + count); */
static inline uint64_t tarn__word_mask(size_t w, size_t first, size_t count);

/*@ requires word != 0;
  @ assigns \nothing;
  @ ensures 0 <= \result < 64 && has(word, \result);
  @ ensures \forall integer k; 0 <= k < \result ==> !has(word, k); */
static inline size_t tarn__bit_lowest(uint64_t word);

/*@ requires first + count <= 0xffffffffffffffff;
  @ requires count > 0 ==> \valid(map + (first / 64 .. (first + count - 1) / 64));
  @ assigns map[first / 64 .. (first + count - 1) / 64];
  @ ensures \forall integer w, k; count > 0 && first / 64 <= w <= (first + count - 1) / 64 && 0 <= k < 64 ==>
  @   (has(map[w], k) <==> first <= w * 64 + k < first + count || has(\old(map[w]), k)); */
static inline void tarn__bits_set(uint64_t *map, size_t first, size_t count);

/* loop of tarn__bits_set
  @ loop invariant first / 64 <= w <= (first + count - 1) / 64 + 1;
  @ loop invariant \forall integer v, k; first / 64 <= v < w && 0 <= k < 64 ==>
  @   (has(map[v], k) <==> first <= v * 64 + k < first + count || has(\at(map[v], Pre), k));
  @ loop invariant \forall integer v; w <= v <= (first + count - 1) / 64 ==> map[v] == \at(map[v], Pre);
  @ loop assigns w, map[first / 64 .. (first + count - 1) / 64];
  @ loop variant (first + count - 1) / 64 + 1 - w; */

/*@ requires first + count <= 0xffffffffffffffff;
  @ requires count > 0 ==> \valid(map + (first / 64 .. (first + count - 1) / 64));
  @ assigns map[first / 64 .. (first + count - 1) / 64];
  @ ensures \forall integer w, k; count > 0 && first / 64 <= w <= (first + count - 1) / 64 && 0 <= k < 64 ==>
  @   (has(map[w], k) <==> !(first <= w * 64 + k < first + count) && has(\old(map[w]), k)); */
static inline void tarn__bits_clear(uint64_t *map, size_t first, size_t count);

/* loop of tarn__bits_clear
  @ loop invariant first / 64 <= w <= (first + count - 1) / 64 + 1;
  @ loop invariant \forall integer v, k; first / 64 <= v < w && 0 <= k < 64 ==>
  @   (has(map[v], k) <==> !(first <= v * 64 + k < first + count) && has(\at(map[v], Pre), k));
  @ loop invariant \forall integer v; w <= v <= (first + count - 1) / 64 ==> map[v] == \at(map[v], Pre);
  @ loop assigns w, map[first / 64 .. (first + count - 1) / 64];
  @ loop variant (first + count - 1) / 64 + 1 - w; */

/*@ axiomatic Number {
  @   // how many bits of [first, end) are set in the words from `from` to `to`
  @   logic integer number{L}(uint64_t *map, integer first, integer end, integer from, integer to) reads map[from .. to - 1];
  @   axiom number_none{L}: \forall uint64_t *map, integer first, end, from; number(map, first, end, from, from) == 0;
  @   axiom number_more{L}: \forall uint64_t *map, integer first, end, from, to, next; from <= to && next == to + 1 ==>
  @     number(map, first, end, from, next) == number(map, first, end, from, to) + ones(map[to], clip(first - to * 64), clip(end - to * 64));
  @ } */

/*@ requires first + count <= 0xffffffffffffffff - 63;
  @ requires count > 0 ==> \valid_read(map + (first / 64 .. (first + count - 1) / 64));
  @ assigns \nothing;
  @ ensures count == 0 ==> \result == 0;
  @ ensures count > 0 ==> \result == number(map, first, first + count, first / 64, (first + count - 1) / 64 + 1); */
static inline size_t tarn__bits_count(const uint64_t *map, size_t first, size_t count);

/* loop of tarn__bits_count
  @ loop invariant first / 64 <= w <= (first + count - 1) / 64 + 1;
  @ loop invariant n <= (w - first / 64) * 64;
  @ loop invariant n == number(map, first, first + count, first / 64, w);
  @ loop assigns w, n;
  @ loop variant (first + count - 1) / 64 + 1 - w; */

/*@ requires limit <= 0xffffffffffffffff - 63;
  @ requires from < limit ==> \valid_read(map + (from / 64 .. (limit - 1) / 64));
  @ assigns \nothing;
  @ ensures from < limit ==> from <= \result <= limit;
  @ ensures from >= limit ==> \result == limit;
  @ ensures \forall integer i; from <= i < \result ==> (has(map[i / 64], i % 64) <==> !value);
  @ ensures \result < limit ==> (has(map[\result / 64], \result % 64) <==> value); */
static inline size_t tarn__bits_find(const uint64_t *map, size_t from, size_t limit, bool value);

/* loop of tarn__bits_find
  @ loop invariant \at(from, Pre) <= from;
  @ loop invariant \forall integer i; \at(from, Pre) <= i < from && i < limit ==> (has(map[i / 64], i % 64) <==> !value);
  @ loop assigns from;
  @ loop variant limit - from; */

/* in tarn__bits_find before return from < limit ? from : limit;
  @ assert from / 64 == \at(from, LoopCurrent) / 64;
  @ assert has(map[from / 64], from % 64) <==> value;
  @ assert \forall integer i; \at(from, LoopCurrent) <= i < from ==>
  @   i / 64 == from / 64 && \at(from, LoopCurrent) % 64 <= i % 64 < from % 64;
  @ assert value != 0 ==> (\forall integer k; \at(from, LoopCurrent) % 64 <= k < from % 64 ==> !has(map[from / 64], k));
  @ assert value == 0 ==> (\forall integer k; \at(from, LoopCurrent) % 64 <= k < from % 64 ==>
  @   !has((uint64_t)(~map[from / 64]), k) && has(map[from / 64], k));
  @ assert \forall integer i; \at(from, LoopCurrent) <= i < from ==> (has(map[i / 64], i % 64) <==> !value); */

/*@ requires limit <= 0xffffffffffffffff - 63;
  @ requires from < limit ==> \valid_read(map + (from / 64 .. (limit - 1) / 64));
  @ assigns \nothing;
  @ ensures from < limit ==> from <= \result <= limit;
  @ ensures from >= limit ==> \result == limit;
  @ ensures \forall integer i; from <= i < \result ==> !has(map[i / 64], i % 64);
  @ ensures \result < limit ==> has(map[\result / 64], \result % 64); */
static inline size_t tarn__bitmap_next(const uint64_t *map, size_t from, size_t limit);

/* loop of tarn__bitmap_next
  @ loop invariant \at(from, Pre) <= from;
  @ loop invariant \forall integer i; \at(from, Pre) <= i < from && i < limit ==> !has(map[i / 64], i % 64);
  @ loop assigns from;
  @ loop variant limit - from; */

/* in tarn__bitmap_next before return from < limit ? from : limit;
  @ assert from / 64 == \at(from, LoopCurrent) / 64;
  @ assert has(map[from / 64], from % 64);
  @ assert \forall integer i; \at(from, LoopCurrent) <= i < from ==>
  @   i / 64 == from / 64 && \at(from, LoopCurrent) % 64 <= i % 64 < from % 64;
  @ assert \forall integer k; \at(from, LoopCurrent) % 64 <= k < from % 64 ==> !has(map[from / 64], k);
  @ assert \forall integer i; \at(from, LoopCurrent) <= i < from ==> !has(map[i / 64], i % 64); */

#include "base/bits.h"
#include "pool/bitmap.h"
