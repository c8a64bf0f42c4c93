/*
 * C++: every form of operator new and delete, and what they do when memory runs out.
 * Standard: C++17 [new.delete]. The operators are called by name, so that the compiler removes no pair.
 */
#include "check.h"

#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

typedef std::align_val_t align;
static const size_t sizes[] = {0, 1, 8, 16, 24, 100, 1000, 4096, 33000, 100000, 5000000};
static const size_t aligns[] = {1, 8, 16, 32, 64, 256, 4096, 65536, 1 << 22};
static volatile size_t too_large = std::numeric_limits<size_t>::max() / 2 + 4096;

static void fill(void *p, size_t size, size_t multiple_of, int line)
{
    check_that(p != nullptr, line, "%zu bytes: NULL", size);
    check_that((uintptr_t)p % multiple_of == 0, line, "%zu bytes: %p is not a multiple of %zu", size, p, multiple_of);
    memset(p, 0x5a, size);
}
#define FILLED(p, size, align) (fill(p, size, align, __LINE__), p)

static void plain_forms()
{
    for (size_t size : sizes)
        for (int round = 0; round < (size < 10000 ? 100 : 2); round++) {
            operator delete(FILLED(operator new(size), size, 16));
            operator delete(FILLED(operator new(size), size, 16), size);
            operator delete(FILLED(operator new(size, std::nothrow), size, 16), std::nothrow);
            operator delete[](FILLED(operator new[](size), size, 16));
            operator delete[](FILLED(operator new[](size), size, 16), size);
            operator delete[](FILLED(operator new[](size, std::nothrow), size, 16), std::nothrow);
        }
}

static void aligned_forms()
{
    for (size_t size : sizes)
        for (size_t n : aligns) {
            align a = align(n);
            operator delete(FILLED(operator new(size, a), size, n), a);
            operator delete(FILLED(operator new(size, a), size, n), size, a);
            operator delete(FILLED(operator new(size, a, std::nothrow), size, n), a, std::nothrow);
            operator delete[](FILLED(operator new[](size, a), size, n), a);
            operator delete[](FILLED(operator new[](size, a), size, n), size, a);
            operator delete[](FILLED(operator new[](size, a, std::nothrow), size, n), a, std::nothrow);
        }
}

static void null_and_zero()
{
    operator delete(nullptr);
    operator delete[](nullptr);
    operator delete(nullptr, std::nothrow);
    operator delete(nullptr, (size_t)8);
    operator delete(nullptr, align(64));
    operator delete[](nullptr, (size_t)8, align(64));
    void *p = operator new(0), *q = operator new(0);
    CHECK(p && q && p != q, "operator new(0) gave %p and %p", p, q);
    operator delete(p);
    operator delete(q);
}

/* One allocator behind all names: what one gives the other takes. */
static void shared_with_malloc()
{
    struct {
        uint64_t first[64];
    } stats;
    auto read = (void (*)(void *))dlsym(RTLD_DEFAULT, "tarn_stats");
    read(&stats);
    uint64_t before = stats.first[0];
    for (int i = 0; i < 1000; i++)
        operator delete(operator new(40));
    read(&stats);
    CHECK(getenv("TARN_HARDEN") /* in which requests are not counted */ || stats.first[0] - before == 1000,
          "1000 operator new were %d allocations of tarn", (int)(stats.first[0] - before));
}

template <typename function> static bool throws_bad_alloc(function request)
{
    try {
        (void)request();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

static void throwing()
{
    for (size_t size : {too_large, std::numeric_limits<size_t>::max(), std::numeric_limits<size_t>::max() / 4}) {
        CHECK(throws_bad_alloc([=] { return operator new(size); }), "new %#zx", size);
        CHECK(throws_bad_alloc([=] { return operator new[](size); }), "new[] %#zx", size);
        CHECK(throws_bad_alloc([=] { return operator new(size, align(64)); }), "aligned new %#zx", size);
        CHECK(throws_bad_alloc([=] { return operator new[](size, align(64)); }), "aligned new[] %#zx", size);
        CHECK(!operator new(size, std::nothrow), "nothrow new %#zx", size);
        CHECK(!operator new[](size, std::nothrow), "nothrow new[] %#zx", size);
        CHECK(!operator new(size, align(64), std::nothrow), "aligned nothrow new %#zx", size);
        CHECK(!operator new[](size, align(64), std::nothrow), "aligned nothrow new[] %#zx", size);
    }
}

static int handler_calls;

static void handler_gives_up()
{
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

static void handler_called()
{
    handler_calls = 0;
    std::set_new_handler(handler_gives_up);
    CHECK(throws_bad_alloc([] { return operator new(too_large); }), "no bad_alloc after the handler was removed");
    CHECK(handler_calls == 3, "the handler was called %d times, not 3", handler_calls);
    handler_calls = 0;
    std::set_new_handler(handler_gives_up);
    CHECK(!operator new(too_large, std::nothrow) && handler_calls == 3, "nothrow: the handler was called %d times",
          handler_calls);
    handler_calls = 0;
    std::set_new_handler(handler_gives_up);
    CHECK(!operator new[](too_large, align(4096), std::nothrow) && handler_calls == 3, "aligned: called %d times",
          handler_calls);
}

static void handler_throws()
{
    std::set_new_handler([] { throw std::bad_alloc(); });
    CHECK(throws_bad_alloc([] { return operator new(too_large); }), "the handler's exception does not arrive");
    CHECK(throws_bad_alloc([] { return operator new[](too_large, align(64)); }), "aligned: the exception does not arrive");
    std::set_new_handler(nullptr);
}

struct counted {
    static int live;
    int numbers[50];
    explicit counted(bool fail) : numbers()
    {
        if (fail)
            throw std::runtime_error("no");
        live++;
    }
    ~counted() { live--; }
};
int counted::live;

struct alignas(256) wide {
    char bytes[300];
};

static void expressions()
{
    for (int i = 0; i < 1000; i++) {
        counted *one = new counted(false);
        bool thrown = false;
        try {
            counted *none = new counted(true);
            delete none;
        } catch (const std::runtime_error &) {
            thrown = true;
        }
        CHECK(thrown, "a constructor's exception is lost");
        delete one;
        wide *several = new wide[3];
        CHECK((uintptr_t)several % 256 == 0, "new wide[3] gave %p", (void *)several);
        delete[] several;
    }
    CHECK(counted::live == 0, "%d objects remain", counted::live);
    std::vector<std::string> words;
    for (int i = 0; i < 20000; i++)
        words.push_back(std::string((size_t)(i % 100), 'x') + std::to_string(i));
    CHECK(words[19999] == std::string(99, 'x') + "19999", "a vector of strings lost one");
}

int main()
{
    static const check_case cases[] = {
        {"operator new and delete", plain_forms},
        {"operator new and delete, aligned", aligned_forms},
        {"delete of NULL, new of nothing", null_and_zero},
        {"operator new is tarn's", shared_with_malloc},
        {"no memory: bad_alloc, or NULL with nothrow", throwing},
        {"no memory: the new-handler is called until it gives up", handler_called},
        {"no memory: a new-handler that throws", handler_throws},
        {"new-expressions, strings, vectors", expressions},
    };
    check_preloaded();
    return CASES(cases);
}
