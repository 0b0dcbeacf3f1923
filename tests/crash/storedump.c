/* Prints a store as JSON lines, for a checker that shares no code with the daemon beyond the store:
 *   {"table": "saNoticeTable", "key": ["admin", 7], "cells": {"2": "text", "9": 3}}
 *   {"db": "pending", "key": "hexadecimal", "value": "hexadecimal"}
 * Cells go by their column numbers, hidden ones included; a cell that was never set is absent.
 *
 * storedump FOLDER MAP_BYTES [TABLE=FIRST_ID ...]: of TABLE, whose keys end in an id, only rows
 * from FIRST_ID on (of each owner). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "store/value.h"

static const char *const databases[] = {"pending",   "due",          "told",         "instances",
                                        "held",      "disabled",     "globals",      "defService",
                                        "defGroups", "targetGroups", "serviceDefs",  "historyAge",
                                        "noticeAge", "toldCount",    "acknowledged", "matching"};

static char **bounds; /* TABLE=FIRST_ID */
static int nbounds;

static void put_string(struct slice s)
{
    putchar('"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '"' || s.data[i] == '\\')
            printf("\\%c", s.data[i]);
        else if (s.data[i] < 0x20)
            printf("\\u%04x", (unsigned)s.data[i]);
        else
            putchar(s.data[i]);
    }
    putchar('"');
}

static void put_hex(struct slice s)
{
    putchar('"');
    for (size_t i = 0; i < s.len; i++)
        printf("%02x", (unsigned)s.data[i]);
    putchar('"');
}

static void put_key(const struct sa_table *table, const struct slice *key)
{
    size_t pos = 0;

    putchar('[');
    for (size_t i = 0; i < table->nindex; i++) {
        char name[33];
        uint32_t n;

        if (i)
            printf(", ");
        if (table->index[i].syntax != SA_UNSIGNED && key_read_name(key, &pos, name))
            put_string((struct slice){(const uint8_t *)name, strlen(name)});
        else if (key_read_u32(key, &pos, &n))
            printf("%" PRIu32, n);
        else
            printf("null");
    }
    putchar(']');
}

static void put_row(const struct sa_table *table, const struct row *r)
{
    const char *comma = "";

    printf("{\"table\": \"%s\", \"key\": ", table->name);
    put_key(table, &r->key);
    printf(", \"cells\": {");
    for (size_t i = 0; i < table->ncolumns; i++) {
        const struct sa_column *c = &table->columns[i];

        if (c->keep == SA_COMPUTED || sa_index_part(table, c) >= 0 || !row_has(r, c->number))
            continue;
        printf("%s\"%u\": ", comma, (unsigned)c->number);
        comma = ", ";
        if (c->syntax == SA_OCTETS)
            put_hex(row_text(r, c->number));
        else if (value_is_text(c->syntax))
            put_string(row_text(r, c->number));
        else
            printf("%" PRId64, row_int(r, c->number));
    }
    printf("}}\n");
}

/* The id that rows of TABLE are wanted from. */
static uint32_t first_id(const struct sa_table *table)
{
    size_t n = strlen(table->name);

    for (int i = 0; i < nbounds; i++) {
        if (!strncmp(bounds[i], table->name, n) && bounds[i][n] == '=')
            return (uint32_t)strtoul(bounds[i] + n + 1, NULL, 10);
    }
    return 0;
}

static bool wanted(const struct row *r, uint32_t from)
{
    size_t pos = 0;
    char owner[33];
    uint32_t id;

    return !from || !key_read_name(&r->key, &pos, owner) || !key_read_u32(&r->key, &pos, &id) ||
           id >= from;
}

static void dump_table(struct txn *t, const struct sa_table *table)
{
    uint32_t from = first_id(table);
    struct cursor c;
    struct row r;

    if (table->keep == SA_VOLATILE && table->id != SA_SYSTEM)
        return;
    for (cursor_first(&c, t, table, NULL); cursor_row(&c, &r); cursor_next(&c)) {
        if (wanted(&r, from))
            put_row(table, &r);
    }
    cursor_close(&c);
}

static void dump_database(struct txn *t, const char *name)
{
    uint8_t at[512];
    struct slice from = {at, 0}, k, v;
    bool after = false;

    while (!kv_seek(t, name, from, after, &k, &v) && k.len <= sizeof at) {
        printf("{\"db\": \"%s\", \"key\": ", name);
        put_hex(k);
        printf(", \"value\": ");
        put_hex(v);
        printf("}\n");
        memcpy(at, k.data, k.len);
        from.len = k.len;
        after = true;
    }
}

int main(int argc, char **argv)
{
    struct store_options o = {.path = argc > 1 ? argv[1] : ""};
    struct store *s = NULL;
    struct txn *t;
    struct err e;

    if (argc < 3) {
        fprintf(stderr, "usage: storedump FOLDER MAP_BYTES [TABLE=FIRST_ID ...]\n");
        return 2;
    }
    o.map_bytes = strtoull(argv[2], NULL, 10);
    bounds = argv + 3;
    nbounds = argc - 3;
    if (store_open(&s, &o, &e)) {
        fprintf(stderr, "storedump: %s\n", e.text);
        return 1;
    }
    t = txn_begin(s, TXN_READ);
    for (size_t i = 0; i < sa_ntables; i++)
        dump_table(t, sa_tables[i]);
    for (size_t i = 0; i < sizeof databases / sizeof *databases; i++)
        dump_database(t, databases[i]);
    printf("{\"ring\": %d}\n", !changes_next(t, changes_consumed(t), &(struct change){.seq = 0}));
    if (txn_commit(t, &e)) {
        fprintf(stderr, "storedump: %s\n", e.text);
        store_close(s);
        return 1;
    }
    store_close(s);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
