#include "bench/region/loads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS = 60000, MOST_BLOCKS = 1 << 20 };

static uint64_t next(uint64_t *random)
{
    uint64_t x = *random;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return *random = x;
}

uint32_t load_below(uint64_t *random, uint32_t bound) { return (uint32_t)(((next(random) >> 32) * bound) >> 32); }

static double fraction(uint64_t *random) { return ((double)(next(random) >> 11) + 0.5) / 9007199254740992.0; }

uint32_t load_geometric(uint64_t *random, uint32_t mean) { return 1 + (uint32_t)(-log(fraction(random)) * mean); }

/* Half of them are below `median`; sizes of values in caches are like that. */
static uint32_t lognormal(uint64_t *random, double median, double spread)
{
    double normal = sqrt(-2 * log(fraction(random))) * cos(6.283185307179586 * fraction(random));
    double size = median * exp(spread * normal);
    return size < 1 ? 1 : size > 65536 ? 65536 : (uint32_t)size;
}

static void emit(struct load *load, uint32_t block, uint32_t size)
{
    if (load->count == load->room) {
        load->room = load->room ? 2 * load->room : EVENTS;
        load->events = realloc(load->events, load->room * sizeof *load->events);
        if (!load->events)
            abort();
    }
    load->events[load->count++] = (struct event){block, size};
}

static uint32_t allocate(struct load *load, uint32_t size)
{
    emit(load, load->blocks, size);
    return load->blocks++;
}

static void resize(struct load *load, uint32_t block, uint32_t size) { emit(load, block, size); }
static void release(struct load *load, uint32_t block) { emit(load, block, 0); }

/* Random loads: so many live blocks, of which any is replaced. Twice half of them go, and come again: the peak is met in a state that is old. */
static void replacements(struct load *load, uint64_t *random, uint32_t live, uint32_t (*size)(uint64_t *random))
{
    uint32_t *blocks = calloc(live, sizeof *blocks);
    if (!blocks)
        abort();
    for (uint32_t i = 0; i < live; i++)
        blocks[i] = allocate(load, size(random));
    for (int phase = 0; phase < 3; phase++) {
        for (int i = 0; i < EVENTS / 6; i++) {
            uint32_t at = load_below(random, live);
            release(load, blocks[at]);
            blocks[at] = allocate(load, size(random));
        }
        for (uint32_t i = phase & 1; phase < 2 && i < live; i += 2)
            release(load, blocks[i]);
        for (uint32_t i = phase & 1; phase < 2 && i < live; i += 2)
            blocks[i] = allocate(load, size(random));
    }
    free(blocks);
}

static uint32_t uniform_1k(uint64_t *random) { return 1 + load_below(random, 1024); }
static uint32_t uniform_16k(uint64_t *random) { return 1 + load_below(random, 16384); }
static uint32_t geometric_64(uint64_t *random) { return load_geometric(random, 64); }
static uint32_t geometric_1k(uint64_t *random) { return load_geometric(random, 1024); }
static uint32_t power_of_two(uint64_t *random) { return 16u << load_below(random, 10); }
static uint32_t two_kinds(uint64_t *random)
{
    return load_below(random, 10) ? 16 + load_below(random, 112) : 4096 + load_below(random, 28672);
}

static void random_uniform_1k(struct load *load, uint64_t *random) { replacements(load, random, 4000, uniform_1k); }
static void random_uniform_16k(struct load *load, uint64_t *random) { replacements(load, random, 2000, uniform_16k); }
static void random_geometric_64(struct load *load, uint64_t *random) { replacements(load, random, 5000, geometric_64); }
static void random_geometric_1k(struct load *load, uint64_t *random) { replacements(load, random, 4000, geometric_1k); }
static void random_powers(struct load *load, uint64_t *random) { replacements(load, random, 3000, power_of_two); }
static void random_two_kinds(struct load *load, uint64_t *random) { replacements(load, random, 4000, two_kinds); }

/* An array that grows by doubling, as symbol tables, strings and lists do. */
struct array {
    uint32_t block, used, room;
};

