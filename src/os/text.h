/*
 * Small files of the kernel's, read by lines: numbers, and numbers behind a name. Nothing is allocated. One reader at a time, who is the caller's
 * to see to: the line that is read lies in static memory, as a thread that frees an object may have little stack left.
 */
#ifndef TARN_OS_TEXT_H
#define TARN_OS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Calls `line(to, text)` for each line, without its end, until that returns false. A line longer than 1023 bytes is passed over, so is what follows
 * a zero byte in one; a last line without an end counts. 0, or -errno as tarn__os_read has it.
 */
int tarn__text_lines(const char *path, bool (*line)(void *to, char *text), void *to);

/*
 * The decimal number that text begins with, if a space or the end follows it; else `otherwise`. What is larger than 64 bits hold is UINT64_MAX.
 */
uint64_t tarn__text_to_number(const char *text, uint64_t otherwise);

/* The number that is a file's first line; `otherwise` where there is no file or no number. */
uint64_t tarn__text_number(const char *path, uint64_t otherwise);

/* The number behind "NAME " in a file, in the first such line. */
uint64_t tarn__text_field(const char *path, const char *name, uint64_t otherwise);

/* What follows `prefix` in text; NULL where text does not begin with it. */
const char *tarn__text_after(const char *text, const char *prefix);

#endif
