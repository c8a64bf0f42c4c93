/*
 * Processes that wait at their end; see leaks_watch.h.
 */
#define _GNU_SOURCE 1
#include "leaks_watch.h"

#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * TARN_DEBUG with the letter L for all pools: added to each list of letters that is there (src/base/modes.h has their form), and a last list of its own for
 * what none of them names. Q is taken out: what is in quarantine is freed, and would seem to be lost.
 */
static char *with_users(const char *before)
{
    size_t length = before ? strlen(before) : 0;
    char *made = tool_grow(NULL, 2 * length + 8), *to = made;
    bool letters = true;

    for (const char *at = before; length > 0 && *at; at++) {
        if (letters && (at == before || at[-1] == ';') && !memchr(at, 'L', strcspn(at, ",;")))
            *to++ = 'L';
        letters = *at == ';' || (letters && *at != ',');
        if (!letters || *at != 'Q')
            *to++ = *at;
    }
    strcpy(to, length > 0 ? ";L" : "L");
    return made;
}

bool tool_leaks_watch_open(struct tool_leaks_watch *watch)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(watch->name, sizeof watch->name, "tarn-leaks-%d-%llx", (int)getpid(), (unsigned long long)tool_now());

    memcpy(address.sun_path + 1, watch->name, (size_t)length);
    watch->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (watch->socket < 0 || fcntl(watch->socket, F_SETOWN, getpid()) != 0 ||
        fcntl(watch->socket, F_SETFL, O_ASYNC | O_NONBLOCK) != 0 ||
        bind(watch->socket, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) != 0 ||
        listen(watch->socket, 64) != 0) {
        tool_complain("run: --leaks: no socket can be made: %s", strerror(errno));
        return false;
    }
    watch->debug = with_users(getenv("TARN_DEBUG"));
    return true;
}

void tool_leaks_watch_close(struct tool_leaks_watch *watch)
{
    if (watch->socket >= 0)
        close(watch->socket);
    free(watch->debug);
    watch->socket = -1;
    watch->debug = NULL;
}

/* Composed in memory, so that it is one piece even where others write to the same place. */
static FILE *begin_text(char **text, size_t *length)
{
    FILE *out = open_memstream(text, length);

    if (!out)
        tool_die("out of memory");
    return out;
}

static void end_text(const struct tool_leaks_watch *watch, FILE *out, char **text, const size_t *length)
{
    int error;

    if (fclose(out) != 0)
        tool_die("out of memory");
    error = tool_write(watch->report, *text, *length);
    if (error)
        tool_complain("cannot write the report of leaks: %s", strerror(-error));
    free(*text);
}

static void report(const struct tool_leaks_watch *watch, const struct tool_live *live, const struct tool_leaks *leaks)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = begin_text(&text, &length);

    (watch->options->json ? tool_leaks_emit : tool_leaks_print)(out, live, watch->options, leaks);
    end_text(watch, out, &text, &length);
}

void tool_leaks_watch_end(const struct tool_leaks_watch *watch)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out;

    if (!watch->checked || watch->options->json)
        return;
    out = begin_text(&text, &length);
    tool_leaks_print_unused(out, watch->options);
    end_text(watch, out, &text, &length);
}

static void look_at(struct tool_leaks_watch *watch, pid_t pid, pid_t program)
{
    struct tool_leaks leaks = {.groups = NULL};
    struct tool_live live;
    char number[24];

    snprintf(number, sizeof number, "%d", (int)pid);
    if (tool_live_open(&live, number) != 0)
        return;
    if (tool_leaks_find(&live, watch->options, &leaks) == 0) {
        watch->checked |= pid == program;
        watch->leaks |= tool_leaks_count(&leaks);
        report(watch, &live, &leaks);
    }
    tool_leaks_free(&leaks);
    tool_live_close(&live);
}

void tool_leaks_watch_attend(void *context, pid_t program)
{
    struct tool_leaks_watch *watch = context;
    int asks;

    while ((asks = accept4(watch->socket, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct ucred who = {.pid = 0};
        socklen_t length = sizeof who;

        if (getsockopt(asks, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && who.pid > 0 &&
            (who.pid == program || (watch->children && who.uid == geteuid())))
            look_at(watch, who.pid, program);
        close(asks);
    }
}
