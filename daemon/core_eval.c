/* Definitions and what they are evaluated over: sources' samples in, verdicts out. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"

enum { SAMPLE_LATE_MS = 60 * 60 * 1000 }; /* from the poller to the core, at most */

/* ---- definitions by name ---- */

static uint64_t name_hash(const char *owner, const char *name)
{
    return hash64(name, strlen(name), hash64(owner, strlen(owner), 1));
}

static struct core_def *def_at(const struct core *c, uint32_t condition)
{
    return condition && condition <= c->ndefs ? c->defs[condition - 1] : NULL;
}

/* The slot that holds the definition, or the free one where it belongs. */
static uint32_t *map_slot(const struct core *c, const char *owner, const char *name)
{
    size_t i = name_hash(owner, name) & (c->map_cap - 1);

    for (;; i = (i + 1) & (c->map_cap - 1)) {
        const struct core_def *d = def_at(c, c->def_map[i]);

        if (!c->def_map[i] || (d && !strcmp(d->d.name, name) && !strcmp(d->d.owner, owner)))
            return &c->def_map[i];
    }
}

static int map_grow(struct core *c)
{
    uint32_t *old = c->def_map;
    size_t cap = c->map_cap;

    if ((c->map_used + 1) * 2 <= cap)
        return 0;
    c->map_cap = cap ? cap * 2 : 256;
    c->def_map = calloc(c->map_cap, sizeof *c->def_map);
    if (!c->def_map) {
        c->def_map = old;
        c->map_cap = cap;
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < cap; i++) {
        const struct core_def *d = def_at(c, old[i]);

        if (d)
            *map_slot(c, d->d.owner, d->d.name) = old[i];
    }
    free(old);
    return 0;
}

/* Open addressing without tombstones: what stands behind the hole moves up. */
static void map_remove(struct core *c, const char *owner, const char *name)
{
    uint32_t *slot = map_slot(c, owner, name);
    size_t hole = (size_t)(slot - c->def_map), i = hole;

    if (!*slot)
        return;
    *slot = 0;
    c->map_used--;
    for (;;) {
        const struct core_def *d;
        size_t home;

        i = (i + 1) & (c->map_cap - 1);
        d = def_at(c, c->def_map[i]);
        if (!d)
            return;
        home = name_hash(d->d.owner, d->d.name) & (c->map_cap - 1);
        if (((i - home) & (c->map_cap - 1)) >= ((i - hole) & (c->map_cap - 1))) {
            c->def_map[hole] = c->def_map[i];
            c->def_map[i] = 0;
            hole = i;
        }
    }
}

static struct core_def *def_find(const struct core *c, const char *owner, const char *name)
{
    return c->map_cap ? def_at(c, *map_slot(c, owner, name)) : NULL;
}

/* ---- staleness ---- */

/* A topic may be as old as staleMultiplier times the interval of its source. */
struct reading {
    struct core *c;
    int64_t multiplier;
    int64_t longest_ms;  /* allowed for the slowest source, 0: it reads no topic */
    int64_t stale_at_ms; /* mono ms when the first topic becomes stale */
};

static void take_reading(void *arg, uint32_t topic_id)
{
    struct reading *x = arg;
    const struct topic *topic = topics_by_id(x->c->topics, topic_id);
    const struct core_source *s = topic ? core_source_at(x->c, topic->source) : NULL;
    int64_t allowed, at;

    if (!s)
        return;
    allowed = x->multiplier * s->config->interval_ms;
    at = topic->updated_mono_ms + allowed;
    if (!x->longest_ms || at < x->stale_at_ms)
        x->stale_at_ms = at;
    if (allowed > x->longest_ms)
        x->longest_ms = allowed;
}

static struct reading read_topics(struct core *c, uint32_t condition, int64_t multiplier)
{
    struct reading x = {.c = c, .multiplier = multiplier};

    eval_client_reads(c->eval, condition, take_reading, &x);
    return x;
}

