/* What the surroundings give under this name, and tarn's types where they give none. */
#ifndef TARN_LINUX_TYPES_H
#define TARN_LINUX_TYPES_H
#pragma GCC system_header

#if __has_include_next(<linux/types.h>)
#include_next <linux/types.h>
#endif
#include "../fill/types.h"

#endif
