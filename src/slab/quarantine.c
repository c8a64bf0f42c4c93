#include "slab/quarantine.h"

#include "base/bits.h"
#include "page/meta.h"
#include "slab/debug.h"

enum { MOST_LEAVING = 32 };

struct queue {
    struct tarn__lock lock;
    size_t bytes;
    size_t first, count; /* of `entry` */
    struct entry {
        void *object;
        size_t size;
    } * entry; /* TARN__QUARANTINE_OBJECTS of them; NULL: nobody has used it yet */
};

#define QUEUE                                                                                                                  \
    {                                                                                                                          \
        .lock = TARN__LOCK_INIT(TARN__RANK_QUARANTINE)                                                                         \
    }
#define QUEUES_4 QUEUE, QUEUE, QUEUE, QUEUE
static struct queue queues[TARN__QUARANTINES] = {QUEUES_4, QUEUES_4, QUEUES_4, QUEUES_4};

struct leaving {
    size_t count;
    void *object[MOST_LEAVING];
};

/* The first leaves. The lock is held, as in the next. */
static void take(struct queue *queue, struct leaving *leaving)
{
    const struct entry *entry = &queue->entry[queue->first];
    leaving->object[leaving->count++] = entry->object;
    queue->bytes -= entry->size;
    queue->first = (queue->first + 1) % TARN__QUARANTINE_OBJECTS;
    queue->count--;
}

static void add(struct queue *queue, void *object, size_t size)
{
    queue->entry[(queue->first + queue->count++) % TARN__QUARANTINE_OBJECTS] = (struct entry){object, size};
    queue->bytes += size;
}

static void release(const struct leaving *leaving)
{
    for (size_t i = 0; i < leaving->count; i++)
        tarn__debug_release(leaving->object[i]);
}

void tarn__quarantine_add(void *object, size_t size)
{
    struct queue *queue = &queues[tarn__thread_id() % TARN__QUARANTINES];
    struct leaving leaving = {0};
    struct entry *room = NULL;
    if (!__atomic_load_n(&queue->entry, __ATOMIC_RELAXED))
        room = tarn__meta_alloc(TARN__QUARANTINE_OBJECTS * sizeof *room, sizeof(void *));
    tarn__lock(&queue->lock);
    if (!queue->entry)
        __atomic_store_n(&queue->entry, room, __ATOMIC_RELAXED);
    if (queue->entry) {
        while (queue->count == TARN__QUARANTINE_OBJECTS ||
               (queue->bytes + size > TARN__QUARANTINE_BYTES && leaving.count < MOST_LEAVING))
            take(queue, &leaving);
        add(queue, object, size);
    } else {
        leaving.object[leaving.count++] = object;
    }
    tarn__unlock(&queue->lock);
    release(&leaving);
}

void tarn__quarantine_empty(void)
{
    for (int i = 0; i < TARN__QUARANTINES; i++) {
        struct leaving leaving;
        do {
            leaving.count = 0;
            tarn__lock(&queues[i].lock);
            while (queues[i].count > 0 && leaving.count < MOST_LEAVING)
                take(&queues[i], &leaving);
            tarn__unlock(&queues[i].lock);
            release(&leaving);
        } while (leaving.count > 0);
    }
}

void tarn__quarantine_each_lock(void (*act)(struct tarn__lock *))
{
    for (int i = 0; i < TARN__QUARANTINES; i++)
        act(&queues[i].lock);
}