/* ---- their schedule ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return b && b < a ? b : a;
}

static void def_arm(struct core_def *def)
{
    loop_timer_set_at(def->timer, sooner(sooner(def->next_mono, def->due_mono), def->stale_mono));
}

/* When to look again whether its topics still come. Looking costs no evaluation. */
static bool arm_stale(struct core_def *def)
{
    struct reading x = read_topics(def->core, def->condition, def->d.stale_multiplier);
    bool fresh = x.longest_ms && x.stale_at_ms > clock_mono_ms();

    def->stale_mono = fresh ? x.stale_at_ms : 0;
    return x.longest_ms && !fresh;
}

static void def_dirty(struct core *c, struct core_def *def)
{
    if (def->dirty)
        return;
    def->dirty = true;
    def->next_dirty = c->dirty_defs;
    c->dirty_defs = def;
}

/* Intervals end on a grid, so that definitions share turns: waking up costs more than evaluating.
 */
static int64_t next_after(int64_t mono_ms, int64_t delay_ms)
{
    return (mono_ms + delay_ms) / CORE_GRID_MS * CORE_GRID_MS;
}

static void def_due(void *arg)
{
    struct core_def *def = arg;
    int64_t now = clock_mono_ms();
    bool by_interval = now >= def->next_mono;
    bool run = by_interval || (def->due_mono && now >= def->due_mono);

    if (def->stale_mono && now >= def->stale_mono)
        run |= arm_stale(def);
    if (by_interval) {
        def->next_mono = next_after(now, def->d.interval_ms);
        def_dirty(def->core, def);
    }
    if (run) {
        def->due_mono = 0;
        eval_client_run(def->core->eval, def->condition);
        def->core->eval_wanted = true; /* all that are due in this turn go together */
    }
    def_arm(def);
}

static void def_free(struct core *c, struct core_def *def)
{
    struct core_def **p = &c->dirty_defs;

    while (def->dirty && *p && *p != def)
        p = &(*p)->next_dirty;
    if (def->dirty && *p)
        *p = def->next_dirty;
    eval_client_condition_del(c->eval, def->condition);
    loop_timer_del(def->timer);
    map_remove(c, def->d.owner, def->d.name);
    c->defs[def->condition - 1] = NULL;
    free(def);
}

static struct core_def *def_new(struct core *c, const struct definition *d)
{
    struct core_def *def = calloc(1, sizeof *def), **defs;

    if (!def || map_grow(c))
        goto bad;
    defs = array_room(c->defs, &c->cap_defs, c->ndefs + 1, sizeof *defs);
    if (!defs)
        goto bad;
    c->defs = defs;
    def->timer = loop_timer_new(c->loop, def_due, def);
    if (!def->timer)
        goto bad;
    def->core = c;
    def->d = *d;
    c->defs[c->ndefs++] = def;
    def->condition = (uint32_t)c->ndefs;
    *map_slot(c, d->owner, d->name) = def->condition;
    c->map_used++;
    return def;
bad:
    free(def);
    return NULL;
}

/* The first evaluations of many are spread over their interval (at most a minute). */
static int64_t first_delay(const struct definition *d)
{
    int64_t span = d->interval_ms < 60000 ? d->interval_ms : 60000;

    return (int64_t)(name_hash(d->owner, d->name) % (uint64_t)span);
}

