/* A module that takes ROOM bytes of static thread-local storage. */
__attribute__((tls_model("initial-exec"))) _Thread_local char tls_room[ROOM];

char *tls_touch(int at);
char *tls_touch(int at) { return &tls_room[at]; }
