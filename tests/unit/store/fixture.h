/* What the store's tests share: a private folder, and small tables of their own that have every
 * kind of column. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/set.h"
#include "store/store.h"
#include "store/view.h"

/* saOwnerTable (owner); saThingTable (owner, thing); saLinkTable (owner, thing, number);
 * saSampleTable (owner, id), volatile; saBareTable (owner, name) without RowStatus; scalars. */
enum {
    T_SCALARS = 1,
    T_OWNER = 3,
    T_BARE = 5,
    T_THING = 9,
    T_LINK = 12,
    T_SAMPLE = 20,
    T_EMPTY = 30
};
extern const struct sa_table scalars_table, owner_table, bare_table, thing_table, link_table,
    sample_table, empty_table;
extern const struct sa_table *const test_tables[];
extern const size_t test_ntables;

enum {                    /* saThingTable */
       THING_NAME = 1,    /* index, accessible-for-notify */
       THING_TEXT = 2,    /* required, 1..64 */
       THING_NUMBER = 3,  /* Integer32 -10..100, default 7 */
       THING_FROZEN = 4,  /* Unsigned32, frozen */
       THING_BITS = 5,    /* BITS a(0) b(1) j(9) */
       THING_KIND = 6,    /* enumeration one(1) three(3) */
       THING_MADE = 7,    /* DateAndTime, read-only */
       THING_COUNT = 8,   /* Counter32, volatile */
       THING_GAUGE = 9,   /* Gauge32 0..50, volatile */
       THING_TWICE = 10,  /* computed */
       THING_TEST = 11,   /* trigger: idle(1) run(2) */
       THING_SECRET = 12, /* stored, read through a function */
       THING_MILLIS = 13, /* SaMillis, read-only */
       THING_STORAGE = 14,
       THING_STATUS = 15,
       THING_OTHER = 16, /* name or empty, refers to another thing */
       THING_HIDDEN = 200,
       THING_BLOB = 201,
};
enum { LINK_NUMBER = 1, LINK_STORAGE = 2, LINK_STATUS = 3 };
enum { SAMPLE_ID = 1, SAMPLE_VALUE = 2, SAMPLE_TEXT = 3 };
enum { BARE_LIMIT = 2, BARE_NOTE = 3 };

struct world {
    char path[64];
    struct store *store;
};

/* Makes a folder and opens a store of the test tables in it (synced only if SYNC). */
void world_init(struct world *w);
void world_reopen(struct world *w);
void world_release(struct world *w); /* removes the folder */
void remove_folder(const char *path);
struct store_options world_options(const struct world *w);

/* Puts a durable row with a text, committed. */
void put_thing(struct store *s, const char *owner, const char *name, const char *text);
void put_owner(struct store *s, const char *owner);

#endif
