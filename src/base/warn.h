/*
 * Warnings: what is wrong and can be lived with. They go to the sink that the user set, and nowhere by default (tarn/fail.h).
 */
#ifndef TARN_BASE_WARN_H
#define TARN_BASE_WARN_H

#include <stdbool.h>

/* Whether anyone listens: to be asked before much is done for a warning. */
bool tarn__warns(void);

/* One line, without newline, up to 255 characters. Call it with no lock held: the sink may allocate. Keeps errno. */
void tarn__warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
