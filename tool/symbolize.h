/*
 * Stacks as lines, and `tarn symbolize`, by which a process that ends with a report has its addresses looked up. Not for people.
 */
#ifndef TARN_TOOL_SYMBOLIZE_H
#define TARN_TOOL_SYMBOLIZE_H

#include "symbols.h"

#include <stdint.h>
#include <stdio.h>

/*
 * Writes a stack of return addresses, a line for each call, inlined ones too:
 *
 *     #0 0x55d0c0de1139 function at file.c:12 (program+0x1139)
 *
 * What is not known is left out. Each line begins with `indent`. The innermost calls within tarn itself are left out, unless there is nothing else.
 */
void tool_stack_print(FILE *out, struct tool_symbols *symbols, const uintptr_t *frames, size_t count, const char *indent);

/* argv: PID, then addresses in hexadecimal, stacks apart by "/". Prints the stacks, an empty line behind each, and a line "end". */
int tool_symbolize(char **argv);

#endif
