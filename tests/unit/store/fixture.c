#include "tests/unit/store/fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct sa_name kinds[] = {{"one", 1}, {"three", 3}, {NULL, 0}};
static const struct sa_name bits[] = {{"a", 0}, {"b", 1}, {"j", 9}, {NULL, 0}};
static const struct sa_name triggers[] = {{"idle", 1}, {"run", 2}, {NULL, 0}};

static const struct sa_column scalars_columns[] = {
    {.number = 1, .name = "saVersion", .syntax = SA_TEXT, .access = SA_READ_ONLY, .max = 255},
    {.number = 2,
     .name = "saBeats",
     .syntax = SA_COUNTER,
     .access = SA_READ_ONLY,
     .keep = SA_VOLATILE},
    {.number = 5,
     .name = "saLimit",
     .syntax = SA_UNSIGNED,
     .access = SA_READ_WRITE,
     .max = 9,
     .def = 4},
    {.number = 6,
     .name = "saSpin",
     .syntax = SA_TEST_AND_INCR,
     .access = SA_READ_WRITE,
     .max = INT32_MAX},
};
const struct sa_table scalars_table = {
    .id = T_SCALARS,
    .name = "saScalars",
    .scalars = true,
    .columns = scalars_columns,
    .ncolumns = COUNT(scalars_columns),
};

static const struct sa_index owner_index[] = {{"saOwner", "owner", SA_NAME, 1, 32}};
static const struct sa_column owner_columns[] = {
    {.number = 1,
     .name = "saOwner",
     .syntax = SA_NAME,
     .access = SA_NOTIFY,
     .keep = SA_COMPUTED,
     .min = 1,
     .max = 32},
    {.number = 3,
     .name = "saOwnerMax",
     .xml = "max",
     .syntax = SA_UNSIGNED,
     .access = SA_READ_ONLY},
};
const struct sa_table owner_table = {
    .id = T_OWNER,
    .name = "saOwnerTable",
    .xml = "owner",
    .index = owner_index,
    .nindex = 1,
    .columns = owner_columns,
    .ncolumns = COUNT(owner_columns),
};

static const struct sa_index thing_index[] = {
    {"saOwner", "owner", SA_NAME, 1, 32},
    {"saThingName", "name", SA_NAME, 1, 32},
};
static const struct sa_column thing_columns[] = {
    {.number = THING_NAME,
     .name = "saThingName",
     .syntax = SA_NAME,
     .access = SA_NOTIFY,
     .keep = SA_COMPUTED,
     .min = 1,
     .max = 32},
    {.number = THING_TEXT,
     .name = "saThingText",
     .syntax = SA_TEXT,
     .access = SA_READ_CREATE,
     .min = 1,
     .max = 64,
     .required = true},
    {.number = THING_NUMBER,
     .name = "saThingNumber",
     .syntax = SA_INTEGER,
     .access = SA_READ_CREATE,
     .min = -10,
     .max = 100,
     .def = 7},
    {.number = THING_FROZEN,
     .name = "saThingFrozen",
     .syntax = SA_UNSIGNED,
     .access = SA_READ_CREATE,
     .frozen = true},
    {.number = THING_BITS,
     .name = "saThingBits",
     .syntax = SA_BITS,
     .access = SA_READ_CREATE,
     .names = bits},
    {.number = THING_KIND,
     .name = "saThingKind",
     .syntax = SA_ENUM,
     .access = SA_READ_CREATE,
     .min = 1,
     .max = 3,
     .def = 1,
     .names = kinds},
    {.number = THING_MADE, .name = "saThingMade", .syntax = SA_DATE, .access = SA_READ_ONLY},
    {.number = THING_COUNT,
     .name = "saThingCount",
     .syntax = SA_COUNTER,
     .access = SA_READ_ONLY,
     .keep = SA_VOLATILE},
    {.number = THING_GAUGE,
     .name = "saThingGauge",
     .syntax = SA_GAUGE,
     .access = SA_READ_ONLY,
     .keep = SA_VOLATILE,
     .max = 50},
    {.number = THING_TWICE,
     .name = "saThingTwice",
     .syntax = SA_INTEGER,
     .access = SA_READ_ONLY,
     .keep = SA_COMPUTED,
     .def = -1},
    {.number = THING_TEST,
     .name = "saThingTest",
     .syntax = SA_ENUM,
     .access = SA_READ_CREATE,
     .keep = SA_COMPUTED,
     .min = 1,
     .max = 2,
     .def = 1,
     .names = triggers},
    {.number = THING_SECRET,
     .name = "saThingSecret",
     .syntax = SA_TEXT,
     .access = SA_READ_CREATE,
     .max = 32},
    {.number = THING_MILLIS, .name = "saThingMillis", .syntax = SA_MILLIS, .access = SA_READ_ONLY},
    {.number = THING_STORAGE,
     .name = "saThingStorage",
     .syntax = SA_STORAGE_TYPE,
     .access = SA_READ_CREATE,
     .def = STORAGE_NON_VOLATILE},
    {.number = THING_STATUS,
     .name = "saThingStatus",
     .syntax = SA_ROW_STATUS,
     .access = SA_READ_CREATE,
     .def = ROW_NOT_READY},
    {.number = THING_OTHER,
     .name = "saThingOther",
     .syntax = SA_NAME_OR_EMPTY,
     .access = SA_READ_CREATE,
     .max = 32},
    {.number = THING_HIDDEN,
     .name = "hidden",
     .syntax = SA_INTEGER,
     .access = SA_HIDDEN,
     .min = INT64_MIN,
     .max = INT64_MAX},
    {.number = THING_BLOB, .name = "blob", .syntax = SA_OCTETS, .access = SA_HIDDEN},
};
const struct sa_table thing_table = {
    .id = T_THING,
    .name = "saThingTable",
    .xml = "thing",
    .row_status = THING_STATUS,
    .storage_type = THING_STORAGE,
    .index = thing_index,
    .nindex = 2,
    .columns = thing_columns,
    .ncolumns = COUNT(thing_columns),
};

