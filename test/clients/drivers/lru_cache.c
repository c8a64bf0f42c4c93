/* lib/lru_cache.c, a fixed set of objects made from a cache at once: references, reuse of the least recently used, starving, and its making under failures. */
#include "driver.h"

#include <linux/lru_cache.h>

struct item {
    u64 before;
    struct lc_element element;
    char text[40];
};

#define ITEMS 128

static struct lru_cache *make(struct kmem_cache *cache)
{
    return lc_create("items", cache, 1, ITEMS, sizeof(struct item), offsetof(struct item, element));
}

int main(void)
{
    struct kmem_cache *cache = KMEM_CACHE(item, SLAB_NO_MERGE);
    struct lru_cache *lru;
    int made = 0;

    tarn_warn_to(count_warning);
    require(cache != NULL);
    /* Made under failures: either whole, or not at all. */
    for (unsigned long space = 0; space < 140; space++) {
        struct tarn_fail_attributes one = {.probability = 100, .times = 1, .space = space, .only = cache};

        require(tarn_fail_set(TARN_FAIL_SLAB, &one) == 0);
        lru = make(cache);
        made += lru != NULL;
        require((lru != NULL) == (space >= ITEMS));
        if (lru)
            lc_destroy(lru);
    }
    require(tarn_fail_set(TARN_FAIL_SLAB, NULL) == 0);
    require(made == 140 - ITEMS);

    lru = make(cache);
    require(lru != NULL);
    for (unsigned int round = 0; round < 2000; round++) {
        struct lc_element *element = lc_get(lru, round);

        require(element != NULL);
        struct item *item = lc_entry(element, struct item, element);

        memset(item->text, (int)round, sizeof item->text);
        lc_committed(lru);
        require(lc_find(lru, round) == element);
        require(lc_put(lru, element) == 0);
    }
    require(lc_find(lru, 1999) != NULL);
    require(lc_find(lru, 0) == NULL);
    for (unsigned int i = 0; i < ITEMS; i++) {
        require(lc_get(lru, 10000 + i) != NULL);
        lc_committed(lru);
    }
    require(lc_get(lru, 50000) == NULL); /* all are in use */
    for (unsigned int i = 0; i < ITEMS; i++)
        require(lc_put(lru, lc_find(lru, 10000 + i)) == 0);
    lc_destroy(lru);
    kmem_cache_destroy(cache);
    require(client_warnings == 0);
    puts("lru_cache: whole or not at all");
    return 0;
}
