/*
 * What the proofs take for granted of machine words: a few identities of & ^ ~ >>. Each is proved by words.py, for all words of 64 bits, by a solver that
 * knows words as bits; who proves programs knows numbers. And what the compiler's builtin gives, which unit tests compare with loops.
 *
 * A file says which groups it needs: more than that would only keep the provers busy.
 */
#ifndef PROOF_WORDS_H
#define PROOF_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is proved is proved of one thread. */
#define __atomic_load_n(p, order) (*(p))

/*@ axiomatic Words {
  @   predicate word(integer x) = 0 <= x <= 0xffffffffffffffff;
  @   // a power of two that a word can be
  @   predicate pow2(integer a);
  @   axiom pow2_range: \forall integer a; pow2(a) ==> 1 <= a <= 0x8000000000000000;
  @ } */

#ifdef WORDS_TEST
/*@ axiomatic Test {
  @   axiom pow2_test: \forall integer x; word(x) && x > 0 ==> ((x & (x - 1)) == 0 <==> pow2(x));
  @ } */
#endif

#ifdef WORDS_MASK
/*@ axiomatic Mask {
  @   axiom mask_high: \forall integer x, a, b; word(x) && pow2(a) && b == a - 1 ==>
  @     (x & (uint64_t)(~b)) % a == 0 && (x & (uint64_t)(~b)) <= x < (x & (uint64_t)(~b)) + a;
  @ } */
#endif

