/* Warnings, one line each, to the sink of the user. */
#include "base/warn.h"

#include "tarn/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static void (*_Atomic sink)(const char *line);

void tarn_warn_to(void (*to)(const char *line)) { atomic_store_explicit(&sink, to, memory_order_release); }

void tarn_warn_stderr(const char *line) { fprintf(stderr, "tarn: %s\n", line); }

bool tarn__warns(void) { return atomic_load_explicit(&sink, memory_order_relaxed) != NULL; }

void tarn__warn(const char *format, ...)
{
    void (*to)(const char *) = atomic_load_explicit(&sink, memory_order_acquire);
    int saved = errno;
    if (to) {
        char line[256];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(line, sizeof line, format, arguments);
        va_end(arguments);
        to(line);
    }
    errno = saved;
}
