/**
 * @file tarn.hpp
 * tarn's pools as C++ knows memory: owners, resources of std::pmr, and an allocator. C++17, this header only.
 *
 *     tarn::region        std::unique_ptr of a pool, made by tarn::make_region; so of the other pools, and of heaps
 *     tarn::region_resource   std::pmr::memory_resource over a pool: someone's (a pointer), or its own (an owner)
 *     tarn::allocator<T>  for the containers of std, over a heap or the program's common one
 *     tarn::bump_scope    gives back at its end what was allocated in an arena since its beginning
 *
 *     tarn::region_resource memory(tarn::make_region(1 << 20));
 *     std::pmr::vector<std::pmr::string> lines(&memory);
 *
 * What an owner ends takes its blocks with it, live ones too, as the pools of std::pmr do: containers go first.
 *
 * Failure: where a C function answers NULL, these throw std::bad_alloc (without exceptions they end the process). Giving back cannot throw: misuse
 * that a pool finds there is an assertion's failure, and with NDEBUG changes nothing, as the C interface says; heaps and caches end the process.
 *
 * Alignment: any power of two. Where a pool has no function for more than it keeps by itself, the block is placed in a larger one:
 *
 *     raw block                 what the caller gets, a multiple of `align`
 *     | room, up to align - 8   | address of the raw block | bytes of the caller ...  |
 *
 * so that giving it back, which names the alignment again, finds the raw block one word in front.
 *
 * Threads: as the pool under it. Cost: a virtual call and the pool's own.
 */
#ifndef TARN_TARN_HPP
#define TARN_TARN_HPP

#include "alloc.h"
#include "blockpool.h"
#include "bump.h"
#include "cache.h"
#include "classpool.h"
#include "heap.h"
#include "levelpool.h"
#include "region.h"
#include "source.h"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <memory_resource>
#include <new>
#include <type_traits>
#include <utility>

namespace tarn
{

namespace detail
{

/** What any pool keeps by itself. */
inline constexpr std::size_t word_align = alignof(std::max_align_t) < 16 ? alignof(std::max_align_t) : 16;

[[noreturn]] inline void no_memory()
{
#if defined(__cpp_exceptions)
    throw std::bad_alloc();
#else
    std::abort();
#endif
}

template <class T> T *or_throw(T *p)
{
    if (!p)
        no_memory();
    return p;
}

/** An answer that can be passed on to nobody. */
inline void must_be_ok(int error) noexcept
{
    assert(error == TARN_POOL_OK && "tarn: a block was given back wrongly");
    static_cast<void>(error);
}

/** Live blocks, strung together by their own first words; a few of those that are too small for that. No memory is needed to note them. */
struct live_blocks {
    void *first = nullptr;
    void *small[32];
    std::size_t smalls = 0;

