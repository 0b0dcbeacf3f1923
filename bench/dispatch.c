/* How fast alerts are told: the whole daemon, its document from a web server here, v2c traps to a
 * sink here.
 *   one alert   from the sample's arrival (the document is handed to the poller) to the trap on the
 *               wire, against one synced commit of one record
 *   many        alerts that one sample raises or ends, each with its state, history and notice
 *               created durably, handed out, its trap sent and its outcome kept, against as many
 *               records of a notice's size committed bare, in batches
 *
 * Of the latter, the ratio to batches of 16 is held to its limit. In larger ones a record costs
 * next to nothing, but a notice is more than a record: it has a state, a history, a queue and an
 * outcome, each of which must outlive a crash at any instant. Printed, but not held, are
 *   - the ratio to everything that those notices make durable (bench/storm.h), written bare in as
 *     many commits as the daemon made: what JavaScript, judging, routing, encoding, sending and the
 *     way through four processes cost on top of the database;
 *   - the ratios to one record each, in batches as large as the daemon's commits, one by one (a
 *     commit's own cost) and in batches of 256 (a record's own).
 *
 * Both sides take turns on the same file system. Exit status 1 when a figure is out of its limit.
 * An argument, "one" or "many", runs that part only. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/site.h"
#include "bench/storm.h"

enum {
    SINGLES = 320,
    ROUNDS = 5,
    ALERTS = 5000,       /* of one round; half of what a target's queue takes */
    BARE_COMMITS = 1000, /* at most, of one round */
    RECORD_MOST = 4096,
    RECORD_LEAST = 200, /* octets of a notice: less was not one */
    SINGLE_MS = 10000,
    ROUND_MS = 60000,
};
static const double least_ratio = 0.5, most_p50_ms = 2, most_p99_ms = 10;

static const uint32_t batches[] = {1, 16, 256};
enum { NBATCHES = sizeof batches / sizeof *batches, HELD_BATCH = 16 };

static const char rows[] =
    "<target name=\"sink\" handler=\"traps\" global=\"true\" digestMillis=\"0\"/>";

/* ---- bare commits ---- */

struct bare {
    struct store *store;
    uint8_t record[RECORD_MOST];
    size_t len;
    uint32_t id;
};

static void bare_open(struct bare *b, const struct site *s)
{
    char path[96];
    struct store_options o = {.path = path, .recover_samples = true};
    struct err e;

    snprintf(path, sizeof path, "%s/bare", s->folder);
    if (store_open(&b->store, &o, &e))
        site_die("%s", e.text);
    memset(b->record, 'x', sizeof b->record);
    b->len = RECORD_LEAST;
}

/* N records in one synced commit. */
static void bare_commit(struct bare *b, uint32_t n)
{
    struct txn *t = txn_begin(b->store, TXN_WRITE);
    struct err e;

    while (n-- > 0) {
        struct key k = key_of_id("admin", ++b->id);

        kv_put(t, "bare", key_slice(&k), (struct slice){b->record, b->len});
    }
    if (txn_commit(t, &e))
        site_die("%s", e.text);
}

/* Records per second. */
static int64_t bare_rate(struct bare *b, uint32_t batch)
{
    int64_t from = site_now_ns();
    uint32_t done = 0;

    for (uint32_t commits = 0; commits < BARE_COMMITS && done < ALERTS; commits++) {
        bare_commit(b, batch);
        done += batch;
    }
    return done * INT64_C(1000000000) / (site_now_ns() - from);
}

/* ---- the daemon ---- */

static bool all_told(struct site *s, void *arg)
{
    return s->traps >= *(uint64_t *)arg;
}

/* The next sample changes the level of N definitions. Returns ns from its arrival to the last
 * trap. */
