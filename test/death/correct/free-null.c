/* NULL is nothing to free, and reallocating it allocates. */
#include "correct.h"

int main(void)
{
    free(NULL);
    char *p = realloc(NULL, 10);
    CHECK(p);
    free(p);
}
