#include "alerts/computed.h"

#include <stdio.h>
#include <string.h>

#include "alerts/checks.h"
#include "alerts/instance.h"
#include "alerts/retention.h"
#include "base/clock.h"

struct about { /* what the functions need besides the row */
    struct store *store;
    const struct kinds *kinds;
};

static void store_used(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    uint64_t used, size;

    (void)t;
    (void)r;
    store_usage(((struct about *)arg)->store, &used, &size);
    ret->number = (int64_t)(used / 1024 < UINT32_MAX ? used / 1024 : UINT32_MAX);
}

static void store_size(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    uint64_t used, size;

    (void)t;
    (void)r;
    store_usage(((struct about *)arg)->store, &used, &size);
    ret->number = (int64_t)(size / 1024 < UINT32_MAX ? size / 1024 : UINT32_MAX);
}

static void notices_pending(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    uint64_t n = notice_pending(t);

    (void)arg;
    (void)r;
    ret->number = n < UINT32_MAX ? (int64_t)n : UINT32_MAX;
}

static void history_oldest(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    (void)arg;
    (void)r;
    ret->number = retention_oldest(t, RETAINED_HISTORY);
}

static void notice_oldest(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    (void)arg;
    (void)r;
    ret->number = retention_oldest(t, RETAINED_NOTICES);
}

static void topic_age(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    int64_t age = clock_wall_ms() - row_int(r, TOPIC_UPDATED);

    (void)arg;
    (void)t;
    ret->number = age < 0 ? 0 : age < UINT32_MAX ? age : UINT32_MAX;
}

static void owner_definitions(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    char owner[33];
    size_t pos = 0;

    (void)arg;
    ret->number = key_read_name(&r->key, &pos, owner) ? index_definitions(t, owner) : 0;
}

static void definition_level(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    char owner[33], name[33];
    size_t pos = 0;

    (void)arg;
    ret->number = LEVEL_OK;
    if (key_read_name(&r->key, &pos, owner) && key_read_name(&r->key, &pos, name))
        ret->number = instances_level(t, owner, name);
}

/* Their columns come in the order of the levels. */
static void definition_alerts(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    uint32_t counts[LEVEL_UNKNOWN + 1];
    char n[2][33];

    (void)arg;
    ret->number = 0;
    if (!key_read_names(&r->key, n, 2))
        return;
    instances_count(t, n[0], n[1], counts);
    ret->number = counts[ret->column->number - DEFINITION_ALERTS_OK + LEVEL_OK];
}

static void target_told(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    (void)arg;
    ret->number = notice_told(t, (uint32_t)row_int(r, TARGET_INCARNATION));
}

/* "line 3: ...", or "critCondition: line 3: ..." */
static unsigned line_of(const struct row *r, unsigned column)
{
    char text[40], part[16];
    unsigned line;

    row_str(r, column, text, sizeof text);
    if (sscanf(text, "line %9u:", &line) == 1)
        return line;
    return sscanf(text, "%15[a-zA-Z]: line %9u:", part, &line) == 2 &&
                   sa_column_by_xml(sa_table_by_id(SA_DEFINITION), part)
               ? line
               : 0;
}

static void definition_error_line(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    (void)arg;
    (void)t;
    ret->number = line_of(r, DEFINITION_ERROR);
}

static void trial_error_line(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    (void)arg;
    (void)t;
    ret->number = line_of(r, TRIAL_ERROR);
}

static void trial_state(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    int64_t ended = row_int(r, TRIAL_ENDED);

    (void)arg;
    (void)t;
    ret->number = row_int(r, TRIAL_RUN) != row_int(r, TRIAL_ANSWERED) ? TRIAL_RUNNING
                  : ended                                             ? ended
                                                                      : TRIAL_IDLE;
}

static void group_service(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    char n[2][33];

    (void)arg;
    (void)t;
    if (row_int(r, GROUP_DEFAULT) != TRUTH_TRUE || !key_read_names(&r->key, n, 2))
        return;
    memcpy(ret->scratch, n[1], sizeof n[1]);
    ret->bytes = (struct slice){ret->scratch, strlen(n[1])};
}

/* Where what was asked for and what was answered differ, it is running. */
static int64_t check_state(bool runs, int64_t ended)
{
    return runs ? CHECK_RUNNING : ended ? ended : CHECK_NONE;
}

static void handler_check(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    bool runs = row_int(r, HANDLER_VALIDATE) != row_int(r, HANDLER_VALIDATED) ||
                row_int(r, HANDLER_TEST) != row_int(r, HANDLER_TESTED);

    (void)arg;
    (void)t;
    ret->number = check_state(runs, row_int(r, HANDLER_CHECKED));
}

