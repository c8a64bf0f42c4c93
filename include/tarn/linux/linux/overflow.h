/* What the surroundings give under this name, and the rest of it. */
#ifndef TARN_LINUX_OVERFLOW_H
#define TARN_LINUX_OVERFLOW_H
#pragma GCC system_header

#if __has_include_next(<linux/overflow.h>)
#include_next <linux/overflow.h>
#endif
#include "../fill/overflow.h"

#endif
