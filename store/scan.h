/* Inside the store: a file of `state` or `samples` as its pages have it, database by database. What
 * store_verify and store_repair share. */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include "store/page.h"
#include "store/store.h"

enum { SCAN_NAME_MAX = 63 };

struct scan_db {
    char name[SCAN_NAME_MAX + 1];
    const struct sa_table *table; /* NULL: meta, changes, kv.N, or a table that nobody knows here */
    bool rows;                    /* its values are rows */
    bool found;                   /* TREE is in the file */
    uint64_t seed;                /* of the sums */
    struct page_tree tree;
};

struct scan {
    struct page_file file;
    struct scan_db *dbs; /* the known ones first, then what else the file has */
    size_t n, cap;
    uint64_t version; /* by `meta`; 0: unknown */
};

/* Opens FILE and reads which databases it has. Errors as page_file_open; damage is in s->file. */
int scan_open(struct scan *s, const struct store_options *o, int env, const char *file,
              struct err *e);
void scan_close(struct scan *s);
/* Is the pair what was written, by the sum and the version? */
bool scan_sound(const struct scan *s, const struct scan_db *d, const struct page_pair *pair);
/* The value behind its sum; the caller knows that it is sound. */
struct slice scan_value(const struct scan *s, struct slice stored);
/* Tells of a pair that is not. */
void scan_damage(struct scan *s, const struct scan_db *d, const struct page_pair *pair);

#endif
