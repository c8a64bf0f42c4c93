/*
 * One standard input for several runs; see input.h.
 */
#define _GNU_SOURCE 1
#include "input.h"

#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 1000 /* an input that is still open after that may never end: say what is waited for */

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        tool_die("cannot open /dev/null: %s", strerror(errno));
    return fd;
}

/* A file without a name: it goes when this command ends, however that ends. */
static int open_temporary(void)
{
    const char *directory = getenv("TMPDIR");
    char path[4096];
    int fd;

    directory = directory && *directory ? directory : "/tmp";
    fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    snprintf(path, sizeof path, "%s/tarn-input-XXXXXX", directory);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        tool_die("cannot make a temporary file for the standard input in %s: %s", directory, strerror(errno));
    unlink(path);
    return fd;
}

static int copy_input(bool quiet)
{
    static char buffer[65536];
    int fd = open_temporary();
    ssize_t length;

    for (;;) {
        struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
        int error;

        if (!quiet && poll(&ready, 1, PATIENCE_MS) == 0) {
            tool_complain("waiting for the end of the standard input, to give the same to every run");
            quiet = true;
        }
        length = read(STDIN_FILENO, buffer, sizeof buffer);
        if (length == 0 || (length < 0 && errno != EINTR && errno != EAGAIN))
            return fd;
        if (length < 0) {
            (void)poll(&ready, 1, -1);
            continue;
        }
        error = tool_write(fd, buffer, (size_t)length);
        if (error)
            tool_die("cannot save the standard input: %s", strerror(-error));
    }
}

void tool_input_take(struct tool_input *input, bool quiet)
{
    struct stat status;
    int probe;

    *input = (struct tool_input){.fd = -1};
    if (isatty(STDIN_FILENO) || fstat(STDIN_FILENO, &status) != 0) {
        input->fd = open_null();
        return;
    }
    if (S_ISREG(status.st_mode)) {
        input->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        input->begin = lseek(STDIN_FILENO, 0, SEEK_CUR);
        probe = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
        if (input->fd >= 0 && probe >= 0 && input->begin >= 0) {
            close(probe);
            return;
        }
        if (probe >= 0)
            close(probe);
        tool_input_close(input);
        input->begin = 0;
    }
    input->fd = copy_input(quiet);
}

int tool_input_open(const struct tool_input *input)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/self/fd/%d", input->fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        tool_die("cannot open the saved standard input: %s", strerror(errno));
    (void)lseek(fd, input->begin, SEEK_SET); /* fails for /dev/null only in theory, and harmlessly */
    return fd;
}

void tool_input_close(struct tool_input *input)
{
    if (input->fd >= 0)
        close(input->fd);
    input->fd = -1;
}
