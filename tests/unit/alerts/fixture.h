/* What the tests of alerts/ share: a store of the real tables in a private folder, rows that are
 * put as a SET puts them (cells and an entry in the changes ring), and the core's part of taking
 * the ring in. */
#ifndef TESTS_UNIT_ALERTS_FIXTURE_H
#define TESTS_UNIT_ALERTS_FIXTURE_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alerts/index.h"
#include "alerts/notice.h"
#include "store/store.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct world {
    char path[64];
    struct store *store;
};

/* Owners admin, alice and bob are there. */
void world_init(struct world *w);
void world_release(struct world *w);
/* As cmocka's setup and teardown: *state is a struct world. */
int world_setup(void **state);
int world_teardown(void **state);

/* A write transaction; ended by done(), which asserts that it was committed. */
struct txn *begin(struct world *w);
void done(struct txn *t);

struct with { /* a cell: text if not NULL, else the number */
    unsigned column;
    int64_t number;
    const char *text;
};
/* Puts a row, active where the table knows that unless said otherwise. */
void put_row(struct txn *t, unsigned table, struct key k, const struct with *cells, size_t n);
#define PUT(t, table, k, ...)                                                                      \
    put_row(t, table, k, (const struct with[]){__VA_ARGS__},                                       \
            COUNT(((const struct with[]){__VA_ARGS__})))
void drop_row(struct txn *t, unsigned table, struct key k);
struct key key3(const char *a, const char *b, const char *c);

/* The shapes that most tests need. */
void put_definition(struct txn *t, const char *owner, const char *name, const char *service);
void put_target(struct txn *t, const char *owner, const char *name);
void put_group(struct txn *t, const char *owner, const char *name);
void put_member(struct txn *t, const char *owner, const char *group, const char *definition);
void put_link(struct txn *t, const char *owner, const char *group, const char *target);

/* Takes in every change that waits, each TIMES times, and consumes them. */
void take_in(struct txn *t, unsigned times);
/* All three: a transaction around the put, and taking it in. */
#define IN(w, put)                                                                                 \
    do {                                                                                           \
        struct txn *t = begin(w);                                                                  \
        put;                                                                                       \
        take_in(t, 1);                                                                             \
        done(t);                                                                                   \
    } while (0)

int64_t cell_of(struct txn *t, unsigned table, struct key k, unsigned column);
/* Into a buffer that the next but three calls overwrite. */
const char *text_of(struct txn *t, unsigned table, struct key k, unsigned column);
bool is_there(struct txn *t, unsigned table, struct key k);
uint32_t incarnation_of(struct txn *t, const char *owner, const char *target);
struct route_target target_of(struct txn *t, const char *owner, const char *name);
/* Alice's test notice, as of ALERT (0: of none), whose line it joins. */
struct notice_text test_notice_of(uint32_t alert);

/* A hash of all durable rows of TABLE (0: of all tables) and of the named databases. */
uint64_t dump(struct txn *t, const char *const *dbs, size_t ndbs);

/* xorshift: the same walk every time. */
uint32_t dice(uint64_t *seed, uint32_t n);

#endif
