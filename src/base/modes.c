#include "base/modes.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { MOST_LISTS = 32, TEXT_ROOM = 2048 };

/* Letters, and names as they stand in `text`, each with a comma before it. */
struct list {
    unsigned letters;
    const char *names, *end;
};

#ifdef TARN_HARDEN_DEFAULT
static const bool hardened_by_default = true;
#else
static const bool hardened_by_default = false;
#endif

bool tarn__modes_any, tarn__hardened;
unsigned tarn__sample_rate;

static char text[TEXT_ROOM]; /* a copy, as the program may change its environment */
static struct list lists[MOST_LISTS];
static size_t count;

/* 0: it is none. */
static unsigned letter_of(char c)
{
    static const char letters[] = "FZPUQGL";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? 1u << (at - letters) : 0;
}

/* Whether one of a list's names, which are `length` bytes each, stands for `name`. */
static bool stands_for(const char *pattern, size_t length, const char *name)
{
    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(pattern, name, length - 1) == 0;
    return strlen(name) == length && memcmp(pattern, name, length) == 0;
}

static const char *end_of(const char *from, const char *end, char mark)
{
    const char *at = memchr(from, mark, (size_t)(end - from));
    return at ? at : end;
}

static bool names_it(const struct list *list, const char *name)
{
    if (list->names == list->end)
        return true;
    for (const char *from = list->names; from < list->end;) {
        const char *end = end_of(from + 1, list->end, ',');
        if (stands_for(from + 1, (size_t)(end - from) - 1, name))
            return true;
        from = end;
    }
    return false;
}

/* malloc's objects have a mode of their own. */
static bool is_hardened_otherwise(const char *name) { return strncmp(name, "malloc-", 7) == 0 || strcmp(name, "large") == 0; }

unsigned tarn__letters_for(const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (names_it(&lists[i], name))
            return lists[i].letters & TARN__LETTER_ALL;
    return tarn__hardened && !is_hardened_otherwise(name) ? TARN__LETTER_F | TARN__LETTER_Z | TARN__LETTER_P | TARN__LETTER_Q
                                                          : 0;
}

bool tarn__noted_for(const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (names_it(&lists[i], name))
            return lists[i].letters & TARN__LETTER_L;
    return false;
}

unsigned tarn__letters_anywhere(void)
{
    unsigned letters = 0;
    for (size_t i = 0; i < count; i++)
        letters |= lists[i].letters;
    return letters;
}

/* Whether all was understood. An empty name is none that a pool can have. */
static bool add_list(const char *from, const char *end)
{
    const char *names = end_of(from, end, ',');
    struct list list = {0, names, end};
    bool good = true;
    for (const char *at = from; at < names; at++) {
        good = good && letter_of(*at);
        list.letters |= letter_of(*at);
    }
    for (const char *at = names; at < end; at = end_of(at + 1, end, ','))
        good = good && at + 1 < end && at[1] != ',';
    if (list.letters == 0 || count == MOST_LISTS)
        return false;
    lists[count++] = list;
    return good;
}

static bool set_letters(const char *value)
{
    size_t length = value ? strlen(value) : 0;
    bool good = length < sizeof text;
    count = 0;
    if (length == 0)
        return true;
    for (length = good ? length : sizeof text - 1; !good && length > 0 && value[length] != ',' && value[length] != ';';)
        length--; /* what is too long ends with a name that is whole */
    memcpy(text, value, length);
    text[length] = '\0';
    for (const char *from = text, *end; from < text + length; from = end + 1) {
        end = end_of(from, text + length, ';');
        good = add_list(from, end) && good;
    }
    return good;
}

static bool set_hardened(const char *value)
{
    tarn__hardened = value ? strcmp(value, "1") == 0 : hardened_by_default;
    return !value || tarn__hardened || *value == '\0' || strcmp(value, "0") == 0;
}

static bool set_rate(const char *value)
{
    uint64_t rate = 0;
    tarn__sample_rate = 0;
    for (; value && *value; value++) {
        if (*value < '0' || *value > '9' || rate > UINT32_MAX / 10)
            return false;
        rate = rate * 10 + (unsigned)(*value - '0');
    }
    tarn__sample_rate = rate <= UINT32_MAX ? (unsigned)rate : 0;
    return rate <= UINT32_MAX;
}

int tarn__modes_set(const char *debug, const char *harden, const char *sample)
{
    bool letters = set_letters(debug), hardened = set_hardened(harden), rate = set_rate(sample);
    tarn__modes_any = count > 0 || tarn__hardened || tarn__sample_rate > 0;
    return letters && hardened && rate ? 0 : -EINVAL;
}
