/*
 * The help: the words that define what the reports say.
 */
#ifndef TARN_TOOL_HELP_H
#define TARN_TOOL_HELP_H

/* They print to standard output and return the exit status: 0, or trouble if it cannot be written. */
int tool_help(void);
int tool_help_run(void);
int tool_help_slabinfo(void);
int tool_help_buddyinfo(void);
int tool_help_maps(void);
int tool_help_leaks(void);
int tool_version(void);

#endif