static int64_t tell(struct site *s, uint32_t n, int64_t timeout_ms)
{
    uint64_t wanted = s->traps + n;

    site_publish(s, !s->document);
    site_wait(s, all_told, &wanted, timeout_ms, "traps");
    if (s->traps != wanted)
        site_die("%" PRIu64 " traps too many", s->traps - wanted);
    return s->last_trap_ns - s->published_ns;
}

static bool has_polled(struct site *s, void *arg)
{
    return s->fetches > *(uint32_t *)arg;
}

/* A few polls later. */
static void settle(struct site *s)
{
    uint32_t fetches = s->fetches + 3;

    site_wait(s, has_polled, &fetches, SINGLE_MS, "some polls");
}

/* Every definition has been evaluated once, as false. */
static void start(struct site *s, uint32_t definitions)
{
    struct store *x = site_store(s);

    site_fill_definitions(x, definitions);
    store_close(x);
    site_publish(s, 0);
    site_start(s, "100ms", rows);
    settle(s);
}

/* Every trap is a notice that the store has as delivered. Returns the octets of an average one. */
static size_t check_notices(const struct site *s)
{
    struct store *x = site_store(s);
    struct txn *t = txn_begin(x, TXN_READ);
    struct cursor c;
    struct row r;
    uint64_t n = 0, octets = 0;

    for (cursor_first(&c, t, sa_table_by_id(SA_NOTICE), NULL); cursor_row(&c, &r);
         cursor_next(&c)) {
        if (row_int(&r, NOTICE_STATE) != NOTICE_DELIVERED || row_int(&r, NOTICE_ATTEMPTS) != 1)
            site_die("a notice is not delivered, or was sent more than once");
        octets += r.durable.len;
        n++;
    }
    cursor_close(&c);
    txn_abort(t);
    store_close(x);
    if (n != s->traps || octets / n < RECORD_LEAST || octets / n > RECORD_MOST)
        site_die("%" PRIu64 " notices for %" PRIu64 " traps", n, s->traps);
    return octets / n;
}

/* Commits of the daemon's store so far; it is in use. */
static uint64_t commits_of(const struct site *s)
{
    struct store *x = site_look(s);
    uint64_t n = store_commits(x);

    store_close(x);
    return n;
}

/* ---- figures ---- */

static bool report_single(const char *name, int64_t told, int64_t commit, double most_ms)
{
    double more = (double)(told - commit) / 1e6;

    printf("one alert, %s: %.2f ms, one commit %.2f ms: %.2f ms more (at most %.0f)%s\n", name,
           (double)told / 1e6, (double)commit / 1e6, more, most_ms,
           more > most_ms ? "   MISSED" : "");
    return more <= most_ms;
}

static bool measure_single(struct site *s, struct bare *b)
{
    static int64_t told[SINGLES], commits[SINGLES];
    bool good;

    start(s, 1);
    tell(s, 1, SINGLE_MS); /* warms up */
    bare_commit(b, 1);
    for (size_t i = 0; i < SINGLES; i++) {
        int64_t from;

        told[i] = tell(s, 1, SINGLE_MS);
        from = site_now_ns();
        bare_commit(b, 1);
        commits[i] = site_now_ns() - from;
    }
    if (s->document)
        tell(s, 1, SINGLE_MS);
    settle(s);
    site_stop(s);
    b->len = check_notices(s);
    good = report_single("p50", site_quantile(told, SINGLES, 0.5),
                         site_quantile(commits, SINGLES, 0.5), most_p50_ms);
    return report_single("p99", site_quantile(told, SINGLES, 0.99),
                         site_quantile(commits, SINGLES, 0.99), most_p99_ms) &&
           good;
}

/* One round of a storm, and what it is compared with; per second. */
struct round {
    int64_t told, same_writes, own_batch, records[NBATCHES];
    uint32_t commits;
};

static struct round run_round(struct site *s, struct bare *b, const struct storm *storm)
{
    struct round r;
    uint64_t before = commits_of(s);
    const struct storm_writes *w = &storm->halves[s->document ? STORM_CLEAR : STORM_RAISE];
    int64_t from;

