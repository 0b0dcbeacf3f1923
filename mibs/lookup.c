/* Finding things in the schema. Tables are few and columns are at most some dozens, and both are
 * sorted, so that a binary search costs a handful of comparisons. */
#include "mibs/schema.h"

#include <string.h>

/* Table arcs are nearly dense: start at the arc's own place and look to the left. */
const struct sa_table *sa_table_by_id(unsigned id)
{
    for (size_t i = id < sa_ntables ? id : sa_ntables; id > 0 && i-- > 0;) {
        if (sa_tables[i]->id == id)
            return sa_tables[i];
        if (sa_tables[i]->id < id)
            return NULL;
    }
    return NULL;
}

const struct sa_table *sa_table_by_xml(const char *xml)
{
    for (size_t i = 0; xml && i < sa_ntables; i++) {
        if (sa_tables[i]->xml && strcmp(sa_tables[i]->xml, xml) == 0)
            return sa_tables[i];
    }
    return NULL;
}

const struct sa_column *sa_column_by_number(const struct sa_table *t, unsigned number)
{
    size_t low = 0, high = t->ncolumns;

    if (number - 1 < t->ncolumns && t->columns[number - 1].number == number)
        return &t->columns[number - 1]; /* most tables have numbers without gaps */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->columns[middle].number == number)
            return &t->columns[middle];
        if (t->columns[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct sa_column *sa_column_by_xml(const struct sa_table *t, const char *xml)
{
    for (size_t i = 0; xml && i < t->ncolumns; i++) {
        if (t->columns[i].xml && strcmp(t->columns[i].xml, xml) == 0)
            return &t->columns[i];
    }
    return NULL;
}

int sa_index_part(const struct sa_table *t, const struct sa_column *c)
{
    if (c->access != SA_NOTIFY && c->access != SA_NOT_ACCESSIBLE)
        return -1;
    for (size_t i = 0; i < t->nindex; i++) {
        if (strcmp(t->index[i].name, c->name) == 0)
            return (int)i;
    }
    return -1;
}

const char *sa_name_of(const struct sa_name *names, int64_t value)
{
    for (; names && names->name; names++) {
        if (names->value == value)
            return names->name;
    }
    return NULL;
}

int64_t sa_value_of(const struct sa_name *names, const char *name)
{
    for (; names && names->name; names++) {
        if (strcmp(names->name, name) == 0)
            return names->value;
    }
    return -1;
}

const struct sa_notification_type *sa_notification_by_number(unsigned number)
{
    for (size_t i = 0; i < sa_nnotifications; i++) {
        if (sa_notifications[i].number == number)
            return &sa_notifications[i];
    }
    return NULL;
}
