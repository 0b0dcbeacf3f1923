#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/eval/world.h"

#include "base/clock.h"
#include "eval/spawn.h"

const char *world_evaluator(void)
{
    static char path[4096];
    const char *dir = getenv("top_builddir");

    snprintf(path, sizeof path, "%s/snmpalertd-evaluator", dir ? dir : ".");
    return path;
}

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct world *w = arg;

    assert_in_range(id, 1, WORLD_IDS - 1);
    w->verdicts[id].n++;
    w->verdicts[id].last = *v;
    if (w->on_verdict)
        w->on_verdict(w, id);
}

static void on_topic_error(void *arg, uint32_t id, const char *text)
{
    struct world *w = arg;

    w->topic_errors++;
    w->bad_topic = id;
    snprintf(w->topic_error, sizeof w->topic_error, "%s", text);
}

static void on_idle(void *arg)
{
    ((struct world *)arg)->idle++;
}

static void reap(struct world *w)
{
    struct rusage used = {0};

    if (w->pid > 0)
        assert_int_equal(wait4(w->pid, NULL, 0, &used), w->pid);
    w->cpu_ms = used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000 +
                used.ru_stime.tv_sec * 1000 + used.ru_stime.tv_usec / 1000;
    w->pid = 0;
}

void world_spawn(struct world *w)
{
    struct err e = {0};
    int fd, pidfd;

    if (eval_spawn(world_evaluator(), w->unconfined, &fd, &pidfd, &w->pid, &e))
        fail_msg("%s", e.text);
    assert_int_equal(eval_client_attach(w->client, fd, pidfd, w->pid), 0);
}

static void need_evaluator(void *arg)
{
    struct world *w = arg;

    reap(w);
    w->wants = w->no_respawn;
    if (!w->no_respawn)
        world_spawn(w);
}

static void on_kill(void *arg, uint32_t id, const char *why)
{
    struct world *w = arg;

    w->kills++;
    w->culprit = id;
    snprintf(w->why, sizeof w->why, "%s", why);
}

int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    w->verdicts = calloc(WORLD_IDS, sizeof(*w->verdicts));
    w->loop = loop_new();
    struct eval_client_options o = {
        .loop = w->loop,
        .on_verdict = on_verdict,
        .on_topic_error = on_topic_error,
        .on_idle = on_idle,
        .need_evaluator = need_evaluator,
        .on_kill = on_kill,
        .arg = w,
    };
    w->client = eval_client_new(&o);
    assert_non_null(w->client);
    world_spawn(w);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;

    eval_client_free(w->client);
    reap(w);
    loop_free(w->loop);
    free(w->verdicts);
    free(w);
    return 0;
}

void world_topic(struct world *w, uint32_t id, const char *name, const char *json)
{
    assert_int_equal(
        eval_client_topic_set(w->client, id, name, NULL, 0, clock_mono_ms(), json, strlen(json)),
        0);
}

void world_define(struct world *w, uint32_t id, const char *text)
{
    assert_int_equal(eval_client_condition_set(w->client, id, 1, text, strlen(text)), 0);
}

void world_until(struct world *w, const unsigned *what, unsigned n)
{
    time_t deadline = time(NULL) + WORLD_DEADLINE_MS / 1000;

    while (*what < n) {
        if (time(NULL) > deadline)
            fail_msg("nothing for %d ms", WORLD_DEADLINE_MS);
        assert_int_equal(loop_turn(w->loop, 100), 0);
    }
}

void world_run(struct world *w)
{
    unsigned n = w->idle + 1;

    eval_client_flush(w->client);
    world_until(w, &w->idle, n);
}

const struct verdict *world_eval(struct world *w, const char *text)
{
    unsigned n = w->verdicts[1].n;

    world_define(w, 1, text);
    eval_client_run(w->client, 1);
    world_run(w);
    assert_int_equal(w->verdicts[1].n, n + 1);
    return &w->verdicts[1].last;
}

long world_status(const struct world *w, const char *key)
{
    char path[64], line[256];
    long value = -1;

    snprintf(path, sizeof path, "/proc/%d/status", (int)w->pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key)))
            value = atol(line + strlen(key));
    fclose(f);
    return value;
}