    r.told = ALERTS * INT64_C(1000000000) / tell(s, ALERTS, ROUND_MS);
    r.commits = (uint32_t)(commits_of(s) - before); /* the last outcomes are still to come */
    settle(s);
    from = site_now_ns();
    storm_replay(w, b->store, r.commits);
    r.same_writes = w->notices * INT64_C(1000000000) / (site_now_ns() - from);
    r.own_batch = bare_rate(b, ALERTS / r.commits);
    for (size_t i = 0; i < NBATCHES; i++)
        r.records[i] = bare_rate(b, batches[i]);
    return r;
}

static double middle(const struct round *rounds, const int64_t *first)
{
    int64_t values[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++)
        values[i] = *(const int64_t *)((const char *)first + i * sizeof *rounds);
    return (double)site_quantile(values, ROUNDS, 0.5);
}

static bool report_ratio(const char *what, double told, double bare, bool held)
{
    double ratio = told / bare;
    bool missed = held && ratio < least_ratio;

    printf("  to %s, %.0f/s: %.2f", what, bare, ratio);
    if (held)
        printf(" (at least %.1f)%s", least_ratio, missed ? "   MISSED" : "");
    putchar('\n');
    return !missed;
}

static bool report_rounds(const struct round *rounds, const struct storm *storm, size_t octets)
{
    const struct storm_writes *w = storm->halves;
    double told = middle(rounds, &rounds->told), n = w[0].notices + w[1].notices;
    char what[96];
    uint32_t commits = 0;
    bool good = true;

    for (size_t i = 0; i < ROUNDS; i++)
        commits += rounds[i].commits;
    printf("%d alerts of one sample: %.0f notices/s of %zu octets, in %u commits\n", ALERTS, told,
           octets, commits / ROUNDS);
    snprintf(what, sizeof what,
             "the same %.1f puts and %.1f deletes each, %.0f octets, in as many commits",
             (double)(w[0].puts + w[1].puts) / n,
             (double)(w[0].n + w[1].n - w[0].puts - w[1].puts) / n,
             (double)(w[0].octets + w[1].octets) / n);
    report_ratio(what, told, middle(rounds, &rounds->same_writes), false);
    report_ratio("one record each, in as many commits", told, middle(rounds, &rounds->own_batch),
                 false);
    for (size_t i = 0; i < NBATCHES; i++) {
        snprintf(what, sizeof what, "one record each, %u a commit", batches[i]);
        good = report_ratio(what, told, middle(rounds, &rounds->records[i]),
                            batches[i] == HELD_BATCH) &&
               good;
    }
    return good;
}

static bool measure_many(struct site *s, struct bare *b)
{
    struct round rounds[ROUNDS];
    struct storm storm;
    bool good;

    storm_record(&storm, s, ALERTS);
    start(s, ALERTS);
    for (int half = 0; half < STORM_HALVES; half++) { /* warms up; alerts are made */
        tell(s, ALERTS, ROUND_MS);
        storm_replay(&storm.halves[half], b->store, 1);
        settle(s);
    }
    bare_rate(b, ALERTS);
    for (size_t i = 0; i < ROUNDS; i++)
        rounds[i] = run_round(s, b, &storm);
    settle(s);
    site_stop(s);
    b->len = check_notices(s);
    good = report_rounds(rounds, &storm, b->len);
    storm_release(&storm);
    return good;
}

int main(int argc, char **argv)
{
    struct site *s = site_open("dispatch");
    struct bare b = {.id = 0};
    bool all = argc < 2, good = true;

    bare_open(&b, s);
    if (all || !strcmp(argv[1], "one"))
        good = measure_single(s, &b);
    if (all || !strcmp(argv[1], "many"))
        good = measure_many(s, &b) && good;
    store_close(b.store);
    site_close();
    return good ? 0 : 1;
}
