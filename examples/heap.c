/*
 * Heaps: a program with plugins gives each a heap of its own. So it sees what
 * each uses, limits it, and ends it in one call.
 */
#include <tarn/alloc.h>
#include <tarn/heap.h>

#include <stdio.h>
#include <string.h>

/* Asked at a limit: who frees something here may save the request. */
static void limit_reached(void *context, struct tarn_heap *heap, size_t size)
{
    (void)context;
    printf("  %s: no room for %zu bytes more\n", tarn_heap_name(heap), size);
}

static void show(struct tarn_heap *heap)
{
    struct tarn_heap_stats now;

    tarn_heap_stats(heap, &now);
    printf("%-8s %3ju objects, %6ju bytes, %ju children\n",
           tarn_heap_name(heap), (uintmax_t)now.live_objects,
           (uintmax_t)now.live_bytes, (uintmax_t)now.children);
}

int main(void)
{
    struct tarn_heap_options options = {
        .name = "plugins", .hard_limit = 100000, .over_hard = limit_reached};
    struct tarn_heap *plugins = tarn_heap_create(&options);
    /* What the children use counts against their parent's limit. */
    struct tarn_heap *spell = tarn_heap_create(
        &(struct tarn_heap_options){.name = "spell", .parent = plugins});
    struct tarn_heap *paint = tarn_heap_create(
        &(struct tarn_heap_options){.name = "paint", .parent = plugins});

    if (!plugins || !spell || !paint)
        return 1;
    char *word = tarn_heap_alloc(spell, 100);
    for (int i = 0; i < 50; i++)
        (void)tarn_heap_calloc(paint, 1, 1024);
    void *picture = tarn_heap_alloc(paint, 60000);
    printf("60000 bytes for paint: %s\n", picture ? "yes" : "no");
    show(spell);
    show(paint);
    show(plugins);

    /* Objects are ordinary ones: any code frees them. Each knows its heap. */
    printf("the word is %s's\n", tarn_heap_name(tarn_heap_of(word)));
    tarn_free(word);
    show(spell);

    /* The plugin goes, and with it all that it never freed. */
    printf("paint ends with %zu objects\n", tarn_heap_destroy(paint));
    show(plugins);
    printf("all end with %zu objects\n",
           tarn_heap_destroy(plugins)); /* and spell with it */
    return 0;
}
