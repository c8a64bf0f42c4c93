/* Reports (tarn/report.h): the one message, and the handler. */
#ifndef TARN_OS_REPORT_H
#define TARN_OS_REPORT_H

#include "base/fail.h"

void tarn__report_whole(enum tarn__crime crime, const char *where, const void *address, const struct tarn__suspect *suspect,
                        bool final);

/* From now on reports are whole. Until then they are a line. Here, so that the start touches none of their code. */
static inline void tarn__report_begin(void) { tarn__set_reporter(tarn__report_whole); }

#endif
