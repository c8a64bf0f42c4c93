/* What the files of the door share. */
#ifndef TARN_DOOR_DOOR_H
#define TARN_DOOR_DOOR_H

#include "tarn/stats.h"

/* The last that a process does before it leaves by _exit: see leaks.c. */
void tarn__leaks_end(void);

#define TARN__DOOR __attribute__((visibility("default")))

#endif
