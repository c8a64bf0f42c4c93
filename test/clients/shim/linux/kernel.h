/* The tools' header of this name lies behind it. */
#ifndef TARN_CLIENTS_SHIM_H
#include_next <linux/kernel.h>
#include "../all.h"
#else
#include_next <linux/kernel.h>
#endif