static int def_load(struct core *c, struct txn *t, const struct row *r)
{
    struct definition d;
    struct core_def *def;
    struct buf text;
    int err;

    if (!definition_read(&d, r))
        return 0;
    def = def_find(c, d.owner, d.name);
    if (!row_active(r) || d.disabled) {
        if (def)
            def_free(c, def);
        return 0;
    }
    buf_init(&text, EVAL_TEXTS_MAX + 1);
    err = definition_text(t, r, &text);
    if (err) {
        if (err != ERR_NOTFOUND)
            log_warning(d.name, "owner=%s the condition's script cannot be read: %s", d.owner,
                        err_name(err));
        else if (def)
            log_info(d.name, "owner=%s not evaluated: its script is not active, or empty", d.owner);
        buf_release(&text);
        if (def)
            def_free(c, def);
        return err == ERR_NOTFOUND || err == ERR_FULL ? 0 : err;
    }
    if (!def) {
        def = def_new(c, &d);
        if (def)
            def->next_mono = next_after(clock_mono_ms(), first_delay(&d)) + 1;
    } else if (def->d.interval_ms != d.interval_ms) {
        def->next_mono = next_after(clock_mono_ms(), d.interval_ms);
    }
    if (def) {
        def->d = d;
        err = eval_client_condition_set(c->eval, def->condition, core_owner_id(c, d.owner),
                                        text.data, text.len);
        def_arm(def);
        def_dirty(c, def);
    }
    buf_release(&text);
    return def ? err : ERR_NOMEM;
}

static int def_reload(struct core *c, struct txn *t, const char *owner, const char *name)
{
    struct key k = key_of_names(owner, name);
    struct core_def *def;
    struct row r;
    int err = row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r);

    if (err != ERR_NOTFOUND)
        return err ? err : def_load(c, t, &r);
    def = def_find(c, owner, name);
    if (def)
        def_free(c, def);
    return 0;
}

int core_defs_load(struct core *c)
{
    struct txn *t = txn_begin(c->store, TXN_READ);
    struct cursor cur;
    struct row r;
    int err = 0;

    for (cursor_first(&cur, t, sa_table_by_id(SA_DEFINITION), NULL); cursor_row(&cur, &r) && !err;
         cursor_next(&cur))
        err = def_load(c, t, &r);
    cursor_close(&cur);
    if (!err)
        err = txn_error(t);
    txn_abort(t);
    return err;
}

int core_defs_reload(struct core *c, const struct core_touched *x)
{
    struct txn *t = txn_begin(c->store, TXN_READ);
    int err = 0;

    for (size_t i = 0; i < x->n && !err; i++)
        err = def_reload(c, t, x->items[i].owner, x->items[i].name);
    txn_abort(t);
    if (x->all && !err) /* all that there are; those that went were among the others */
        err = core_defs_load(c);
    return err;
}

void core_defs_free(struct core *c)
{
    for (size_t i = 0; i < c->ndefs; i++) {
        if (c->defs[i])
            def_free(c, c->defs[i]);
    }
    free(c->defs);
    free(c->def_map);
    c->defs = NULL;
    c->def_map = NULL;
    c->ndefs = c->map_cap = 0;
}

/* ---- sources ---- */

/* Of a source that is gone, something may still be on its way. */
static int no_source(const struct core *c, uint32_t id)
{
    return id && id <= c->nsources ? 0 : ERR_PROTOCOL;
}

/* A sample's age is counted from here, if the poller does not say something sensible. */
static int64_t taken_at(int64_t mono_ms)
{
    int64_t now = clock_mono_ms();

    return mono_ms > now - SAMPLE_LATE_MS && mono_ms <= now ? mono_ms : now;
}

static int take_sample(struct core *c, struct rd *r)
{
    struct poll_sample p;
    struct core_source *s;
    struct topic *topic;
    struct topic_source from;
    int64_t taken;
    int err = poll_sample_read(&p, r);

    if (err)
        return err;
    taken = taken_at(p.mono_ms);
    s = core_source_at(c, p.source);
    if (!s)
        return no_source(c, p.source);
    from = (struct topic_source){p.source, s->config->name, s->readers, s->nreaders};
    topic = topics_sample(c->topics, &from, p.topic, p.wall_ms, taken, p.json.data, p.json.len);
    if (!topic) {
        log_warning(s->config->name, "topic '%s' is dropped: too many topics", p.topic);
        return 0;
    }
    if (topic->source != p.source) {
        log_warning(s->config->name, "topic '%s' is published by another source already", p.topic);
        return 0;
    }
    err = eval_client_topic_set(c->eval, topic->id, topic->name, s->reader_ids, s->nreaders,
                                topic->updated_mono_ms, topic->json, topic->len);
    if (err)
        log_warning(s->config->name, "topic '%s' cannot be evaluated: %s", p.topic, err_name(err));
    c->flush_needed = true;
    return 0;
}

