/* The library that early.c loads late. */
#include "check.h"

static void *given, *kept;

__attribute__((constructor)) static void begin(void)
{
    given = malloc(5000);
    stamp(given, 5000, 1);
    kept = calloc(1, 70000);
}

__attribute__((destructor)) static void end(void)
{
    free(kept);
    free(given);
    free(malloc(300));
}

/* A new object, made of the constructor's; NULL if that is damaged. */
void *late_give(void);
void *late_give(void)
{
    void *p = malloc(5000);
    return p && stamped(given, 5000, 1) ? memcpy(p, given, 5000) : NULL;
}
