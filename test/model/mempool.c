/*
 * A mempool over a finite allocator, against two numbers: how many elements the reserve has, and how many the allocator below
 * could still give. One thread, which never waits.
 */
#include "base/fail.h"
#include "mempool/mempool.h"
#include "test/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HELD = 64, SIZE = 24, SUPPLY = 48 };

/* Below: `left` elements to be had. */
static int left;

static void *get(tarn_gfp_t flags, void *data)
{
    (void)flags;
    (void)data;
    return left > 0 ? left--, malloc(SIZE) : NULL;
}

static void put(void *element, void *data)
{
    (void)data;
    left++;
    free(element);
}

/* What is expected, and what is in use. */
static struct {
    struct tarn_mempool *pool;
    int min_nr, reserve, left;
    void *held[HELD];
    unsigned count;
} m;

static void require_same(void)
{
    MODEL_REQUIRE(m.pool->min_nr == m.min_nr, "min_nr is what was asked for");
    MODEL_REQUIRE(m.pool->curr_nr == m.reserve, "the reserve is as the model's");
    MODEL_REQUIRE(left == m.left, "the allocator below has as much as the model's");
    MODEL_REQUIRE(m.reserve + (int)m.count + left == SUPPLY, "no element is made or lost");
    MODEL_REQUIRE(tarn_mempool_is_saturated(m.pool) == (m.reserve >= m.min_nr), "saturated says whether the reserve is full");
    tarn__mempool_check(m.pool);
}

static void hold(void *element, uint64_t *random)
{
    MODEL_REQUIRE(element, "there is an element");
    for (unsigned i = 0; i < m.count; i++)
        MODEL_REQUIRE(m.held[i] != element, "no element has two owners");
    memset(element, (int)(model_random(random) & 255), SIZE);
    m.held[m.count++] = element;
}

static void *let_go(uint64_t *random)
{
    unsigned i = (unsigned)(model_random(random) % m.count);
    void *element = m.held[i];
    m.held[i] = m.held[--m.count];
    return element;
}

static void allocate(uint64_t *random)
{
    bool from_below = m.left > 0, possible = from_below || m.reserve > 0;
    if (m.count == HELD)
        return;
    void *element = tarn_mempool_alloc(m.pool, possible ? TARN_GFP_KERNEL : TARN_GFP_ATOMIC);
    MODEL_REQUIRE(!element == !possible, "an element is had exactly if there is one");
    if (element)
        hold(element, random);
    m.left -= from_below;
    m.reserve -= !from_below && possible;
}

static void allocate_reserved(uint64_t *random)
{
    if (m.count == HELD)
        return;
    void *element = tarn_mempool_alloc_preallocated(m.pool);
    MODEL_REQUIRE(!element == !m.reserve, "the reserve gives what it has");
    if (element)
        hold(element, random);
    m.reserve -= element != NULL;
}

static void allocate_bulk(uint64_t *random)
{
    void *elements[8] = {NULL};
    int count = (int)(model_random(random) % 8) + 1;
    int below = m.left < count ? m.left : count, rest = count - below;
    if (m.count + (unsigned)count > HELD)
        return;
    int error = tarn_mempool_alloc_bulk(m.pool, elements, (unsigned)count, 0, TARN_GFP_ATOMIC);
    MODEL_REQUIRE(error == (rest <= m.reserve ? 0 : -ENOMEM), "the reserve gives all that is missing, or nothing");
    m.left -= below;
    m.reserve -= error ? 0 : rest;
    for (int i = 0; i < (error ? below : count); i++)
        hold(elements[i], random);
}

static void release(uint64_t *random)
{
    if (m.count == 0)
        return;
    bool is_short = m.reserve < m.min_nr;
    tarn_mempool_free(let_go(random), m.pool);
    m.reserve += is_short;
    m.left += !is_short;
}

static void release_bulk(uint64_t *random)
{
    void *elements[40];
    unsigned count = (unsigned)(model_random(random) % 40);
    if (count > m.count)
        return;
    for (unsigned i = 0; i < count; i++)
        elements[i] = let_go(random);
    int room = m.min_nr - m.reserve;
    unsigned expected = (unsigned)room < count ? (unsigned)room : count;
    unsigned done = tarn_mempool_free_bulk(m.pool, elements, count);
    MODEL_REQUIRE(done == expected, "the reserve is filled, and the rest is left");
    m.reserve += (int)done;
    for (unsigned i = done; i < count; i++)
        m.held[m.count++] = elements[i];
}

static void resize(uint64_t *random)
{
    int min_nr = (int)(model_random(random) % 40) + 1;
    MODEL_REQUIRE(tarn_mempool_resize(m.pool, min_nr) == 0, "a pool can change its size");
    while (m.reserve > min_nr)
        m.reserve--, m.left++;
    while (m.reserve < min_nr && m.left)
        m.reserve++, m.left--;
    m.min_nr = min_nr;
}

static void run(uint64_t seed)
{
    static void (*const acts[])(uint64_t *) = {allocate, allocate, allocate_reserved, allocate_bulk, release,
                                               release,  release,  release_bulk,      resize};
    uint64_t random = seed;
    memset(&m, 0, sizeof m);
    left = SUPPLY;
    m.min_nr = m.reserve = 4;
    m.left = SUPPLY - 4;
    m.pool = tarn_mempool_create(4, get, put, NULL);
    MODEL_REQUIRE(m.pool, "a pool can be made");
    if (seed & 1)
        MODEL_REQUIRE(tarn_mempool_poison(m.pool, SIZE) == 0, "a pool can be poisoned");
    while (model_goes_on()) {
        acts[model_random(&random) % (sizeof acts / sizeof *acts)](&random);
        require_same();
    }
    while (m.count)
        tarn_mempool_free(m.held[--m.count], m.pool);
    tarn_mempool_destroy(m.pool);
    MODEL_REQUIRE(left == SUPPLY, "all elements are given back");
}

int main(int argc, char **argv)
{
    tarn__set_fail_exit(model_fail_exit);
    return model_main(argc, argv, run);
}
