/* Copies of memory and strings in objects of kmalloc. */
#include "kernel/kmalloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void *tarn_kmemdup(const void *source, size_t size, tarn_gfp_t flags)
{
    void *copy = tarn__kmalloc(size, flags);
    return copy && size > 0 ? memcpy(copy, source, size) : copy;
}

/* The first `size` bytes and a zero. */
static char *copy_ended(const char *source, size_t size, tarn_gfp_t flags)
{
    char *copy = size < SIZE_MAX ? tarn__kmalloc(size + 1, flags) : NULL;
    if (!copy)
        return NULL;
    copy[size] = 0;
    return memcpy(copy, source, size);
}

char *tarn_kmemdup_nul(const char *source, size_t size, tarn_gfp_t flags)
{
    return source ? copy_ended(source, size, flags) : NULL;
}

char *tarn_kstrdup(const char *source, tarn_gfp_t flags) { return source ? copy_ended(source, strlen(source), flags) : NULL; }

char *tarn_kstrndup(const char *source, size_t most, tarn_gfp_t flags)
{
    return source ? copy_ended(source, strnlen(source, most), flags) : NULL;
}

/* The C library's formats, not the kernel's extensions. */
char *tarn_kvasprintf(tarn_gfp_t flags, const char *format, va_list arguments)
{
    int saved = errno;
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length >= 0 ? tarn__kmalloc((size_t)length + 1, flags) : NULL;
    if (text)
        vsnprintf(text, (size_t)length + 1, format, arguments);
    errno = saved;
    return text;
}

char *tarn_kasprintf(tarn_gfp_t flags, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = tarn_kvasprintf(flags, format, arguments);
    va_end(arguments);
    return text;
}
