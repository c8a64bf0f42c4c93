/* The malloc family by one thread. Everything is verified every now and then, with the heap's own counts. */
#include "test/model/heap.h"

#include "tarn/alloc.h"

enum { OBJECTS = 3000 };
static struct object objects[OBJECTS];

static void verify_all(void)
{
    size_t live = 0, bytes = 0;
    for (size_t i = 0; i < OBJECTS; i++)
        if (objects[i].p) {
            heap_verify(&objects[i]);
            live++;
            bytes += tarn_usable_size(objects[i].p);
        }
    heap_require_live(live, bytes);
    heap_check();
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    heap_begin();
    for (size_t i = 1; model_goes_on(); i++) {
        heap_step(&random, &objects[model_below(&random, OBJECTS)]);
        if (i % 10000 == 0)
            verify_all();
    }
    verify_all();
    for (size_t i = 0; i < OBJECTS; i++)
        if (objects[i].p)
            heap_give(&random, &objects[i]);
    heap_require_empty();
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