#ifdef WORDS_FLIP
/*@ axiomatic Flip {
  @   axiom flip_up_0: \forall integer x; word(x) && x / 1 % 2 == 0 ==> (x ^ 1) == x + 1;
  @   axiom flip_down_0: \forall integer x; word(x) && x / 1 % 2 == 1 ==> (x ^ 1) == x - 1;
  @   axiom clear_down_0: \forall integer x; word(x) && x / 1 % 2 == 1 ==> (x & (uint64_t)(~1)) == x - 1;
  @   axiom clear_stays_0: \forall integer x; word(x) && x / 1 % 2 == 0 ==> (x & (uint64_t)(~1)) == x;
  @   axiom flip_up_1: \forall integer x; word(x) && x / 2 % 2 == 0 ==> (x ^ 2) == x + 2;
  @   axiom flip_down_1: \forall integer x; word(x) && x / 2 % 2 == 1 ==> (x ^ 2) == x - 2;
  @   axiom clear_down_1: \forall integer x; word(x) && x / 2 % 2 == 1 ==> (x & (uint64_t)(~2)) == x - 2;
  @   axiom clear_stays_1: \forall integer x; word(x) && x / 2 % 2 == 0 ==> (x & (uint64_t)(~2)) == x;
  @   axiom flip_up_2: \forall integer x; word(x) && x / 4 % 2 == 0 ==> (x ^ 4) == x + 4;
  @   axiom flip_down_2: \forall integer x; word(x) && x / 4 % 2 == 1 ==> (x ^ 4) == x - 4;
  @   axiom clear_down_2: \forall integer x; word(x) && x / 4 % 2 == 1 ==> (x & (uint64_t)(~4)) == x - 4;
  @   axiom clear_stays_2: \forall integer x; word(x) && x / 4 % 2 == 0 ==> (x & (uint64_t)(~4)) == x;
  @   axiom flip_up_3: \forall integer x; word(x) && x / 8 % 2 == 0 ==> (x ^ 8) == x + 8;
  @   axiom flip_down_3: \forall integer x; word(x) && x / 8 % 2 == 1 ==> (x ^ 8) == x - 8;
  @   axiom clear_down_3: \forall integer x; word(x) && x / 8 % 2 == 1 ==> (x & (uint64_t)(~8)) == x - 8;
  @   axiom clear_stays_3: \forall integer x; word(x) && x / 8 % 2 == 0 ==> (x & (uint64_t)(~8)) == x;
  @   axiom flip_up_4: \forall integer x; word(x) && x / 16 % 2 == 0 ==> (x ^ 16) == x + 16;
  @   axiom flip_down_4: \forall integer x; word(x) && x / 16 % 2 == 1 ==> (x ^ 16) == x - 16;
  @   axiom clear_down_4: \forall integer x; word(x) && x / 16 % 2 == 1 ==> (x & (uint64_t)(~16)) == x - 16;
  @   axiom clear_stays_4: \forall integer x; word(x) && x / 16 % 2 == 0 ==> (x & (uint64_t)(~16)) == x;
  @   axiom flip_up_5: \forall integer x; word(x) && x / 32 % 2 == 0 ==> (x ^ 32) == x + 32;
  @   axiom flip_down_5: \forall integer x; word(x) && x / 32 % 2 == 1 ==> (x ^ 32) == x - 32;
  @   axiom clear_down_5: \forall integer x; word(x) && x / 32 % 2 == 1 ==> (x & (uint64_t)(~32)) == x - 32;
  @   axiom clear_stays_5: \forall integer x; word(x) && x / 32 % 2 == 0 ==> (x & (uint64_t)(~32)) == x;
  @   axiom flip_up_6: \forall integer x; word(x) && x / 64 % 2 == 0 ==> (x ^ 64) == x + 64;
  @   axiom flip_down_6: \forall integer x; word(x) && x / 64 % 2 == 1 ==> (x ^ 64) == x - 64;
  @   axiom clear_down_6: \forall integer x; word(x) && x / 64 % 2 == 1 ==> (x & (uint64_t)(~64)) == x - 64;
  @   axiom clear_stays_6: \forall integer x; word(x) && x / 64 % 2 == 0 ==> (x & (uint64_t)(~64)) == x;
  @   axiom flip_up_7: \forall integer x; word(x) && x / 128 % 2 == 0 ==> (x ^ 128) == x + 128;
  @   axiom flip_down_7: \forall integer x; word(x) && x / 128 % 2 == 1 ==> (x ^ 128) == x - 128;
  @   axiom clear_down_7: \forall integer x; word(x) && x / 128 % 2 == 1 ==> (x & (uint64_t)(~128)) == x - 128;
  @   axiom clear_stays_7: \forall integer x; word(x) && x / 128 % 2 == 0 ==> (x & (uint64_t)(~128)) == x;
  @   axiom flip_up_8: \forall integer x; word(x) && x / 256 % 2 == 0 ==> (x ^ 256) == x + 256;
  @   axiom flip_down_8: \forall integer x; word(x) && x / 256 % 2 == 1 ==> (x ^ 256) == x - 256;
  @   axiom clear_down_8: \forall integer x; word(x) && x / 256 % 2 == 1 ==> (x & (uint64_t)(~256)) == x - 256;
  @   axiom clear_stays_8: \forall integer x; word(x) && x / 256 % 2 == 0 ==> (x & (uint64_t)(~256)) == x;
  @   axiom flip_up_9: \forall integer x; word(x) && x / 512 % 2 == 0 ==> (x ^ 512) == x + 512;
  @   axiom flip_down_9: \forall integer x; word(x) && x / 512 % 2 == 1 ==> (x ^ 512) == x - 512;
  @   axiom clear_down_9: \forall integer x; word(x) && x / 512 % 2 == 1 ==> (x & (uint64_t)(~512)) == x - 512;
  @   axiom clear_stays_9: \forall integer x; word(x) && x / 512 % 2 == 0 ==> (x & (uint64_t)(~512)) == x;
  @ } */
#endif

#ifdef WORDS_SHIFT
/*@ axiomatic Shift {
  @   axiom shift_5: \forall integer x; word(x) ==> (x >> 5) == x / 32;
  @   axiom shift_6: \forall integer x; word(x) ==> (x >> 6) == x / 64;
  @   axiom shift_7: \forall integer x; word(x) ==> (x >> 7) == x / 128;
  @   axiom shift_8: \forall integer x; word(x) ==> (x >> 8) == x / 256;
  @   axiom shift_9: \forall integer x; word(x) ==> (x >> 9) == x / 512;
  @   axiom shift_10: \forall integer x; word(x) ==> (x >> 10) == x / 1024;
  @   axiom shift_11: \forall integer x; word(x) ==> (x >> 11) == x / 2048;
  @ } */
#endif

