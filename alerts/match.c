#include "alerts/match.h"

#include <string.h>

#include "base/json.h"

/* As conditions answer with them. */
static const char *level_name(int64_t level)
{
    static const char *const names[] = {[LEVEL_OK] = "OK",
                                        [LEVEL_INFO] = "INFO",
                                        [LEVEL_WARNING] = "WARNING",
                                        [LEVEL_CRITICAL] = "CRITICAL",
                                        [LEVEL_UNKNOWN] = "UNKNOWN"};

    return level >= LEVEL_OK && level <= LEVEL_UNKNOWN ? names[level] : names[LEVEL_UNKNOWN];
}

static void set_text(jv *event, const char *name, struct slice s)
{
    jv_set(event, name, jv_new_string(s.data, s.len));
}

static void set_string(jv *event, const char *name, const char *s)
{
    jv_set(event, name, jv_new_string(s, strlen(s)));
}

static void add_group(void *arg, const char *group)
{
    jv_append(arg, jv_new_string(group, strlen(group)));
}

/* Those that lead from the definition to the target; to a global one none does. */
static int set_groups(jv *event, struct txn *t, const struct row *notice, const char *owner)
{
    char target_owner[33], target[33], definition[33];
    jv *groups = jv_new_array();
    int err = groups ? 0 : ERR_NOMEM;

    row_str(notice, NOTICE_TARGET_OWNER, target_owner, sizeof target_owner);
    row_str(notice, NOTICE_TARGET, target, sizeof target);
    row_str(notice, NOTICE_DEFINITION, definition, sizeof definition);
    if (!err && !strcmp(owner, target_owner))
        err = route_groups(t, owner, definition, target, add_group, groups);
    if (jv_len(groups))
        set_text(event, "group", jv_string(jv_at(groups, 0)));
    else
        set_string(event, "group", "");
    jv_set(event, "groups", groups);
    return err;
}

static int64_t seconds_active(const struct row *notice)
{
    int64_t at = row_int(notice, NOTICE_SINCE), since = row_int(notice, NOTICE_ACTIVE_SINCE);

    return since > 0 && at > since ? (at - since) / 1000 : 0;
}

static int fill(jv *event, struct txn *t, const struct row *notice, const char *owner)
{
    int64_t level = row_int(notice, NOTICE_LEVEL);
    int64_t previous = row_int(notice, NOTICE_PREVIOUS_LEVEL);

    set_string(event, "level", level_name(level));
    set_string(event, "previousLevel", level_name(previous));
    jv_set(event, "changed", jv_new_bool(level != previous));
    set_text(event, "definition", row_text(notice, NOTICE_DEFINITION));
    set_text(event, "instance", row_text(notice, NOTICE_INSTANCE));
    set_text(event, "service", row_text(notice, NOTICE_SERVICE));
    jv_set(event, "duration", jv_new_int(seconds_active(notice)));
    jv_set(event, "labels", jv_new_object());
    return set_groups(event, t, notice, owner);
}

int match_ask(struct txn *t, const struct notice_ref *n, char owner[33], struct buf *script,
              struct buf *event)
{
    struct key k = key_of_id(n->owner, n->id);
    struct row notice, target;
    jv *root;
    int err = row_get(t, sa_table_by_id(SA_NOTICE), &k, &notice);

    if (err || !notice_waits_for_match(&notice))
        return err ? err : ERR_NOTFOUND;
    row_str(&notice, NOTICE_TARGET_OWNER, owner, 33);
    root = jv_new_object();
    err = root ? fill(root, t, &notice, n->owner) : ERR_NOMEM;
    if (!err)
        jv_dump(root, event);
    jv_free(root);
    k = notice_target_key(&notice);
    if (!err && !row_get(t, sa_table_by_id(SA_TARGET), &k, &target)) {
        struct slice text = row_text(&target, TARGET_MATCH);

        buf_bytes(script, text.data, text.len);
    }
    return err ? err : txn_error(t);
}
