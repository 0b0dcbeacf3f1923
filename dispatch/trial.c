#include "dispatch/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/notice.h"
#include "alerts/trial.h"
#include "store/view.h"

/* ---- the notification's objects ---- */

static struct key key_of(const struct sa_object *o, const struct trial *x)
{
    switch (o->row) {
    case ROW_OF_HANDLER:
        return key_of_names(x->owner, x->name);
    case ROW_OF_NOTICE:
        return key_of_id(x->owner, 0);
    default:
        return key_of_name(x->owner);
    }
}

static const char *text_of(const struct sa_object *o, const struct trial *x,
                           const struct job_event *v)
{
    switch (o->row) {
    case ROW_OF_HANDLER:
        return x->name;
    case ROW_OF_NOTICE:
        return o->column == NOTICE_MESSAGE ? v->message : o->column == NOTICE_UUID ? v->uuid : "";
    default:
        return x->owner;
    }
}

static int fill_varbinds(struct job_event *v, const struct trial *x)
{
    const struct sa_notification_type *n = sa_notification_by_number(v->notification);

    v->varbinds = calloc(n->nobjects, sizeof *v->varbinds);
    if (!v->varbinds)
        return ERR_NOMEM;
    for (size_t i = 0; i < n->nobjects; i++) {
        const struct sa_object *o = &n->objects[i];
        const struct sa_table *table = sa_table_by_id(o->table);
        struct job_varbind *vb = &v->varbinds[v->nvarbinds++];
        const char *text = text_of(o, x, v);
        struct key k = key_of(o, x);
        struct slice key = key_slice(&k);

        vb->nsubids = view_oid(table, o->column, &key, vb->subids, 128);
        vb->syntax = sa_column_by_number(table, o->column)->syntax;
        vb->len = strlen(text);
        vb->bytes = vb->len ? (uint8_t *)strdup(text) : NULL;
        if (vb->len && !vb->bytes)
            return ERR_NOMEM;
    }
    return 0;
}

/* ---- the job ---- */

static int fill_event(struct job *j, const struct trial *x, const char *message,
                      enum sa_level level, int64_t now_ms)
{
    struct job_event *v = calloc(1, sizeof *v);
    int err = v ? 0 : ERR_NOMEM;

    j->events = v;
    if (!v)
        return err;
    j->nevents = 1;
    v->kind = KIND_TEST;
    v->notification = SA_TEST;
    v->level = v->previous_level = (uint8_t)level;
    v->at_ms = now_ms;
    snprintf(v->owner, sizeof v->owner, "%s", x->owner);
    snprintf(v->message, sizeof v->message, "%s", message);
    err = uuid_new(v->uuid);
    memcpy(j->uuid, v->uuid, sizeof j->uuid);
    return err ? err : fill_varbinds(v, x);
}

static int add_recipient(void *arg, const char *address)
{
    struct job *j = arg;

    j->recipients[j->nrecipients] = strdup(address);
    return j->recipients[j->nrecipients] ? (j->nrecipients++, 0) : ERR_NOMEM;
}

static int fill_recipients(struct job *j, const char *text)
{
    int n = recipients_each(text, strlen(text), NULL, NULL);

    if (n <= 0)
        return n;
    j->recipients = calloc((size_t)n, sizeof *j->recipients);
    if (!j->recipients)
        return ERR_NOMEM;
    n = recipients_each(text, strlen(text), add_recipient, j);
    return n < 0 ? n : 0;
}

/* What is as the handler has it is no override: that would cost it its secrets. */
static int fill_overrides(struct job *j, const struct trial *x)
{
    int err = 0;

    for (size_t i = 0; i < x->options->n && !err; i++) {
        const struct property *p = x->options->items[i].property;
        const char *text = x->options->items[i].text;

        if (property_find(x->kind->properties, x->kind->nproperties, p->name) == p &&
            strcmp(text, trial_default(x->kind, x->live, p)) != 0)
            err = values_set(&j->overrides, p, text, NULL);
    }
    return err;
}

static void begin(struct job *j, const struct trial *x, const char *owner, const char *target,
                  int64_t now_ms)
{
    *j = (struct job){.id = x->id, .handler = x->handler, .created_ms = now_ms};
    snprintf(j->target_owner, sizeof j->target_owner, "%s", owner);
    snprintf(j->target, sizeof j->target, "%s", target);
}

static int end(struct job *j, int err, struct err *e)
{
    if (!err)
        return 0;
    job_release(j);
    if (err == ERR_RANGE)
        return err_set(e, ERR_INVALID, "at most 64 recipients of at most 255 octets");
    return err_set(e, err, "the test cannot be made: %s", err_name(err));
}

int trial_job(struct job *ret, const struct trial *x, int64_t now_wall_ms, struct err *e)
{
    int err;

    begin(ret, x, x->owner, "", now_wall_ms);
    err = fill_event(ret, x, trial_message(x->options), trial_level(x->options), now_wall_ms);
    if (!err)
        err = fill_recipients(ret, trial_recipients(x->kind, x->live, x->options));
    if (!err)
        err = fill_overrides(ret, x);
    return end(ret, err, e);
}

const char *trial_obstacle(const struct kind *kind)
{
    return kind->leads_to ? "it hands on to other handlers: try those" : NULL;
}

int trial_target_job(struct job *ret, const struct trial *x, const char *target_owner,
                     const char *target, const char *recipients, int64_t now_wall_ms, struct err *e)
{
    const struct values none = {NULL, 0};
    int err;

    begin(ret, x, target_owner, target, now_wall_ms);
    err = fill_event(ret, x, trial_message(&none), LEVEL_OK, now_wall_ms);
    if (!err)
        err = fill_recipients(ret, recipients);
    return end(ret, err, e);
}

/* ---- the outcome ---- */

bool trial_outcome(const struct outcome *o, char ret_words[256])
{
    bool delivered = o->result == OUTCOME_DELIVERED;
    const struct outcome_recipient *r = o->nrecipients ? &o->recipients[0] : NULL;
    char words[520];

    if (!delivered)
        snprintf(words, sizeof words, "%s", *o->error ? o->error : "not delivered");
    else if (r && *r->reply)
        snprintf(words, sizeof words, "%s: %s", r->address, r->reply);
    else
        snprintf(words, sizeof words, "%s",
                 o->confirmation == CONFIRM_ACKNOWLEDGED ? "acknowledged"
                                                         : "sent; nobody says that it arrived");
    utf8_clean(ret_words, 256, words, strlen(words), false);
    return delivered;
}
