/*
 * One standard input for several runs.
 */
#ifndef TARN_TOOL_INPUT_H
#define TARN_TOOL_INPUT_H

#include <stdbool.h>
#include <sys/types.h>

struct tool_input {
    int fd; /* a regular file, or /dev/null */
    off_t begin;
};

/*
 * Takes the standard input of this command: a file is remembered, anything else but a terminal is read to its end
 * into a temporary file, with a line about it on standard error if that takes long and `quiet` is not set.
 */
void tool_input_take(struct tool_input *input, bool quiet);

/* A descriptor that reads the input from its beginning, independent of all others. */
int tool_input_open(const struct tool_input *input);

void tool_input_close(struct tool_input *input);

#endif
