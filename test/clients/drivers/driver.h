/* What the drivers of kernel libraries share: requirements that are checked always, failures on demand, and warnings that count. */
#ifndef TARN_CLIENTS_DRIVER_H
#define TARN_CLIENTS_DRIVER_H

#include <stdio.h>
#include <stdlib.h>
#include <tarn/fail.h>

#define require(condition)                                                                                                     \
    do {                                                                                                                       \
        if (!(condition)) {                                                                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                           \
        }                                                                                                                      \
    } while (0)

/* Every `interval`-th request at a point fails; 0: none. */
static inline void fail_each(enum tarn_fail_point point, unsigned long interval)
{
    struct tarn_fail_attributes attributes = {.probability = 100, .interval = interval, .times = -1};

    require(tarn_fail_set(point, interval ? &attributes : NULL) == 0);
}

static int client_warnings;

static inline void count_warning(const char *line)
{
    client_warnings++;
    fprintf(stderr, "%s\n", line);
}

int client_module_init(void);
void client_module_exit(void);

#endif