static void array_add(struct load *load, struct array *array, uint32_t bytes)
{
    array->used += bytes;
    if (!array->room) {
        array->room = bytes > 64 ? bytes : 64;
        array->block = allocate(load, array->room);
    } else if (array->used > array->room) {
        while (array->room < array->used)
            array->room *= 2;
        resize(load, array->block, array->room);
    }
}

static void array_end(struct load *load, struct array *array)
{
    if (array->room)
        release(load, array->block);
    *array = (struct array){0, 0, 0};
}

/*
 * A compiler: names and types stay; for each function there are tokens, a tree, then code that is made while the tree goes,
 * then output, which stays. Functions differ in size by two orders.
 */
static void program_compiler(struct load *load, uint64_t *random)
{
    static uint32_t tree[4000], code[6000];
    struct array names = {0, 0, 0}, output = {0, 0, 0};
    while (load->count < EVENTS) {
        uint32_t nodes = lognormal(random, 150, 1.0), instructions = 0;
        nodes = nodes > 4000 ? 4000 : nodes;
        for (uint32_t i = 0; i < nodes; i++) {
            uint32_t token = allocate(load, 8 + load_geometric(random, 8));
            tree[i] = allocate(load, 24 + 8 * load_below(random, 12));
            if (load_below(random, 8) == 0) {
                allocate(load, 40 + load_geometric(random, 12)); /* a name that is new */
                array_add(load, &names, 16);
            }
            release(load, token);
        }
        for (uint32_t i = nodes; i-- > 0;) {
            for (uint32_t k = load_below(random, 3); k > 0 && instructions < 6000; k--)
                code[instructions++] = allocate(load, 48 + 16 * load_below(random, 6));
            release(load, tree[i]);
        }
        uint32_t flow = allocate(load, 64 + 4 * instructions), live = allocate(load, 64 + instructions * 8);
        for (uint32_t i = 0; i < instructions; i++) {
            array_add(load, &output, 4 + load_below(random, 8));
            release(load, code[i]);
        }
        release(load, live);
        release(load, flow);
        if (load_below(random, 4) == 0)
            array_end(load, &output);
        allocate(load, 100 + load_geometric(random, 200)); /* what is known of the function */
    }
}

/* An interpreter: most objects die young, some join what lives long; strings are joined, lists grow, a table doubles. */
static void program_interpreter(struct load *load, uint64_t *random)
{
    enum { YOUNG = 200, OLD = 5000, LISTS = 40 };
    static uint32_t young[YOUNG], old[OLD];
    static struct array lists[LISTS];
    struct array table = {0, 0, 0};
    uint32_t youngs = 0, olds = 0;
    memset(lists, 0, sizeof lists);
    while (load->count < EVENTS) {
        uint32_t kind = load_below(random, 20);
        uint32_t size = kind < 12 ? 16 + 8 * load_below(random, 8) : 33 + load_geometric(random, 60);
        if (youngs == YOUNG) {
            uint32_t at = load_below(random, YOUNG);
            if (load_below(random, 6) == 0) { /* it stays, perhaps for another */
                uint32_t place = olds < OLD ? olds : load_below(random, OLD);
                if (olds < OLD)
                    olds++;
                else
                    release(load, old[place]);
                old[place] = young[at];
                array_add(load, &table, 24);
            } else {
                release(load, young[at]);
            }
            young[at] = young[--youngs];
        }
        young[youngs++] = allocate(load, size);
        struct array *list = &lists[load_below(random, LISTS)];
        if (kind == 19)
            array_add(load, list, 8 * (1 + load_below(random, 20)));
        else if (kind == 18 && load_below(random, 30) == 0)
            array_end(load, list);
    }
}

