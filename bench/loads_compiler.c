/*
 * A load shaped like a compiler: function by function. Syntax lies in an arena, chunks of which come from malloc and go when the function ends;
 * instructions are objects of their own, some replaced in every pass, all freed at the end; the table of symbols doubles. Types, names and the text that is
 * put out last to the end of the module.
 */
#include "harness.h"
#include "loads.h"

#define CHUNK_BYTES ((size_t)4080)

struct chunk {
    struct chunk *next;
    size_t used;
    unsigned char bytes[CHUNK_BYTES - 2 * sizeof(size_t)];
};

struct syntax {
    struct syntax *left, *right;
    uint64_t kind;
};

struct instruction {
    struct instruction *next;
    uint32_t number, size;
    uint64_t operands[]; /* 1 to 12 */
};

struct module {
    void **lasting; /* types and names */
    size_t count, capacity;
    char *text;
    size_t length, room;
};

struct function {
    struct chunk *chunks;
    struct instruction *code;
    uint64_t *symbols;
    size_t symbol_count, symbol_room;
    uint64_t ops;
};

static void *need(void *memory)
{
    if (memory == NULL)
        bench_fail("an allocation failed", memory);
    return memory;
}

static void *arena_take(struct function *function, size_t size)
{
    struct chunk *chunk = function->chunks;

    if (chunk == NULL || chunk->used + size > sizeof chunk->bytes) {
        chunk = need(malloc(sizeof *chunk));
        chunk->next = function->chunks;
        chunk->used = 0;
        function->chunks = chunk;
        function->ops++;
    }
    void *taken = chunk->bytes + chunk->used;
    chunk->used += size;
    return taken;
}

static void arena_end(struct function *function)
{
    while (function->chunks != NULL) {
        struct chunk *next = function->chunks->next;
        free(function->chunks);
        function->chunks = next;
    }
}

static void declare(struct function *function, uint64_t symbol)
{
    if (function->symbol_count == function->symbol_room) {
        function->symbol_room = function->symbol_room ? function->symbol_room * 2 : 8;
        function->symbols = need(realloc(function->symbols, function->symbol_room * sizeof *function->symbols));
        function->ops++;
    }
    function->symbols[function->symbol_count++] = symbol;
}

/* What outlives the function: a name or a type, in a table that grows by half. */
static void keep(struct module *module, struct bench_random *random)
{
    if (module->count == module->capacity) {
        module->capacity += module->capacity / 2 + 16;
        module->lasting = need(realloc(module->lasting, module->capacity * sizeof *module->lasting));
    }
    module->lasting[module->count] = object_new(16 + bench_below(random, 96), (uint32_t)module->count);
    module->count++;
}

static struct syntax *parse(struct module *module, struct function *function, struct bench_random *random, unsigned nodes)
{
    struct syntax *root = NULL;

    for (unsigned i = 0; i < nodes; i++) {
        struct syntax *node = arena_take(function, sizeof *node + 8 * (size_t)bench_below(random, 4));
        *node = (struct syntax){root, i & 1 ? root : NULL, i};
        root = node;
        if (i % 6 == 0)
            declare(function, i);
        if (i % 40 == 0) {
            keep(module, random);
            function->ops++;
        }
    }
    return root;
}

static struct instruction *new_instruction(struct bench_random *random, uint32_t number, struct instruction *next)
{
    uint32_t draw = bench_below(random, 16), operands = 1 + (draw < 12 ? draw & 3 : draw - 4);
    size_t size = sizeof(struct instruction) + operands * sizeof(uint64_t);
    struct instruction *made = need(malloc(size));

    made->next = next;
    made->number = number;
    made->size = (uint32_t)size;
    made->operands[operands - 1] = ~(uint64_t)number;
    return made;
}

static void drop_instruction(struct instruction *instruction)
{
    size_t operands = (instruction->size - sizeof *instruction) / sizeof(uint64_t);

    if (instruction->operands[operands - 1] != ~(uint64_t)instruction->number)
        bench_fail("an instruction was overwritten", instruction);
    free(instruction);
}

static void translate(struct function *function, struct bench_random *random, const struct syntax *root)
{
    uint32_t number = 0;

    for (const struct syntax *node = root; node != NULL; node = node->left, number++)
        function->code = new_instruction(random, number, function->code);
    function->ops += number;
}

/* A pass replaces one instruction in four and removes one in 16. */
static void optimise(struct function *function, struct bench_random *random)
{
    struct instruction **link = &function->code;

    while (*link != NULL) {
        struct instruction *old = *link;
        uint32_t draw = bench_below(random, 16);
        if (draw > 4) {
            link = &old->next;
            continue;
        }
        if (draw == 0) {
            *link = old->next;
        } else {
            *link = new_instruction(random, old->number, old->next);
            link = &(*link)->next;
            function->ops++;
        }
        drop_instruction(old);
    }
}

static void emit(struct module *module, struct function *function)
{
    while (function->code != NULL) {
        struct instruction *instruction = function->code;
        function->code = instruction->next;
        if (module->length + 16 > module->room) {
            module->room += module->room / 2 + 4096;
            module->text = need(realloc(module->text, module->room));
        }
        memset(module->text + module->length, 'i', 16);
        module->length += 16;
        drop_instruction(instruction);
    }
}

static uint64_t compile_function(struct module *module, struct bench_random *random)
{
    struct function function = {0};
    unsigned nodes = 100 + bench_below(random, 1900) + (bench_below(random, 32) == 0 ? 20000 : 0);

    translate(&function, random, parse(module, &function, random, nodes));
    for (unsigned pass = 0; pass < 4; pass++)
        optimise(&function, random);
    emit(module, &function);
    free(function.symbols);
    arena_end(&function);
    return function.ops;
}

uint64_t load_compiler(double scale)
{
    struct bench_random random = bench_seed(97);
    uint64_t modules = 4, functions = bench_scaled(450, scale), ops = 0;

    for (uint64_t m = 0; m < modules; m++) {
        struct module module = {0};
        for (uint64_t i = 0; i < functions; i++)
            ops += compile_function(&module, &random);
        for (size_t i = 0; i < module.count; i++)
            object_drop(module.lasting[i]);
        free(module.lasting);
        free(module.text);
    }
    return ops;
}
