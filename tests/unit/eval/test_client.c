/* The client: what it has evaluated and what not, and how it bears evaluators that die, hang or
 * lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/frame.h"
#include "eval/client.h"
#include "eval/protocol.h"
#include "eval/spawn.h"
#include "tests/unit/eval/world.h"

/* ---- dependencies ---- */

struct step {
    void (*act)(struct world *w);
    const char *evaluated; /* the conditions that are, by their letters */
};

/* Conditions a, b, c ... are 1, 2, 3 ... */
static const char *const conditions[] = {
    "_topic.one.v > 5",                     /* a */
    "_topic.two.v > 5",                     /* b */
    "_topic.one.v > 5 && _topic.two.v > 5", /* c: does not look at two while one is low */
    "'late' in _topic",                     /* d: an absent name */
    "glob('*').length > 2",                 /* e: the set of names */
    "true",                                 /* f: nothing */
    "_previous.one !== undefined && _topic.one.v !== _previous.one.v", /* g */
    "(function () { for (var k in _topic) if (k === 'late') return true; return false; })()", /* h
                                                                                               */
    "_topic.private === 1", /* i: may not be read at first */
};
enum { CONDITIONS = sizeof conditions / sizeof *conditions };

static void private_to(struct world *w, uint32_t owner)
{
    assert_int_equal(eval_client_topic_set(w->client, 9, "private", &owner, 1, 5, "1", 1), 0);
}

static void nothing(struct world *w)
{
    (void)w;
}
static void one_high(struct world *w)
{
    world_topic(w, 1, "one", "{\"v\":9}");
}
static void one_higher(struct world *w)
{
    world_topic(w, 1, "one", "{\"v\":10}");
}
static void one_low(struct world *w)
{
    world_topic(w, 1, "one", "{\"v\":1}");
}
static void two_high(struct world *w)
{
    world_topic(w, 2, "two", "{\"v\":9}");
}
static void late_comes(struct world *w)
{
    world_topic(w, 3, "late", "1");
}
static void late_goes(struct world *w)
{
    assert_int_equal(eval_client_topic_del(w->client, 3), 0);
}
static void late_breaks(struct world *w)
{
    world_topic(w, 3, "late", "{");
}
static void private_shown(struct world *w)
{
    private_to(w, 1);
}
static void private_hidden(struct world *w)
{
    private_to(w, 2);
}
static void private_changes(struct world *w)
{
    const uint32_t owner = 2;

    assert_int_equal(eval_client_topic_set(w->client, 9, "private", &owner, 1, 6, "2", 1), 0);
}
static void another_private_comes(struct world *w)
{
    const uint32_t owners[] = {2, 3};

    assert_int_equal(eval_client_topic_set(w->client, 10, "private.too", owners, 2, 5, "1", 1), 0);
}
static void another_private_goes(struct world *w)
{
    assert_int_equal(eval_client_topic_del(w->client, 10), 0);
}
static void f_is_due(struct world *w)
{
    assert_int_equal(eval_client_run(w->client, 6), 0);
}
static void all_as_before(struct world *w)
{
    for (uint32_t i = 0; i < CONDITIONS; i++)
        world_define(w, i + 1, conditions[i]);
}
static void b_is_changed(struct world *w)
{
    world_define(w, 2, "_topic.two.v > 50");
}

static const struct step steps[] = {
    {all_as_before, "abcdefghi"},
    {all_as_before, ""},
    {nothing, ""},
    {one_high, "acg"},
    {one_high, "g"}, /* the sample before is now the same */
    {one_high, ""},
    {two_high, "bc"},
    {one_low, "acg"},
    {one_high, "acg"},
    {one_higher, "acg"},
    {one_low, "acg"},
    {two_high, ""},
    {late_comes, "deh"},
    {late_goes, "deh"},
    {late_breaks, "deh"}, /* its text does not parse: there is no such topic */
    {late_comes, "deh"},
    {private_shown, "ehi"},
    {private_hidden, "ehi"},
    {private_changes, ""}, /* nobody who may not read it can tell, by evaluations that he sees */
    {another_private_comes, ""},
    {another_private_goes, ""},
    {private_shown, "ehi"},
    {private_hidden, "ehi"},
    {f_is_due, "f"},
    {b_is_changed, "b"},
    {two_high, ""},
    {one_high, "acg"},
};

