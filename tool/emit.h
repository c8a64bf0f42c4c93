/*
 * Writing JSON: commas, indentation and escapes. What is written is always valid: strings that are not
 * UTF-8 get U+FFFD where they are not, numbers that are not finite become null.
 */
#ifndef TARN_TOOL_EMIT_H
#define TARN_TOOL_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct tool_emitter {
    FILE *out;
    unsigned depth;
    bool filled; /* the innermost object or array has a member */
};

/* `name` is NULL for a member of an array, and for the document itself. */
void tool_emit_open(struct tool_emitter *emitter, const char *name, char bracket);
void tool_emit_close(struct tool_emitter *emitter, char bracket);
void tool_emit_count(struct tool_emitter *emitter, const char *name, uint64_t value);
void tool_emit_integer(struct tool_emitter *emitter, const char *name, int64_t value);
void tool_emit_number(struct tool_emitter *emitter, const char *name, double value);
void tool_emit_bool(struct tool_emitter *emitter, const char *name, bool value);
void tool_emit_string(struct tool_emitter *emitter, const char *name, const char *value); /* NULL: null */

#endif
