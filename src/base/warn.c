/* Where warnings go. */
#include "base/warn.h"

#include "tarn/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic(void (*)(const char *)) sink;

void tarn_warn_to(void (*to)(const char *line)) { atomic_store(&sink, to); }

void tarn_warn_stderr(const char *line)
{
    char text[300];
    int length = snprintf(text, sizeof text, "tarn: %s\n", line);
    ssize_t ignored = write(2, text, (size_t)length);
    (void)ignored;
}

bool tarn__warns(void) { return atomic_load(&sink) != NULL; }

void tarn__warn(const char *format, ...)
{
    void (*to)(const char *) = atomic_load(&sink);
    char line[256];
    va_list arguments;
    int saved = errno;
    if (!to)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    to(line);
    errno = saved;
}