static void target_check(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    bool runs = row_int(r, TARGET_VALIDATE) != row_int(r, TARGET_VALIDATED) ||
                row_int(r, TARGET_TEST_NOTICE) != 0;

    (void)arg;
    (void)t;
    ret->number = check_state(runs, row_int(r, TARGET_CHECKED));
}

static void property_overridden(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    struct slice now = row_text(r, HANDLER_PROPERTY_VALUE), file = now;

    (void)arg;
    (void)t;
    row_file_text(r, HANDLER_PROPERTY_VALUE, &file);
    ret->number = slice_equal(now, file) ? TRUTH_FALSE : TRUTH_TRUE;
}

static void script_size(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    char owner[33], name[33];
    struct key prefix;
    struct cursor c;
    struct row segment;
    size_t pos = 0;

    (void)arg;
    ret->number = 0;
    if (!key_read_name(&r->key, &pos, owner) || !key_read_name(&r->key, &pos, name))
        return;
    prefix = key_of_names(owner, name);
    for (cursor_first(&c, t, sa_table_by_id(SA_SCRIPT_TEXT), &prefix); cursor_row(&c, &segment);
         cursor_next(&c))
        ret->number += (int64_t)row_text(&segment, SCRIPT_TEXT_TEXT).len;
    cursor_close(&c);
}

/* A secret reads as empty, whoever asks. */
static void property_value(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    const struct about *a = arg;
    char n[3][33], handler[33], kind_name[33];
    struct key target_key;
    struct row target, h;
    const struct property *p = NULL;
    const struct kind *kind;

    ret->bytes = (struct slice){NULL, 0};
    if (!key_read_names(&r->key, n, 3))
        return;
    target_key = key_of_names(n[0], n[1]);
    if (row_get(t, sa_table_by_id(SA_TARGET), &target_key, &target) ||
        ref_find(t, SA_HANDLER, n[0], row_str(&target, TARGET_HANDLER, handler, sizeof handler), &h,
                 NULL))
        return;
    kind =
        kind_find(a->kinds, KIND_HANDLER, row_str(&h, HANDLER_KIND, kind_name, sizeof kind_name));
    if (kind)
        p = property_find(kind->properties, kind->nproperties, n[2]);
    if (p && p->type != PROPERTY_SECRET)
        ret->bytes = row_text(r, TARGET_PROPERTY_VALUE);
}

int computed_register(struct store *s, const struct kinds *kinds)
{
    static struct about about; /* one store in a process */
    static const struct {
        unsigned table, column;
        view_compute fn;
    } list[] = {
        {SA_SYSTEM, SYSTEM_STORE_USED, store_used},
        {SA_SYSTEM, SYSTEM_STORE_SIZE, store_size},
        {SA_SYSTEM, SYSTEM_NOTICES_PENDING, notices_pending},
        {SA_SYSTEM, SYSTEM_HISTORY_OLDEST, history_oldest},
        {SA_SYSTEM, SYSTEM_NOTICE_OLDEST, notice_oldest},
        {SA_TOPIC, TOPIC_AGE, topic_age},
        {SA_OWNER, OWNER_DEFINITIONS, owner_definitions},
        {SA_DEFINITION, DEFINITION_LEVEL, definition_level},
        {SA_DEFINITION, DEFINITION_ERROR_LINE, definition_error_line},
        {SA_DEFINITION, DEFINITION_ALERTS_OK, definition_alerts},
        {SA_DEFINITION, DEFINITION_ALERTS_INFO, definition_alerts},
        {SA_DEFINITION, DEFINITION_ALERTS_WARNING, definition_alerts},
        {SA_DEFINITION, DEFINITION_ALERTS_CRITICAL, definition_alerts},
        {SA_DEFINITION, DEFINITION_ALERTS_UNKNOWN, definition_alerts},
        {SA_GROUP, GROUP_SERVICE, group_service},
        {SA_HANDLER_PROPERTY, HANDLER_PROPERTY_OVERRIDDEN, property_overridden},
        {SA_HANDLER, HANDLER_CHECK, handler_check},
        {SA_TARGET, TARGET_CHECK, target_check},
        {SA_SCRIPT, SCRIPT_SIZE, script_size},
        {SA_TRIAL, TRIAL_STATE, trial_state},
        {SA_TRIAL, TRIAL_ERROR_LINE, trial_error_line},
        {SA_TARGET, TARGET_TOLD, target_told},
        {SA_TARGET_PROPERTY, TARGET_PROPERTY_VALUE, property_value},
    };
    int err = 0;

    about = (struct about){s, kinds};
    for (size_t i = 0; i < sizeof list / sizeof *list && !err; i++)
        err = view_register(s, list[i].table, list[i].column, list[i].fn, &about);
    return err;
}
