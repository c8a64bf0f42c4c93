/*
 * Text for people: numbers they can read, glyphs their terminal has, colour only where it is seen.
 *
 * A tool_text is an output stream together with what its reader can show. Words (struct tool_word)
 * are small strings returned by value, so that a number can be formatted inside a printf call:
 *
 *      fprintf(text->out, "%s requests", tool_count(n).s);
 */
#ifndef TARN_TOOL_TEXT_H
#define TARN_TOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum tool_style { TOOL_PLAIN, TOOL_BOLD, TOOL_DIM, TOOL_GOOD, TOOL_WARN, TOOL_BAD, TOOL_BAR, TOOL_STYLES };

struct tool_text {
    FILE *out;
    bool colour;
    bool utf8;
    unsigned width;       /* columns a line should not exceed where it can be helped */
    const char *dot;      /* between facts on one line */
    const char *range;    /* between two ends of a range */
    const char *ellipsis; /* where something was cut */
    const char *times;    /* a factor, or so many of something */
};

struct tool_word {
    char s[80];
};

/* Describes `out` for a reader at file descriptor `fd`: colour and width only if that is a terminal. */
void tool_text_open(struct tool_text *text, FILE *out, int fd);

/*
 * A line of facts, broken between two facts where the next would exceed the width; it goes on indented.
 * Begin with the column reached so far.
 */
struct tool_line {
    unsigned column;
    unsigned indent;
    bool filled; /* a fact is on it: the next needs a separator */
};

/* Adds a fact after `separator`; at a break, blanks of the separator are dropped, and a dot. */
void tool_fact(const struct tool_text *text, struct tool_line *line, const char *separator, enum tool_style style,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Escape sequences, or empty strings where the reader sees no colour. */
const char *tool_on(const struct tool_text *text, enum tool_style style);
const char *tool_off(const struct tool_text *text, enum tool_style style);

struct tool_word tool_count(uint64_t n);        /* 1 000 000 */
struct tool_word tool_bytes(uint64_t bytes);    /* 112 B, 1.2 MiB */
struct tool_word tool_time(uint64_t ns);        /* 12.3 ms, 1.234 s, 3 min 12.3 s */
struct tool_word tool_percent(double fraction); /* 8.3 % */

/* A bar of `columns` columns at most, `fraction` (0 to 1) of it filled. Needs 3 bytes a column, and one. */
void tool_bar(const struct tool_text *text, char *buffer, unsigned columns, double fraction);

/*
 * Copies `name` so that a terminal shows it as it is: what cannot be printed becomes '?', and what
 * exceeds `columns` is cut with an ellipsis. Always ends in 0; a buffer of 4 bytes a column suffices.
 */
void tool_clean(const struct tool_text *text, char *buffer, size_t size, const char *name, unsigned columns);

/* Columns that `s` takes on a terminal. */
unsigned tool_columns(const char *s);

/* The short name of a signal ("KILL"), or "?" where it has none. */
const char *tool_signal_name(int signal);

#endif