    static void note(void *context, void *block, std::size_t size) noexcept
    {
        live_blocks *self = static_cast<live_blocks *>(context);
        if (size >= sizeof block) {
            std::memcpy(block, &self->first, sizeof block);
            self->first = block;
        } else if (self->smalls < sizeof small / sizeof *small) {
            self->small[self->smalls++] = block;
        }
    }
};

/** Gives back all that is live in a pool that has no reset. */
template <class Pool, class Each, class Free> void free_all(Pool *pool, Each each, Free free) noexcept
{
    for (bool more = true; more;) {
        live_blocks live;
        more = false;
        each(pool, live_blocks::note, &live);
        auto give_back = [&](void *block) {
            int error = free(pool, block);
            must_be_ok(error);
            more |= error == TARN_POOL_OK;
        };
        while (live.first) {
            void *block = live.first;
            std::memcpy(&live.first, block, sizeof block);
            give_back(block);
        }
        while (live.smalls)
            give_back(live.small[--live.smalls]);
    }
}

/** Ends any pool, whatever is live in it. */
struct end {
    void operator()(tarn_region *pool) const noexcept
    {
        tarn_region_reset(pool);
        must_be_ok(tarn_region_destroy(pool));
    }
    void operator()(tarn_classpool *pool) const noexcept { tarn_classpool_close(&pool, nullptr); }
    void operator()(tarn_levelpool *pool) const noexcept
    {
        free_all(pool, tarn_levelpool_each, tarn_levelpool_free);
        must_be_ok(tarn_levelpool_destroy(pool));
    }
    void operator()(tarn_blockpool *pool) const noexcept
    {
        free_all(pool, tarn_blockpool_each, tarn_blockpool_free);
        must_be_ok(tarn_blockpool_destroy(pool));
    }
    void operator()(tarn_bump *arena) const noexcept { tarn_bump_destroy(arena); }
    void operator()(tarn_heap *heap) const noexcept { tarn_heap_destroy(heap); }
    void operator()(tarn_cache *cache) const noexcept { must_be_ok(tarn_cache_destroy(cache)); }
};

} // namespace detail

/* Owners. All of them are unique pointers: get() is what the C functions take. */

using region = std::unique_ptr<tarn_region, detail::end>;
using classpool = std::unique_ptr<tarn_classpool, detail::end>; /**< one opening of a pool: the last one ends it */
using levelpool = std::unique_ptr<tarn_levelpool, detail::end>;
using blockpool = std::unique_ptr<tarn_blockpool, detail::end>;
using bump = std::unique_ptr<tarn_bump, detail::end>;
using heap = std::unique_ptr<tarn_heap, detail::end>;
using cache = std::unique_ptr<tarn_cache, detail::end>; /**< its objects are gone before it ends: that is asserted */

/*
 * Makers. Those without `memory` take it from the options' source, or the system when they name none. They throw std::bad_alloc where the C function
 * answers NULL, which is for options that cannot be, too.
 */

inline region make_region(void *memory, std::size_t size, const tarn_region_options &options = {})
{
    return region(detail::or_throw(tarn_region_create(memory, size, &options)));
}

inline region make_region(std::size_t size, tarn_region_options options = {})
{
    if (!options.source)
        options.source = tarn_source_system();
    return make_region(nullptr, size, options);
}

inline classpool make_classpool(void *memory, std::size_t size, const tarn_classpool_options &options = {})
{
    tarn_classpool *pool = nullptr;
    if (tarn_classpool_open(&pool, memory, size, &options) != TARN_POOL_OK)
        detail::no_memory();
    return classpool(pool);
}

inline classpool make_classpool(std::size_t size, const tarn_classpool_options &options = {})
{
    return make_classpool(nullptr, size, options);
}

inline levelpool make_levelpool(void *memory, std::size_t size, const tarn_levelpool_options &options = {})
{
    return levelpool(detail::or_throw(tarn_levelpool_create(memory, size, &options)));
}

inline levelpool make_levelpool(const tarn_levelpool_options &options = {}) { return make_levelpool(nullptr, 0, options); }

inline blockpool make_blockpool(void *memory, std::size_t size, const tarn_blockpool_options &options = {})
{
    return blockpool(detail::or_throw(tarn_blockpool_create_in(memory, size, &options)));
}

inline blockpool make_blockpool(std::size_t size, const tarn_blockpool_options &options = {})
{
    return make_blockpool(nullptr, size, options);
}

inline bump make_bump(void *memory, std::size_t size, const tarn_bump_options &options = {})
{
    return bump(detail::or_throw(tarn_bump_create(memory, size, &options)));
}

inline bump make_bump(const tarn_bump_options &options = {}) { return make_bump(nullptr, 0, options); }

inline heap make_heap(const tarn_heap_options &options = {}) { return heap(detail::or_throw(tarn_heap_create(&options))); }

/** A heap with a name, within `parent` if there is one, that holds at most `hard_limit` bytes (0: any number). */
inline heap make_heap(const char *name, tarn_heap *parent = nullptr, std::size_t hard_limit = 0)
{
    tarn_heap_options options = {};
    options.name = name;
    options.parent = parent;
    options.hard_limit = hard_limit;
    return make_heap(options);
}

inline cache make_cache(const char *name, std::size_t size, const tarn_cache_args &args = {}, unsigned flags = 0)
{
    tarn_cache *made = nullptr;
    if (tarn_cache_make(&made, name, size, &args, flags) != 0)
        detail::no_memory();
    return cache(made);
}

/** Guards a pool by a mutex of the program, or whatever has lock() and unlock(). It must outlive the pool. */
template <class Mutex> tarn_pool_lock lock_by(Mutex &mutex) noexcept
{
    return {[](void *context) noexcept { static_cast<Mutex *>(context)->lock(); },
            [](void *context) noexcept { static_cast<Mutex *>(context)->unlock(); }, std::addressof(mutex)};
}

/* Resources */

namespace detail
{

/*
 * What the resource of a kind of pool consists of:
 *   natural(pool)                    the alignment up to which alloc() heeds `align`
 *   alloc(pool, size, align)         NULL: no memory
 *   free(pool, p, size, align)       an enum tarn_pool_error
 *   knows_its_own                    free answers TARN_POOL_FOREIGN for others' blocks, so that an upstream may serve some
 */

inline constexpr std::size_t any_align = std::numeric_limits<std::size_t>::max();

struct region_ops {
    using pool = tarn_region;
    static constexpr bool knows_its_own = true;
    static constexpr std::size_t granule = 2 * sizeof(void *);
    static std::size_t natural(pool *) noexcept { return any_align; }
    static void *alloc(pool *pool, std::size_t size, std::size_t align) noexcept
    {
        return align <= granule ? tarn_region_alloc_sized(pool, size) : tarn_region_alloc_aligned(pool, align, size);
    }
    static int free(pool *pool, void *p, std::size_t size, std::size_t align) noexcept
    {
        return align <= granule ? tarn_region_free_sized(pool, p, size) : tarn_region_free(pool, p);
    }
};

struct classpool_ops {
    using pool = tarn_classpool;
    static constexpr bool knows_its_own = true;
    static std::size_t natural(pool *) noexcept { return word_align; }
    static void *alloc(pool *pool, std::size_t size, std::size_t) noexcept { return tarn_classpool_alloc(pool, size); }
    static int free(pool *pool, void *p, std::size_t, std::size_t) noexcept { return tarn_classpool_free(pool, p); }
};

struct levelpool_ops {
    using pool = tarn_levelpool;
    static constexpr bool knows_its_own = true;
    static std::size_t natural(pool *) noexcept { return word_align; }
    static void *alloc(pool *pool, std::size_t size, std::size_t align) noexcept
    {
        if (align > TARN_LEVELPOOL_STEP) /* only every second class is aligned to 16 */
            size = size > any_align - 15 ? size : (size + 15) & ~std::size_t(15);
        return tarn_levelpool_alloc(pool, size);
    }
    static int free(pool *pool, void *p, std::size_t, std::size_t) noexcept { return tarn_levelpool_free(pool, p); }
};

struct blockpool_ops {
    using pool = tarn_blockpool;
    static constexpr bool knows_its_own = true;
    static std::size_t natural(pool *pool) noexcept { return tarn_blockpool_align(pool); }
    static void *alloc(pool *pool, std::size_t size, std::size_t) noexcept { return tarn_blockpool_alloc(pool, size); }
    static int free(pool *pool, void *p, std::size_t, std::size_t) noexcept { return tarn_blockpool_free(pool, p); }
};

struct bump_ops {
    using pool = tarn_bump;
    static constexpr bool knows_its_own = false;
    static std::size_t natural(pool *) noexcept { return any_align; }
    static void *alloc(pool *arena, std::size_t size, std::size_t align) noexcept
    {
        return align <= TARN_BUMP_ALIGN ? tarn_bump_alloc(arena, size) : tarn_bump_alloc_aligned(arena, align, size);
    }
    static int free(pool *, void *, std::size_t, std::size_t) noexcept { return TARN_POOL_OK; }
};

/** NULL is the program's common heap. */
struct heap_ops {
    using pool = tarn_heap;
    static constexpr bool knows_its_own = false;
    static std::size_t natural(pool *) noexcept { return any_align; }
    static void *alloc(pool *heap, std::size_t size, std::size_t align) noexcept
    {
        if (align <= 16)
            return heap ? tarn_heap_alloc(heap, size) : tarn_malloc(size);
        return heap ? tarn_heap_aligned_alloc(heap, align, size) : tarn_aligned_alloc(align, size);
    }
    static int free(pool *heap, void *p, std::size_t size, std::size_t) noexcept
    {
        if (heap)
            tarn_heap_free(p);
        else
            tarn_free_sized(p, size);
        return TARN_POOL_OK;
    }
};

} // namespace detail

/**
 * The resource of a kind of pool; see the names below. Two are equal when pool and upstream are the same.
 *
 * An upstream serves what the pool cannot: what is too large for it, or finds it full. Whose a block is, the pool tells when it is given back.
 * Bump arenas and heaps have none: the first give back nothing, the second only what is theirs.
 */
template <class Ops> class pool_resource : public std::pmr::memory_resource
{
  public:
    using pool_type = typename Ops::pool;
    using owner_type = std::unique_ptr<pool_type, detail::end>;

    /** Over someone's pool, which outlives this. */
    explicit pool_resource(pool_type *pool) noexcept : pool_(pool), natural_(Ops::natural(pool)) {}
    pool_resource(pool_type *pool, std::pmr::memory_resource *upstream) noexcept : pool_resource(pool)
    {
        upstream_ = upstream;
        static_assert(Ops::knows_its_own, "this kind of pool cannot tell an upstream's blocks from its own");
    }

    /** Over a pool of its own. */
    explicit pool_resource(owner_type &&pool) noexcept : pool_resource(pool.get()) { owned_ = std::move(pool); }
    pool_resource(owner_type &&pool, std::pmr::memory_resource *upstream) noexcept : pool_resource(pool.get(), upstream)
    {
        owned_ = std::move(pool);
    }

    pool_resource(const pool_resource &) = delete;
    pool_resource &operator=(const pool_resource &) = delete;

    pool_type *pool() const noexcept { return pool_; }
    std::pmr::memory_resource *upstream_resource() const noexcept { return upstream_; } /**< or NULL */

  private:
    void *do_allocate(std::size_t bytes, std::size_t align) override
    {
        if (__builtin_expect(align <= natural_, 1))
            return allocate_raw(bytes, align);
        if (bytes > std::numeric_limits<std::size_t>::max() - align)
            detail::no_memory();
        char *raw = static_cast<char *>(allocate_raw(bytes + align, alignof(void *)));
        char *placed = raw + align - reinterpret_cast<std::uintptr_t>(raw) % align;
        std::memcpy(placed - sizeof raw, &raw, sizeof raw);
        return placed;
    }

    void do_deallocate(void *p, std::size_t bytes, std::size_t align) override
    {
        if (__builtin_expect(align <= natural_, 1))
            return deallocate_raw(p, bytes, align);
        char *raw;
        std::memcpy(&raw, static_cast<char *>(p) - sizeof raw, sizeof raw);
        deallocate_raw(raw, bytes + align, alignof(void *));
    }

    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        if (this == &other)
            return true;
        const pool_resource *that = dynamic_cast<const pool_resource *>(&other);
        if (!that || that->pool_ != pool_ || !that->upstream_ != !upstream_)
            return false;
        return !upstream_ || *upstream_ == *that->upstream_;
    }

