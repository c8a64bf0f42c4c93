/* Warnings: one line each to the sink that is set. */
#include "base/warn.h"

#include "tarn/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void (*_Atomic sink)(const char *line);

void tarn_warn_to(void (*to)(const char *line)) { sink = to; }

void tarn_warn_stderr(const char *line)
{
    (void)!write(STDERR_FILENO, line, strlen(line));
    (void)!write(STDERR_FILENO, "\n", 1);
}

bool tarn__warns(void) { return sink != NULL; }

void tarn__warn(const char *format, ...)
{
    void (*to)(const char *line) = sink;
    if (!to)
        return;
    int kept = errno;
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    to(line);
    errno = kept;
}
