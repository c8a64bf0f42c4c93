/*
 * The buddy system's arithmetic, page/halves.h, for each order that has a buddy: a block and its buddy are the two halves of a block twice as long, each is
 * the other's, and both begin where one is told that they do.
 */
#define WORDS_FLIP
#include "proof/words.h"

#include "page/halves.h"

#define ORDER(order, size)                                                                                                     \
    /*@ requires index % (2 * size) == 0 && index < 1024; assigns \nothing; ensures \result == index + size; */                \
    static size_t upper_##order(size_t index) { return tarn__buddy_of(index, order); }                                         \
    /*@ requires index % (2 * size) == size && index < 1024; assigns \nothing; ensures \result == index - size; */             \
    static size_t lower_##order(size_t index) { return tarn__buddy_of(index, order); }                                         \
    /*@ requires index % (2 * size) == 0 && index < 1024; assigns \nothing; ensures \result == index; */                       \
    static size_t whole_of_lower_##order(size_t index) { return tarn__whole_of(index, order); }                                \
    /*@ requires index % (2 * size) == size && index < 1024; assigns \nothing; ensures \result == index - size; */             \
    static size_t whole_of_upper_##order(size_t index) { return tarn__whole_of(index, order); }

ORDER(0, 1)
ORDER(1, 2)
ORDER(2, 4)
ORDER(3, 8)
ORDER(4, 16)
ORDER(5, 32)
ORDER(6, 64)
ORDER(7, 128)
ORDER(8, 256)
ORDER(9, 512)
