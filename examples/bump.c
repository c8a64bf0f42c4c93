/*
 * Bump arena: a server answers requests. All that a request allocates goes at
 * once when it is answered, and what it opened is closed.
 */
#include <tarn/bump.h>

#include <stdio.h>
#include <string.h>

/* What a request opens, besides memory. */
static void close_file(void *argument)
{
    const char *name = argument;
    printf("    closed %s\n", name);
}

static char *copy(struct tarn_bump *bump, const char *text)
{
    size_t size = strlen(text) + 1;
    char *p = tarn_bump_alloc(bump, size);
    return p ? memcpy(p, text, size) : NULL;
}

static void answer(struct tarn_bump *bump, const char *request)
{
    struct tarn_bump_mark before = tarn_bump_mark(bump);
    char *name = copy(bump, request);
    char *body = tarn_bump_alloc(bump, 5000); /* no free for any of these */

    if (name && body && tarn_bump_cleanup(bump, close_file, name) == 0) {
        (void)snprintf(body, 5000, "the contents of %s", name);
        printf("  %s\n", body);
    }
    /* Cleanups run, the latest first; the memory is as it was at the mark. */
    tarn_bump_rewind(bump, before);
}

int main(void)
{
    static const char *const requests[] = {"index.html", "style.css",
                                           "logo.svg"};
    static char log_name[] = "the server's log";
    /* Chunks of 64 KiB, from the system. */
    struct tarn_bump *bump = tarn_bump_create(NULL, 0, NULL);
    struct tarn_pool_stats before, after;

    if (!bump)
        return 1;
    char *greeting = copy(bump, "the server's own, for as long as it runs");
    tarn_bump_cleanup(bump, close_file, log_name);
    tarn_bump_stats(bump, &before);

    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        answer(bump, requests[i]);

    tarn_bump_stats(bump, &after);
    printf("after the requests: %s\n", after.live_bytes == before.live_bytes
                                           ? "as before them"
                                           : "something is left");
    printf("%s\n", greeting);
    tarn_bump_destroy(bump); /* runs what is still registered */
    return 0;
}
