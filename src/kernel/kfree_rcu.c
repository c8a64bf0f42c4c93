/*
 * kfree after a grace period. The head lies somewhere in the object, and all of it is the grace period's meanwhile; so afterwards the object is found
 * from the head's address: through its slab, or as the run of pages around it. Nothing is allocated, nothing is kept here.
 */
#include "alloc/describe.h"
#include "alloc/heap.h"
#include "base/fail.h"
#include "kernel/kmalloc.h"
#include "tarn/rcu.h"

/* With letters it may lie elsewhere than in a slab: whoever describes addresses finds it, as it is live. */
static void free_object(struct tarn_rcu_head *head)
{
    struct tarn__suspect suspect = {0};
    void *object = tarn__object_around(head);
    if (!object)
        tarn__describe(head, &suspect);
    tarn__free(object ? object : (void *)suspect.object);
}

/* The head may lie in any page of the run; it is live, so its beginning is found. */
static void free_run(struct tarn_rcu_head *head)
{
    char *page = (char *)((uintptr_t)head & ~(uintptr_t)(TARN__PAGE_SIZE - 1));
    while (!tarn__run_at(page))
        page -= TARN__PAGE_SIZE;
    tarn__free(page);
}

void tarn_kfree_rcu(void *p, struct tarn_rcu_head *head)
{
    if (TARN_ZERO_OR_NULL(p))
        return;
    size_t size = tarn_ksize(p), offset = (size_t)((char *)head - (char *)p);
    if (size < sizeof *head || offset > size - sizeof *head)
        tarn__report(TARN__INVALID_FREE, "kfree_rcu", p, NULL);
    else
        tarn_rcu_call(head, tarn__run_at(p) ? free_run : free_object);
}

void tarn_kfree_rcu_mightsleep(void *p)
{
    if (TARN_ZERO_OR_NULL(p))
        return;
    tarn_rcu_synchronize();
    tarn__kfree(p);
}
