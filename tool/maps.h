/*
 * `tarn maps PID`: the segments of a running process, and the pools that lie in them.
 */
#ifndef TARN_TOOL_MAPS_H
#define TARN_TOOL_MAPS_H

/* `argv` begins after the verb. Returns the exit status. */
int tool_maps(char **argv);

#endif
