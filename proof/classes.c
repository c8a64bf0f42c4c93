/*
 * Size classes, alloc/classes.h: which sizes each class serves, and how large it is. So each class serves what is above the class below it and no larger than
 * itself; sizes rise with the numbers; the class of a class's size is that class; and above 128 bytes less than a ninth of a class is lost.
 */
#define WORDS_SHIFT
#include "proof/words.h"

/* As logarithms.c proves it. */
/*@ requires x > 0;
  @ assigns \nothing;
  @ ensures 0 <= \result < 64;
  @ ensures 1 <= x <= 1 ==> \result == 0;
  @ ensures 2 <= x <= 3 ==> \result == 1;
  @ ensures 4 <= x <= 7 ==> \result == 2;
  @ ensures 8 <= x <= 15 ==> \result == 3;
  @ ensures 16 <= x <= 31 ==> \result == 4;
  @ ensures 32 <= x <= 63 ==> \result == 5;
  @ ensures 64 <= x <= 127 ==> \result == 6;
  @ ensures 128 <= x <= 255 ==> \result == 7;
  @ ensures 256 <= x <= 511 ==> \result == 8;
  @ ensures 512 <= x <= 1023 ==> \result == 9;
  @ ensures 1024 <= x <= 2047 ==> \result == 10;
  @ ensures 2048 <= x <= 4095 ==> \result == 11;
  @ ensures 4096 <= x <= 8191 ==> \result == 12;
  @ ensures 8192 <= x <= 16383 ==> \result == 13;
  @ ensures 16384 <= x <= 32767 ==> \result == 14;
  @ ensures x > 32767 ==> 15 <= \result;
  @ */
static inline unsigned tarn__log2_floor(size_t x);

#include "alloc/classes.h"

/* Class `number` is of `size` bytes, the one below it of `below`. */
#define CLASS(number, below, size)                                                                                             \
    /*@ assigns \nothing; ensures \result == size && below < size && (size > 144 ==> (size - below - 1) * 9 < size); */        \
    static size_t size_of_##number(void) { return tarn__class_size(number); }                                                  \
    /*@ requires below < asked && asked <= size; assigns \nothing; ensures \result == number; */                               \
    static unsigned class_##number(size_t asked) { return tarn__class_of(asked); }

/*@ requires asked == 0; assigns \nothing; ensures \result == 1; */
static unsigned class_of_0(size_t asked) { return tarn__class_of(asked); }

CLASS(1, 0, 16)
CLASS(2, 16, 32)
CLASS(3, 32, 48)
CLASS(4, 48, 64)
CLASS(5, 64, 80)
CLASS(6, 80, 96)
CLASS(7, 96, 112)
CLASS(8, 112, 128)
CLASS(9, 128, 144)
CLASS(10, 144, 160)
CLASS(11, 160, 176)
CLASS(12, 176, 192)
CLASS(13, 192, 208)
CLASS(14, 208, 224)
CLASS(15, 224, 240)
CLASS(16, 240, 256)
CLASS(17, 256, 288)
CLASS(18, 288, 320)
CLASS(19, 320, 352)
CLASS(20, 352, 384)
CLASS(21, 384, 416)
CLASS(22, 416, 448)
CLASS(23, 448, 480)
CLASS(24, 480, 512)
CLASS(25, 512, 576)
CLASS(26, 576, 640)
CLASS(27, 640, 704)
CLASS(28, 704, 768)
CLASS(29, 768, 832)
CLASS(30, 832, 896)
CLASS(31, 896, 960)
CLASS(32, 960, 1024)
CLASS(33, 1024, 1152)
CLASS(34, 1152, 1280)
CLASS(35, 1280, 1408)
CLASS(36, 1408, 1536)
CLASS(37, 1536, 1664)
CLASS(38, 1664, 1792)
CLASS(39, 1792, 1920)
CLASS(40, 1920, 2048)
CLASS(41, 2048, 2304)
CLASS(42, 2304, 2560)
CLASS(43, 2560, 2816)
CLASS(44, 2816, 3072)
CLASS(45, 3072, 3328)
CLASS(46, 3328, 3584)
CLASS(47, 3584, 3840)
CLASS(48, 3840, 4096)
CLASS(49, 4096, 4608)
CLASS(50, 4608, 5120)
CLASS(51, 5120, 5632)
CLASS(52, 5632, 6144)
CLASS(53, 6144, 6656)
CLASS(54, 6656, 7168)
CLASS(55, 7168, 7680)
CLASS(56, 7680, 8192)
CLASS(57, 8192, 9216)
CLASS(58, 9216, 10240)
CLASS(59, 10240, 11264)
CLASS(60, 11264, 12288)
CLASS(61, 12288, 13312)
CLASS(62, 13312, 14336)
CLASS(63, 14336, 15360)
CLASS(64, 15360, 16384)
CLASS(65, 16384, 18432)
CLASS(66, 18432, 20480)
CLASS(67, 20480, 22528)
CLASS(68, 22528, 24576)
CLASS(69, 24576, 26624)
CLASS(70, 26624, 28672)
CLASS(71, 28672, 30720)
CLASS(72, 30720, 32768)