static void check_step(struct world *w, size_t step, const unsigned *before)
{
    char evaluated[CONDITIONS + 1] = "";
    size_t n = 0;

    for (uint32_t i = 0; i < CONDITIONS; i++)
        if (w->verdicts[i + 1].n > before[i])
            evaluated[n++] = (char)('a' + i);
    if (strcmp(evaluated, steps[step].evaluated))
        fail_msg("step %zu evaluated '%s', wanted '%s'", step, evaluated, steps[step].evaluated);
}

static void only_who_is_concerned_is_evaluated(void **state)
{
    struct world *w = *state;
    unsigned before[CONDITIONS];

    one_low(w);
    world_topic(w, 2, "two", "{\"v\":1}");
    private_to(w, 2);
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        for (uint32_t i = 0; i < CONDITIONS; i++)
            before[i] = w->verdicts[i + 1].n;
        steps[s].act(w);
        eval_client_run(w->client, 100);                /* unknown: harmless */
        world_define(w, 50, s % 2 ? "1 > 0" : "2 > 0"); /* so that there is something to wait for */
        world_run(w);
        check_step(w, s, before);
    }
    struct eval_stats st;
    eval_client_stats(w->client, &st);
    assert_true(st.saved > 100);
    assert_int_equal(st.conditions, CONDITIONS + 1);
    assert_int_equal(st.topics, 4);
}

static void sum_ids(void *arg, uint32_t topic_id)
{
    *(uint32_t *)arg += topic_id;
}

static void what_was_read_can_be_asked(void **state)
{
    struct world *w = *state;
    uint32_t sum = 0;

    world_topic(w, 1, "one", "1");
    world_topic(w, 2, "two", "2");
    world_topic(w, 40, "three", "3");
    world_define(w, 1, "_topic.one > 0 && _topic.three > 0 || _topic.two > 0");
    world_define(w, 2, "_topic.one > 5 && _topic.absent");
    world_define(w, 3, "_topic.one > 0 && _topic.absent");
    world_run(w);
    eval_client_reads(w->client, 1, sum_ids, &sum);
    assert_int_equal(sum, 41);
    eval_client_reads(w->client, 99, sum_ids, &sum);
    assert_int_equal(sum, 41);
    assert_false(eval_client_missed(w->client, 1));
    assert_false(eval_client_missed(w->client, 2));
    assert_true(eval_client_missed(w->client, 3));
    assert_false(eval_client_missed(w->client, 99));
}

/* The evaluator has greeted, and answers nothing more until it is let go on. */
static void stop_evaluator(struct world *w)
{
    world_define(w, WORLD_IDS - 1, "true");
    world_run(w);
    assert_int_equal(kill(w->pid, SIGSTOP), 0);
}

static void flush_to_stopped(struct world *w)
{
    struct eval_stats st;

    eval_client_flush(w->client);
    eval_client_stats(w->client, &st);
    assert_true(st.in_flight >= 300);
}

/* A topic that changes after its reader was sent, before its first answer told what it reads. */
static void a_change_during_flight_is_not_lost(void **state)
{
    struct world *w = *state;

    stop_evaluator(w);
    world_topic(w, 1, "one", "{\"v\":1}");
    for (uint32_t i = 1; i <= 2000; i++)
        world_define(w, i, "_topic.one.v === 2 || 'late' in _topic");
    flush_to_stopped(w);
    world_topic(w, 1, "one", "{\"v\":2}");
    kill(w->pid, SIGCONT);
    world_run(w);
    for (uint32_t i = 1; i <= 2000; i++)
        assert_int_equal(w->verdicts[i].last.kind, VERDICT_TRUE);
}

static void deleted_and_changed_conditions_get_no_old_verdict(void **state)
{
    struct world *w = *state;

    stop_evaluator(w);
    for (uint32_t i = 1; i <= 300; i++)
        world_define(w, i, "'INFO'");
    flush_to_stopped(w);
    for (uint32_t i = 1; i <= 300; i += 3) {
        assert_int_equal(eval_client_condition_del(w->client, i), 0);
        world_define(w, i + 1, "'WARNING'");
    }
    kill(w->pid, SIGCONT);
    world_run(w);
    for (uint32_t i = 1; i <= 300; i += 3) {
        assert_int_equal(w->verdicts[i].n, 0);
        assert_int_equal(w->verdicts[i + 1].n, 1);
        assert_int_equal(w->verdicts[i + 1].last.level, 3);
        assert_int_equal(w->verdicts[i + 2].last.level, 2);
    }
    assert_int_equal(eval_client_condition_del(w->client, 1), ERR_NOTFOUND);
}

