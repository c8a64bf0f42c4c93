/* Reallocating to no bytes frees, and what it answers can be freed. */
#include "correct.h"

int main(void)
{
    for (size_t size = 1; size < 300000; size = size * 3 + 1)
        free(hide(realloc(hide(malloc(size)), 0)));
}
