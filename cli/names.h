/* Tables, columns and rows as people type them. Everything derives from mibs/schema.h. */
#ifndef CLI_NAMES_H
#define CLI_NAMES_H

#include "base/err.h"
#include "mibs/schema.h"
#include "snmp/value.h"

enum { SHORT_NAME_MAX = 64, PART_TEXT_MAX = 33 };

/* "handlerProperty" of saHandlerPropertyTable, "condition" of saDefinitionCondition. Terminated. */
void table_short(const struct sa_table *t, char dst[SHORT_NAME_MAX]);
void column_short(const struct sa_table *t, const struct sa_column *c, char dst[SHORT_NAME_MAX]);

/* By short name, its plural, the MIB's or the configuration file's name, in any case. ERR_NOTFOUND
 * suggests the nearest. */
int table_find(const struct sa_table **ret, const char *name, struct err *e);
int column_find(const struct sa_column **ret, const struct sa_table *t, const char *name,
                size_t len, struct err *e);

/* May a manager read it, set it? */
bool column_readable(const struct sa_column *c);
bool column_writable(const struct sa_column *c);
bool table_has_owner(const struct sa_table *t); /* is the first index part an owner? */

/* ROOT.1.TABLE.1.COLUMN, or ROOT.1.TABLE.COLUMN of the scalars; the index goes behind it. */
void column_objid(struct objid *ret, const struct sa_table *t, unsigned column);

/* One part of a row's index. */
struct part {
    bool is_number;
    uint32_t number;
    uint32_t len;
    char name[PART_TEXT_MAX]; /* terminated; any octets */
};

/* The sub-identifiers of an owner (as a prefix) or of whole rows, behind O. ERR_RANGE, ERR_SYNTAX.
 */
int index_append_name(struct objid *o, const char *name, struct err *e);
/* N words: all parts of T's index, or all but the owner, which is OWNER then. */
int index_append(struct objid *o, const struct sa_table *t, const char *const *words, size_t n,
                 const char *owner, struct err *e);
/* The other way: what the N sub-identifiers of an index are. ERR_PROTOCOL when they are none of T.
 */
int index_parse(struct part ret[SA_INDEX_MAX], const struct sa_table *t, const uint32_t *subids,
                size_t n);

#endif
