#include "alerts/override.h"

#include <string.h>

void overrides_init(struct overrides *o, const struct kind *kind)
{
    *o = (struct overrides){.kind = kind};
}

void overrides_release(struct overrides *o)
{
    values_release(&o->file);
    values_release(&o->set);
}

/* ERR_NOMEM, or 0 with *UNFIT set when the text is not one of the property. */
static int take(struct values *v, const struct property *p, const char *text, bool *unfit)
{
    int err = values_set(v, p, text, NULL);

    if (err == ERR_NOMEM)
        return err;
    *unfit |= err != 0;
    return 0;
}

static char *text_of(struct slice s, char ret[SA_CELL_MAX + 1])
{
    size_t n = s.len < SA_CELL_MAX ? s.len : SA_CELL_MAX;

    if (n)
        memcpy(ret, s.data, n);
    ret[n] = '\0';
    return ret;
}

int overrides_add(struct overrides *o, const struct row *property)
{
    char n[3][33], now[SA_CELL_MAX + 1], file[SA_CELL_MAX + 1];
    struct slice said = row_text(property, HANDLER_PROPERTY_VALUE);
    const struct property *p;
    bool ignored = false;
    int err = 0;

    if (!key_read_names(&property->key, n, 3))
        return 0;
    text_of(said, now);
    row_file_text(property, HANDLER_PROPERTY_VALUE, &said);
    text_of(said, file);
    p = property_find(o->kind->properties, o->kind->nproperties, n[2]);
    if (p && file[0])
        err = take(&o->file, p, file, &ignored);
    if (err || !strcmp(now, file) || (p && !property_overridable(p)))
        return err;
    if (!p) {
        o->unfit = true;
        return 0;
    }
    return take(&o->set, p, now, &o->unfit);
}

int overrides_lay(const struct overrides *o, const struct values *file, struct values *ret,
                  struct err *e)
{
    struct values v;
    int err = values_copy(&v, file ? file : &o->file);

    if (err)
        return err;
    err = values_override(&v, &o->set);
    if (!err && o->kind->check)
        err = o->kind->check(&v, e) ? ERR_INVALID : 0;
    if (err)
        values_release(&v);
    else
        *ret = v;
    return err;
}

static int read_all(struct overrides *o, struct txn *t, const char *owner, const char *name)
{
    struct key prefix = key_of_names(owner, name);
    struct cursor c;
    struct row r;
    int err = 0;

    for (cursor_first(&c, t, sa_table_by_id(SA_HANDLER_PROPERTY), &prefix);
         cursor_row(&c, &r) && !err; cursor_next(&c))
        err = overrides_add(o, &r);
    cursor_close(&c);
    return err;
}

int overrides_in_force(struct txn *t, const char *owner, const char *name, const struct kind *kind,
                       const struct values *file, struct values *ret, struct err *ret_why)
{
    struct overrides o;
    int err;

    *ret_why = (struct err){.text = ""};
    overrides_init(&o, kind);
    err = read_all(&o, t, owner, name);
    if (!err && o.unfit)
        err_set(ret_why, ERR_INVALID, "a value that a manager set does not fit any more");
    if (!err && !o.set.n)
        err = values_copy(ret, file);
    else if (!err)
        err = overrides_lay(&o, file, ret, ret_why);
    if (err == ERR_INVALID)
        err = values_copy(ret, file);
    overrides_release(&o);
    return err;
}
