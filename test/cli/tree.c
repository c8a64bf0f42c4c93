/*
 * A program with children, for the tests of the command.
 *
 *      tree fork N      N children one after the other, each ended by exit
 *      tree linger      a child that goes on when this has ended, until it can read no more
 *      tree leave       ends by _exit
 *      tree group       ends by the signal INT, which it sends to its whole process group
 *      tree exec FILE   becomes another program
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void linger(void)
{
    char byte;

    if (fork() == 0) {
        printf("%ld\n", (long)getpid());
        fflush(stdout);
        (void)!read(STDIN_FILENO, &byte, 1);
        exit(0);
    }
    usleep(100000); /* time for the child to take its slot */
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "fork") == 0 && argc > 2)
        for (int i = atoi(argv[2]); i > 0; i--) {
            if (fork() == 0)
                exit(0);
            wait(NULL);
        }
    if (strcmp(what, "linger") == 0)
        linger();
    if (strcmp(what, "leave") == 0)
        _exit(0);
    if (strcmp(what, "group") == 0) {
        signal(SIGINT, SIG_DFL);
        kill(0, SIGINT);
        pause();
    }
    if (strcmp(what, "exec") == 0 && argc > 2)
        execv(argv[2], argv + 2);
    return 0;
}