static int take_gone(struct core *c, struct rd *r)
{
    struct poll_gone p;
    int err = poll_gone_read(&p, r);
    uint32_t id;

    if (err)
        return err;
    if (!core_source_at(c, p.source))
        return no_source(c, p.source);
    id = topics_gone(c->topics, p.source, p.topic);
    if (id)
        eval_client_topic_del(c->eval, id);
    c->flush_needed = true;
    return 0;
}

static int take_status(struct core *c, struct rd *r)
{
    struct poll_status p;
    struct core_source *s;
    int err = poll_status_read(&p, r);

    if (err)
        return err;
    s = core_source_at(c, p.source);
    if (!s)
        return no_source(c, p.source);
    if (!s->enabled) /* it was under way */
        return 0;
    if (p.status != s->status.status) {
        if (p.status == STATUS_UP)
            log_info(s->config->name, "source is up");
        else
            log_warning(s->config->name, "source fails: %s", p.error);
    }
    s->status = p;
    s->samples += p.status == STATUS_UP;
    s->failures += p.status != STATUS_UP;
    s->dirty = true;
    c->flush_needed = true;
    eval_client_flush(c->eval); /* all topics of the poll are in */
    return 0;
}

int core_poller_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                      int nfds)
{
    struct core *c = arg;
    struct rd r;

    (void)fds;
    if (nfds)
        return ERR_PROTOCOL;
    rd_init(&r, payload, len);
    switch (type) {
    case POLL_SAMPLE:
        return take_sample(c, &r);
    case POLL_TOPIC_GONE:
        return take_gone(c, &r);
    case POLL_STATUS:
        return take_status(c, &r);
    default:
        return ERR_PROTOCOL;
    }
}

int core_flush_sources(struct core *c, struct txn *t)
{
    int err = 0;

    for (size_t i = 0; i < c->nsources && !err; i++) {
        struct core_source *s = c->sources[i];
        struct key k;
        struct edit d;

        if (!s || !s->dirty)
            continue;
        k = key_of_names(s->config->owner, s->config->name);
        edit_begin(&d, t, sa_table_by_id(SA_SOURCE), &k);
        edit_int(&d, SOURCE_STATUS, s->status.status);
        edit_int(&d, SOURCE_LAST_POLL, s->status.wall_ms);
        edit_int(&d, SOURCE_LATENCY, s->status.latency_ms);
        edit_add(&d, SOURCE_SAMPLES, s->samples);
        edit_add(&d, SOURCE_FAILURES, s->failures);
        edit_str(&d, SOURCE_LAST_ERROR, s->status.error);
        err = row_put(&d, NULL);
        s->samples = s->failures = 0;
        s->dirty = false;
    }
    return err;
}

/* ---- verdicts ---- */

void core_on_verdict(void *arg, uint32_t condition, const struct verdict *v)
{
    struct core *c = arg;

    if (condition == CORE_TRIAL_CONDITION) {
        core_trials_verdict(c, v);
        return;
    }
    if (core_is_match(condition)) {
        core_match_verdict(c, condition, v);
        return;
    }
    /* While the store refuses, verdicts wait; beyond two of each the conditions are asked anew. */
    if (c->stalled && c->nverdicts > 2 * c->ndefs + 16)
        c->nverdicts = 0;
    if (c->nverdicts == c->cap_verdicts) {
        size_t cap = c->cap_verdicts ? c->cap_verdicts * 2 : 64;
        struct core_verdict *p = realloc(c->verdicts, cap * sizeof *p);
        size_t *q = p ? realloc(c->to_apply, cap * sizeof *q) : NULL;

        if (p)
            c->verdicts = p;
        if (!q) {
            log_error(NULL, "out of memory: a verdict is lost");
            return;
        }
        c->to_apply = q;
        c->cap_verdicts = cap;
    }
    /* Asked now: another verdict of the same turn may have read something else. */
    c->verdicts[c->nverdicts].missed = eval_client_missed(c->eval, condition);
    c->verdicts[c->nverdicts].condition = condition;
    c->verdicts[c->nverdicts++].v = *v;
}

