/*
 * What every part of the command needs; see common.h.
 */
#include "common.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void complain(const char *format, va_list arguments)
{
    char line[8192];
    int used = snprintf(line, sizeof line, "tarn: ");
    int length = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, arguments);

    /* One write, so that a line stays whole when the program writes to the same place. */
    used = length < 0 || (size_t)length >= sizeof line - (size_t)used - 1 ? (int)sizeof line - 2 : used + length;
    for (int i = 0; i < used; i++) /* a name from the command line may hold anything; the line stays one */
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[used] = '\n';
    (void)tool_write(STDERR_FILENO, line, (size_t)used + 1);
}

void tool_complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(format, arguments);
    va_end(arguments);
}

void tool_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(format, arguments);
    va_end(arguments);
    exit(TOOL_STATUS_TROUBLE);
}

void *tool_grow(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes ? bytes : 1);
    if (!memory)
        tool_die("out of memory");
    return memory;
}

uint64_t tool_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int tool_write(int fd, const void *data, size_t bytes)
{
    const char *at = data;

    while (bytes > 0) {
        ssize_t written = write(fd, at, bytes);
        if (written < 0 && errno == EAGAIN)
            /* The program may have made the stream that it shares with us non-blocking. */
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            at += written;
            bytes -= (size_t)written;
        }
    }
    return 0;
}

const char *tool_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}
