/* Reports go to stdout. */
#ifndef TARN_CLIENTS_SEQ_FILE_H
#define TARN_CLIENTS_SEQ_FILE_H
#include <stdio.h>
struct seq_file {
    int unused;
};
#define seq_printf(file, ...) ((void)(file), (void)printf(__VA_ARGS__))
#define seq_puts(file, text) ((void)(file), (void)printf("%s", text))
#define seq_putc(file, c) ((void)(file), (void)printf("%c", c))
#endif