static void limits_are_kept(void **state)
{
    struct world *w = *state;
    struct eval_client *c = w->client;
    static char big[EVAL_TOPIC_MAX + 1];
    char name[EVAL_NAME_MAX + 2];

    memset(big, ' ', sizeof big);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_int_equal(eval_client_condition_set(c, 1, 1, big, EVAL_SCRIPT_MAX + 1), ERR_RANGE);
    assert_int_equal(eval_client_condition_set(c, 1, 1, "a\0b", 3), ERR_INVALID);
    assert_int_equal(eval_client_condition_set(c, 1, 1, "\xff", 1), ERR_INVALID);
    assert_int_equal(eval_client_condition_set(c, 0, 1, "1", 1), ERR_INVALID);
    assert_int_equal(eval_client_topic_set(c, 1, name, NULL, 0, 0, "1", 1), ERR_RANGE);
    assert_int_equal(eval_client_topic_set(c, 1, "", NULL, 0, 0, "1", 1), ERR_RANGE);
    assert_int_equal(eval_client_topic_set(c, 1, "\xff", NULL, 0, 0, "1", 1), ERR_INVALID);
    assert_int_equal(eval_client_topic_set(c, 0, "n", NULL, 0, 0, "1", 1), ERR_INVALID);
    assert_int_equal(eval_client_topic_set(c, 1, "n", NULL, 0, 0, big, sizeof big), ERR_RANGE);
    assert_int_equal(eval_client_topic_set(c, 1, "n", NULL, 0, 0, "1", 1), 0);
    assert_int_equal(eval_client_topic_set(c, 1, "m", NULL, 0, 0, "1", 1), ERR_INVALID);
    assert_int_equal(eval_client_topic_set(c, 2, "n", NULL, 0, 0, "1", 1), ERR_EXISTS);
    assert_int_equal(eval_client_topic_del(c, 2), ERR_NOTFOUND);
    assert_int_equal(eval_client_run(c, 7), ERR_NOTFOUND);
    big[EVAL_SCRIPT_MAX - 1] = '1';
    assert_int_equal(eval_client_condition_set(c, 1, 1, big, EVAL_SCRIPT_MAX), 0);
    world_run(w);
    assert_non_null(strstr(w->verdicts[1].last.error, "number 1"));
}

/* ---- evaluators that die ---- */

static void kill_evaluator(struct world *w)
{
    assert_int_equal(kill(w->pid, SIGKILL), 0);
}

static void after_a_kill_everything_goes_on(void **state)
{
    struct world *w = *state;

    world_topic(w, 1, "one", "{\"v\":1}");
    world_topic(w, 1, "one", "{\"v\":2}");
    world_topic(w, 2, "same", "1");
    world_topic(w, 2, "same", "1");
    for (uint32_t i = 1; i <= 1000; i++)
        world_define(w, i, "_topic.one.v === 2 && _previous.one.v === 1 && _previous.same === 1");
    eval_client_flush(w->client);
    kill_evaluator(w);
    unsigned n = w->idle + 1;
    world_until(w, &w->idle, n);
    assert_int_equal(w->kills, 1);
    assert_int_equal(w->culprit, 0);
    for (uint32_t i = 1; i <= 1000; i++)
        assert_int_equal(w->verdicts[i].last.kind, VERDICT_TRUE);

    kill_evaluator(w); /* idle: nobody is blamed, nothing is evaluated anew */
    world_until(w, &w->kills, 2);
    assert_int_equal(w->culprit, 0);
    n = w->verdicts[1].n;
    world_define(w, 1001, "_topic.one.v === 2");
    world_run(w);
    assert_int_equal(w->verdicts[1].n, n);
    world_topic(w, 1, "one", "{\"v\":3}"); /* dependencies outlived the evaluator */
    world_run(w);
    assert_int_equal(w->verdicts[1].last.kind, VERDICT_FALSE);
    assert_int_equal(w->verdicts[1001].last.kind, VERDICT_FALSE);
}

static void detaching_blames_nobody(void **state)
{
    struct world *w = *state;

    for (uint32_t i = 1; i <= 100; i++)
        world_define(w, i, "true");
    eval_client_flush(w->client);
    eval_client_detach(w->client);
    assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
    assert_int_equal(w->kills, 0);
    world_spawn(w);
    world_until(w, &w->idle, 1);
    for (uint32_t i = 1; i <= 100; i++)
        assert_int_equal(w->verdicts[i].last.kind, VERDICT_TRUE);
}