    void *allocate_raw(std::size_t bytes, std::size_t align)
    {
        void *p = Ops::alloc(pool_, bytes, align);
        if (__builtin_expect(!p, 0))
            p = upstream_ ? upstream_->allocate(bytes, align) : detail::or_throw(p);
        return p;
    }

    void deallocate_raw(void *p, std::size_t bytes, std::size_t align)
    {
        int error = Ops::free(pool_, p, bytes, align);
        if (error == TARN_POOL_FOREIGN && upstream_)
            upstream_->deallocate(p, bytes, align);
        else
            detail::must_be_ok(error);
    }

    owner_type owned_;
    pool_type *pool_;
    std::size_t natural_;
    std::pmr::memory_resource *upstream_ = nullptr;
};

using region_resource = pool_resource<detail::region_ops>;
using classpool_resource = pool_resource<detail::classpool_ops>; /**< up to 64 KiB without an upstream */
using levelpool_resource =
    pool_resource<detail::levelpool_ops>; /**< larger than its classes: the pool's fallback, then the upstream */
using blockpool_resource = pool_resource<detail::blockpool_ops>;
using bump_resource = pool_resource<detail::bump_ops>; /**< gives nothing back before a rewind or the end */
using heap_resource = pool_resource<detail::heap_ops>;

