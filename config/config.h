/* snmpalertd.xml, checked whole and then immutable. Rows in it (definitions, groups, targets, ...)
 * become staged cells that store/set.h applies; this folder never opens the store. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "config/kind.h"
#include "mibs/schema.h"

enum {
    CONFIG_FILE_MAX = 16 << 20, /* octets */
    CONFIG_OWNERS_MAX = 1024,
    CONFIG_SOURCES_MAX = 10000,
    CONFIG_HANDLERS_MAX = 1000,
    CONFIG_ROWS_MAX = 200000,
};

struct config_owner {
    char name[33];
    uint32_t max_definitions; /* 0: no limit */
    int line;
};

struct config_source {
    char owner[33]; /* attribute owner, default "admin" */
    char name[33];
    const struct kind *kind;
    struct values values; /* of the kind's properties */
    uint32_t interval_ms; /* attribute interval, default 10s, 100 ms .. 1 day */
    char **readers;       /* attribute readers: owners divided by blanks, "*" for all; the owner
                           * itself always reads, admin reads all */
    size_t nreaders;
    bool all_readers;
    struct child *children;
    size_t nchildren;
    int line;
};

struct config_handler {
    char owner[33]; /* default "admin" */
    char name[33];
    const struct kind *kind;
    struct values values;
    struct child *children;
    size_t nchildren;
    int line;
};

/* One row of a table, cells in text checked for syntax and range against the schema. */
struct config_cell {
    const struct sa_column *column;
    int64_t number; /* numbers, enums, bits */
    char *text;     /* texts */
    size_t len;
};
struct config_row {
    const struct sa_table *table;
    char names[SA_INDEX_MAX][33]; /* index parts that are names */
    uint32_t ids[SA_INDEX_MAX];   /* index parts that are numbers */
    struct config_cell *cells;
    size_t ncells;
    bool override; /* override="yes": permanent instead of readOnly */
    int line;
};

struct config {
    char *file;
    char *store_path;         /* <store path=>, required */
    uint64_t store_map_bytes; /* <store mapSize="16GiB"> in octets, 0: default */
    char *store_group;        /* <store group=>, NULL: none */
    char *agentx_address;     /* <agentx socket=>: "/path", "unix:/path", "tcp:host:port"; default
                               * "/var/agentx/master" */
    bool agentx_enabled;      /* <agentx enabled=>: is there an agent process? Default: yes */
    bool alarm_mib, notification_log_mib; /* <agentx alarmMib= notificationLogMib=> */
    struct config_owner *owners;          /* "admin" is always there */
    size_t nowners;
    struct config_source *sources;
    size_t nsources;
    struct config_handler *handlers;
    size_t nhandlers;
    struct config_row *rows;
    size_t nrows;
};

/* Reads and checks FILE. Error text begins with "FILE:LINE: " and says what was expected, with a
 * suggestion where a name is nearly right. Checks: element and attribute names, types, ranges,
 * duplicates, owners and readers that exist, kinds' own checks, no file of more than
 * CONFIG_FILE_MAX, no external entities or DTD, no network. References between rows are the
 * store's to check (alerts/checks.h). */
int config_load(struct config **ret, const char *file, const struct kinds *kinds, struct err *e);
/* The same from memory; NAME stands for the file in errors. For tests and the fuzzer. */
int config_parse(struct config **ret, const char *name, const void *text, size_t len,
                 const struct kinds *kinds, struct err *e);
void config_free(struct config *c); /* NULL is fine */

/* Where a row stands in the file, for errors that the store finds later: "FILE:LINE". */
void config_where(const struct config *c, const struct config_row *r, char *dst, size_t cap);

/* The RELAX NG schema (XML syntax), made from the same tables that config_load walks. */
int config_rng(struct buf *out, const struct kinds *kinds);
/* The manual page snmpalertd.xml(5), from the same tables. */
int config_man(struct buf *out, const struct kinds *kinds);

#endif