/* One that neither works nor answers is given a minute, on whatever clock the loop has. */
static void a_stopped_evaluator_is_replaced(void **state)
{
    struct world *w = *state;
    int64_t wall_ms = clock_wall_ms(), mono_ms = clock_mono_ms();

    stop_evaluator(w);
    for (uint32_t i = 1; i <= 300; i++)
        world_define(w, i, "'INFO'");
    clock_fake(&wall_ms, &mono_ms);
    flush_to_stopped(w);
    mono_ms += 59000;
    for (int i = 0; i < 5; i++)
        assert_int_equal(loop_turn(w->loop, 10), 0);
    assert_int_equal(w->kills, 0);
    mono_ms += 2000;
    world_until(w, &w->kills, 1);
    clock_fake(NULL, NULL);
    assert_int_equal(w->culprit, 0);
    assert_non_null(strstr(w->why, "neither works nor answers"));
    world_until(w, &w->idle, 2);
    for (uint32_t i = 1; i <= 300; i++) {
        assert_int_equal(w->verdicts[i].n, 1);
        assert_int_equal(w->verdicts[i].last.level, 2);
    }
}

/* ---- evaluators that are not ours: a child of the test plays one ---- */

struct fake {
    int fd;
    struct buf in, out;
    struct rd bundle;
};

static void fake_send(struct fake *f, enum eval_frame type)
{
    if (frame_write(f->fd, (uint16_t)type, f->out.data, f->out.len))
        _exit(0);
    buf_clear(&f->out);
}

/* The next frame, out of its bundle. */
static struct slice fake_read(struct fake *f, uint16_t *ret_type)
{
    struct slice payload;

    if (!f->bundle.left) {
        if (frame_read(f->fd, ret_type, &f->in, EVAL_REQUEST_MAX))
            _exit(0);
        if (*ret_type != EVAL_BUNDLE)
            _exit(1);
        rd_init(&f->bundle, f->in.data, f->in.len);
    }
    if (eval_get_frame(&f->bundle, ret_type, &payload))
        _exit(1);
    return payload;
}

/* Read until the next EVAL; the conditions' ids. */
static uint32_t fake_read_eval(struct fake *f, uint32_t ids[EVAL_BATCH_MAX])
{
    struct slice payload;
    struct eval_now now;
    const uint8_t *raw;
    uint32_t n;
    uint16_t type;

    do {
        payload = fake_read(f, &type);
    } while (type != EVAL_EVAL);
    if (eval_get_eval(payload.data, payload.len, &now, &raw, &n))
        _exit(1);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = get_u32(raw + 4 * (size_t)i);
    return n;
}

static void fake_result(struct fake *f, uint32_t id)
{
    const struct verdict v = {.kind = VERDICT_TRUE};

    eval_put_result(&f->out, &v, id, false, NULL, 0);
    fake_send(f, EVAL_RESULTS);
}

static void spin(void)
{
    for (;;)
        clock_wall_ms();
}

static void world_fake(struct world *w, void (*play)(struct fake *f))
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (!w->pid) {
        struct fake f = {.fd = pair[1]};
        close(pair[0]);
        signal(SIGPIPE, SIG_DFL);
        buf_init(&f.in, EVAL_REQUEST_MAX);
        buf_init(&f.out, 16 << 20);
        eval_put_hello(&f.out);
        fake_send(&f, EVAL_HELLO);
        play(&f);
        fake_read_eval(&f, (uint32_t[EVAL_BATCH_MAX]){0}); /* until the end of the input */
        pause();
    }
    close(pair[1]);
    int pidfd = (int)syscall(SYS_pidfd_open, w->pid, 0);
    assert_int_equal(eval_client_attach(w->client, pair[0], pidfd, w->pid), 0);
}

/* Put PLAY in place of the real evaluator. */
static void replace(struct world *w, void (*play)(struct fake *f))
{
    eval_client_detach(w->client);
    assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
    world_fake(w, play);
}

static void define_ten(struct world *w)
{
    for (uint32_t i = 1; i <= 10; i++)
        world_define(w, i, "'INFO'");
}

