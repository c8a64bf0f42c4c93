/* The text of a report; tarn-report(7) describes it. */
#ifndef TARN_OS_REPORTTEXT_H
#define TARN_OS_REPORTTEXT_H

#include "base/fail.h"
#include "os/stack.h"
#include "os/where.h"
#include "tarn/report.h"

enum { TARN__REPORT_STACKS = 4, TARN__REPORT_PLACES = TARN__REPORT_STACKS * TARN__STACK_MOST + 2 };

/* Memory for a report. */
struct tarn__report_work {
    struct tarn_report report; /* first: tarn_report_text */
    struct tarn__suspect suspect;
    enum tarn__crime crime;
    uintptr_t here[TARN__STACK_MOST];
    size_t here_count;
    bool places_known, looked;
    size_t looked_length;                           /* 0: nothing was found */
    struct tarn__where places[TARN__REPORT_PLACES]; /* of the address, of tarn's code, and of all frames */
    char lines[32768];                              /* that the command wrote */
    char arguments[40960];
    char text[49152];
};

/* Writes the text. `symbols`: with functions and lines. */
void tarn__report_compose(struct tarn__report_work *work, bool symbols);

#endif
