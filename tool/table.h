/*
 * A table: cells are collected first and printed when all are known, so that every column is exactly
 * as wide as its widest cell and headings stand over what they name.
 */
#ifndef TARN_TOOL_TABLE_H
#define TARN_TOOL_TABLE_H

#include "text.h"

#define TOOL_TABLE_COLUMNS 12u

struct tool_column {
    const char *heading;
    bool left; /* aligned left; numbers are not */
};

struct tool_cell {
    char *string;
    enum tool_style style;
};

struct tool_table {
    const struct tool_column *columns;
    unsigned count; /* columns, at most TOOL_TABLE_COLUMNS */
    struct tool_cell *cells;
    size_t filled;
    size_t room;
};

void tool_table_open(struct tool_table *table, const struct tool_column *columns, unsigned count);

/* Adds the next cell, row by row. A row must be filled before the table is printed. */
void tool_table_add(struct tool_table *table, enum tool_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Columns that the table takes as filled so far, its indent included: wide, or with narrow gaps. */
unsigned tool_table_width(const struct tool_table *table, bool narrow);

/* With narrow gaps where it would be too wide otherwise. */
void tool_table_print(const struct tool_table *table, const struct tool_text *text);
void tool_table_close(struct tool_table *table);

#endif
