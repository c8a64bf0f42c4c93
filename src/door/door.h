/* What the files of the door share. */
#ifndef TARN_DOOR_DOOR_H
#define TARN_DOOR_DOOR_H

#include "tarn/stats.h"

#define TARN__DOOR __attribute__((visibility("default")))

#endif
