/* A program that keeps only pointers into its objects. */
#include "correct.h"

int main(void)
{
    char *p[500];
    for (int i = 0; i < 500; i++)
        p[i] = (char *)hide(malloc(100)) + 60;
    for (int i = 0; i < 500; i++)
        free(p[i] - 60);
}
