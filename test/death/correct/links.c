/* A list whose links lie in the first words of its objects, freed while it is walked from a copy. */
#include "correct.h"

struct link {
    struct link *next, *self;
    char rest[16];
};

int main(void)
{
    struct link *head = NULL;
    for (int i = 0; i < 100000; i++) {
        struct link *link = hide(malloc(sizeof *link));
        link->next = head;
        link->self = link;
        head = link;
    }
    while (head) {
        struct link *next = head->next;
        CHECK(head->self == head);
        free(head);
        head = next;
    }
}
