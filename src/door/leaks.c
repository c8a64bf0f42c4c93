/*
 * The search for leaks at the end of a program that `tarn run --leaks` started: what is left is looked through from outside, by the command, and for that
 * the process waits at its end, with all its memory as it is.
 *
 * TARN_LEAKS names a socket of the command's (an abstract address). At the end of exit(), quick_exit() or _exit() the process connects to it and reads: the
 * command learns from the system who that is, looks, and closes. Should the command have ended, the system closes for it, or there is nobody to connect to:
 * so nothing waits for ever. A process that the command does not want to look at is let go at once. Where a filter bears on system calls nothing is asked.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "door/door.h"
#include "os/os.h"
#include "os/thread.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address;
static socklen_t address_length; /* 0: nobody asks */
static pid_t owner;              /* a vfork child runs in its parent's memory */
static atomic_flag told = ATOMIC_FLAG_INIT;

/* The calls themselves: no cancellation ends the thread in one of them, and no other library stands in front. */
static void wait_for_command(void)
{
    char byte;
    long got, fd = syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    do
        got = syscall(SYS_connect, fd, &address, address_length);
    while (got < 0 && errno == EINTR);
    while (got == 0 && syscall(SYS_read, fd, &byte, 1) < 0 && errno == EINTR)
        ;
    syscall(SYS_close, fd);
}

void tarn__leaks_end(void)
{
    int saved = errno;
    if (address_length && owner == getpid() && !tarn__os_filtered() && !atomic_flag_test_and_set(&told))
        wait_for_command();
    errno = saved;
}

static void begin_in_child(void)
{
    owner = getpid();
    atomic_flag_clear(&told);
}

__attribute__((constructor(202))) static void begin(void)
{
    const char *name = getauxval(AT_SECURE) ? NULL : getenv("TARN_LEAKS");
    size_t length = name ? strlen(name) : 0;

    if (length == 0 || length >= sizeof address.sun_path)
        return;
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path + 1, name, length); /* behind a zero: it is no path */
    owner = getpid();
    tarn__thread_at_fork(NULL, NULL, begin_in_child);
    at_quick_exit(tarn__leaks_end);
    address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

__attribute__((destructor)) static void end(void) { tarn__leaks_end(); }
