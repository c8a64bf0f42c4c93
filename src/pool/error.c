/* Words for the pools' errors. */
#include "tarn/pool.h"

const char *tarn_pool_error_text(int error)
{
    switch (error) {
    case TARN_POOL_OK:
        return "no error";
    case TARN_POOL_NO_MEMORY:
        return "no memory";
    case TARN_POOL_FOREIGN:
        return "the address is not of this pool";
    case TARN_POOL_BUSY:
        return "blocks are still live";
    case TARN_POOL_EXISTS:
        return "the memory overlaps the pool's";
    case TARN_POOL_INVALID:
        return "an argument that cannot be";
    case TARN_POOL_DOUBLE_FREE:
        return "double free: the block is free already";
    case TARN_POOL_INSIDE:
        return "invalid free: the address is inside a block";
    case TARN_POOL_WRONG_SIZE:
        return "wrong size: the block has another";
    case TARN_POOL_CORRUPT:
        return "overwritten: a word of the pool's own has another value";
    case TARN_POOL_RACE:
        return "data race: two calls at once in a pool without lock";
    case TARN_POOL_DESTROYED:
        return "the pool has ended";
    default:
        return "an unknown error";
    }
}
