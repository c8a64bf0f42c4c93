/* lib/generic-radix-tree.c, which takes whole pages: filled sparsely, read back, preallocated, and grown under failures. */
#include "driver.h"

#include <linux/generic-radix-tree.h>

struct entry {
    u64 index, square;
};

static GENRADIX(struct entry) tree;

static u64 place(u64 i) { return i * i * 7 % 1000003; }

int main(void)
{
    genradix_init(&tree);
    for (u64 i = 0; i < 3000; i++) {
        struct entry *entry;

        fail_each(TARN_FAIL_PAGES, i % 3 == 0 ? 2 : 0);
        entry = genradix_ptr_alloc(&tree, place(i), GFP_NOWAIT);
        fail_each(TARN_FAIL_PAGES, 0);
        if (!entry)
            entry = genradix_ptr_alloc(&tree, place(i), GFP_KERNEL);
        require(entry != NULL);
        entry->index = place(i);
        entry->square = place(i) * place(i);
    }
    for (u64 i = 0; i < 3000; i++) {
        struct entry *entry = genradix_ptr(&tree, place(i));

        require(entry && entry->index == place(i) && entry->square == place(i) * place(i));
    }
    size_t seen = 0;
    struct genradix_iter iter;
    struct entry *entry;

    genradix_for_each(&tree, iter, entry) seen += entry->square == entry->index * entry->index && entry->square != 0;
    require(seen > 2900);
    genradix_free(&tree);
    require(genradix_prealloc(&tree, 5000, GFP_KERNEL) == 0);
    require(genradix_ptr(&tree, 4999) != NULL);
    require(genradix_ptr(&tree, 4999)->square == 0);
    genradix_free(&tree);
    puts("genradix: all was found");
    return 0;
}
