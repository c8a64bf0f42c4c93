#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

static bool (*watcher)(void *address);
static struct sigaction before[2]; /* of SIGSEGV and of SIGBUS */

int tarn__fault_forbid(void *p, size_t size)
{
    int saved = errno, error = mprotect(p, size, PROT_NONE) ? -errno : 0;
    errno = saved;
    return error;
}

/* To the handler that there was. The default is restored, and the access made again: then the process ends by it, as it would have. */
static void hand_over(int number, siginfo_t *info, void *context)
{
    const struct sigaction *old = &before[number == SIGBUS];
    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(number, info, context);
    else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
        old->sa_handler(number);
    else if (info->si_code > 0 || old->sa_handler == SIG_DFL) {
        sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        if (info->si_code <= 0)
            raise(number); /* someone sent it: no access will do so again */
    }
}

static void caught(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    if (info->si_code <= 0 || !watcher(info->si_addr))
        hand_over(number, info, context);
    errno = saved;
}

/* On the stack that the program set aside for signals, if it did: the fault may be an overflow of the stack. */
int tarn__fault_watch(bool (*seen)(void *address))
{
    static _Atomic bool watching;
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    int saved = errno, error = 0;
    if (atomic_exchange(&watching, true))
        return 0;
    watcher = seen;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, &before[0]) || sigaction(SIGBUS, &action, &before[1]))
        error = -errno;
    errno = saved;
    return error;
}
