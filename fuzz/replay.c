/*
 * Runs a harness on inputs that are kept: each file that is named, and those of each directory. So what fuzzing once reached is reached by
 * each test run, without a fuzzer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MOST = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static unsigned ran;

/* Its bytes, of which there are at most MOST. */
static int run(const char *path)
{
    static uint8_t buffer[MOST];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    size_t count = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last line tells which one it was */
    LLVMFuzzerTestOneInput(buffer, count);
    ran++;
    return 0;
}

static int run_all(const char *path)
{
    struct stat what;
    DIR *directory = stat(path, &what) == 0 && S_ISDIR(what.st_mode) ? opendir(path) : NULL;
    if (!directory)
        return run(path);
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        failed |= run(file);
    }
    closedir(directory);
    return failed;
}

int main(int count, char **arguments)
{
    int failed = 0;
    for (int i = 1; i < count; i++)
        failed |= run_all(arguments[i]);
    if (ran == 0)
        fprintf(stderr, "no input\n");
    printf("1..1\n%s 1 - %u inputs\n", failed || ran == 0 ? "not ok" : "ok", ran);
    return failed || ran == 0;
}
