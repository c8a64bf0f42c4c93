/* What the C library allocates for its callers, freed by them. */
#include "correct.h"

int main(void)
{
    char *line = NULL, *text = NULL;
    size_t room = 0;
    FILE *file = tmpfile();
    CHECK(file && fputs("one line\nand another that is longer\n", file) > 0);
    rewind(file);
    while (getline(&line, &room, file) > 0)
        free(strdup(line));
    fclose(file);
    CHECK(asprintf(&text, "%s%d", "text", 5) == 5);
    free(text);
    free(line);
    char *memory;
    size_t size;
    file = open_memstream(&memory, &size);
    for (int i = 0; i < 10000; i++)
        fprintf(file, "%d\n", i);
    fclose(file);
    free(memory);
    free(realpath("/", NULL));
    free(strndup("abc", 2));
}
