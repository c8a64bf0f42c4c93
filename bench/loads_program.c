/*
 * Loads of one thread shaped like kinds of programs: growing buffers, an interpreter, trees, a key-value
 * store, and the pattern that fragments the most.
 */
#include "harness.h"
#include "loads.h"

static void *checked(void *memory)
{
    if (memory == NULL)
        bench_fail("an allocation failed", memory);
    return memory;
}

/* Vectors */

struct vector {
    uint64_t *items;
    size_t count, capacity;
};

static void vector_push(struct vector *vector, uint64_t item)
{
    if (vector->count == vector->capacity) {
        /* Small steps on purpose: an eighth, 64 items at least. */
        vector->capacity += 64 + vector->capacity / 8;
        vector->items = checked(realloc(vector->items, vector->capacity * sizeof *vector->items));
    }
    vector->items[vector->count++] = item;
}

static void vector_finish(struct vector *vector)
{
    for (size_t i = 0; i < vector->count; i += 61)
        if (vector->items[i] != (i ^ 0x5bd1e995u))
            bench_fail("realloc lost the contents", vector->items);
    free(vector->items);
    *vector = (struct vector){0};
}

/* Twelve vectors grow in turn to 1 to 2 MiB. An operation is a push. */
static uint64_t grow_vectors(struct bench_random *random)
{
    struct vector vectors[12] = {0};
    size_t limits[12];
    uint64_t ops = 0;
    unsigned growing = 12;

    for (unsigned i = 0; i < 12; i++)
        limits[i] = 131072 + bench_below(random, 131072);
    while (growing > 0) {
        uint32_t chosen = bench_below(random, 12);
        struct vector *vector = &vectors[chosen];
        size_t until = vector->count + 256;
        if (vector->count >= limits[chosen]) {
            growing -= limits[chosen] != 0;
            limits[chosen] = 0;
            continue;
        }
        for (; vector->count < until; ops++)
            vector_push(vector, vector->count ^ 0x5bd1e995u);
    }
    for (unsigned i = 0; i < 12; i++)
        vector_finish(&vectors[i]);
    return ops;
}

/* A string that is exactly as long as needed at every append, as `a = a + b` makes it in C. */
static uint64_t append_strings(struct bench_random *random, unsigned rounds)
{
    enum { STRINGS = 64 };
    char *strings[STRINGS] = {0};
    uint32_t lengths[STRINGS] = {0};
    uint64_t ops = 0;

    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < STRINGS; i++, ops++) {
            uint32_t more = 1 + bench_below(random, 40), length = lengths[i];
            if (length + more > 6000) {
                if (strings[i][0] != 'a' || strings[i][length / 2] != 'a' || strings[i][length] != 0)
                    bench_fail("realloc lost the contents", strings[i]);
                free(strings[i]);
                strings[i] = NULL;
                length = 0;
            }
            strings[i] = checked(realloc(strings[i], length + more + 1));
            memset(strings[i] + length, 'a', more);
            strings[i][length + more] = 0;
            lengths[i] = length + more;
        }
    for (unsigned i = 0; i < STRINGS; i++)
        free(strings[i]);
    return ops;
}

uint64_t load_realloc_grow(double scale)
{
    struct bench_random random = bench_seed(71);
    uint64_t rounds = bench_scaled(14, scale), ops = 0;

    for (uint64_t i = 0; i < rounds; i++)
        ops += grow_vectors(&random) / 256 + append_strings(&random, 2500);
    return ops;
}

/*
 * Interpreter: cells of 24 bytes hold lists of strings; a dictionary of exact arrays doubles as it fills;
 * a phase ends with the death of all it made, but for one list in 16, which lives through eight phases.
 */

struct cell {
    struct cell *next;
    char *string;
    uint64_t tag;
};

struct dictionary {
    struct cell **slots;
    size_t capacity, used;
};

static char *new_string(struct bench_random *random, uint64_t tag)
{
    size_t length = 9 + bench_below(random, 24);

    if (bench_below(random, 16) == 0)
        length += bench_below(random, 400);
    char *string = checked(malloc(length + 1));
    memcpy(string, &tag, sizeof tag);
    string[length - 1] = 's';
    string[length] = 0;
    return string;
}

static struct cell *cons(struct cell *next, uint64_t tag, char *string)
{
    struct cell *cell = checked(malloc(sizeof *cell));