static const struct sa_index link_index[] = {
    {"saOwner", "owner", SA_NAME, 1, 32},
    {"saThingName", "thing", SA_NAME, 1, 32},
    {"saLinkNumber", "number", SA_UNSIGNED, 1, 16},
};
static const struct sa_column link_columns[] = {
    {.number = LINK_NUMBER,
     .name = "saLinkNumber",
     .syntax = SA_UNSIGNED,
     .access = SA_NOT_ACCESSIBLE,
     .keep = SA_COMPUTED,
     .min = 1,
     .max = 16},
    {.number = LINK_STORAGE,
     .name = "saLinkStorage",
     .syntax = SA_STORAGE_TYPE,
     .access = SA_READ_CREATE,
     .def = STORAGE_NON_VOLATILE},
    {.number = LINK_STATUS,
     .name = "saLinkStatus",
     .syntax = SA_ROW_STATUS,
     .access = SA_READ_CREATE,
     .def = ROW_NOT_READY},
};
const struct sa_table link_table = {
    .id = T_LINK,
    .name = "saLinkTable",
    .xml = "link",
    .row_status = LINK_STATUS,
    .storage_type = LINK_STORAGE,
    .index = link_index,
    .nindex = 3,
    .columns = link_columns,
    .ncolumns = COUNT(link_columns),
};

static const struct sa_index sample_index[] = {
    {"saOwner", "owner", SA_NAME, 1, 32},
    {"saSampleId", "id", SA_UNSIGNED, 1, 4294967295},
};
static const struct sa_column sample_columns[] = {
    {.number = SAMPLE_ID,
     .name = "saSampleId",
     .syntax = SA_UNSIGNED,
     .access = SA_NOT_ACCESSIBLE,
     .keep = SA_COMPUTED},
    {.number = SAMPLE_VALUE,
     .name = "saSampleValue",
     .syntax = SA_GAUGE64,
     .access = SA_READ_ONLY,
     .keep = SA_VOLATILE},
    {.number = SAMPLE_TEXT,
     .name = "saSampleText",
     .syntax = SA_TEXT,
     .access = SA_READ_ONLY,
     .keep = SA_VOLATILE,
     .max = 255,
     .def_text = "none"},
};
const struct sa_table sample_table = {
    .id = T_SAMPLE,
    .name = "saSampleTable",
    .keep = SA_VOLATILE,
    .index = sample_index,
    .nindex = 2,
    .columns = sample_columns,
    .ncolumns = COUNT(sample_columns),
};

static const struct sa_column bare_columns[] = {
    {.number = BARE_LIMIT,
     .name = "saBareLimit",
     .syntax = SA_UNSIGNED,
     .access = SA_READ_WRITE,
     .max = 10},
    {.number = BARE_NOTE,
     .name = "saBareNote",
     .xml = "note",
     .syntax = SA_TEXT,
     .access = SA_READ_ONLY,
     .max = 20},
};
const struct sa_table bare_table = {
    .id = T_BARE,
    .name = "saBareTable",
    .xml = "bare",
    .index = thing_index,
    .nindex = 2,
    .columns = bare_columns,
    .ncolumns = COUNT(bare_columns),
};
const struct sa_table empty_table = {
    .id = T_EMPTY,
    .name = "saEmptyTable",
    .index = thing_index,
    .nindex = 2,
    .columns = bare_columns,
    .ncolumns = COUNT(bare_columns),
};

const struct sa_table *const test_tables[] = {
    &scalars_table, &owner_table,  &bare_table,  &thing_table,
    &link_table,    &sample_table, &empty_table,
};
const size_t test_ntables = COUNT(test_tables);

struct store_options world_options(const struct world *w)
{
    return (struct store_options){
        .path = w->path,
        .map_bytes = 1 << 30,
        .no_sync = true,
        .recover_samples = true,
        .tables = test_tables,
        .ntables = test_ntables,
    };
}

void world_reopen(struct world *w)
{
    struct err e;
    struct store_options o = world_options(w);
    store_close(w->store);
    w->store = NULL;
    if (store_open(&w->store, &o, &e))
        fail_msg("%s", e.text);
}

void world_init(struct world *w)
{
    const char *tmp = getenv("TMPDIR");
    memset(w, 0, sizeof *w);
    snprintf(w->path, sizeof w->path, "%.40s/store.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(w->path))
        fail_msg("no folder %s", w->path);
    world_reopen(w);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void remove_folder(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void world_release(struct world *w)
{
    store_close(w->store);
    w->store = NULL;
    remove_folder(w->path);
}

void put_thing(struct store *s, const char *owner, const char *name, const char *text)
{
    struct edit d;
    struct key k = key_of_names(owner, name);
    struct txn *t = txn_begin(s, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    edit_str(&d, THING_TEXT, text);
    edit_int(&d, THING_STATUS, ROW_ACTIVE);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
}

void put_owner(struct store *s, const char *owner)
{
    struct edit d;
    struct key k = key_of_name(owner);
    struct txn *t = txn_begin(s, TXN_WRITE);
    edit_begin(&d, t, &owner_table, &k);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
}
