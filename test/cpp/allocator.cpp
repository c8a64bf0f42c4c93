// tarn::allocator under the containers of std, over heaps and over the common heap; owners, arenas' scopes.
#include "check.hpp"

#include <tarn/tarn.hpp>
#include <tarn/stats.h>

#include <forward_list>
#include <memory>
#include <scoped_allocator>
#include <sstream>
#include <unordered_set>

namespace
{

template <class T> using in = tarn::allocator<T>;
using string = std::basic_string<char, std::char_traits<char>, in<char>>;

struct kit {
    tarn_heap *heap;
    template <class T> using vector = std::vector<T, in<T>>;
    template <class T> using deque = std::deque<T, in<T>>;
    template <class T> using list = std::list<T, in<T>>;
    template <class T> using set = std::set<T, std::less<T>, in<T>>;
    template <class K, class V> using map = std::map<K, V, std::less<K>, in<std::pair<const K, V>>>;
    template <class K, class V>
    using unordered_map = std::unordered_map<K, V, std::hash<K>, std::equal_to<K>, in<std::pair<const K, V>>>;
    using string = ::string;
    template <class C> C make() const { return C(typename C::allocator_type(heap)); }
    string word(int i) const { return string(text, heap) + std::to_string(i).c_str(); }
};

void work(tarn_heap *heap)
{
    kit with{heap};
    work_with_sequences(with, 1000);
    work_with_maps(with, 1000);
    work_aligned<kit, 16>(with);
    work_aligned<kit, 64>(with);
    work_aligned<kit, 4096>(with);
    std::forward_list<int, in<int>> chain(100, 7, heap);
    std::multiset<int, std::less<int>, in<int>> many({1, 1, 2, 3, 3}, std::less<int>(), heap);
    std::unordered_multimap<int, int, std::hash<int>, std::equal_to<int>, in<std::pair<const int, int>>> pairs(heap);
    std::vector<bool, in<bool>> bits(1000, true, heap);
    for (int i = 0; i < 100; i++)
        pairs.emplace(i % 10, i);
    CHECK(pairs.count(3) == 10 && many.count(1) == 2 && bits[999] && chain.front() == 7);
    using nested = std::vector<string, std::scoped_allocator_adaptor<in<string>>>;
    nested lines{std::scoped_allocator_adaptor<in<string>>(heap)};
    for (int i = 0; i < 100; i++)
        lines.emplace_back(text);
    CHECK(lines[50].get_allocator().heap() == heap && lines[50] == text);
}

bool is_empty(const tarn::heap &heap)
{
    auto counters = tarn::stats(heap.get());
    return counters.live_objects == 0 && counters.live_bytes == 0 && counters.allocations == counters.frees;
}

void with_containers()
{
    run("containers in a heap", [] {
        tarn::heap heap = tarn::make_heap("cpp");
        work(heap.get());
        CHECK(is_empty(heap) && tarn::stats(heap.get()).allocations > 3000);
    });
    run("containers in the common heap", [] {
        struct tarn_stats before, after;
        work(nullptr);
        tarn_stats(&before);
        work(nullptr);
        tarn_stats(&after);
        CHECK(after.live_objects == before.live_objects && after.live_bytes == before.live_bytes);
        CHECK(after.allocations - before.allocations > 3000);
    });
    run("equality and rebinding", [] {
        tarn::heap a = tarn::make_heap("a"), b = tarn::make_heap("b");
        in<int> ints(a), others(b), common;
        in<string> strings(ints);
        CHECK(ints == strings && ints != others && ints != common && common == in<char>() && strings.heap() == a.get());
        CHECK(!std::allocator_traits<in<int>>::is_always_equal::value);
    });
}

void with_pointers()
{
    run("allocate_shared", [] {
        tarn::heap heap = tarn::make_heap("shared");
        {
            auto word = std::allocate_shared<string>(in<string>(heap), text, heap);
            std::weak_ptr<string> weak = word;
            auto page = std::allocate_shared<wide<4096>>(in<wide<4096>>(heap), 42u);
            CHECK(*word == text && page->intact() && page->value == 42);
            CHECK(tarn::stats(heap.get()).live_objects == 3);
            word.reset();
            CHECK(weak.expired());
        }
        CHECK(is_empty(heap));
    });
    run("a function's state, a stream's buffer", [] {
        tarn::heap heap = tarn::make_heap("stream");
        {
            std::basic_ostringstream<char, std::char_traits<char>, in<char>> out(string("", heap));
            for (int i = 0; i < 100; i++)
                out << text << i;
            CHECK(out.str().size() > 6000);
        }
        CHECK(is_empty(heap));
    });
}

void with_moves()
{
    run("a move takes the heap along", [] {
        tarn::heap one = tarn::make_heap("one"), two = tarn::make_heap("two");
        {
            std::vector<string, in<string>> a(in<string>{one}), b(in<string>{two});
            for (int i = 0; i < 10; i++) {
                a.emplace_back(text, one);
                b.emplace_back(text, two);
            }
            const string *at = a.data();
            b = std::move(a);
            CHECK(b.data() == at && b.get_allocator().heap() == one.get() && is_empty(two));
            static_assert(std::is_nothrow_move_assignable_v<decltype(a)>);
            std::vector<string, in<string>> c(in<string>{two});
            c.emplace_back("only", two);
            c.swap(b);
            CHECK(c.data() == at && c.get_allocator().heap() == one.get() && b.get_allocator().heap() == two.get());
        }
        CHECK(is_empty(one) && is_empty(two));
    });
    run("a copy that is assigned stays in its heap", [] {
        tarn::heap one = tarn::make_heap("one"), two = tarn::make_heap("two");
        std::vector<int, in<int>> a(100, 1, one), b(in<int>{two});
        b = a;
        CHECK(b == a && b.get_allocator().heap() == two.get() && tarn_heap_of(b.data()) == two.get());
        std::vector<int, in<int>> c(a);
        CHECK(c == a && c.get_allocator().heap() == one.get());
    });
}

void with_limits()
{
    run("a heap's limit: std::bad_alloc, and the container as it was", [] {
        tarn::heap heap = tarn::make_heap("limited", nullptr, 1 << 16);
        {
            std::list<string, in<string>> lines(in<string>{heap});
            bool thrown = false;
            try {
                for (int i = 0; i < 1000000; i++)
                    lines.emplace_back(text, heap);
            } catch (const std::bad_alloc &) {
                thrown = true;
            }
            CHECK(thrown && lines.size() > 100 && tarn::stats(heap.get()).live_bytes <= 1 << 16);
            for (const auto &line : lines)
                CHECK(line == text);
            lines.pop_back();
            lines.emplace_back(text, heap);
        }
        CHECK(is_empty(heap));
    });
    run("a count that no memory has", [] {
        bool thrown = false;
        in<std::uint64_t> numbers;
        try {
            numbers.deallocate(numbers.allocate(std::size_t(-1) / 4), 1);
        } catch (const std::bad_array_new_length &) {
            thrown = true;
        }
        CHECK(thrown);
    });
}

struct witness {
    std::string *log;
    char name;
    witness(std::string &to, char by) : log(&to), name(by) { *log += '+', *log += name; }
    ~witness() { *log += '-', *log += name; }
};

void with_arenas()
{
    run("scopes of an arena", [] {
        tarn::bump arena = tarn::make_bump();
        std::string log;
        tarn::make_in<witness>(arena.get(), log, 'a');
        auto before = tarn::stats(arena.get()).live_bytes;
        {
            tarn::bump_scope outer(arena);
            tarn::make_in<witness>(arena.get(), log, 'b');
            {
                tarn::bump_scope inner(arena);
                tarn::make_in<witness>(arena.get(), log, 'c');
                wide<256> *far = tarn::make_in<wide<256>>(arena.get(), 5u);
                CHECK(far->intact());
            }
            tarn::make_in<witness>(arena.get(), log, 'd');
        }
        CHECK(log == "+a+b+c-c+d-d-b" && tarn::stats(arena.get()).live_bytes == before);
        {
            tarn::bump_scope scope(arena);
            tarn::make_in<witness>(arena.get(), log, 'e');
            scope.keep();
        }
        CHECK(log == "+a+b+c-c+d-d-b+e" && tarn::stats(arena.get()).live_bytes > before);
        arena.reset();
        CHECK(log == "+a+b+c-c+d-d-b+e-e-a");
    });
    run("an arena without memory", [] {
        static char place[4096];
        tarn::bump arena = tarn::make_bump(place, sizeof place);
        std::string log;
        bool thrown = false;
        try {
            for (;;)
                tarn::make_in<witness>(arena.get(), log, 'x');
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
        arena.reset();
        std::size_t made = 0, ended = 0;
        for (char c : log)
            made += c == '+', ended += c == '-';
        CHECK(thrown && made > 10 && made == ended);
    });
}

void with_owners()
{
    run("heaps end with their children and what is in them", [] {
        tarn::heap parent = tarn::make_heap("parent");
        tarn_heap *child = tarn::make_heap("child", parent.get()).release();
        void *left = tarn_heap_alloc(child, 100);
        CHECK(tarn::stats(parent.get()).live_objects == 1 && tarn_heap_of(left) == child);
        tarn::heap moved = std::move(parent);
        CHECK(!parent && moved && tarn_heap_destroy(moved.release()) == 1);
    });
    run("pools end with what is in them", [] {
        static char place[1 << 16];
        const unsigned all = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO;
        for (unsigned flags : {0u, unsigned(TARN_POOL_RED_ZONE), all}) {
            struct tarn_source_count count;
            tarn_source_count_init(&count, tarn_source_system());
            tarn_region_options region = {};
            tarn_levelpool_options level = {};
            tarn_blockpool_options block = {};
            tarn_classpool_options classes = {};
            tarn_bump_options bump = {};
            region.source = level.source = block.source = classes.source = bump.source = &count.source;
            region.flags = level.flags = block.flags = classes.flags = bump.flags = flags;
            block.increment = 4096;
            {
                tarn::region a = tarn::make_region(1 << 16, region);
                tarn::levelpool b = tarn::make_levelpool(level);
                tarn::blockpool c = tarn::make_blockpool(1 << 12, block);
                tarn::classpool d = tarn::make_classpool(1 << 16, classes);
                tarn::bump e = tarn::make_bump(bump);
                tarn::levelpool f = tarn::make_levelpool(place, sizeof place);
                for (std::size_t size = 0; size < 200; size++)
                    CHECK(tarn_region_alloc(a.get(), size) && tarn_levelpool_alloc(b.get(), size) &&
                          tarn_blockpool_alloc(c.get(), size) && tarn_classpool_alloc(d.get(), size) &&
                          tarn_bump_alloc(e.get(), size) && tarn_levelpool_alloc(f.get(), size));
            }
            CHECK(count.acquired > 0 && count.acquired == count.released);
        }
    });
    run("options that cannot be", [] {
        static char place[64];
        int thrown = 0;
        auto expect_throw = [&](const std::function<void()> &body) {
            try {
                body();
            } catch (const std::bad_alloc &) {
                thrown++;
            }
        };
        tarn_levelpool_options level = {};
        level.classes = 65;
        tarn_blockpool_options block = {};
        block.block_size = 7;
        expect_throw([&] { tarn::make_region(place, sizeof place); });
        expect_throw([&] { tarn::make_classpool(place, sizeof place); });
        expect_throw([&] { tarn::make_levelpool(level); });
        expect_throw([&] { tarn::make_blockpool(1 << 16, block); });
        expect_throw([&] { tarn::make_bump(place, sizeof place); });
        expect_throw([&] { tarn::make_cache("no object", 0); });
        CHECK(thrown == 6);
    });
}

} // namespace

int main()
{
    with_containers();
    with_pointers();
    with_moves();
    with_limits();
    with_arenas();
    with_owners();
    return done();
}
