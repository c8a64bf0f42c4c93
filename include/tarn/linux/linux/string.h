/* What the surroundings give under this name, and the functions of it that allocate. */
#ifndef TARN_LINUX_STRING_H
#define TARN_LINUX_STRING_H
#pragma GCC system_header

#if __has_include_next(<linux/string.h>)
#include_next <linux/string.h>
#endif
#include "../fill/strings.h"

#endif