/* Answers three, says that it is busy with the fourth, and never comes back from it. */
static void play_hang(struct fake *f)
{
    uint32_t ids[EVAL_BATCH_MAX];

    fake_read_eval(f, ids);
    for (int i = 0; i < 3; i++)
        fake_result(f, ids[i]);
    buf_u32(&f->out, ids[3]);
    fake_send(f, EVAL_BUSY);
    spin();
}

static void the_deadline_kills_and_blames(void **state)
{
    struct world *w = *state;

    replace(w, play_hang);
    define_ten(w);
    world_run(w);
    assert_int_equal(w->kills, 1);
    assert_int_equal(w->culprit, 4);
    assert_in_range(w->cpu_ms, 150, 1500);
    assert_int_equal(w->verdicts[3].last.kind, VERDICT_TRUE);
    assert_int_equal(w->verdicts[4].n, 1);
    assert_int_equal(w->verdicts[4].last.kind, VERDICT_ERROR);
    assert_true(w->verdicts[4].last.over_budget);
    for (uint32_t i = 5; i <= 10; i++) { /* by the real one, which took its place */
        assert_int_equal(w->verdicts[i].n, 1);
        assert_int_equal(w->verdicts[i].last.level, 2);
    }
}

/* Hangs without a word. */
static void play_hang_silently(struct fake *f)
{
    uint32_t ids[EVAL_BATCH_MAX];

    fake_read_eval(f, ids);
    spin();
}

static void whoever_hangs_alone_is_blamed(void **state)
{
    struct world *w = *state;

    w->no_respawn = true;
    replace(w, play_hang_silently);
    define_ten(w);
    eval_client_flush(w->client);
    world_until(w, &w->kills, 1);
    assert_int_equal(w->culprit, 0); /* ten in flight: which one? */
    world_fake(w, play_hang_silently);
    world_until(w, &w->kills, 2);
    assert_int_equal(w->culprit, 1);
    assert_int_equal(w->verdicts[1].last.kind, VERDICT_ERROR);
    world_spawn(w);
    world_until(w, &w->idle, 1);
    for (uint32_t i = 2; i <= 10; i++)
        assert_int_equal(w->verdicts[i].last.level, 2);
}

/* Dies as soon as it is to evaluate condition 7. */
static void play_die_at_seven(struct fake *f)
{
    uint32_t ids[EVAL_BATCH_MAX], n;

    for (;;) {
        n = fake_read_eval(f, ids);
        for (uint32_t i = 0; i < n; i++)
            if (ids[i] == 7)
                abort(); /* what was answered of this batch is lost with it */
        for (uint32_t i = 0; i < n; i++)
            fake_result(f, ids[i]);
    }
}

/* An evaluator that ends before it has said a word. */
static void world_stillborn(struct world *w)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (!w->pid)
        _exit(1);
    close(pair[1]);
    int pidfd = (int)syscall(SYS_pidfd_open, w->pid, 0);
    assert_int_equal(eval_client_attach(w->client, pair[0], pidfd, w->pid), 0);
}

static void many_that_end_at_once_lose_nothing(void **state)
{
    struct world *w = *state;

    w->no_respawn = true;
    kill_evaluator(w);
    define_ten(w);
    eval_client_flush(w->client);
    for (unsigned n = 1; n <= 50; n++) {
        world_until(w, &w->kills, n);
        assert_int_equal(w->culprit, 0);
        assert_true(w->wants);
        world_stillborn(w);
    }
    world_until(w, &w->kills, 51);
    world_spawn(w);
    world_until(w, &w->idle, 1);
    for (uint32_t i = 1; i <= 10; i++) {
        assert_int_equal(w->verdicts[i].n, 1);
        assert_int_equal(w->verdicts[i].last.level, 2);
    }
}

static void whoever_brings_it_down_is_found(void **state)
{
    struct world *w = *state;

    w->no_respawn = true;
    replace(w, play_die_at_seven);
    define_ten(w);
    eval_client_flush(w->client);
    for (unsigned n = 1; n <= 2; n++) {
        world_until(w, &w->kills, n);
        assert_int_equal(w->culprit, n == 1 ? 0 : 7);
        assert_true(w->wants);
        world_fake(w, play_die_at_seven);
    }
    world_until(w, &w->idle, 1);
    for (uint32_t i = 1; i <= 10; i++) {
        assert_int_equal(w->verdicts[i].n, 1);
        assert_int_equal(w->verdicts[i].last.kind, i == 7 ? VERDICT_ERROR : VERDICT_TRUE);
    }
    assert_false(w->verdicts[7].last.over_budget);
}