/** The resource of the program's common heap: tarn_malloc. One for the process; never destroyed. */
inline std::pmr::memory_resource *malloc_resource() noexcept
{
    alignas(heap_resource) static char place[sizeof(heap_resource)];
    static std::pmr::memory_resource *resource = ::new (place) heap_resource(static_cast<tarn_heap *>(nullptr));
    return resource;
}

/**
 * Objects of a cache for what is not larger than they are, the upstream for the rest: for lists, maps and sets, whose nodes are of one size. The cache
 * has no constructor.
 */
class cache_resource : public std::pmr::memory_resource
{
  public:
    /** @param align  what the cache keeps: that of its tarn_cache_args, or 8 */
    explicit cache_resource(tarn_cache *objects, std::size_t align = 8,
                            std::pmr::memory_resource *upstream = malloc_resource()) noexcept
        : cache_(objects), size_(tarn_cache_size(objects)), align_(align), upstream_(upstream)
    {
    }
    cache_resource(const cache_resource &) = delete;
    cache_resource &operator=(const cache_resource &) = delete;

    tarn_cache *cache() const noexcept { return cache_; }
    std::pmr::memory_resource *upstream_resource() const noexcept { return upstream_; }

  private:
    bool fits(std::size_t bytes, std::size_t align) const noexcept { return bytes <= size_ && align <= align_; }

