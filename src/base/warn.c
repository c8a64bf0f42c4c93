/*
 * Warnings, formatted on the stack and handed to the user's sink. Wrong if: errno changes, a sink that causes a warning is
 * entered twice by one thread, or anything is written while no sink is set.
 */
#include "base/warn.h"

#include "base/atomic.h"
#include "tarn/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void (*_Atomic sink)(const char *line);

/* This thread is in the sink: what that causes is not told. */
static TARN__TLS bool warning;

void tarn_warn_to(void (*new_sink)(const char *line)) { atomic_store_explicit(&sink, new_sink, memory_order_release); }

bool tarn__warns(void) { return atomic_load_explicit(&sink, memory_order_relaxed) != NULL; }

void tarn__warn(const char *format, ...)
{
    void (*tell)(const char *) = atomic_load_explicit(&sink, memory_order_acquire);
    if (!tell || warning)
        return;
    char line[256];
    int saved = errno;
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    warning = true;
    tell(line);
    warning = false;
    errno = saved;
}

void tarn_warn_stderr(const char *line)
{
    static const char before[] = "tarn: ", after[] = "\n";
    struct iovec parts[] = {
        {(void *)before, sizeof before - 1},
        {(void *)line, strlen(line)},
        {(void *)after, sizeof after - 1},
    };
    int saved = errno;
    while (writev(STDERR_FILENO, parts, 3) < 0 && errno == EINTR)
        continue;
    errno = saved;
}
