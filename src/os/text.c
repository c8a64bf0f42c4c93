#include "os/text.h"

#include "os/os.h"

#include <string.h>

static struct {
    char line[1024];
    size_t length; /* of what there is of the line; at least sizeof line: it is too long */
    bool (*each)(void *to, char *text);
    void *to;
} reading;

/* False: no more is wanted. */
static bool end_line(void)
{
    bool fits = reading.length < sizeof reading.line;
    reading.line[fits ? reading.length : 0] = 0;
    reading.length = 0;
    return !fits || reading.each(reading.to, reading.line);
}

static bool take_piece(void *unused, const char *bytes, size_t count)
{
    (void)unused;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            if (!end_line())
                return false;
        } else {
            if (reading.length < sizeof reading.line)
                reading.line[reading.length] = bytes[i];
            reading.length += reading.length < sizeof reading.line;
        }
    }
    return true;
}

int tarn__text_lines(const char *path, bool (*line)(void *to, char *text), void *to)
{
    reading.length = 0;
    reading.each = line;
    reading.to = to;
    int error = tarn__os_read(path, take_piece, NULL);
    if (!error && reading.length > 0)
        end_line();
    return error;
}

uint64_t tarn__text_to_number(const char *text, uint64_t otherwise)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    return at > text && (*at == 0 || *at == ' ') ? number : otherwise;
}

struct search {
    const char *name;
    uint64_t found;
};

static bool look_at_first(void *to, char *text)
{
    struct search *search = to;
    search->found = tarn__text_to_number(text, search->found);
    return false;
}

uint64_t tarn__text_number(const char *path, uint64_t otherwise)
{
    struct search search = {NULL, otherwise};
    tarn__text_lines(path, look_at_first, &search);
    return search.found;
}

static bool look_for_name(void *to, char *text)
{
    struct search *search = to;
    const char *rest = tarn__text_after(text, search->name);
    if (!rest || *rest != ' ')
        return true;
    search->found = tarn__text_to_number(rest + 1, search->found);
    return false;
}

uint64_t tarn__text_field(const char *path, const char *name, uint64_t otherwise)
{
    struct search search = {name, otherwise};
    tarn__text_lines(path, look_for_name, &search);
    return search.found;
}

const char *tarn__text_after(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}
