/* Runs every fuzz target over its seeds, and over spoiled copies of them: cut at each length, and
 * with octets changed by a generator that always starts the same. No fuzzer is needed for this, so
 * it is part of `make check'; targets with servers and disks in them get fewer copies. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { SEED_MAX = 64 << 10, COPIES = 400, COPIES_SLOW = 10 };

/* The core is the last: it goes on in a thread of its own, and logs. */
/* clang-format off */
#define TARGETS(X) \
    X(agent) X(alerts) X(dispatch) X(eval) X(frame) X(http) X(jobs) X(json) X(keys) \
    X(log) X(mail) X(poll) X(raise) X(row) X(set) X(smtp) X(snmp) X(stage) X(standard) X(template) X(usm) \
    X(values) X(verify) X(view) X(walk) X(webhook) X(xml) X(core)
/* clang-format on */

#define DECLARE(name) int fuzz_##name(const uint8_t *data, size_t size);
#define LIST(name)    {#name, fuzz_##name},

TARGETS(DECLARE)

static const struct target {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
} targets[] = {TARGETS(LIST)};

static const char *const slow[] = {"agent", "alerts", "core", "http",
                                   "smtp",  "verify", "walk", "webhook"};

static size_t copies_of(const struct target *t)
{
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++)
        if (strcmp(slow[i], t->name) == 0)
            return COPIES_SLOW;
    return COPIES;
}

static uint32_t next_random(uint32_t *state) /* xorshift32 */
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* On the heap and exactly as long, so that a sanitizer sees reads beyond. */
static void run(const struct target *t, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    REQUIRE(copy);
    memcpy(copy, data, size);
    t->run(copy, size);
    free(copy);
}

static void spoil(const struct target *t, const uint8_t *seed, size_t size, size_t copies)
{
    static uint8_t copy[SEED_MAX];
    uint32_t random = 2463534242;

    for (size_t i = 0; i < copies && size; i++) {
        memcpy(copy, seed, size);
        for (uint32_t n = next_random(&random) % 4 + 1; n; n--)
            copy[next_random(&random) % size] = (uint8_t)next_random(&random);
        run(t, copy, size);
    }
}

static void replay(const struct target *t, const char *file)
{
    static uint8_t seed[SEED_MAX];
    size_t copies = copies_of(t);
    FILE *f = fopen(file, "rb");
    size_t size;

    if (!f) {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        exit(1);
    }
    size = fread(seed, 1, sizeof seed, f);
    fclose(f);
    run(t, seed, size);
    for (size_t cut = 0; cut < size; cut += size / copies + 1)
        run(t, seed, cut);
    spoil(t, seed, size, copies);
}

static size_t replay_folder(const struct target *t, const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    char file[1024];
    size_t n = 0;

    if (!d) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        exit(1);
    }
    while ((entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
        replay(t, file);
        n++;
    }
    closedir(d);
    return n;
}

int main(void)
{
    const char *top = getenv("top_srcdir");
    int status = 0;

    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char folder[512];
        size_t n;

        snprintf(folder, sizeof folder, "%s/tests/fuzz/seeds/%s", top ? top : ".", targets[i].name);
        n = replay_folder(&targets[i], folder);
        printf("%s: %zu seeds\n", targets[i].name, n);
        if (n == 0)
            status = 1;
    }
    return status;
}