/* ---- evaluators that lie ---- */

static void lie_type(struct fake *f)
{
    buf_u32(&f->out, 1);
    fake_send(f, (enum eval_frame)77);
}
static void lie_request(struct fake *f)
{
    buf_u32(&f->out, 1);
    fake_send(f, EVAL_DROP);
}
static void lie_hello_again(struct fake *f)
{
    eval_put_hello(&f->out);
    fake_send(f, EVAL_HELLO);
}
static void lie_unasked(struct fake *f)
{
    fake_result(f, 999);
}
static void lie_order(struct fake *f)
{
    uint32_t ids[EVAL_BATCH_MAX];

    fake_read_eval(f, ids);
    fake_result(f, ids[1]);
}
static void lie_busy(struct fake *f)
{
    uint32_t ids[EVAL_BATCH_MAX];

    fake_read_eval(f, ids);
    buf_u32(&f->out, ids[2]);
    fake_send(f, EVAL_BUSY);
}
static void lie_with(struct fake *f, uint8_t kind, uint8_t level, uint16_t flags, uint16_t ndeps,
                     size_t octets)
{
    uint32_t ids[EVAL_BATCH_MAX];

    fake_read_eval(f, ids);
    buf_u32(&f->out, ids[0]);
    buf_u8(&f->out, kind);
    buf_u8(&f->out, level);
    buf_u16(&f->out, flags);
    buf_u32(&f->out, 0);
    buf_u16(&f->out, ndeps);
    for (size_t i = 0; i < octets; i++)
        buf_u8(&f->out, 0);
    fake_send(f, EVAL_RESULTS);
}
static void lie_kind(struct fake *f)
{
    lie_with(f, 6, 0, 0, 0, 0);
}
static void lie_level(struct fake *f)
{
    lie_with(f, VERDICT_LEVEL, 6, 0, 0, 0);
}
static void lie_no_level(struct fake *f)
{
    lie_with(f, VERDICT_TRUE, 1, 0, 0, 0);
}
static void lie_flags(struct fake *f)
{
    lie_with(f, VERDICT_TRUE, 0, 64, 0, 0);
}
static void lie_deps(struct fake *f)
{
    lie_with(f, VERDICT_TRUE, 0, 0, 65535, 8);
}
static void lie_deps_twice(struct fake *f)
{
    lie_with(f, VERDICT_TRUE, 0, 0, 2, 16);
}
static void lie_texts(struct fake *f)
{
    lie_with(f, VERDICT_TRUE, 0, RESULT_TEXTS, 0xffff, 64);
}
static void lie_trailing(struct fake *f)
{
    lie_with(f, VERDICT_TRUE, 0, 0, 0, 5);
}
static void lie_topic_error(struct fake *f)
{
    buf_u32(&f->out, 1);
    fake_send(f, EVAL_TOPIC_ERROR);
}
static void lie_length(struct fake *f)
{
    for (int i = 0; i < EVAL_REPLY_MAX + 1; i++)
        buf_u8(&f->out, 0);
    fake_send(f, EVAL_RESULTS);
}
static void lie_garbage(struct fake *f)
{
    if (write(f->fd, "GET / HTTP/1.1\r\n\r\n", 18) < 0)
        _exit(0);
}
static void lie_descriptor(struct fake *f)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    uint8_t frame[12] = {0, 0, 0, 4, 0, EVAL_BUSY, 0, 0, 0, 0, 0, 1};
    struct iovec iov = {frame, sizeof frame};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    int fd = 0;

    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    if (sendmsg(f->fd, &msg, 0) < 0)
        _exit(0);
}

static void (*const lies[])(struct fake *f) = {
    lie_type,  lie_request,  lie_hello_again, lie_unasked, lie_order,   lie_busy,
    lie_kind,  lie_level,    lie_no_level,    lie_flags,   lie_deps,    lie_deps_twice,
    lie_texts, lie_trailing, lie_topic_error, lie_length,  lie_garbage, lie_descriptor,
};

static void run_ten(struct world *w)
{
    for (uint32_t i = 1; i <= 10; i++)
        assert_int_equal(eval_client_run(w->client, i), 0);
}

