/*
 * A table that aligns itself; see table.h.
 */
#define _GNU_SOURCE 1
#include "table.h"

#include "common.h"

#include <stdarg.h>
#include <stdlib.h>

/* Columns between two columns, and before the first. */
#define GAP 2u
#define GAP_NARROW 1u

void tool_table_open(struct tool_table *table, const struct tool_column *columns, unsigned count)
{
    *table = (struct tool_table){.columns = columns, .count = count};
}

void tool_table_add(struct tool_table *table, enum tool_style style, const char *format, ...)
{
    struct tool_cell *cell;
    va_list arguments;

    if (table->filled == table->room) {
        table->room = table->room ? table->room * 2 : 64;
        table->cells = tool_grow(table->cells, table->room * sizeof *table->cells);
    }
    cell = &table->cells[table->filled++];
    cell->style = style;
    va_start(arguments, format);
    if (vasprintf(&cell->string, format, arguments) < 0)
        tool_die("out of memory");
    va_end(arguments);
}

static unsigned column_width(const struct tool_table *table, unsigned column)
{
    unsigned widest = tool_columns(table->columns[column].heading);

    for (size_t i = column; i < table->filled; i += table->count) {
        unsigned columns = tool_columns(table->cells[i].string);
        if (columns > widest)
            widest = columns;
    }
    return widest;
}

unsigned tool_table_width(const struct tool_table *table, bool narrow)
{
    unsigned width = 0;

    for (unsigned column = 0; column < table->count; column++)
        width += (narrow ? GAP_NARROW : GAP) + column_width(table, column);
    return width;
}

/* `owed`: spaces that are printed only when something follows them, so that no line ends in blanks. */
static void print_cell(const struct tool_text *text, const char *string, enum tool_style style, bool left, unsigned width,
                       unsigned *owed)
{
    unsigned padding = width - tool_columns(string);

    *owed += left ? 0 : padding;
    if (*string) {
        fprintf(text->out, "%*s%s%s%s", (int)*owed, "", tool_on(text, style), string, tool_off(text, style));
        *owed = 0;
    }
    *owed += left ? padding : 0;
}

void tool_table_print(const struct tool_table *table, const struct tool_text *text)
{
    unsigned widths[TOOL_TABLE_COLUMNS];
    if (table->count == 0)
        return;
    unsigned gap = tool_table_width(table, false) > text->width ? GAP_NARROW : GAP;
    unsigned owed = 0;

    for (unsigned column = 0; column < table->count; column++)
        widths[column] = column_width(table, column);
    for (unsigned column = 0; column < table->count; column++) {
        owed += gap;
        print_cell(text, table->columns[column].heading, TOOL_BOLD, table->columns[column].left, widths[column], &owed);
    }
    fputc('\n', text->out);
    for (size_t i = 0; i < table->filled; i++) {
        unsigned column = (unsigned)(i % table->count);

        if (column == 0)
            owed = 0;
        owed += gap;
        print_cell(text, table->cells[i].string, table->cells[i].style, table->columns[column].left, widths[column], &owed);
        if (column + 1 == table->count)
            fputc('\n', text->out);
    }
}

void tool_table_close(struct tool_table *table)
{
    for (size_t i = 0; i < table->filled; i++)
        free(table->cells[i].string);
    free(table->cells);
}