#ifdef WORDS_BITS
/*@ axiomatic Bits {
  @   // x's bit k is set
  @   predicate has(integer x, integer k);
  @   axiom has_shown: \forall integer x, k; word(x) && 0 <= k < 64 ==> (((x >> k) & 1) != 0 <==> has(x, k));
  @   axiom has_or: \forall integer x, y, k; word(x) && word(y) && 0 <= k < 64 ==> (has((x | y), k) <==> has(x, k) || has(y, k));
  @   axiom has_and: \forall integer x, y, k; word(x) && word(y) && 0 <= k < 64 ==> (has((x & y), k) <==> has(x, k) && has(y, k));
  @   axiom has_not: \forall integer x, k; word(x) && 0 <= k < 64 ==> (has((uint64_t)(~x), k) <==> !has(x, k));
  @   axiom has_only: \forall integer b, k; 0 <= b < 64 && 0 <= k < 64 ==> (has((uint64_t)(1 << b), k) <==> k == b);
  @   axiom has_from: \forall integer b, k; 0 <= b < 64 && 0 <= k < 64 ==> (has((uint64_t)(0xffffffffffffffff << b), k) <==> b <= k);
  @   axiom has_below: \forall integer b, k; 0 <= b < 64 && 0 <= k < 64 ==> (has((uint64_t)((uint64_t)(1 << b) - 1), k) <==> k < b);
  @   axiom or_word: \forall integer x, y; word(x) && word(y) ==> word((x | y));
  @   axiom none_shifted: \forall integer x, s, k; word(x) && 0 <= s <= k < 64 && (x >> s) == 0 ==> !has(x, k);
  @   axiom first_shifted: \forall integer x, s, r; word(x) && 0 <= s < 64 && 0 <= r < 64 && has((x >> s), r) &&
  @     (\forall integer j; 0 <= j < r ==> !has((x >> s), j)) ==>
  @     s + r < 64 && has(x, s + r) && (\forall integer k; s <= k < s + r ==> !has(x, k));
  @   axiom shift_word: \forall integer x, s; word(x) && 0 <= s < 64 ==> word((x >> s));
  @   axiom and_word: \forall integer x, y; word(x) && word(y) ==> word((x & y));
  @ } */

/*@ requires x != 0;
  @ assigns \nothing;
  @ ensures 0 <= \result < 64 && has(x, \result);
  @ ensures \forall integer k; 0 <= k < \result ==> !has(x, k);
  @ */
int __builtin_ctzl(unsigned long x);
#endif

#ifdef WORDS_RANGES
/*@ axiomatic Ranges {
  @   // how many of x's bits from lo up to hi are set
  @   logic integer ones(integer x, integer lo, integer hi);
  @   logic integer clip(integer z) = z < 0 ? 0 : z > 64 ? 64 : z;
  @   axiom ones_within: \forall integer x, y, lo, hi; word(x) && word(y) && 0 <= lo <= hi <= 64 &&
  @     (\forall integer k; 0 <= k < 64 ==> (has(y, k) <==> lo <= k < hi && has(x, k))) ==> ones(y, 0, 64) == ones(x, lo, hi);
  @ } */

/*@ assigns \nothing;
  @ ensures 0 <= \result <= 64 && \result == ones(x, 0, 64);
  @ */
int __builtin_popcountll(unsigned long long x);
#endif

