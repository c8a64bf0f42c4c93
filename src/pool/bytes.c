/*
 * Without a C library: loops that the compiler must not turn into calls of what they stand in for.
 */
#include "pool/bytes.h"

bool tarn__bytes_are(const void *p, unsigned char value, size_t size)
{
    const unsigned char *bytes = p;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

#if !__STDC_HOSTED__
/* After each byte the compiler knows nothing of memory any more. */
#define ONE_BY_ONE() __asm__ volatile("" ::: "memory")

void tarn__bytes_fill(void *to, unsigned char value, size_t size)
{
    unsigned char *bytes = to;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = value;
        ONE_BY_ONE();
    }
}

void tarn__bytes_copy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
        ONE_BY_ONE();
    }
}

void tarn__bytes_move(void *to, const void *from, size_t size)
{
    if ((const unsigned char *)to <= (const unsigned char *)from) {
        tarn__bytes_copy(to, from, size);
        return;
    }
    for (size_t i = size; i-- > 0;) {
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
        ONE_BY_ONE();
    }
}
#endif
