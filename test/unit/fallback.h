/* A fallback for tests of pools that pass requests on: it counts, and fails on demand. */
#ifndef TARN_TEST_FALLBACK_H
#define TARN_TEST_FALLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static struct fallback {
    size_t out, bytes, calls;
    bool fails;
} outside;

static void *outside_alloc(void *context, size_t size)
{
    struct fallback *f = context;
    f->calls++;
    if (f->fails)
        return NULL;
    f->out++;
    f->bytes += size;
    return malloc(size);
}

static void outside_free(void *context, void *p, size_t size)
{
    struct fallback *f = context;
    f->out--;
    f->bytes -= size;
    free(p);
}

#endif
