/* Signals arrive while it allocates; handlers do not allocate. */
#include "correct.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t count;
static void on_alarm(int number) { count += number > 0; }

int main(void)
{
    signal(SIGALRM, on_alarm);
    struct itimerval often = {{0, 500}, {0, 500}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    void *p[100] = {NULL};
    for (unsigned i = 0; count < 100; i++) {
        free(p[i % 100]);
        p[i % 100] = hide(malloc(i * 31 % 3000));
    }
    for (int i = 0; i < 100; i++)
        free(p[i]);
}
