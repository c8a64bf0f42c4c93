/* The bump allocator of meta.h. What is left of a chunk when the next one is begun is lost: less than one descriptor per MiB. */
#include "page/meta.h"

#include "base/bits.h"
#include "page/section.h"
#include "tarn/source.h"

struct tarn__lock tarn__meta_lock = TARN__LOCK_INIT(TARN__RANK_META);

char *tarn__meta_chunks[TARN__META_CHUNKS];

static size_t chunks;
static char *chunk_at, *chunk_end;
static _Atomic size_t mapped;

size_t tarn__meta_bytes(void) { return atomic_load_explicit(&mapped, memory_order_relaxed); }

void tarn__meta_note(size_t bytes) { atomic_fetch_add_explicit(&mapped, bytes, memory_order_relaxed); }

/* The next `size` bytes of the chunk, or NULL. */
static void *bump(size_t size, size_t align)
{
    char *p = (char *)tarn__align_up((uintptr_t)chunk_at, align);
    if (!chunk_at || p > chunk_end || size > (size_t)(chunk_end - p))
        return NULL;
    chunk_at = p + size;
    return p;
}

void *tarn__meta_alloc(size_t size, size_t align)
{
    if (size > TARN__META_CHUNK)
        return NULL;
    tarn__lock(&tarn__meta_lock);
    void *p = bump(size, align);
    if (!p) {
        char *chunk = tarn_source_acquire(tarn_source_system(), TARN__META_MAPPED, TARN__PAGE_SIZE);
        if (chunk) {
            chunk_at = chunk;
            chunk_end = chunk + TARN__META_MAPPED;
            if (chunks < TARN__META_CHUNKS)
                tarn__meta_chunks[chunks++] = chunk;
            atomic_fetch_add_explicit(&mapped, TARN__META_MAPPED, memory_order_relaxed);
            p = bump(size, align);
        }
    }
    tarn__unlock(&tarn__meta_lock);
    return p;
}