    *cell = (struct cell){next, string, tag};
    return cell;
}

static uint64_t free_list(struct cell *cell)
{
    uint64_t freed = 0;

    while (cell != NULL) {
        struct cell *next = cell->next;
        if (cell->string != NULL) {
            if (memcmp(cell->string, &cell->tag, sizeof cell->tag) != 0)
                bench_fail("a string was overwritten", cell->string);
            free(cell->string);
        }
        free(cell);
        cell = next;
        freed++;
    }
    return freed;
}

static void dictionary_double(struct dictionary *dictionary)
{
    size_t capacity = dictionary->capacity ? dictionary->capacity * 2 : 8;
    struct cell **slots = checked(calloc(capacity, sizeof *slots));

    for (size_t i = 0; i < dictionary->capacity; i++) {
        struct cell *list = dictionary->slots[i];
        if (list == NULL)
            continue;
        size_t at = list->tag & (capacity - 1);
        while (slots[at] != NULL)
            at = (at + 1) & (capacity - 1);
        slots[at] = list;
    }
    free(dictionary->slots);
    dictionary->slots = slots;
    dictionary->capacity = capacity;
}

static void dictionary_put(struct dictionary *dictionary, struct cell *list)
{
    if (dictionary->used * 3 >= dictionary->capacity * 2)
        dictionary_double(dictionary);
    size_t at = list->tag & (dictionary->capacity - 1);
    while (dictionary->slots[at] != NULL)
        at = (at + 1) & (dictionary->capacity - 1);
    dictionary->slots[at] = list;
    dictionary->used++;
}

/* What evaluation does between: short-lived frames and cells, freed in the opposite order. */
static uint64_t evaluate(struct bench_random *random, unsigned depth)
{
    size_t size = 32 + 16 * (size_t)bench_below(random, 8);
    void *frame = object_new(size, depth);
    struct cell *arguments = cons(cons(NULL, depth, NULL), depth, NULL);
    uint64_t ops = 3;

    if (depth > 0)
        ops += evaluate(random, depth - 1);
    free_list(arguments);
    object_drop(frame);
    return ops;
}

static uint64_t interpret_phase(struct bench_random *random, struct cell **survivors, unsigned lists)
{
    struct dictionary dictionary = {0};
    uint64_t ops = 0;

    for (unsigned i = 0; i < lists; i++) {
        struct cell *list = NULL;
        uint32_t length = 1 + bench_below(random, 7);
        for (uint32_t k = 0; k < length; k++) {
            uint64_t tag = bench_next(random);
            list = cons(list, tag, new_string(random, tag));
        }
        dictionary_put(&dictionary, list);
        if (i % 4 == 0)
            ops += evaluate(random, 8 + i % 32);
    }
    for (size_t i = 0; i < dictionary.capacity; i++) {
        struct cell *list = dictionary.slots[i];
        if (list != NULL && list->tag >> 60 == 0) {
            struct cell *last = list;
            while (last->next != NULL)
                last = last->next;
            last->next = *survivors;
            *survivors = list;
        } else {
            ops += 2 * free_list(list);
        }
    }
    free(dictionary.slots);
    return ops;
}

uint64_t load_interpreter(double scale)
{
    struct bench_random random = bench_seed(81);
    struct cell *survivors[8] = {0};
    uint64_t phases = bench_scaled(10, scale), ops = 0;

    for (uint64_t phase = 0; phase < phases; phase++) {
        struct cell **generation = &survivors[phase % 8];
        ops += 2 * free_list(*generation);
        *generation = NULL;
        ops += interpret_phase(&random, generation, 10000 + 20000 * (unsigned)(phase % 3));
    }
    for (unsigned i = 0; i < 8; i++)
        ops += 2 * free_list(survivors[i]);
    return ops;
}

/* Trees: one that stays, and many small ones built and torn down beside it. Nodes of 32 bytes. */

struct node {
    struct node *left, *right;
    uint64_t depth;
    uint64_t payload;
};

static struct node *grow(unsigned depth)
{
    struct node *node = checked(malloc(sizeof *node));

    node->left = depth ? grow(depth - 1) : NULL;
    node->right = depth ? grow(depth - 1) : NULL;
    node->depth = depth;
    node->payload = ~(uint64_t)depth;
    return node;
}