static bool has_levels_alone(const struct verdict *v)
{
    return v->asked && !(v->asked & 1 << PART_CONDITION);
}

/* A condition that answers with an object names its value; else its answer is the value. */
static const char *value_of(const struct verdict *v)
{
    static const char *const plain[] = {[VERDICT_FALSE] = "false", [VERDICT_TRUE] = "true"};

    if (v->value[0] || v->kind > VERDICT_TRUE || has_levels_alone(v))
        return v->value;
    return plain[v->kind];
}

/* Nothing came of it but a failure. */
static bool failed(const struct verdict *v)
{
    if (has_levels_alone(v))
        return v->failed & PARTS_RAISE && !(v->holds & PARTS_RAISE);
    return v->kind == VERDICT_ERROR;
}

struct instance_verdict core_verdict_judged(const struct core_verdict *cv)
{
    const struct verdict *v = &cv->v;
    enum verdict_kind kind = v->kind;

    if (cv->stale && kind != VERDICT_SKIPPED && kind != VERDICT_ERROR)
        kind = VERDICT_NODATA;
    if (cv->missed && failed(v)) /* _topic['x'].y of a topic that has not come yet */
        kind = VERDICT_NODATA;
    return (struct instance_verdict){
        .kind = kind,
        .level = v->level,
        .asked = v->asked,
        .holds = v->holds,
        .value = kind == VERDICT_NODATA ? "" : value_of(v),
        .message = v->message,
        .error = v->error,
    };
}

/* The definition, with staleness by the sources that were read. */
static struct definition judged_by(const struct core_def *def, const struct core_verdict *cv)
{
    struct definition d = def->d;

    d.rules.stale_ms = cv->stale_ms;
    return d;
}

/* What was read is old already: then it has been stale for long enough. */
void core_verdict_age(struct core *c, struct core_verdict *cv, const struct definition *d)
{
    struct reading x = read_topics(c, cv->condition, d->stale_multiplier);

    cv->stale = x.longest_ms && x.stale_at_ms <= clock_mono_ms();
    cv->stale_ms = cv->stale ? 0 : x.longest_ms ? x.longest_ms : d->rules.stale_ms;
}

/* An expression of a level that fails counts as false: nothing else tells of it. Once, while it
 * fails alike; not for a topic that has not come yet. */
static void log_failure(const struct core_def *def, const struct core_verdict *cv)
{
    const struct verdict *v = &cv->v;

    if (v->failed && !cv->missed && strcmp(def->error, v->error) != 0)
        log_warning(def->d.name, "owner=%s %s", def->d.owner, v->error);
}

static void note_verdict(struct core *c, struct core_def *def, const struct core_verdict *cv,
                         const struct instance_result *result)
{
    const struct verdict *v = &cv->v;

    def->evaluations++;
    def->cost_us += v->cost_us;
    snprintf(def->value, sizeof def->value, "%s", value_of(v));
    log_failure(def, cv);
    snprintf(def->error, sizeof def->error, "%s", v->error);
    def->due_mono = result->due_mono;
    arm_stale(def);
    def_arm(def);
    def_dirty(c, def);
    c->flush_needed = true;
}

size_t core_verdicts_look(struct core *c, struct txn *t, const struct judge_now *now)
{
    size_t n = 0;

    for (size_t i = 0; i < c->nverdicts; i++) {
        struct core_def *def = def_at(c, c->verdicts[i].condition);

        if (def)
            def->changing = false;
    }
    for (size_t i = 0; i < c->nverdicts; i++) {
        struct core_verdict *cv = &c->verdicts[i];
        struct core_def *def = def_at(c, cv->condition);
        struct instance_result result;
        struct instance_verdict iv;
        struct definition d;

        if (!def)
            continue;
        core_verdict_age(c, cv, &def->d);
        iv = core_verdict_judged(cv);
        d = judged_by(def, cv);
        if (instance_look(t, &d, "", &iv, now, &result))
            continue;
        note_verdict(c, def, cv, &result);
        /* Behind one that changes something, none can be judged by what is stored now. */
        def->changing |= result.changed;
        if (def->changing)
            c->to_apply[n++] = i;
    }
    return n;
}

