/* fs/mbcache.c, the file systems' cache of attribute blocks: an object cache and a shrinker, emptied by reclaim while others insert. */
#include "driver.h"

#include <linux/mbcache.h>
#include <tarn/shrinker.h>

#define ENTRIES 900

static struct mb_cache *blocks;

static void insert(u32 from, u32 to)
{
    for (u32 key = from; key < to; key++)
        require(mb_cache_entry_create(blocks, GFP_NOFS, key, key * 3ull, true) == 0);
}

static u32 count_present(void)
{
    u32 present = 0;

    for (u32 key = 0; key < ENTRIES; key++) {
        struct mb_cache_entry *entry = mb_cache_entry_get(blocks, key, key * 3ull);

        if (entry) {
            present++;
            mb_cache_entry_put(blocks, entry);
        }
    }
    return present;
}

static void *reclaim(void *unused)
{
    for (int i = 0; i < 200; i++)
        tarn_shrink_all(GFP_KERNEL, 0);
    return unused;
}

int main(void)
{
    pthread_t thread;
    struct mb_cache_entry *held;

    tarn_warn_to(count_warning);
    require(client_module_init() == 0);
    require((blocks = mb_cache_create(6)) != NULL);
    insert(0, ENTRIES);
    require(count_present() == ENTRIES);
    require(mb_cache_entry_create(blocks, GFP_NOFS, 5, 15, true) == -EBUSY);

    /* What is held stays; the first pass only forgets that the others were used. */
    held = mb_cache_entry_get(blocks, 7, 21);
    require(held != NULL);
    for (int i = 0; i < 4; i++)
        tarn_shrink_all(GFP_KERNEL, 0);
    require(count_present() < ENTRIES / 2);
    require(held->e_value == 21);
    mb_cache_entry_put(blocks, held);

    require(pthread_create(&thread, NULL, reclaim, NULL) == 0);
    for (u32 round = 1; round < 50; round++)
        insert(round * 1000, round * 1000 + 500);
    pthread_join(thread, NULL);

    mb_cache_destroy(blocks);
    client_module_exit();
    require(client_warnings == 0);
    puts("mbcache: shrank beside its users");
    return 0;
}