    void *do_allocate(std::size_t bytes, std::size_t align) override
    {
        if (!fits(bytes, align))
            return upstream_->allocate(bytes, align);
        return detail::or_throw(tarn_cache_alloc(cache_, TARN_GFP_KERNEL));
    }

    void do_deallocate(void *p, std::size_t bytes, std::size_t align) override
    {
        if (fits(bytes, align))
            tarn_cache_free(cache_, p);
        else
            upstream_->deallocate(p, bytes, align);
    }

    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        const cache_resource *that = dynamic_cast<const cache_resource *>(&other);
        return that && that->cache_ == cache_ && that->align_ == align_ && *that->upstream_ == *upstream_;
    }

    tarn_cache *cache_;
    std::size_t size_, align_;
    std::pmr::memory_resource *upstream_;
};

/* The allocator */

/**
 * A standard allocator over a heap; without one, over the program's common heap. Equal ones have the same heap.
 *
 * A container that is moved or swapped takes its heap along, so both are O(1) and never throw. A copy that is assigned stays in its own heap; a copy
 * that is made begins in the original's.
 */
template <class T> class allocator
{
  public:
    using value_type = T;
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::false_type;

    allocator() noexcept = default;
    allocator(tarn_heap *heap) noexcept : heap_(heap) {}
    allocator(const tarn::heap &heap) noexcept : heap_(heap.get()) {}
    template <class U> allocator(const allocator<U> &other) noexcept : heap_(other.heap()) {}

    [[nodiscard]] T *allocate(std::size_t count)
    {
        if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) {
#if defined(__cpp_exceptions)
            throw std::bad_array_new_length();
#else
            std::abort();
#endif
        }
        return static_cast<T *>(detail::or_throw(detail::heap_ops::alloc(heap_, count * sizeof(T), alignof(T))));
    }

    void deallocate(T *p, std::size_t count) noexcept
    {
        static_cast<void>(detail::heap_ops::free(heap_, p, count * sizeof(T), alignof(T)));
    }

    tarn_heap *heap() const noexcept { return heap_; } /**< NULL: the common one */

  private:
    tarn_heap *heap_ = nullptr;
};

template <class T, class U> bool operator==(const allocator<T> &a, const allocator<U> &b) noexcept
{
    return a.heap() == b.heap();
}
template <class T, class U> bool operator!=(const allocator<T> &a, const allocator<U> &b) noexcept { return !(a == b); }

/* Bump arenas */

/** From its beginning to its end: what is allocated in the arena meanwhile goes, and its cleanups run. Scopes nest. */
class bump_scope
{
  public:
    explicit bump_scope(tarn_bump *arena) noexcept : arena_(arena), mark_(tarn_bump_mark(arena)) {}
    explicit bump_scope(const bump &arena) noexcept : bump_scope(arena.get()) {}
    ~bump_scope()
    {
        if (arena_)
            detail::must_be_ok(tarn_bump_rewind(arena_, mark_));
    }
    bump_scope(const bump_scope &) = delete;
    bump_scope &operator=(const bump_scope &) = delete;

    /** Lets everything stay. */
    void keep() noexcept { arena_ = nullptr; }

  private:
    tarn_bump *arena_;
    struct tarn_bump_mark mark_;
};

/** Makes a T in an arena; its destructor, if it does anything, runs as a cleanup. */
template <class T, class... Args> T *make_in(tarn_bump *arena, Args &&...args)
{
    T *object = ::new (detail::or_throw(detail::bump_ops::alloc(arena, sizeof(T), alignof(T)))) T(std::forward<Args>(args)...);
    if constexpr (!std::is_trivially_destructible_v<T>) {
        if (tarn_bump_cleanup(
                arena, [](void *p) { static_cast<T *>(p)->~T(); }, object) != TARN_POOL_OK) {
            object->~T();
            detail::no_memory();
        }
    }
    return object;
}

/* Counters, by value */

#define TARN_HPP_STATS(pool, answer)                                                                                           \
    inline answer stats(tarn_##pool *of) noexcept                                                                              \
    {                                                                                                                          \
        answer counters;                                                                                                       \
        tarn_##pool##_stats(of, &counters);                                                                                    \
        return counters;                                                                                                       \
    }
TARN_HPP_STATS(region, tarn_pool_stats)
TARN_HPP_STATS(classpool, tarn_pool_stats)
TARN_HPP_STATS(levelpool, tarn_pool_stats)
TARN_HPP_STATS(blockpool, tarn_pool_stats)
TARN_HPP_STATS(bump, tarn_pool_stats)
TARN_HPP_STATS(heap, struct tarn_heap_stats)
#undef TARN_HPP_STATS

} // namespace tarn

#endif
