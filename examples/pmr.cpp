// Containers of the standard library in tarn's pools.
#include <tarn/tarn.hpp>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

// A resource over a pool of its own: the containers lie in this megabyte.
static void index_words()
{
    tarn::region_resource memory(tarn::make_region(1 << 20));
    {
        std::pmr::map<std::pmr::string, int> count(&memory);
        for (const char *word :
             {"a", "rose", "is", "a", "rose", "is", "a", "rose"})
            count[std::pmr::string(word, &memory)]++;
        for (const auto &[word, times] : count)
            std::printf("%s %d\n", word.c_str(), times);
        std::printf("live blocks: %zu\n",
                    tarn::stats(memory.pool()).live_blocks);
    }
    std::printf("live blocks: %zu\n", tarn::stats(memory.pool()).live_blocks);
}

// A scope of an arena: nothing is freed singly, everything at its end.
static void answer_request(tarn_bump *arena)
{
    tarn::bump_scope scope(arena);
    tarn::bump_resource memory(arena);
    std::pmr::vector<std::pmr::string> lines(&memory);
    for (int i = 0; i < 100; i++)
        lines.emplace_back(
            "a line of an answer, longer than a string keeps in itself");
    std::printf("lines: %zu\n", lines.size());
}

// An allocator over a heap with a limit: a container that wants too much gets
// std::bad_alloc, and keeps what it has.
static void limited()
{
    tarn::heap heap = tarn::make_heap("limited", nullptr, 100000);
    std::vector<int, tarn::allocator<int>> numbers(heap);
    try {
        for (int i = 0;; i++)
            numbers.push_back(i);
    } catch (const std::bad_alloc &) {
        std::printf("the last number: %d, of %zu\n", numbers.back(),
                    numbers.size());
    }
}

int main()
{
    tarn::bump arena = tarn::make_bump();
    index_words();
    for (int i = 0; i < 3; i++)
        answer_request(arena.get());
    std::printf("left in the arena: %zu bytes\n",
                tarn::stats(arena.get()).live_bytes);
    limited();
    return 0;
}
