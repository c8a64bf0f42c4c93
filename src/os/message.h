/* Text that grows in a given room; what does not fit is cut. */
#ifndef TARN_OS_MESSAGE_H
#define TARN_OS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

struct tarn__message {
    char *text; /* ends with a 0 at all times */
    size_t length, room;
};

static inline void tarn__add_bytes(struct tarn__message *to, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count && to->length + 1 < to->room; i++)
        to->text[to->length++] = bytes[i];
    if (to->room > 0)
        to->text[to->length] = 0;
}

static inline void tarn__add(struct tarn__message *to, const char *text) { tarn__add_bytes(to, text, __builtin_strlen(text)); }

/* In decimal, or in hexadecimal with at least `least` digits. */
static inline void tarn__add_number(struct tarn__message *to, uint64_t value, unsigned base, unsigned least)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0 || sizeof digits - at < least);
    tarn__add_bytes(to, digits + at, sizeof digits - at);
}

static inline void tarn__add_count(struct tarn__message *to, uint64_t value) { tarn__add_number(to, value, 10, 1); }

static inline void tarn__add_address(struct tarn__message *to, uintptr_t value)
{
    tarn__add(to, "0x");
    tarn__add_number(to, value, 16, 1);
}

#endif
