/*
 * A program that speaks the kernel's language expects to be told what the kernel would print: its warnings go to stderr, unless it or
 * somebody before it said otherwise (tarn_warn_to). Define TARN_LINUX_QUIET to leave that alone.
 *
 * The function is in each object file and in the program once; it runs before constructors without a priority, so that theirs have the last word.
 */
#ifndef TARN_LINUX_FILL_WARN_H
#define TARN_LINUX_FILL_WARN_H

#include "../../fail.h"

#ifndef TARN_LINUX_QUIET
#ifdef __cplusplus
extern "C" {
#endif

__attribute__((weak)) int tarn_linux_warnings_set;
__attribute__((weak, constructor(101))) void tarn_linux_warn_on_stderr(void);
void tarn_linux_warn_on_stderr(void)
{
    if (!tarn_linux_warnings_set) {
        tarn_linux_warnings_set = 1;
        tarn_warn_to(tarn_warn_stderr);
    }
}

#ifdef __cplusplus
}
#endif
#endif

#endif
