/* What correct programs do with operator new: as right.c. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    std::fprintf(stderr, "%s\n", what);
    std::_Exit(1);
}

struct Base {
    virtual ~Base() = default;
    int value = 1;
};

struct Other {
    virtual ~Other() = default;
    long other = 2;
};

struct Derived : Base, Other {
    std::string name = "a name that is longer than what fits in the string itself";
    double more[20] = {};
};

struct alignas(256) Wide {
    char bytes[300];
};

/* By the second base: the virtual destructor finds the object's beginning. */
static void by_any_base()
{
    Base *first = new Derived;
    Other *second = new Derived;
    delete first;
    delete second;
}

static void arrays()
{
    delete[] new int[0];
    delete[] new char[1000];
    delete[] new Derived[7];
    delete[] new std::string[3]{"a", "b", std::string(1000, 'c')};
}

static void aligned()
{
    Wide *one = new Wide, *many = new Wide[5];
    require(reinterpret_cast<std::uintptr_t>(one) % 256 == 0, "an object is aligned");
    require(reinterpret_cast<std::uintptr_t>(many) % 256 == 0, "an array is aligned");
    delete one;
    delete[] many;
    void *p = ::operator new(100, std::align_val_t(4096));
    ::operator delete(p, 100, std::align_val_t(4096));
    p = ::operator new(100, std::align_val_t(64), std::nothrow);
    ::operator delete(p, std::align_val_t(64), std::nothrow);
}

static void without_exceptions()
{
    volatile std::size_t huge = PTRDIFF_MAX;
    require(!::operator new(huge, std::nothrow), "no memory is NULL");
    ::operator delete(nullptr);
    ::operator delete(nullptr, 100);
    bool thrown = false;
    try {
        ::operator delete(::operator new(huge));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    require(thrown, "no memory is thrown");
}

static void placed()
{
    void *room = std::malloc(sizeof(Derived));
    Derived *p = new (room) Derived;
    p->~Derived();
    std::free(room);
    alignas(Derived) static char there[sizeof(Derived)];
    (new (there) Derived)->~Derived();
}

static void shared()
{
    auto whole = std::make_shared<Derived>();
    std::shared_ptr<std::string> part(whole, &whole->name);
    std::weak_ptr<Derived> weak = whole;
    whole.reset();
    require(part->size() > 10, "a part keeps the whole");
    part.reset();
    require(weak.expired(), "the whole has ended");
    std::shared_ptr<void> hidden(new Derived, [](void *p) { delete static_cast<Derived *>(p); });
}

static void containers()
{
    std::map<std::string, std::vector<std::string>> map;
    for (int i = 0; i < 3000; i++)
        map[std::to_string(i % 100)].push_back(std::string(static_cast<std::size_t>(i % 60), 'x'));
    std::vector<std::function<int()>> acts;
    for (int i = 0; i < 100; i++)
        acts.emplace_back([i, map] { return i + static_cast<int>(map.size()); });
    auto moved = std::move(acts);
    require(moved[5]() == 105, "functions keep what they took");
}

struct Kept {
    std::string text = std::string(100, 'k');
};
thread_local Kept kept;

static void threads()
{
    for (int i = 0; i < 20; i++)
        std::thread([] { kept.text += "x"; }).join();
}

static void thrown()
{
    for (int i = 0; i < 1000; i++)
        try {
            auto held = std::make_unique<Derived>();
            throw std::string(100, 'e');
        } catch (const std::string &e) {
            require(e.size() == 100, "what was thrown is whole");
        }
}

int main(int count, char **names)
{
    static const struct {
        const char *name;
        void (*act)();
    } cases[] = {{"by_any_base", by_any_base},
                 {"arrays", arrays},
                 {"aligned", aligned},
                 {"without_exceptions", without_exceptions},
                 {"placed", placed},
                 {"shared", shared},
                 {"containers", containers},
                 {"threads", threads},
                 {"thrown", thrown}};
    for (const auto &one : cases)
        if (count < 2)
            std::puts(one.name);
        else if (std::strcmp(one.name, names[1]) == 0)
            one.act();
    return 0;
}
