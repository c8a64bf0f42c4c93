/* A random program over the malloc family, and the model it is held against: each object's size and stamp. */
#ifndef TARN_TEST_MODEL_HEAP_H
#define TARN_TEST_MODEL_HEAP_H

#include "test/model/model.h"

struct object {
    unsigned char *p; /* NULL: none */
    size_t size;
    uint64_t stamp;
};

/* One random operation on `object`: what there is not is taken, what there is is verified and freed or resized. */
void heap_step(uint64_t *random, struct object *object);

void heap_verify(const struct object *object);
void heap_give(uint64_t *random, struct object *object);

/* Bytes that objects may hold together; beyond that, none is taken. */
extern size_t heap_most_bytes;

/* Checks every structure of the heap. Threads may run, but none may trim or purge. */
void heap_check(void);

/* Requires that nothing lives, and that all memory can be given back. */
void heap_require_empty(void);

/* The heap's own count of what lives is what the model says. No other thread may run. */
void heap_require_live(size_t objects, size_t bytes);

void heap_begin(void);

#endif
