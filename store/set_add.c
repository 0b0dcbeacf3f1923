/* Staging: what the schema alone can answer, in the order of RFC 3416 section 4.2.5. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "store/cells.h"
#include "store/set_impl.h"
#include "store/value.h"

enum { ENTRY = 1, TABLE_ARCS = 3, SCALAR_ARCS = 2, NAME_CAP = 160 };

struct set *set_new(struct store *s, enum set_origin origin)
{
    struct set *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->store = s;
    x->origin = origin;
    x->storage = origin == SET_XML ? STORAGE_READ_ONLY : STORAGE_NON_VOLATILE;
    return x;
}

static void row_free(struct set_row *r)
{
    for (struct varbind *v = r->varbinds, *next; v; v = next) {
        next = v->next;
        buf_release(&v->bytes);
        free(v);
    }
    buf_release(&r->before);
    buf_release(&r->after);
    free(r);
}

void set_free(struct set *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->nrows; i++)
        row_free(x->rows[i]);
    free(x->rows);
    free(x);
}

void set_storage(struct set *x, enum sa_storage storage)
{
    x->storage = storage;
}

void set_whole_rows(struct set *x)
{
    x->whole_rows = x->origin == SET_XML;
}

void set_only_of(struct set *x, const char *owner)
{
    x->only = key_of_name(owner);
    snprintf(x->owner, sizeof x->owner, "%s", owner);
}

size_t set_rows(const struct set *x)
{
    return x->nrows;
}

const char *set_owner(const struct set *x)
{
    return x->owner;
}

bool set_is_trigger(const struct sa_column *c)
{
    return c->keep == SA_COMPUTED && c->access >= SA_READ_WRITE;
}

/* Of tables whose rows are not <rows> of the file, what managers may write. */
bool set_of_file(const struct sa_table *t, const struct sa_column *c)
{
    bool named = t->xml ? c->xml != NULL : c->access >= SA_READ_WRITE;
    return named && column_env(t, c) == ENV_STATE && c->number != t->row_status &&
           c->number != t->storage_type;
}

/* ---- words ------------------------------------------------------------------------------------
 */

/* Can stand between quotes. */
static bool prints(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < ' ' || strchr("\"\\\177", name[i]))
            return false;
    return utf8_valid(name, len);
}

/* Reads a name at *POS of KEY and appends it; false: nothing done. */
static bool put_name(struct slice key, size_t *pos, char *ret, size_t cap, size_t *at)
{
    char name[33];
    size_t end = *pos;

    if (!key_read_name(&key, &end, name) || !prints(name, (end - *pos) / 4 - 1) ||
        cap - *at < sizeof name + 4)
        return false;
    *at += (size_t)snprintf(ret + *at, cap - *at, ".\"%s\"", name);
    *pos = end;
    return true;
}

/* As the tools print it with the MIB loaded: saDefinitionSeverity."admin"."busy". */
void set_name_of(const struct sa_table *t, const struct sa_column *c, struct slice key, char *ret,
                 size_t cap)
{
    uint32_t number;
    size_t at = (size_t)snprintf(ret, cap, "%s", c ? c->name : t->name), pos = 0;

    for (size_t i = 0; i < t->nindex && t->index[i].syntax == SA_NAME; i++)
        if (!put_name(key, &pos, ret, cap, &at))
            break;
    while (at + 16 < cap && key_read_u32(&key, &pos, &number))
        at += (size_t)snprintf(ret + at, cap - at, ".%u", number);
    if (pos < key.len && at + 4 < cap)
        snprintf(ret + at, cap - at, "...");
}

struct varbind *set_varbind(const struct set_row *r, unsigned column)
{
    struct varbind *v = r->varbinds;
    while (v && (!v->column || v->column->number != column))
        v = v->next;
    return v;
}

int set_blame(const struct set_row *r, unsigned column, int code, int *ret_tag, struct err *e,
              const char *fmt, ...)
{
    char name[NAME_CAP], words[ERR_TEXT_MAX];
    const struct sa_table *t = r->slot->table;
    struct varbind *v = column ? set_varbind(r, column) : NULL;
    va_list ap;
    if (!v && t->row_status)
        v = set_varbind(r, t->row_status);
    if (!v)
        v = r->varbinds;
    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    set_name_of(t, v->column, key_slice(&r->key), name, sizeof name);
    *ret_tag = v->tag;
    return err_set(e, code, "%s: %s", name, words);
}

/* ---- rows of the set --------------------------------------------------------------------------
 */