/* A server: connections with buffers, requests with many small blocks and a body, all freed at their end; and sessions that stay for a time. */
static void program_server(struct load *load, uint64_t *random)
{
    enum { CONNECTIONS = 60, SESSIONS = 2000, PARTS = 40 };
    static struct {
        uint32_t state, buffer, live, parts[PARTS], count;
    } connections[CONNECTIONS];
    static uint32_t sessions[SESSIONS];
    uint32_t made = 0;
    memset(connections, 0, sizeof connections);
    while (load->count < EVENTS) {
        uint32_t at = load_below(random, CONNECTIONS);
        if (!connections[at].live) {
            connections[at].state = allocate(load, 600 + load_below(random, 200));
            connections[at].buffer = allocate(load, 4096);
            connections[at].live = 1;
        } else if (!connections[at].count) {
            connections[at].count = 5 + load_below(random, PARTS - 6);
            for (uint32_t i = 0; i + 1 < connections[at].count; i++)
                connections[at].parts[i] = allocate(load, 16 + load_geometric(random, 50));
            connections[at].parts[connections[at].count - 1] = allocate(load, lognormal(random, 3000, 1.2));
        } else {
            for (uint32_t i = 0; i < connections[at].count; i++)
                release(load, connections[at].parts[i]);
            connections[at].count = 0;
            uint32_t place = load_below(random, SESSIONS);
            if (made == SESSIONS)
                release(load, sessions[place]);
            else
                place = made++;
            sessions[place] = allocate(load, 100 + load_geometric(random, 400));
            if (load_below(random, 5) == 0) {
                release(load, connections[at].buffer);
                release(load, connections[at].state);
                connections[at].live = 0;
            }
        }
    }
}

/* A store of keys and values: a value is replaced by one of another size, made before the old one goes; a table doubles; keys expire. */
static void program_store(struct load *load, uint64_t *random)
{
    enum { KEYS = 4000 };
    static struct {
        uint32_t entry, value, live;
    } keys[KEYS];
    struct array table = {0, 0, 0};
    memset(keys, 0, sizeof keys);
    while (load->count < EVENTS) {
        uint32_t at = load_below(random, KEYS);
        if (load_below(random, 12) == 0) {
            if (!keys[at].live)
                continue;
            release(load, keys[at].value);
            release(load, keys[at].entry);
            keys[at].live = 0;
            continue;
        }
        uint32_t request = allocate(load, 20 + load_geometric(random, 30)), value = allocate(load, lognormal(random, 200, 1.3));
        if (keys[at].live) {
            release(load, keys[at].value);
        } else {
            keys[at].entry = allocate(load, 48 + load_below(random, 40));
            if (table.used < 8 * KEYS)
                array_add(load, &table, 8);
        }
        keys[at].value = value;
        keys[at].live = 1;
        release(load, request);
    }
}

const struct load_kind load_kinds[] = {
    {"uniform-1k", "4000 blocks of 1 to 1024 bytes, any replaced", random_uniform_1k},
    {"uniform-16k", "2000 blocks of 1 to 16384 bytes, any replaced", random_uniform_16k},
    {"geometric-64", "5000 blocks, 64 bytes in the mean, small ones often", random_geometric_64},
    {"geometric-1k", "4000 blocks, 1024 bytes in the mean, small ones often", random_geometric_1k},
    {"powers", "3000 blocks of 16 to 8192 bytes, powers of two", random_powers},
    {"two-kinds", "4000 blocks, one in ten of 4 to 32 KiB, the others of 16 to 128 bytes", random_two_kinds},
    {"compiler", "phases by function: tokens, tree, code, output; names stay", program_compiler},
    {"interpreter", "objects that die young, strings, lists that grow", program_interpreter},
    {"server", "connections, requests, bodies, sessions", program_server},
    {"store", "keys and values of changing sizes", program_store},
};
const unsigned load_kinds_count = sizeof load_kinds / sizeof *load_kinds;

struct load load_make(const struct load_kind *kind, uint64_t seed)
{
    struct load load = {NULL, 0, 0, 0};
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x2545f4914f6cdd1d);
    kind->make(&load, &random);
    return load;
}

void load_free(struct load *load)
{
    free(load->events);
    *load = (struct load){NULL, 0, 0, 0};
}
