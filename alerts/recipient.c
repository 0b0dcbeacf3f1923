#include "alerts/recipient.h"

#include <stdio.h>
#include <string.h>

#define TABLE sa_table_by_id(SA_NOTICE_RECIPIENT)

const char recipient_handed_off[] = "handed off";

static const char prefix[] = "handler ", divider[] = " of ";

void recipient_of_handler(const struct leads_end *h, char ret[RECIPIENT_MAX + 1])
{
    snprintf(ret, RECIPIENT_MAX + 1, "%s%s%s%s", prefix, h->name, divider, h->owner);
}

bool recipient_is_handler(const char *recipient, struct leads_end *ret)
{
    const char *name = recipient + sizeof prefix - 1, *end;
    size_t len;

    if (strncmp(recipient, prefix, sizeof prefix - 1))
        return false;
    len = strcspn(name, " "); /* a name in a list has none; an owner may */
    end = name + len;
    if (len >= sizeof ret->name || strncmp(end, divider, sizeof divider - 1) ||
        strlen(end + sizeof divider - 1) >= sizeof ret->owner)
        return false;
    memcpy(ret->name, name, len);
    ret->name[len] = '\0';
    snprintf(ret->owner, sizeof ret->owner, "%s", end + sizeof divider - 1);
    return true;
}

/* Calls CB for each row of N; it may write. Ends with its first error. */
static int each(struct txn *t, const struct notice_ref *n,
                int (*cb)(void *arg, struct txn *t, const struct row *r), void *arg)
{
    struct key k = key_of_id(n->owner, n->id);
    struct cursor c;
    struct row r;
    int err = 0;

    for (cursor_first(&c, t, TABLE, &k); cursor_row(&c, &r) && !err; cursor_next(&c))
        err = cb(arg, t, &r);
    cursor_close(&c);
    return err ? err : txn_error(t);
}

struct list {
    struct leads *pending;
    bool any, answered;
};

static int list_one(void *arg, struct txn *t, const struct row *r)
{
    struct list *x = arg;
    char recipient[RECIPIENT_MAX + 1];
    struct leads_end h;

    (void)t;
    row_str(r, NOTICE_RECIPIENT_ADDRESS, recipient, sizeof recipient);
    if (!recipient_is_handler(recipient, &h))
        return 0;
    x->any = true;
    if (row_int(r, NOTICE_RECIPIENT_STATE) != NOTICE_PENDING)
        x->answered = true;
    else if (x->pending->n < LEADS_MAX)
        x->pending->ends[x->pending->n++] = h;
    return 0;
}

/* The rows that are handlers; PENDING: those still to be reached. */
static struct list list(struct txn *t, const struct notice_ref *n, struct leads *pending)
{
    struct list x = {.pending = pending};

    pending->n = 0;
    each(t, n, list_one, &x);
    return x;
}

bool recipient_handlers(struct txn *t, const struct notice_ref *n, struct leads *ret)
{
    return list(t, n, ret).any;
}

/* Addresses that are still to be reached go; *ARG: the highest number. */
static int drop_address(void *arg, struct txn *t, const struct row *r)
{
    uint32_t *most = arg;
    struct key k = key_copy(r->key);
    uint32_t number = get_u32(k.data + k.len - 4);

    if (number > *most)
        *most = number;
    return row_int(r, NOTICE_RECIPIENT_STATE) == NOTICE_PENDING ? row_delete(t, TABLE, &k) : 0;
}

int recipients_become(struct txn *t, const struct notice_ref *n, const struct leads *x)
{
    struct leads now;
    uint32_t number = 0;
    int err = 0;

    if (recipient_handlers(t, n, &now))
        return txn_error(t);
    err = each(t, n, drop_address, &number);
    for (size_t i = 0; i < x->n && !err; i++) {
        struct key k = key_of_id(n->owner, n->id);
        char recipient[RECIPIENT_MAX + 1];
        struct edit d;

        recipient_of_handler(&x->ends[i], recipient);
        key_u32(&k, ++number);
        edit_begin(&d, t, TABLE, &k);
        edit_str(&d, NOTICE_RECIPIENT_ADDRESS, recipient);
        edit_int(&d, NOTICE_RECIPIENT_STATE, NOTICE_PENDING);
        err = row_put(&d, NULL);
    }
    return err;
}

bool recipients_partly(struct txn *t, const struct notice_ref *n)
{
    struct leads pending;

    return list(t, n, &pending).answered && pending.n > 0;
}

int recipient_answer(struct txn *t, const struct notice_ref *n, const char *recipient,
                     enum sa_notice_state state, const char *reply)
{
    struct key notice = key_of_id(n->owner, n->id);
    struct cursor c;
    struct row r;
    int err = 0;

    for (cursor_first(&c, t, TABLE, &notice); cursor_row(&c, &r); cursor_next(&c)) {
        struct key k = key_copy(r.key);
        char found[RECIPIENT_MAX + 1];
        struct edit d;

        row_str(&r, NOTICE_RECIPIENT_ADDRESS, found, sizeof found);
        if (strcmp(found, recipient))
            continue;
        edit_begin(&d, t, TABLE, &k);
        edit_int(&d, NOTICE_RECIPIENT_STATE, state);
        edit_str(&d, NOTICE_RECIPIENT_REPLY, reply);
        err = row_put(&d, NULL);
        break;
    }
    cursor_close(&c);
    return err ? err : txn_error(t);
}

bool recipient_waits(struct txn *t, const struct notice_ref *n, const char *owner,
                     const char *handler)
{
    struct leads now;

    recipient_handlers(t, n, &now);
    for (size_t i = 0; i < now.n; i++) {
        if (!strcmp(now.ends[i].name, handler) && !strcmp(now.ends[i].owner, owner))
            return true;
    }
    return false;
}

static int sum_one(void *arg, struct txn *t, const struct row *r)
{
    struct recipients_sum *x = arg;
    char recipient[RECIPIENT_MAX + 1], reply[RECIPIENT_MAX + 1];
    int64_t state = row_int(r, NOTICE_RECIPIENT_STATE);
    char words[sizeof recipient + sizeof reply + 2];

    (void)t;
    row_str(r, NOTICE_RECIPIENT_ADDRESS, recipient, sizeof recipient);
    row_str(r, NOTICE_RECIPIENT_REPLY, reply, sizeof reply);
    x->pending += state == NOTICE_PENDING;
    x->delivered += state == NOTICE_DELIVERED;
    x->handed_off += state == NOTICE_DELIVERED && !strcmp(reply, recipient_handed_off);
    if (state == NOTICE_DELIVERED || x->words[0])
        return 0;
    snprintf(words, sizeof words, "%s: %s", recipient, reply);
    utf8_clean(x->words, sizeof x->words, words, strlen(words), false);
    return 0;
}

void recipients_sum(struct txn *t, const struct notice_ref *n, struct recipients_sum *ret)
{
    *ret = (struct recipients_sum){.pending = 0};
    each(t, n, sum_one, ret);
}
