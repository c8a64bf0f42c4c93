/* Large objects beside each other, freed in all orders, with small ones between. */
#include "correct.h"

int main(void)
{
    char *p[60];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 60; i++) {
            size_t size = i % 3 ? (size_t)(i * 9000 + 1) : (size_t)(i + 1);
            p[i] = hide(malloc(size));
            p[i][0] = p[i][size - 1] = 3;
        }
        for (int i = 0; i < 60; i++)
            free(p[(i * 7 + round) % 60]);
    }
}