static size_t bucket(const struct slot *slot, struct slice key)
{
    return hash64(key.data, key.len, slot->number) % SET_BUCKETS;
}

struct set_row *set_find(const struct set *x, const struct slot *slot, struct slice key)
{
    struct set_row *r = x->buckets[bucket(slot, key)];
    while (r && (r->slot != slot || !slice_equal(key_slice(&r->key), key)))
        r = r->chain;
    return r;
}

static void remember_owner(struct set *x, const struct set_row *r)
{
    size_t pos = 0;
    struct slice key = key_slice(&r->key);
    const struct sa_table *t = r->slot->table;
    if (t->nindex && t->index[0].syntax == SA_NAME)
        key_read_name(&key, &pos, x->owner);
}

static struct set_row *row_add(struct set *x, struct slot *slot, const struct key *k)
{
    struct set_row **rows = array_room(x->rows, &x->rows_cap, x->nrows + 1, sizeof *rows);
    if (!rows)
        return NULL;
    x->rows = rows;
    struct set_row *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->slot = slot;
    r->key = *k;
    buf_init(&r->before, ROW_MAX);
    buf_init(&r->after, ROW_MAX);
    size_t b = bucket(slot, key_slice(k));
    r->chain = x->buckets[b];
    x->buckets[b] = r;
    x->rows[x->nrows++] = r;
    if (x->nrows == 1)
        remember_owner(x, r);
    return r;
}

static struct varbind *varbind_add(struct set_row *r, int tag, const struct sa_column *c)
{
    struct varbind **at = &r->varbinds;
    struct varbind *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    while (*at)
        at = &(*at)->next;
    v->tag = tag;
    v->column = c;
    buf_init(&v->bytes, HIDDEN_MAX);
    *at = v;
    return v;
}

/* ---- values -----------------------------------------------------------------------------------
 */

static const uint8_t types[] = {
    [SA_INTEGER] = SET_INT32,     [SA_ENUM] = SET_INT32,           [SA_TRUTH] = SET_INT32,
    [SA_ROW_STATUS] = SET_INT32,  [SA_STORAGE_TYPE] = SET_INT32,   [SA_UNSIGNED] = SET_UNSIGNED32,
    [SA_GAUGE] = SET_UNSIGNED32,  [SA_COUNTER] = SET_UNSIGNED32,   [SA_MILLIS] = SET_COUNTER64,
    [SA_GAUGE64] = SET_COUNTER64, [SA_DATE] = SET_OCTETS,          [SA_TEXT] = SET_OCTETS,
    [SA_NAME] = SET_OCTETS,       [SA_NAME_OR_EMPTY] = SET_OCTETS, [SA_BITS] = SET_OCTETS,
    [SA_OCTETS] = SET_OCTETS,     [SA_TEST_AND_INCR] = SET_INT32,
};

static int status_value(int64_t v, struct err *e)
{
    if (v < ROW_ACTIVE || v > ROW_DESTROY)
        return err_set(e, ERR_WRONG_VALUE, "no RowStatus has the value %lld", (long long)v);
    if (v == ROW_NOT_READY)
        return err_set(e, ERR_WRONG_VALUE, "notReady can be read, not set");
    return 0;
}

/* Checks V and gives the number inside (texts are V's own octets). */
static int value_of(const struct sa_column *c, const struct set_value *v, int64_t *ret,
                    struct err *e)
{
    *ret = v->number;
    if (v->type != types[c->syntax])
        return err_set(e, ERR_WRONG_TYPE, "the value is of another SNMP type");
    if (c->syntax == SA_ROW_STATUS)
        return status_value(v->number, e);
    if (c->syntax == SA_BITS)
        return bits_decode(c, v->bytes, ret, e);
    if (value_is_text(c->syntax))
        return value_text(c, v->bytes.data, v->bytes.len, e);
    int rc = c->syntax == SA_DATE ? date_decode(v->bytes, ret, e) : 0;
    return rc ? rc : value_number(c, *ret, e);
}

static bool writable(const struct set *x, const struct sa_table *t, const struct sa_column *c)
{
    if (!c || (set_is_trigger(c) ? x->origin == SET_XML : column_env(t, c) != ENV_STATE))
        return false;
    return c->access >= (x->origin == SET_XML ? SA_READ_ONLY : SA_READ_WRITE);
}

/* ---- adding -----------------------------------------------------------------------------------
 */

