/*
 * libtarn.so opened by a thread, late, in a program that has used up room for static thread-local storage: it works, or the loader
 * says what is missing, and the program goes on.
 *
 *     tls LIBTARN MODULE...     modules that take less and less of that room
 */
#include "../door/check.h"

#include <pthread.h>
#include <sys/wait.h>

static char **modules;
static const char *library;

static bool use(void *opened)
{
    void *(*get)(size_t size);
    void (*release)(void *p);
    *(void **)&get = dlsym(opened, "tarn_malloc");
    *(void **)&release = dlsym(opened, "tarn_free");
    if (!CHECK(get && release, "dlsym: %s", dlerror()))
        return false;
    bool right = true;
    for (unsigned i = 1; i < 300; i++) {
        void *p = get(i * 300);
        if (p)
            stamp(p, i * 300, i);
        right &= p && stamped(p, i * 300, i);
        release(p);
    }
    return CHECK(right, "objects were changed");
}

/* Whether the library was had; when not, why is said. */
static bool open_and_use(void)
{
    void *opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (opened)
        return use(opened);
    const char *why = dlerror();
    CHECK(why && strstr(why, "static TLS"), "refused without the reason: %s", why ? why : "");
    return false;
}

/* Modules of `to` from `from` on that can be had. */
static unsigned open_modules(unsigned from, unsigned to)
{
    unsigned opened = 0;
    for (unsigned i = from; i < to && modules[i]; i++)
        opened += dlopen(modules[i], RTLD_NOW | RTLD_LOCAL) != NULL;
    return opened;
}

static void *open_with_room(void *unused)
{
    (void)unused;
    CHECK(open_modules(1, 2) == 1, "the module of 512 bytes was not had");
    CHECK(open_and_use(), "the library was refused though there is room: %s", library);
    return NULL;
}

static void *open_without(void *unused)
{
    (void)unused;
    if (!modules[open_modules(0, 100)]) {
        printf("# there is more room than all modules take\n");
        return NULL;
    }
    CHECK(!open_and_use(), "the library was had without room");
    void *p = malloc(100000);
    CHECK(p && !open_and_use(), "the library was had without room, the second time");
    free(p);
    return NULL;
}

/* In a process of its own, as what is open stays. */
static void in_process(void *(*run)(void *))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        alarm(20);
        if (pthread_create(&thread, NULL, run, NULL) != 0)
            _exit(9);
        pthread_join(thread, NULL);
        _exit(check_failures != 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the process ended with %#x", status);
}

static void with_room(void) { in_process(open_with_room); }
static void without_room(void) { in_process(open_without); }

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"opened by a thread, some static TLS used", with_room},
        {"opened by a thread, all static TLS used", without_room},
    };
    if (argc < 3 || dlsym(RTLD_DEFAULT, "tarn_stats")) {
        printf("Bail out! tarn is there already, or there are no modules\n");
        return 1;
    }
    library = argv[1];
    modules = argv + 2;
    return CASES(cases);
}