static uint64_t fell(struct node *node)
{
    if (node == NULL)
        return 0;
    if (node->payload != ~node->depth)
        bench_fail("a node was overwritten", node);
    uint64_t freed = 1 + fell(node->left) + fell(node->right);
    free(node);
    return freed;
}

uint64_t load_tree(double scale)
{
    struct node *lasting = grow(17);
    uint64_t rounds = bench_scaled(9, scale), ops = 0;

    for (uint64_t round = 0; round < rounds; round++)
        for (unsigned depth = 4; depth <= 18; depth += 2) {
            unsigned trees = depth < 16 ? 1u << (16 - depth) : 1;
            for (unsigned i = 0; i < trees; i++)
                ops += fell(grow(depth));
        }
    return ops + fell(lasting);
}

/* Key-value store: entry of 48 bytes, key, value. Grows, loses nine in ten at random, grows with larger values. */

struct entry {
    char *key, *value;
    uint64_t expires, hash;
    uint32_t key_size, value_size, flags, version;
};

static struct entry *new_entry(struct bench_random *random, uint32_t lowest, uint32_t span)
{
    struct entry *entry = checked(malloc(sizeof *entry));
    uint32_t key = 12 + bench_below(random, 28), value = lowest + bench_below(random, span);

    *entry = (struct entry){.key = object_new(key, 1), .value = object_new(value, 2)};
    entry->hash = bench_next(random);
    entry->key_size = key;
    entry->value_size = value;
    return entry;
}

static void drop_entry(struct entry *entry)
{
    if (object_drop(entry->key) != entry->key_size || object_drop(entry->value) != entry->value_size)
        bench_fail("an entry was overwritten", entry);
    free(entry);
}

/* Deletes at random until `keep` are left; returns how many went. */
static uint64_t drop_entries(struct entry **entries, uint32_t count, uint32_t keep, struct bench_random *random)
{
    uint64_t dropped = count - keep;

    while (count > keep) {
        uint32_t chosen = bench_below(random, count);
        drop_entry(entries[chosen]);
        entries[chosen] = entries[--count];
    }
    return dropped;
}

uint64_t load_kv_grow_delete(double scale)
{
    enum { MOST = 200000 };
    static const struct {
        uint32_t entries, lowest, span;
    } phases[] = {{200000, 16, 200}, {110000, 250, 400}, {200000, 60, 120}, {60000, 600, 1000}};
    struct bench_random random = bench_seed(91);
    struct entry **entries = checked(malloc(MOST * sizeof(struct entry *)));
    uint64_t rounds = bench_scaled(1, scale), ops = 0;
    uint32_t count = 0;

    for (uint64_t round = 0; round < rounds; round++)
        for (unsigned p = 0; p < 4; p++) {
            uint32_t most = scale < 1 ? (uint32_t)(phases[p].entries * scale) : phases[p].entries;
            while (count < most)
                entries[count++] = new_entry(&random, phases[p].lowest, phases[p].span);
            ops += 3 * drop_entries(entries, count, count / 10, &random);
            count /= 10;
        }
    ops += 3 * drop_entries(entries, count, 0, &random);
    free(entries);
    return ops;
}

/*
 * Fragmentation: each phase fills a budget with objects of one size, then frees all but one in 20, which
 * stay to the end and pin what they lie in. Of interest is the peak, against the budget and what stayed.
 */
uint64_t load_fragment(double scale)
{
    static const uint32_t sizes[] = {64, 256, 96, 1024, 40, 3000};
    const unsigned phases = sizeof sizes / sizeof sizes[0];
    size_t budget = (size_t)bench_scaled(60u << 20, scale < 1 ? scale : 1);
    size_t most = budget / 40 + 1, kept_count = 0;
    void **objects = checked(malloc(most * sizeof *objects));
    void **kept = checked(malloc((most / 4 + 64) * sizeof *kept));
    uint64_t ops = 0;

    for (unsigned p = 0; p < phases; p++) {
        size_t count = budget / sizes[p];
        for (size_t i = 0; i < count; i++)
            objects[i] = object_new(sizes[p], (uint32_t)i);
        for (size_t i = 0; i < count; i++)
            if (i % 20 == p)
                kept[kept_count++] = objects[i];
            else
                object_drop(objects[i]);
        ops += count;
    }
    for (size_t i = 0; i < kept_count; i++)
        object_drop(kept[i]);
    free(kept);
    free(objects);
    return ops;
}
