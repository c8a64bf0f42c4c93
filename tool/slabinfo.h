/*
 * `tarn slabinfo PID`: the object caches of a running process, in the layout of /proc/slabinfo, version 2.1.
 */
#ifndef TARN_TOOL_SLABINFO_H
#define TARN_TOOL_SLABINFO_H

/* `argv` begins after the verb. Returns the exit status. */
int tool_slabinfo(char **argv);

#endif
