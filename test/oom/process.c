/*
 * Each call to the system fails in its turn, as threads begin and end and in the child of a fork:  oom_process [on [n]]     (as heap.c, which see)
 *
 * Threads whose first call fails live without a cache of their own and leave nothing; the child goes on from where its parent was, with the same
 * number of calls behind it, so the failing one may be either's.
 */
#include "test/oom/oom.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "os/fake.h"
#include "page/meta.h"
#include "tarn/alloc.h"
#include "tarn/stats.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
enum { THREADS = 3, OBJECTS = 200 };

static struct own {
    unsigned char *p[OBJECTS];
    size_t size[OBJECTS];
    unsigned count;
} owns[THREADS + 1];

static size_t edge(size_t size) { return size < 256 ? size : 256; }

static void get(struct own *own, size_t size)
{
    unsigned char *p = tarn_malloc(size);
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    if (!p)
        return;
    own->size[own->count] = size;
    own->p[own->count] = p;
    memset(p, (int)++own->count, edge(size));
}

static void drop_all(struct own *own)
{
    for (unsigned i = 0; i < own->count; i++) {
        for (size_t at = 0; at < edge(own->size[i]); at++)
            REQUIRE(own->p[i][at] == (unsigned char)(i + 1), "contents are intact");
        tarn_free(own->p[i]);
    }
    own->count = 0;
}

static void get_some(struct own *own)
{
    for (size_t size = 8; size < 3 * MIB; size = size * 2 + 24)
        for (int i = 0; i < 3; i++)
            get(own, size);
}

static pthread_key_t key;

/* Runs twice: before the thread's cache is taken from it, or after. */
static void at_end(void *own)
{
    get(own, 100);
    get(own, 60000);
    drop_all(own);
    static _Thread_local bool again;
    if (!again)
        again = true, pthread_setspecific(key, own);
}

static void *live(void *own)
{
    pthread_setspecific(key, own);
    get_some(own);
    return NULL;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&thread[i], NULL, live, &owns[i]) == 0, "a thread starts");
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void script(void)
{
    get_some(&owns[THREADS]);
    threads();
    drop_all(&owns[THREADS]);
    tarn_trim(0);
    tarn__zone_check(&tarn__heap.zone);
}

static void when_it_works_in_child(void)
{
    struct tarn_stats stats;
    tarn__fake_fail(0, 0, 0);
    oom_must = true;
    script();
    tarn_stats(&stats);
    REQUIRE(stats.live_objects == 0 && stats.live_bytes == 0, "nothing lives in the child");
    REQUIRE(tarn__heap.zone.pages == 0, "every page is given back in the child");
}

/* Set by the child, which a parent cannot ask how many of its calls failed. */
enum { CHILD_FAILED = 3 };

static bool failed_in_child(void)
{
    int status = -1;
    get_some(&owns[THREADS]);
    tarn__heap_fork_prepare();
    pid_t pid = fork();
    if (pid == 0) {
        tarn__heap_fork_child();
        alarm(60);
        drop_all(&owns[THREADS]);
        script();
        bool failed = tarn__fake_failed() != 0;
        when_it_works_in_child();
        _exit(failed ? CHILD_FAILED : 0);
    }
    tarn__heap_fork_parent();
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status), "the child ends by itself");
    REQUIRE(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CHILD_FAILED, "the child ends as it should");
    return WEXITSTATUS(status) == CHILD_FAILED;
}

/* Returns 0 or OOM_NO_FAILURE. */
int oom_run(uint64_t n, uint64_t times)
{
    struct tarn_stats stats;
    tarn__heap_ready();
    if (pthread_key_create(&key, at_end) != 0)
        return -1;
    tarn__fake_fail(TARN__FAKE_ANY, n, times);
    script();
    bool child = failed_in_child();
    drop_all(&owns[THREADS]);
    uint64_t failed = tarn__fake_failed();
    tarn__fake_fail(0, 0, 0);
    oom_must = true;
    script();
    tarn_stats(&stats);
    REQUIRE(stats.live_objects == 0 && stats.live_bytes == 0, "nothing lives");
    REQUIRE(tarn__heap.zone.pages == 0, "every page is given back");
    REQUIRE(tarn__fake_mapped() - tarn__meta_bytes() <= failed * 4 * MIB,
            "nothing is lost but what the system refused to take back");
    return failed || child ? 0 : OOM_NO_FAILURE;
}