/*@ requires x != 0;
  @ assigns \nothing;
  @ ensures 0 <= \result < 64;
  @ ensures 0x1 <= x <= 0x1 ==> \result == 63;
  @ ensures 0x2 <= x <= 0x3 ==> \result == 62;
  @ ensures 0x4 <= x <= 0x7 ==> \result == 61;
  @ ensures 0x8 <= x <= 0xf ==> \result == 60;
  @ ensures 0x10 <= x <= 0x1f ==> \result == 59;
  @ ensures 0x20 <= x <= 0x3f ==> \result == 58;
  @ ensures 0x40 <= x <= 0x7f ==> \result == 57;
  @ ensures 0x80 <= x <= 0xff ==> \result == 56;
  @ ensures 0x100 <= x <= 0x1ff ==> \result == 55;
  @ ensures 0x200 <= x <= 0x3ff ==> \result == 54;
  @ ensures 0x400 <= x <= 0x7ff ==> \result == 53;
  @ ensures 0x800 <= x <= 0xfff ==> \result == 52;
  @ ensures 0x1000 <= x <= 0x1fff ==> \result == 51;
  @ ensures 0x2000 <= x <= 0x3fff ==> \result == 50;
  @ ensures 0x4000 <= x <= 0x7fff ==> \result == 49;
  @ ensures 0x8000 <= x <= 0xffff ==> \result == 48;
  @ ensures 0x10000 <= x <= 0x1ffff ==> \result == 47;
  @ ensures 0x20000 <= x <= 0x3ffff ==> \result == 46;
  @ ensures 0x40000 <= x <= 0x7ffff ==> \result == 45;
  @ ensures 0x80000 <= x <= 0xfffff ==> \result == 44;
  @ ensures 0x100000 <= x <= 0x1fffff ==> \result == 43;
  @ ensures 0x200000 <= x <= 0x3fffff ==> \result == 42;
  @ ensures 0x400000 <= x <= 0x7fffff ==> \result == 41;
  @ ensures 0x800000 <= x <= 0xffffff ==> \result == 40;
  @ ensures 0x1000000 <= x <= 0x1ffffff ==> \result == 39;
  @ ensures 0x2000000 <= x <= 0x3ffffff ==> \result == 38;
  @ ensures 0x4000000 <= x <= 0x7ffffff ==> \result == 37;
  @ ensures 0x8000000 <= x <= 0xfffffff ==> \result == 36;
  @ ensures 0x10000000 <= x <= 0x1fffffff ==> \result == 35;
  @ ensures 0x20000000 <= x <= 0x3fffffff ==> \result == 34;
  @ ensures 0x40000000 <= x <= 0x7fffffff ==> \result == 33;
  @ ensures 0x80000000 <= x <= 0xffffffff ==> \result == 32;
  @ ensures 0x100000000 <= x <= 0x1ffffffff ==> \result == 31;
  @ ensures 0x200000000 <= x <= 0x3ffffffff ==> \result == 30;
  @ ensures 0x400000000 <= x <= 0x7ffffffff ==> \result == 29;
  @ ensures 0x800000000 <= x <= 0xfffffffff ==> \result == 28;
  @ ensures 0x1000000000 <= x <= 0x1fffffffff ==> \result == 27;
  @ ensures 0x2000000000 <= x <= 0x3fffffffff ==> \result == 26;
  @ ensures 0x4000000000 <= x <= 0x7fffffffff ==> \result == 25;
  @ ensures 0x8000000000 <= x <= 0xffffffffff ==> \result == 24;
  @ ensures 0x10000000000 <= x <= 0x1ffffffffff ==> \result == 23;
  @ ensures 0x20000000000 <= x <= 0x3ffffffffff ==> \result == 22;
  @ ensures 0x40000000000 <= x <= 0x7ffffffffff ==> \result == 21;
  @ ensures 0x80000000000 <= x <= 0xfffffffffff ==> \result == 20;
  @ ensures 0x100000000000 <= x <= 0x1fffffffffff ==> \result == 19;
  @ ensures 0x200000000000 <= x <= 0x3fffffffffff ==> \result == 18;
  @ ensures 0x400000000000 <= x <= 0x7fffffffffff ==> \result == 17;
  @ ensures 0x800000000000 <= x <= 0xffffffffffff ==> \result == 16;
  @ ensures 0x1000000000000 <= x <= 0x1ffffffffffff ==> \result == 15;
  @ ensures 0x2000000000000 <= x <= 0x3ffffffffffff ==> \result == 14;
  @ ensures 0x4000000000000 <= x <= 0x7ffffffffffff ==> \result == 13;
  @ ensures 0x8000000000000 <= x <= 0xfffffffffffff ==> \result == 12;
  @ ensures 0x10000000000000 <= x <= 0x1fffffffffffff ==> \result == 11;
  @ ensures 0x20000000000000 <= x <= 0x3fffffffffffff ==> \result == 10;
  @ ensures 0x40000000000000 <= x <= 0x7fffffffffffff ==> \result == 9;
  @ ensures 0x80000000000000 <= x <= 0xffffffffffffff ==> \result == 8;
  @ ensures 0x100000000000000 <= x <= 0x1ffffffffffffff ==> \result == 7;
  @ ensures 0x200000000000000 <= x <= 0x3ffffffffffffff ==> \result == 6;
  @ ensures 0x400000000000000 <= x <= 0x7ffffffffffffff ==> \result == 5;
  @ ensures 0x800000000000000 <= x <= 0xfffffffffffffff ==> \result == 4;
  @ ensures 0x1000000000000000 <= x <= 0x1fffffffffffffff ==> \result == 3;
  @ ensures 0x2000000000000000 <= x <= 0x3fffffffffffffff ==> \result == 2;
  @ ensures 0x4000000000000000 <= x <= 0x7fffffffffffffff ==> \result == 1;
  @ ensures 0x8000000000000000 <= x ==> \result == 0;
  @ */
int __builtin_clzll(unsigned long long x);

#endif