static void log_transition(const struct core_def *def, const struct judge_transition *m)
{
    const struct sa_column *level = sa_column_by_number(sa_table_by_id(SA_ALERT), ALERT_LEVEL);

    log_info(def->d.name, "owner=%s %s -> %s", def->d.owner, sa_name_of(level->names, m->from),
             sa_name_of(level->names, m->to));
}

/* The definition may have been disabled or deleted in the very transaction that asks. */
static bool in_force(struct txn *t, const struct core_def *def)
{
    struct key k = key_of_names(def->d.owner, def->d.name);
    struct row r;

    return !row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r) && row_active(&r) &&
           row_int(&r, DEFINITION_DISABLED) != TRUTH_TRUE;
}

/* What cannot be stored whatever the store is like must not keep everything else from it: the
 * transaction fails, but the next one goes without this verdict. */
static int refuse_verdict(struct txn *t, struct core_verdict *cv, const struct core_def *def,
                          int err)
{
    if (!txn_error(t) || txn_error(t) == ERR_CORRUPT) {
        log_error(def->d.name, "owner=%s a verdict cannot be stored: %s", def->d.owner,
                  err_name(err));
        cv->v.kind = VERDICT_SKIPPED;
    }
    return err;
}

int core_verdicts_apply(struct core *c, struct txn *t, size_t n, const struct judge_now *now)
{
    for (size_t i = 0; i < n; i++) {
        struct core_verdict *cv = &c->verdicts[c->to_apply[i]];
        struct core_def *def = def_at(c, cv->condition);
        struct instance_verdict iv = core_verdict_judged(cv);
        struct instance_result result;
        struct definition d;
        int err;

        if (!def || !in_force(t, def))
            continue;
        d = judged_by(def, cv);
        err = instance_apply(t, &d, "", &iv, now, core_digest_ms, c, &result);
        if (err)
            return refuse_verdict(t, cv, def, err);
        if (result.transition.happened) {
            c->transitions++;
            log_transition(def, &result.transition);
        }
    }
    return 0;
}

/* Room that a burst of verdicts took is given back: it is most of a megabyte for a thousand. */
void core_verdicts_clear(struct core *c)
{
    c->nverdicts = 0;
    if (c->cap_verdicts <= CORE_VERDICTS_KEPT)
        return;
    free(c->verdicts);
    free(c->to_apply);
    c->verdicts = NULL;
    c->to_apply = NULL;
    c->cap_verdicts = 0;
}

int core_flush_defs(struct core *c, struct txn *t)
{
    int64_t wall = clock_wall_ms(), mono = clock_mono_ms();
    int err = 0;

    while (c->dirty_defs && !err) {
        struct core_def *def = c->dirty_defs;
        struct key k = key_of_names(def->d.owner, def->d.name);
        struct edit d;

        edit_begin(&d, t, sa_table_by_id(SA_DEFINITION), &k);
        edit_str(&d, DEFINITION_ERROR, def->error);
        edit_str(&d, DEFINITION_LAST_VALUE, def->value);
        edit_add(&d, DEFINITION_EVALUATIONS, def->evaluations);
        edit_add(&d, DEFINITION_CPU, (int64_t)(def->cost_us / 1000));
        edit_int(&d, DEFINITION_NEXT, wall + (def->next_mono - mono));
        err = row_put(&d, NULL);
        def->evaluations = 0;
        def->cost_us %= 1000; /* what is less than one is for the next time */
        def->dirty = false;
        c->dirty_defs = def->next_dirty;
    }
    return err;
}
