/* Functions at exit free what main allocated, and what constructors did. */
#include "correct.h"

static char *from_constructor, *from_main;

__attribute__((constructor)) static void early(void) { from_constructor = hide(malloc(100)); }

__attribute__((destructor)) static void late(void)
{
    free(from_constructor);
    free(hide(malloc(10)));
}

static void at_exit(void) { free(from_main); }

int main(void)
{
    from_main = hide(malloc(1000));
    atexit(at_exit);
}