/* The object of the MIB that SUBIDS name; the rest of them is the index. */
static const struct sa_column *object_of(const struct set *x, const uint32_t *subids, size_t n,
                                         struct slot **ret_slot, size_t *ret_arcs)
{
    struct slot *slot = n && subids[0] < 256 ? x->store->by_id[subids[0]] : NULL;
    if (!slot || (x->only.len && !view_owned(slot->table)))
        return NULL;
    size_t arcs = slot->table->scalars ? SCALAR_ARCS : TABLE_ARCS;
    if (n < arcs || (arcs == TABLE_ARCS && subids[1] != ENTRY) || subids[arcs - 1] > SA_COLUMN_MAX)
        return NULL;
    const struct sa_column *c = slot->by_number[subids[arcs - 1]];
    *ret_slot = slot;
    *ret_arcs = arcs;
    return c && c->access != SA_HIDDEN ? c : NULL;
}

static void dotted(const uint32_t *subids, size_t n, char *ret, size_t cap)
{
    size_t at = 0;
    ret[0] = 0;
    for (size_t i = 0; i < n && at + 12 < cap; i++)
        at += (size_t)snprintf(ret + at, cap - at, ".%u", subids[i]);
}

static int same_twice(const struct varbind *v, int64_t number, const struct set_value *value,
                      const char *name, struct err *e)
{
    bool same = value_is_text(v->column->syntax)
                    ? slice_equal((struct slice){v->bytes.data, v->bytes.len}, value->bytes)
                    : v->number == number;
    return same ? 0 : err_set(e, ERR_INCONSISTENT_VALUE, "%s: set to two values at once", name);
}

/* The checked varbind joins its row. */
static int join(struct set *x, int tag, struct slot *slot, const struct key *k,
                const struct sa_column *c, int64_t number, const struct set_value *value,
                const char *name, struct err *e)
{
    size_t max = x->origin == SET_XML ? SET_XML_VARBINDS_MAX : SET_VARBINDS_MAX;
    struct set_row *r = set_find(x, slot, key_slice(k));
    struct varbind *v = r && c ? set_varbind(r, c->number) : NULL;
    if (v) {
        int rc = same_twice(v, number, value, name, e);
        v->tag = rc ? v->tag : tag;
        return rc;
    }
    if (x->nvarbinds >= max)
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "%s: more than %zu values in one SET", name,
                       max);
    if (!r)
        r = row_add(x, slot, k);
    v = r ? varbind_add(r, tag, c) : NULL;
    if (v && value && value_is_text(c->syntax))
        buf_bytes(&v->bytes, value->bytes.data, value->bytes.len);
    if (!v || v->bytes.err)
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "%s: out of memory", name);
    v->number = number;
    x->nvarbinds++;
    return 0;
}

int set_add(struct set *x, int tag, const uint32_t *subids, size_t n, const struct set_value *v,
            struct err *e)
{
    char name[NAME_CAP];
    struct slot *slot;
    struct key k;
    size_t arcs;
    int64_t number;
    const struct sa_column *c = object_of(x, subids, n, &slot, &arcs);
    if (!c) {
        dotted(subids, n, name, sizeof name);
        return err_set(e, ERR_NOT_WRITABLE, "%s: there is no such object", name);
    }
    bool fits = key_from_subids(&k, subids + arcs, n - arcs);
    struct slice key = key_slice(&k);
    set_name_of(slot->table, c, key, name, sizeof name);
    if (!writable(x, slot->table, c))
        return err_set(e, ERR_NOT_WRITABLE, "%s: it cannot be set", name);
    int rc = value_of(c, v, &number, e);
    if (rc) {
        err_prefix(e, "%s", name);
        return rc;
    }
    if (!fits || !key_valid(slot->table, &key))
        return err_set(e, ERR_NO_CREATION, "%s: no row can have this index", name);
    if (!key_begins(key, &x->only))
        return err_set(e, ERR_NO_CREATION, "%s: not a row of owner '%s'", name, x->owner);
    return join(x, tag, slot, &k, c, number, v, name, e);
}

int set_add_row(struct set *x, int tag, const struct sa_table *table, const struct key *k,
                struct err *e)
{
    char name[NAME_CAP];
    struct slot *slot = slot_of(x->store, table);
    struct slice key = key_slice(k);
    set_name_of(table, NULL, key, name, sizeof name);
    if (x->origin != SET_XML || !slot || slot->home != ENV_STATE)
        return err_set(e, ERR_NOT_WRITABLE, "%s: rows are not made like this", name);
    if (!key_valid(table, &key))
        return err_set(e, ERR_NO_CREATION, "%s: no row can have this index", name);
    return join(x, tag, slot, k, NULL, 0, NULL, name, e);
}
