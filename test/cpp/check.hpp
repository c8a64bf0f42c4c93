// What the C++ tests share: cases in the Test Anything Protocol, and containers put through their paces.
#ifndef TARN_TEST_CPP_CHECK_HPP
#define TARN_TEST_CPP_CHECK_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <new>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

inline int cases, failed;
inline bool well; // as far as the present case has come

inline bool check_that(bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        std::printf("# %s:%d: %s\n", file, line, what);
        well = false;
    }
    return holds;
}
#define CHECK(condition) check_that(condition, #condition, __FILE__, __LINE__)

inline void run(const std::string &name, const std::function<void()> &body)
{
    well = true;
    try {
        body();
    } catch (const std::exception &e) {
        std::printf("# uncaught: %s\n", e.what());
        well = false;
    }
    failed += !well;
    std::printf("%s %d - %s\n", well ? "ok" : "not ok", ++cases, name.c_str());
    std::fflush(stdout);
}

inline int done()
{
    std::printf("1..%d\n", cases);
    return failed != 0;
}

inline bool is_aligned(const void *p, std::size_t align) { return reinterpret_cast<std::uintptr_t>(p) % align == 0; }

// A type of a given alignment, that knows whether its bytes are still its own.
template <std::size_t Align> struct alignas(Align) wide {
    std::uint64_t value, echo;
    explicit wide(std::uint64_t v = 0) : value(v), echo(~v) {}
    bool intact() const { return value == ~echo && is_aligned(this, Align); }
};

// The standard's containers under one family of names: `Kit::vector<T>` and so on, each made by `make<C>()`. Text is longer than strings keep in themselves.
inline const char *const text = "a line of text that is longer than a string keeps in itself, number ";

template <class Kit> void work_with_sequences(const Kit &kit, int n)
{
    auto numbers = kit.template make<typename Kit::template vector<int>>();
    auto queue = kit.template make<typename Kit::template deque<long>>();
    auto chain = kit.template make<typename Kit::template list<short>>();
    long sum = 0;
    for (int i = 0; i < n; i++) {
        numbers.push_back(i);
        queue.push_front(i);
        queue.push_back(i);
        chain.push_back(static_cast<short>(i));
    }
    for (int i : numbers)
        sum += i;
    for (long i : queue)
        sum -= i;
    for (short i : chain)
        sum += i;
    CHECK(sum == 0);
    numbers.shrink_to_fit();
    queue.erase(queue.begin(), queue.begin() + n);
    chain.remove_if([](short i) { return i % 2 != 0; });
    CHECK(queue.front() == 0 && queue.back() == n - 1 && static_cast<int>(chain.size()) == (n + 1) / 2);
}

template <class Kit> void work_with_maps(const Kit &kit, int n)
{
    auto tree = kit.template make<typename Kit::template map<int, int>>();
    auto hash = kit.template make<typename Kit::template unordered_map<int, typename Kit::string>>();
    auto some = kit.template make<typename Kit::template set<int>>();
    for (int i = 0; i < n; i++) {
        tree[i * 7919 % n] = i;
        hash.emplace(i, kit.word(i));
        some.insert(i % 10);
    }
    for (int i = 0; i < n; i += 2)
        hash.erase(i);
    CHECK(static_cast<int>(hash.size()) == n / 2 && some.size() == 10);
    for (int i = 1; i < n; i += 2)
        CHECK(hash.find(i) != hash.end() && hash.find(i)->second == kit.word(i));
    tree.clear();
}

// Alignments below, at and above what any pool keeps.
template <class Kit, std::size_t Align> void work_aligned(const Kit &kit)
{
    auto them = kit.template make<typename Kit::template vector<wide<Align>>>();
    auto nodes = kit.template make<typename Kit::template list<wide<Align>>>();
    for (std::uint64_t i = 0; i < 20; i++) {
        them.emplace_back(i);
        nodes.emplace_back(i);
    }
    for (const auto &one : them)
        CHECK(one.intact());
    for (const auto &one : nodes)
        CHECK(one.intact());
    nodes.pop_front();
}

#endif
