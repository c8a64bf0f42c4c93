/* Boost.Pool: chunks of one size; runs of them for other sizes, which needs its ordered functions; and its object_pool as an arena. */
#include "pools.h"

#include <boost/pool/object_pool.hpp>
#include <boost/pool/pool.hpp>

struct small {
    char bytes[POOLS_SMALL];
};

static boost::pool<> chunks(POOLS_SIZE);
static boost::pool<> runs(POOLS_SIZE);
static boost::object_pool<small> *objects;

static void *take(size_t) { return chunks.malloc(); }
static void give(void *p, size_t) { chunks.free(p); }

static size_t chunks_of(size_t size) { return (size + POOLS_SIZE - 1) / POOLS_SIZE; }
static void *take_run(size_t size) { return runs.ordered_malloc(chunks_of(size)); }
static void give_run(void *p, size_t size) { runs.ordered_free(p, chunks_of(size)); }

static void *take_object(size_t)
{
    if (!objects)
        objects = new boost::object_pool<small>(1024);
    return objects->malloc();
}
static void forget(void)
{
    delete objects;
    objects = nullptr;
}

int main()
{
    const pools_peer one = {take, give, nullptr};
    pools_pair("boost", one);
    pools_batches("boost", one);
    pools_random("boost", {take_run, give_run, nullptr}, "random-1024", 1024);
    pools_arena("boost", {take_object, give, forget});
    return 0;
}