static void whoever_lies_is_killed(void **state)
{
    struct world *w = *state;

    define_ten(w);
    for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++) {
        replace(w, lies[i]);
        run_ten(w);
        eval_client_flush(w->client);
        world_until(w, &w->kills, i + 1);
        assert_int_equal(w->culprit, 0);
        run_ten(w);
        world_run(w); /* by a real one */
        for (uint32_t k = 1; k <= 10; k++)
            assert_int_equal(w->verdicts[k].last.level, 2);
    }
}

/* Texts of an evaluator are cleaned; dependencies on what is not there are harmless. */
static void play_dirty(struct fake *f)
{
    uint32_t ids[EVAL_BATCH_MAX];
    struct verdict v = {.kind = VERDICT_ERROR, .error = "bad \xff\x01 text"};
    eval_dep deps[] = {0, 12345, eval_dep_make(EVAL_DEP_CONTENT, 99),
                       eval_dep_make((enum eval_dep_kind)200, 1)};
    uint32_t n = fake_read_eval(f, ids);

    for (uint32_t i = 0; i < n; i++) {
        eval_put_result(&f->out, &v, ids[i], false, deps, 4);
        fake_send(f, EVAL_RESULTS);
    }
}

static void what_it_says_is_cleaned(void **state)
{
    struct world *w = *state;

    replace(w, play_dirty);
    define_ten(w);
    world_run(w);
    assert_string_equal(w->verdicts[10].last.error, "bad ?  text");
    assert_int_equal(w->kills, 0);
}

static void another_build_is_refused(void **state)
{
    struct world *w = *state;
    struct buf b;
    int pair[2];

    eval_client_detach(w->client);
    assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    buf_init(&b, 1000);
    buf_u32(&b, EVAL_PROTOCOL_VERSION);
    buf_str(&b, "0.0-another");
    assert_int_equal(frame_write(pair[1], EVAL_HELLO, b.data, b.len), 0);
    buf_release(&b);
    w->pid = fork();
    if (!w->pid) {
        pause();
        _exit(0);
    }
    assert_int_equal(
        eval_client_attach(w->client, pair[0], (int)syscall(SYS_pidfd_open, w->pid, 0), w->pid), 0);
    world_until(w, &w->kills, 1);
    close(pair[1]);
    assert_non_null(strstr(w->why, "0.0-another"));
    define_ten(w);
    world_run(w);
    assert_int_equal(w->verdicts[10].last.level, 2);
}

/* ---- an evaluator that is fed nonsense ---- */

static void nonsense_ends_the_evaluator(void **state)
{
    static const uint8_t *const frames[] = {
        (const uint8_t *)"\0\0\0\0\0\0\0\0",     (const uint8_t *)"\0\0\0\0\0\x4d\0\0",
        (const uint8_t *)"\0\0\0\0\0\x02\0\0",   (const uint8_t *)"\0\0\0\0\0\x07\0\0",
        (const uint8_t *)"\0\0\0\0\0\x05\0\0",   (const uint8_t *)"\xff\xff\xff\xff\0\x02\0\0",
        (const uint8_t *)"\0\0\0\0\0\x02\0\x01",
    };

    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        int fd, pidfd, status;
        pid_t pid;
        struct err e;
        assert_int_equal(eval_spawn(world_evaluator(), false, &fd, &pidfd, &pid, &e), 0);
        assert_int_equal(write(fd, frames[i], 8), 8);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_not_equal(WEXITSTATUS(status), 0);
        close(fd);
        close(pidfd);
    }
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(only_who_is_concerned_is_evaluated),
        WITH_WORLD(what_was_read_can_be_asked),
        WITH_WORLD(a_change_during_flight_is_not_lost),
        WITH_WORLD(deleted_and_changed_conditions_get_no_old_verdict),
        WITH_WORLD(limits_are_kept),
        WITH_WORLD(after_a_kill_everything_goes_on),
        WITH_WORLD(detaching_blames_nobody),
        WITH_WORLD(a_stopped_evaluator_is_replaced),
        WITH_WORLD(the_deadline_kills_and_blames),
        WITH_WORLD(whoever_hangs_alone_is_blamed),
        WITH_WORLD(many_that_end_at_once_lose_nothing),
        WITH_WORLD(whoever_brings_it_down_is_found),
        WITH_WORLD(whoever_lies_is_killed),
        WITH_WORLD(what_it_says_is_cleaned),
        WITH_WORLD(another_build_is_refused),
        cmocka_unit_test(nonsense_ends_the_evaluator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
