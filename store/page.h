/* Inside the store: LMDB's file, read by our own means. Nothing in it is trusted: every number is
 * checked before it is used, no page is looked at twice, and what cannot be read is told and
 * stepped over. For files of LMDB 0.9 (data version 1) with 64-bit words in this machine's byte
 * order.
 *
 * The file: pages 0 and 1 are meta pages, written in turn; the one with the greater transaction
 * number counts. It has the roots of two trees: the free list (transaction number -> count and page
 * numbers, descending) and the main database, whose values are the roots of the named databases. */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include "base/buf.h"
#include "base/err.h"

enum { PAGE_DEPTH_MAX = 32, PAGE_META_COUNT = 2 };
#define PAGE_NONE UINT64_MAX /* the root of an empty tree */

struct page_tree {
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
};

struct page_meta {
    bool good;          /* a meta page */
    bool usable;        /* whose trees can be walked */
    uint64_t last, txn; /* last page number; transaction number */
    struct page_tree free, main;
};

struct page_file {
    int fd;
    const char *name; /* for words; borrowed */
    uint64_t size;    /* octets */
    unsigned page_size;
    struct page_meta meta[PAGE_META_COUNT];
    int newest;                     /* the meta page that counts */
    uint64_t npages;                /* by that one */
    uint8_t *seen;                  /* bit per page: in use */
    uint8_t *unused;                /* bit per page: in the free list */
    uint8_t *level[PAGE_DEPTH_MAX]; /* a page each */
    uint8_t *big;                   /* the last value that has pages of its own */
    uint64_t looked, bad;           /* pages */
    char first[256];                /* the first damage, in words */
};

/* Opens NAME and picks the meta page that counts. ERR_NOTFOUND: no file, or an empty one.
 * ERR_VERSION: of a machine with another byte order or word size, or of another LMDB. ERR_CORRUPT:
 * neither meta page can be used. A single bad one is damage (p->bad). */
int page_file_open(struct page_file *p, const char *name, struct err *e);
void page_file_close(struct page_file *p);
/* Tells of damage in PAGE. */
void page_damage(struct page_file *p, uint64_t page, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Forgets which pages were seen. */
void page_forget(struct page_file *p);
bool page_is_seen(const struct page_file *p, uint64_t page);
bool page_is_unused(const struct page_file *p, uint64_t page);

struct page_pair {
    uint64_t page;
    struct slice key, value; /* until the callback returns */
    bool database;           /* the value is a tree */
};

struct page_walk {
    const char *db; /* for words */
    bool numbers;   /* keys are 8-octet numbers in this machine's order */
    bool quick;     /* leaf pages are counted, not read */
    bool skip_unused;
    void (*pair)(void *arg, const struct page_pair *pair);
    void *arg;
};

/* All pairs of the tree, in the order of the file. */
void page_walk(struct page_file *p, const struct page_tree *t, const struct page_walk *w);
/* The pairs of one page, if it is a leaf. */
void page_walk_leaf(struct page_file *p, uint64_t page, const struct page_walk *w);
/* The tree that a pair of the main database holds; false: it is none. */
bool page_tree_read(const struct page_pair *pair, struct page_tree *ret);
/* Reads the free list into p->unused; false: it cannot be relied on. After the walks of all that is
 * in use: a page that is both is damage. */
bool page_free_list(struct page_file *p);

#endif
