/*
 * `tarn buddyinfo PID`: the free blocks of a running process's zones, in the layout of /proc/buddyinfo, or of /proc/pagetypeinfo.
 */
#ifndef TARN_TOOL_BUDDYINFO_H
#define TARN_TOOL_BUDDYINFO_H

/* `argv` begins after the verb. Returns the exit status. */
int tool_buddyinfo(char **argv);

#endif
