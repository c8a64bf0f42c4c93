// Each resource under the containers of std::pmr: what they hold, that nothing is left in the end, what happens when memory runs out.
#include "check.hpp"

#include <tarn/tarn.hpp>

#include <csignal>
#include <mutex>

#include <sys/wait.h>
#include <unistd.h>

namespace
{

struct kit {
    std::pmr::memory_resource *memory;
    template <class T> using vector = std::pmr::vector<T>;
    template <class T> using deque = std::pmr::deque<T>;
    template <class T> using list = std::pmr::list<T>;
    template <class T> using set = std::pmr::set<T>;
    template <class K, class V> using map = std::pmr::map<K, V>;
    template <class K, class V> using unordered_map = std::pmr::unordered_map<K, V>;
    using string = std::pmr::string;
    template <class C> C make() const { return C(memory); }
    string word(int i) const { return string(text, memory) + std::to_string(i).c_str(); }
};

// Counts, and can be made to fail: an upstream, and what allocations of std::pmr's own default would show up in.
class counting : public std::pmr::memory_resource
{
  public:
    long live = 0, ever = 0;

  private:
    void *do_allocate(std::size_t bytes, std::size_t align) override
    {
        void *p = std::pmr::new_delete_resource()->allocate(bytes, align);
        live++, ever++;
        return p;
    }
    void do_deallocate(void *p, std::size_t bytes, std::size_t align) override
    {
        std::pmr::new_delete_resource()->deallocate(p, bytes, align);
        live--;
    }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override { return this == &other; }
};

using nested = std::pmr::map<int, std::pmr::vector<std::pmr::string>>;

void nest(std::pmr::memory_resource &memory)
{
    nested outer(&memory);
    for (int i = 0; i < 300; i++)
        outer[i % 30].emplace_back(text);
    for (const auto &[key, lines] : outer) {
        CHECK(lines.size() == 10 && lines.get_allocator().resource() == &memory);
        for (const auto &line : lines)
            CHECK(line == text && line.get_allocator().resource() == &memory);
    }
    nested copy(outer, &memory);
    outer.clear();
    CHECK(copy.size() == 30 && copy[29].back() == text);
}

void move_and_swap(std::pmr::memory_resource &memory)
{
    counting other;
    std::pmr::vector<std::pmr::string> a(10, text, &memory), b(&memory), elsewhere(&other);
    const std::pmr::string *at = a.data();
    b = std::move(a);
    CHECK(b.data() == at && b.size() == 10);
    std::pmr::vector<std::pmr::string> c(std::move(b));
    CHECK(c.data() == at && c.get_allocator().resource() == &memory);
    b.clear(), b.emplace_back("short"), b.swap(c);
    CHECK(b.data() == at && c.size() == 1);
    elsewhere = std::move(b); // another resource: element by element
    CHECK(elsewhere.size() == 10 && elsewhere.back() == text && elsewhere.data() != at && other.live == 11);
    std::pmr::vector<std::pmr::string> copy(elsewhere, &memory);
    CHECK(copy == elsewhere);
}

// Odd sizes and alignments, asked for as no container would.
void bare_requests(std::pmr::memory_resource &memory)
{
    struct request {
        void *p;
        std::size_t bytes, align;
    };
    std::vector<request> all;
    for (std::size_t align = 1; align <= 4096; align *= 2)
        for (std::size_t bytes : {0u, 1u, 7u, 8u, 24u, 40u, 100u, 128u, 129u, 1000u}) {
            all.push_back({memory.allocate(bytes, align), bytes, align});
            CHECK(all.back().p && is_aligned(all.back().p, align));
            std::memset(all.back().p, static_cast<int>(all.size()), bytes);
        }
    for (std::size_t i = 0; i < all.size(); i++) {
        const char *bytes = static_cast<const char *>(all[i].p);
        for (std::size_t k = 0; k < all[i].bytes; k++)
            CHECK(bytes[k] == static_cast<char>(i + 1));
    }
    for (std::size_t i = 0; i < all.size(); i++) {
        const request &one = all[i * 7 % all.size()]; // 130 of them: 7 is prime to that
        memory.deallocate(one.p, one.bytes, one.align);
    }
}

template <class Resource, class IsEmpty> void all_of(const std::string &name, Resource &memory, IsEmpty is_empty)
{
    kit with{&memory};
    auto one = [&](const char *what, const std::function<void()> &body) {
        run(name + ": " + what, [&] {
            body();
            CHECK(is_empty());
        });
    };
    one("vector, deque, list", [&] { work_with_sequences(with, 1000); });
    one("map, unordered_map, set, strings", [&] { work_with_maps(with, 1000); });
    one("alignments", [&] {
        work_aligned<kit, 16>(with);
        work_aligned<kit, 64>(with);
        work_aligned<kit, 4096>(with);
    });
    one("nested", [&] { nest(memory); });
    one("moved and swapped", [&] { move_and_swap(memory); });
    one("bare requests", [&] { bare_requests(memory); });
    one("equality", [&] {
        Resource same(memory.pool());
        CHECK(memory == same && memory.is_equal(memory) && !memory.is_equal(*std::pmr::new_delete_resource()));
        counting up, down;
        if constexpr (!std::is_same_v<Resource, tarn::bump_resource> && !std::is_same_v<Resource, tarn::heap_resource>) {
            Resource with_upstream(memory.pool(), &up), alike(memory.pool(), &up), with_other(memory.pool(), &down);
            CHECK(!with_upstream.is_equal(with_other));
            CHECK(!memory.is_equal(with_upstream) && !with_upstream.is_equal(memory) && with_upstream == alike);
        }
    });
}

// Memory runs out in the midst of a container's work: std::bad_alloc, and what it held is as it was.
template <class Resource> void run_out(const std::string &name, Resource &memory, std::size_t most_wides = 100)
{
    run(name + ": runs out", [&] {
        std::pmr::list<std::pmr::string> lines(&memory);
        std::pmr::vector<wide<64>> wides(&memory);
        bool thrown = false;
        std::size_t before = 0;
        try {
            for (int i = 0; i < 10000000; i++) {
                before = lines.size();
                lines.emplace_back(text);
                if (wides.size() < most_wides)
                    wides.emplace_back(static_cast<std::uint64_t>(i));
            }
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
        CHECK(thrown && before > 50 && lines.size() - before <= 1);
        for (const auto &line : lines)
            CHECK(line == text);
        for (const auto &one : wides)
            CHECK(one.intact());
        for (volatile std::size_t size : {std::size_t(-1) / 2, std::size_t(-1) - 8, std::size_t(-1)})
            for (std::size_t align : {8u, 16u, 64u}) {
                thrown = false;
                try {
                    memory.deallocate(memory.allocate(size, align), size, align);
                } catch (const std::bad_alloc &) {
                    thrown = true;
                }
                CHECK(thrown);
            }
        lines.clear();
        lines.emplace_back(text);
        CHECK(lines.back() == text);
    });
}

// What a pool cannot serve goes to the upstream and finds the way back there.
template <class Resource> void spill(const std::string &name, typename Resource::pool_type *pool)
{
    run(name + ": upstream", [&] {
        counting up;
        {
            Resource memory(pool, &up);
            CHECK(memory.upstream_resource() == &up);
            std::pmr::list<std::pmr::string> lines(&memory);
            while (up.ever < 100)
                lines.emplace_back(text);
            CHECK(up.live >= 100 && tarn::stats(pool).live_blocks > 0);
            std::pmr::vector<wide<4096>> pages(10, wide<4096>(7), &memory);
            CHECK(pages.back().intact() && up.live > 100);
            for (int i = 0; !lines.empty(); i++)
                i % 2 ? lines.pop_back() : lines.pop_front();
        }
        CHECK(up.live == 0 && tarn::stats(pool).live_blocks == 0);
    });
}

template <class Pool> bool nothing_live(Pool *pool)
{
    auto counters = tarn::stats(pool);
    return counters.live_blocks == 0 && counters.live_bytes == 0 && counters.allocations == counters.frees;
}

const unsigned all_flags = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO;

void regions()
{
    for (auto strategy : {TARN_REGION_TLSF, TARN_REGION_BEST_FIT, TARN_REGION_FIRST_FIT}) {
        tarn_region_options options = {};
        options.strategy = strategy;
        tarn::region_resource memory(tarn::make_region(4 << 20, options));
        all_of("region " + std::to_string(strategy), memory,
               [&] { return nothing_live(memory.pool()) && tarn_region_check(memory.pool()) == 0; });
    }
    tarn_region_options flags = {};
    flags.flags = all_flags;
    tarn::region_resource checked(tarn::make_region(4 << 20, flags));
    all_of("region, all flags", checked, [&] { return nothing_live(checked.pool()); });
    static char place[1 << 16];
    {
        tarn::region_resource little(tarn::make_region(place, sizeof place));
        run_out("region", little);
    }
    tarn::region pool = tarn::make_region(place, sizeof place);
    spill<tarn::region_resource>("region", pool.get());
}

void classpools()
{
    tarn_classpool_options large = {};
    large.flags = TARN_CLASSPOOL_PASS_LARGE;
    tarn::classpool_resource memory(tarn::make_classpool(8 << 20, large));
    all_of("classpool", memory, [&] { return nothing_live(memory.pool()); });
    large.flags |= all_flags;
    tarn::classpool_resource checked(tarn::make_classpool(8 << 20, large));
    all_of("classpool, all flags", checked, [&] { return nothing_live(checked.pool()); });
    static char place[1 << 17];
    {
        tarn::classpool_resource little(tarn::make_classpool(place, sizeof place));
        run_out("classpool", little);
    }
    tarn::classpool pool = tarn::make_classpool(place, sizeof place);
    spill<tarn::classpool_resource>("classpool", pool.get());
}

void levelpools()
{
    tarn::levelpool_resource memory(tarn::make_levelpool());
    all_of("levelpool", memory, [&] { return nothing_live(memory.pool()); });
    tarn_levelpool_options flags = {};
    flags.flags = all_flags;
    tarn::levelpool_resource checked(tarn::make_levelpool(flags));
    all_of("levelpool, all flags", checked, [&] { return nothing_live(checked.pool()); });
    static char place[1 << 17];
    tarn_levelpool_options alone = {};
    alone.fallback.alloc = [](void *, std::size_t) -> void * { return nullptr; };
    alone.fallback.free = [](void *, void *, std::size_t) {};
    {
        tarn::levelpool_resource little(tarn::make_levelpool(place, sizeof place, alone));
        run_out("levelpool", little, 0); // a vector is too large for it
    }
    tarn::levelpool pool = tarn::make_levelpool(place, sizeof place, alone);
    spill<tarn::levelpool_resource>("levelpool", pool.get());
}

void blockpools()
{
    for (std::size_t block : {8u, 64u, 96u, 4096u}) {
        tarn_blockpool_options options = {};
        options.block_size = block;
        options.increment = 1 << 20;
        tarn::blockpool_resource memory(tarn::make_blockpool(1 << 20, options));
        all_of("blockpool " + std::to_string(block), memory, [&] { return nothing_live(memory.pool()); });
        run("blockpool " + std::to_string(block) + ": what blocks are aligned to costs no room", [&] {
            std::size_t align = tarn_blockpool_align(memory.pool());
            void *p = memory.allocate(block, align);
            CHECK(align == (block & -block) && is_aligned(p, align) && tarn_blockpool_used(memory.pool()) == block);
            memory.deallocate(p, block, align);
        });
    }
    tarn_blockpool_options flags = {};
    flags.flags = all_flags;
    flags.increment = 1 << 20;
    tarn::blockpool_resource checked(tarn::make_blockpool(1 << 20, flags));
    all_of("blockpool, all flags", checked, [&] { return nothing_live(checked.pool()); });
    static char place[1 << 16];
    {
        tarn::blockpool_resource little(tarn::make_blockpool(place, sizeof place));
        run_out("blockpool", little);
    }
    tarn::blockpool pool = tarn::make_blockpool(place, sizeof place);
    spill<tarn::blockpool_resource>("blockpool", pool.get());
}

void bumps()
{
    tarn::bump_resource memory(tarn::make_bump());
    all_of("bump", memory, [&] {
        tarn_bump_reset(memory.pool());
        return tarn::stats(memory.pool()).live_bytes == 0;
    });
    static char place[1 << 16];
    tarn::bump_resource little(tarn::make_bump(place, sizeof place));
    run("bump: runs out", [&] {
        std::pmr::vector<int> numbers(&little);
        bool thrown = false;
        try {
            for (int i = 0;; i++)
                numbers.push_back(i);
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
        CHECK(thrown && numbers.size() >= 4096);
        for (std::size_t i = 0; i < numbers.size(); i++)
            CHECK(numbers[i] == static_cast<int>(i));
    });
}

void heaps()
{
    tarn::heap_resource memory(tarn::make_heap("resource"));
    auto is_empty = [&] {
        auto counters = tarn::stats(memory.pool());
        return counters.live_objects == 0 && counters.live_bytes == 0 && counters.allocations == counters.frees;
    };
    all_of("heap", memory, is_empty);
    tarn::heap_resource little(tarn::make_heap("little", nullptr, 1 << 16));
    run_out("heap", little);
    tarn::heap_resource common(static_cast<tarn_heap *>(nullptr));
    all_of("common heap", common, [] { return true; });
    run("malloc_resource", [&] {
        CHECK(*tarn::malloc_resource() == common && !tarn::malloc_resource()->is_equal(memory));
        nest(*tarn::malloc_resource());
    });
}

void caches()
{
    run("cache: nodes are objects", [] {
        using list = std::pmr::list<long>;
        counting up;
        tarn::cache objects = tarn::make_cache("cpp-nodes", 32);
        tarn::cache_resource memory(objects.get(), 8, &up), same(objects.get(), 8, &up);
        struct tarn_cache_stats counters;
        {
            list chain(1000, 7, &memory);
            std::pmr::vector<wide<64>> others(10, wide<64>(), &memory);
            tarn_cache_stats(objects.get(), &counters);
            CHECK(counters.active == 1000 && up.live == 1 && memory == same);
            for (std::size_t size : {32u, 33u})
                for (std::size_t align : {8u, 16u}) { // the cache keeps 32 and 8
                    memory.deallocate(memory.allocate(size, align), size, align);
                    CHECK(up.ever == static_cast<long>(align / 8) + (size == 32 ? 0 : 2));
                }
            list moved(std::move(chain), &same);
            CHECK(moved.size() == 1000 && chain.empty());
        }
        tarn_cache_stats(objects.get(), &counters);
        CHECK(counters.active == 0 && up.live == 0);
    });
}

// With assertions, a block given back twice ends the process; the pool found it.
void misuse()
{
    run("a double free is found", [] {
        pid_t child = fork();
        if (child == 0) {
            (void)!freopen("/dev/null", "w", stderr);
            tarn::region_resource memory(tarn::make_region(1 << 16));
            void *p = memory.allocate(100);
            memory.deallocate(p, 100);
            memory.deallocate(p, 100);
            _exit(0);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    });
    run("a mutex guards a pool", [] {
        std::mutex mutex;
        tarn_pool_lock lock = tarn::lock_by(mutex);
        tarn_region_options options = {};
        options.lock = &lock;
        tarn::region_resource memory(tarn::make_region(1 << 16, options));
        nest(memory);
        CHECK(nothing_live(memory.pool()) && mutex.try_lock());
        mutex.unlock();
    });
}

} // namespace

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*body)();
    } parts[] = {{"region", regions}, {"classpool", classpools}, {"levelpool", levelpools}, {"blockpool", blockpools},
                 {"bump", bumps},     {"heap", heaps},           {"cache", caches},         {"misuse", misuse}};
    for (const auto &part : parts)
        if (argc < 2 || std::strcmp(argv[1], part.name) == 0)
            part.body();
    return done();
}
