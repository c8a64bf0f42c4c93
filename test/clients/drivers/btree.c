/*
 * lib/btree.c, a tree whose nodes come from a mempool over an object cache: half a million random operations beside an array that knows what must be
 * there, with and without failures below the pool.
 */
#include "driver.h"

#include <linux/btree.h>

#define KEYS 20000

static char present[KEYS + 1];
static char value; /* what all keys lead to */

static void operate(struct btree_head32 *tree, struct rnd_state *random, int operations)
{
    for (int i = 0; i < operations; i++) {
        u32 key = 1 + prandom_u32_state(random) % KEYS;

        if (present[key]) {
            require(btree_lookup32(tree, key) == &value);
            require(btree_remove32(tree, key) == &value);
            present[key] = 0;
        } else {
            require(btree_lookup32(tree, key) == NULL);
            /* Without sleep the pool may have nothing, and then nothing has changed. */
            int error = btree_insert32(tree, key, &value, i % 2 ? GFP_KERNEL : GFP_ATOMIC);

            require(error == 0 || (error == -ENOMEM && i % 2 == 0));
            present[key] = error == 0;
        }
    }
}

static void agree(struct btree_head32 *tree)
{
    size_t expected = 0, found = 0;
    u32 key = 0;

    for (int i = 1; i <= KEYS; i++)
        expected += (size_t)present[i];
    for (void *at = btree_last32(tree, &key); at; at = btree_get_prev32(tree, &key)) {
        require(present[key]);
        found++;
    }
    require(found == expected);
}

int main(void)
{
    struct rnd_state random;
    struct btree_head32 tree;

    tarn_warn_to(count_warning);
    prandom_seed_state(&random, 2026);
    require(client_module_init() == 0);
    require(btree_init32(&tree) == 0);
    operate(&tree, &random, 300000);
    agree(&tree);
    fail_each(TARN_FAIL_SLAB, 7);
    operate(&tree, &random, 200000);
    fail_each(TARN_FAIL_SLAB, 0);
    agree(&tree);
    for (u32 key = 1; key <= KEYS; key++)
        if (present[key])
            require(btree_remove32(&tree, key) == &value);
    btree_destroy32(&tree);
    client_module_exit();
    require(client_warnings == 0);
    puts("btree: agrees with its model");
    return 0;
}
