/* A program over tarn.c as one may write it: two threads allocate, an object cache and a mempool serve, and nothing is left. */
#include "tarn.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct tarn_cache *cache;

static void *work(void *failed)
{
    for (size_t i = 1; i < 20000; i++) {
        char *text = tarn_malloc(i % 3000 + 1), *object = tarn_cache_alloc(cache, TARN_GFP_KERNEL);
        if (!text || !object)
            return failed;
        text[i % 3000] = object[99] = 'x';
        tarn_free(text);
        tarn_cache_free(cache, object);
    }
    return NULL;
}

int main(void)
{
    static char failed;
    pthread_t thread;
    void *answer;
    cache = tarn_cache_create("program", 100, 0, 0, NULL, NULL);
    if (!cache || pthread_create(&thread, NULL, work, &failed) != 0)
        return 1;
    void *mine = work(&failed);
    pthread_join(thread, &answer);
    tarn_cache_destroy(cache);
    if (mine || answer) {
        puts("not ok: no memory");
        return 1;
    }
    puts("ok");
    return 0;
}
