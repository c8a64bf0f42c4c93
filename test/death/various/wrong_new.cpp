/* Misuses of operator new and delete: as wrong.c. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

struct Base {
    int value = 1;
    ~Base() { value = 0; } /* not virtual */
};

struct First {
    virtual void act() {}
    long first = 1;
};

struct Derived : First, Base {
    char more[100] = {};
};

struct Plain : Base {
    char more[100] = {};
};

struct Text {
    std::string text = std::string(50, 't');
};

template <class T> static T *hide(T *p)
{
    __asm__ volatile("" : "+r"(p)::"memory");
    return p;
}

static void deleted_twice()
{
    auto *p = hide(new Text);
    delete p;
    ::operator delete(static_cast<void *>(hide(p)));
}

static void array_deleted_twice()
{
    auto *p = hide(new int[100]);
    delete[] p;
    delete[] hide(p);
}

static void deleted_by_second_base()
{
    Base *p = hide(new Derived);
    delete p;
}

static void deleted_as_base()
{
    Base *p = hide(new Plain);
    delete p;
}

static void array_deleted_as_one()
{
    auto *p = hide(new Text[7]);
    delete p;
}

static void array_of_numbers_deleted_as_one()
{
    auto *p = hide(new long[7]);
    delete p;
}

static void one_deleted_as_array() { delete[] hide(new Text); }

static void owned_twice()
{
    auto *p = hide(new Text);
    std::unique_ptr<Text> one(p), two(hide(p));
}

static void deleted_from_stack()
{
    Base here;
    delete hide(&here);
}

static void deleted_then_freed()
{
    auto *p = hide(new int[30]);
    delete[] p;
    std::free(hide(p));
}

static void vector_written_beyond()
{
    std::vector<char> v(100);
    hide(v.data())[100] = 1;
}

static void iterator_of_before()
{
    std::vector<int> v(10, 1);
    int *first = hide(v.data());
    v.resize(1000);
    *hide(first) = 7;
    std::vector<std::vector<int>> more(2000, std::vector<int>(10));
}

static void text_after_its_end()
{
    const char *text;
    {
        std::string s(1000, 's');
        text = s.c_str();
    }
    hide(const_cast<char *>(text))[5] = 'x';
    std::vector<std::string> more(2000, std::string(1000, 'm'));
}

int main(int count, char **names)
{
    static const struct {
        const char *name;
        void (*act)();
        const char *modes;
    } cases[] = {{"deleted_twice", deleted_twice, "dhfg"},
                 {"array_deleted_twice", array_deleted_twice, "dhfg"},
                 {"deleted_by_second_base", deleted_by_second_base, "dhfg"},
                 {"deleted_as_base", deleted_as_base, "hfg"},
                 {"array_deleted_as_one", array_deleted_as_one, "dhfg"},
                 {"array_of_numbers_deleted_as_one", array_of_numbers_deleted_as_one, "hfg"},
                 {"one_deleted_as_array", one_deleted_as_array, "DHFG"},
                 {"owned_twice", owned_twice, "DHFG"},
                 {"deleted_from_stack", deleted_from_stack, "dhfg"},
                 {"deleted_then_freed", deleted_then_freed, "dhfg"},
                 {"vector_written_beyond", vector_written_beyond, "hfg"},
                 {"iterator_of_before", iterator_of_before, "hfg"},
                 {"text_after_its_end", text_after_its_end, "hfg"}};
    for (const auto &one : cases)
        if (count < 2)
            std::printf("%s %s\n", one.name, one.modes);
        else if (std::strcmp(one.name, names[1]) == 0)
            one.act();
    return 0;
}
