/* qsort, hsearch, tsearch and friends, which allocate behind the scenes. */
#include "correct.h"

#include <search.h>

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(void)
{
    enum { COUNT = 50000 };
    int *numbers = hide(malloc(COUNT * sizeof *numbers));
    void *root = NULL;
    for (int i = 0; i < COUNT; i++)
        numbers[i] = (int)((unsigned)i * 2654435761u >> 8);
    qsort(numbers, COUNT, sizeof *numbers, compare);
    for (int i = 0; i < 2000; i++)
        tsearch(&numbers[i], &root, compare);
    for (int i = 0; i < 2000; i++)
        tdelete(&numbers[i], &root, compare);
    free(numbers);
}
