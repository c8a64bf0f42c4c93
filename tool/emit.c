/*
 * Writing JSON; see emit.h.
 */
#include "emit.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Length of the UTF-8 sequence at `s`, 0 if it is none: overlong forms and surrogates are none. */
static unsigned sequence_length(const unsigned char *s)
{
    unsigned length = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;

    if (length == 1)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (unsigned i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0))
        return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return length;
}

static void write_string(FILE *out, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;

    fputc('"', out);
    while (*s) {
        unsigned length = sequence_length(s);

        if (length == 0)
            fputs("\\ufffd", out);
        else if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            fprintf(out, "\\u%04x", *s);
        else
            fwrite(s, 1, length, out);
        s += length ? length : 1;
    }
    fputc('"', out);
}

static void begin_member(struct tool_emitter *emitter, const char *name)
{
    if (emitter->filled)
        fputc(',', emitter->out);
    if (emitter->depth > 0)
        fprintf(emitter->out, "\n%*s", (int)(2 * emitter->depth), "");
    if (name) {
        write_string(emitter->out, name);
        fputs(": ", emitter->out);
    }
    emitter->filled = true;
}

void tool_emit_open(struct tool_emitter *emitter, const char *name, char bracket)
{
    begin_member(emitter, name);
    fputc(bracket, emitter->out);
    emitter->depth++;
    emitter->filled = false;
}

void tool_emit_close(struct tool_emitter *emitter, char bracket)
{
    emitter->depth--;
    if (emitter->filled)
        fprintf(emitter->out, "\n%*s", (int)(2 * emitter->depth), "");
    fputc(bracket, emitter->out);
    emitter->filled = true;
    if (emitter->depth == 0)
        fputc('\n', emitter->out);
}

void tool_emit_count(struct tool_emitter *emitter, const char *name, uint64_t value)
{
    begin_member(emitter, name);
    fprintf(emitter->out, "%" PRIu64, value);
}

void tool_emit_integer(struct tool_emitter *emitter, const char *name, int64_t value)
{
    begin_member(emitter, name);
    fprintf(emitter->out, "%" PRId64, value);
}

void tool_emit_number(struct tool_emitter *emitter, const char *name, double value)
{
    begin_member(emitter, name);
    if (isfinite(value))
        fprintf(emitter->out, "%.6g", value);
    else
        fputs("null", emitter->out);
}

void tool_emit_bool(struct tool_emitter *emitter, const char *name, bool value)
{
    begin_member(emitter, name);
    fputs(value ? "true" : "false", emitter->out);
}

void tool_emit_string(struct tool_emitter *emitter, const char *name, const char *value)
{
    begin_member(emitter, name);
    if (value)
        write_string(emitter->out, value);
    else
        fputs("null", emitter->out);
}
