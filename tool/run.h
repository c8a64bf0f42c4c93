/*
 * The verb `run`.
 */
#ifndef TARN_TOOL_RUN_H
#define TARN_TOOL_RUN_H

/* `argv` begins with the word after "run" and ends in NULL. Returns the exit status of the command. */
int tool_run(char **argv);

#endif
