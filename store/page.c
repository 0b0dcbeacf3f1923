#include "store/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the layout of LMDB 0.9 --------------------------------------------------------------------
 */

enum {
    PAGE_LEAST = 512,
    PAGE_MOST = 65536,
    HEADER = 16, /* u64 number, u16, u16 flags, u16 lower, u16 upper or u32 pages */
    HEADER_32 = 12,
    NODE_HEAD = 8, /* u16 low, u16 high, u16 flags, u16 length of the key */
    KEY_MAX = 511,
    META_LEN = 136,
    TREE_LEN = 48,
    META_TREES = 24,
    FIRST_DATA_PAGE = 2,
    TAIL_MAX = 1 << 20, /* unwritten pages that may be at the end */
    INTEGER_KEY = 0x08,
};
enum { P_BRANCH = 1, P_LEAF = 2, P_OVERFLOW = 4, P_META = 8, P_KINDS = 15 };
enum { N_BIG = 1, N_DATABASE = 2, N_ALL = 3 };
#define LMDB_MAGIC   UINT32_C(0xBEEFC0DE)
#define LMDB_SWAPPED UINT32_C(0xDEC0EFBE)
enum { LMDB_DATA_VERSION = 1 };

static uint16_t get16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static uint64_t get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t page_number(const uint8_t *page)
{
    return get64(page);
}
static unsigned page_flags(const uint8_t *page)
{
    return get16(page + 10);
}
static unsigned page_lower(const uint8_t *page)
{
    return get16(page + 12);
}
static unsigned page_upper(const uint8_t *page)
{
    return get16(page + 14);
}

static void tree_read(struct page_tree *t, const uint8_t *p)
{
    *t = (struct page_tree){
        .flags = get16(p + 4),
        .depth = get16(p + 6),
        .branches = get64(p + 8),
        .leaves = get64(p + 16),
        .overflows = get64(p + 24),
        .entries = get64(p + 32),
        .root = get64(p + 40),
    };
}

/* ---- bits and words -----------------------------------------------------------------------------
 */

static bool bit(const uint8_t *bits, uint64_t n)
{
    return bits[n / 8] >> n % 8 & 1;
}
static void bit_set(uint8_t *bits, uint64_t n)
{
    bits[n / 8] |= (uint8_t)(1 << n % 8);
}

bool page_is_seen(const struct page_file *p, uint64_t page)
{
    return page < p->npages && bit(p->seen, page);
}
bool page_is_unused(const struct page_file *p, uint64_t page)
{
    return page < p->npages && bit(p->unused, page);
}
void page_forget(struct page_file *p)
{
    memset(p->seen, 0, p->npages / 8 + 1);
}

void page_damage(struct page_file *p, uint64_t page, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    if (p->bad++)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(p->first, sizeof p->first, "%.80s: page %llu: %s", p->name, (unsigned long long)page,
             text);
}

/* ---- opening ------------------------------------------------------------------------------------
 */

static bool power_of_two(unsigned n)
{
    return n && !(n & (n - 1));
}

/* False: not all of it is there, or the disk does not give it. */
static bool read_at(const struct page_file *p, uint64_t at, uint8_t *to, size_t n)
{
    while (n) {
        ssize_t got = pread(p->fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (uint64_t)got;
        to += got;
        n -= (size_t)got;
    }
    return true;
}

/* Whose file is it? Looks at page 0 only, whose place does not depend on the size of pages. */
static int foreign(const struct page_file *p, const uint8_t *page, struct err *e)
{
    static const struct {
        size_t at;
        uint32_t magic;
        const char *words;
    } kinds[] = {
        {HEADER, LMDB_SWAPPED, "the other byte order, 64-bit words"},
        {HEADER_32, LMDB_MAGIC, "this byte order, 32-bit words"},
        {HEADER_32, LMDB_SWAPPED, "the other byte order, 32-bit words"},
    };
    uint32_t version = get32(page + HEADER + 4);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (get32(page + kinds[i].at) == kinds[i].magic)
            return err_set(e, ERR_VERSION,
                           "%s was made on a machine of another kind (%s; this one has %s-endian "
                           "64-bit words): restore it there, or start with an empty folder",
                           p->name, kinds[i].words,
                           get16((const uint8_t *)"\1") == 1 ? "little" : "big");
    uint8_t other[HEADER + META_LEN];
    uint32_t size = get32(page + HEADER + META_TREES);
    if (get32(page + HEADER) == LMDB_MAGIC && version != LMDB_DATA_VERSION &&
        read_at(p, size, other, sizeof other) && get32(other + HEADER + 4) == version)
        return err_set(e, ERR_VERSION, "%s is of another LMDB: data version %u, not %d", p->name,
                       version, LMDB_DATA_VERSION);
    return 0;
}

static bool tree_possible(const struct page_tree *t, uint64_t last)
{
    if (t->root == PAGE_NONE)
        return !t->depth && !t->entries;
    return t->root >= FIRST_DATA_PAGE && t->root <= last && t->depth && t->depth <= PAGE_DEPTH_MAX;
}

/* One meta page; its page size in RET_SIZE. */
static void meta_read(struct page_file *p, int i, const uint8_t *page, unsigned *ret_size)
{
    struct page_meta *m = &p->meta[i];
    const uint8_t *q = page + HEADER;
    *ret_size = get32(q + META_TREES);
    tree_read(&m->free, q + META_TREES);
    tree_read(&m->main, q + META_TREES + TREE_LEN);
    m->last = get64(q + META_TREES + 2 * TREE_LEN);
    m->txn = get64(q + META_TREES + 2 * TREE_LEN + 8);
    bool sized = power_of_two(*ret_size) && *ret_size >= PAGE_LEAST && *ret_size <= PAGE_MOST;
    m->good = (page_flags(page) & P_META) && get32(q) == LMDB_MAGIC &&
              get32(q + 4) == LMDB_DATA_VERSION && sized && page_number(page) == (uint64_t)i;
    m->usable = m->good && m->last >= 1 && m->last < p->size / *ret_size + TAIL_MAX &&
                (m->free.flags & ~INTEGER_KEY) == 0 && !m->main.flags &&
                tree_possible(&m->free, m->last) && tree_possible(&m->main, m->last);
}

/* Where page 1 is, is known from page 0, or by trying. */
static void metas_read(struct page_file *p)
{
    uint8_t page[HEADER + META_LEN];
    unsigned size;
    if (read_at(p, 0, page, sizeof page)) {
        meta_read(p, 0, page, &size);
        if (p->meta[0].good)
            p->page_size = size;
    }
    unsigned from = p->page_size ? p->page_size : PAGE_LEAST;
    unsigned to = p->page_size ? p->page_size : PAGE_MOST;
    for (unsigned at = from; at <= to && !p->meta[1].good; at *= 2) {
        if (!read_at(p, at, page, sizeof page))
            break;
        meta_read(p, 1, page, &size);
        if (size != at)
            p->meta[1].good = p->meta[1].usable = false;
    }
    if (!p->page_size && p->meta[1].good)
        p->page_size = size;
}

struct last_key {
    uint64_t txn;
};

static void keep_last(void *arg, const struct page_pair *pair)
{
    struct last_key *k = arg;
    if (pair->key.len == 8 && get64(pair->key.data) > k->txn)
        k->txn = get64(pair->key.data);
}

static bool bits_make(struct page_file *p)
{
    free(p->seen);
    free(p->unused);
    p->npages = p->meta[p->newest].last + 1;
    p->seen = calloc(1, p->npages / 8 + 1);
    p->unused = calloc(1, p->npages / 8 + 1);
    return p->seen && p->unused;
}

/* The last transaction that meta page I knows of, by its free list. */
static uint64_t last_freed(struct page_file *p, int i)
{
    struct last_key k = {0};
    struct page_walk w = {.db = "free list", .numbers = true, .pair = keep_last, .arg = &k};
    p->newest = i;
    if (bits_make(p))
        page_walk(p, &p->meta[i].free, &w);
    return k.txn;
}

/* Transaction N writes meta page N mod 2, so that their numbers differ by one. If they do not, one
 * was changed: then the free lists, which name the transaction too, tell which is the newer. */
static void pick_newest(struct page_file *p)
{
    const struct page_meta *m = p->meta;
    if (!m[0].good || !m[1].good) {
        p->newest = m[1].usable;
        page_damage(p, (uint64_t)m[0].good, "not a meta page");
        return;
    }
    bool right = m[0].txn % 2 == 0 && m[1].txn % 2 == 1 &&
                 (m[0].txn + 1 == m[1].txn || m[1].txn + 1 == m[0].txn);
    p->newest = m[1].txn > m[0].txn;
    if (!m[p->newest].usable) {
        page_damage(p, (uint64_t)p->newest, "a meta page that cannot be used");
        p->newest = 1 - p->newest;
        return;
    }
    /* After a commit that failed here the older one has trees that do not fit it. */
    if (right || (!m[0].txn && !m[1].txn))
        return;
    page_damage(p, 0, "the meta pages disagree: transactions %llu and %llu",
                (unsigned long long)m[0].txn, (unsigned long long)m[1].txn);
    if (m[1 - p->newest].usable)
        p->newest = last_freed(p, 1) > last_freed(p, 0);
}

static bool levels_make(struct page_file *p)
{
    for (int i = 0; i < PAGE_DEPTH_MAX; i++)
        if (!(p->level[i] = malloc(p->page_size)))
            return false;
    return true;
}

static int identify(struct page_file *p, struct err *e)
{
    uint8_t page[HEADER + META_LEN] = {0};
    metas_read(p);
    bool none = !p->meta[0].usable && !p->meta[1].usable;
    if (none && read_at(p, 0, page, sizeof page) && foreign(p, page, e))
        return ERR_VERSION;
    if (none)
        return err_set(e, ERR_CORRUPT, "%s: neither meta page can be used (%llu octets)", p->name,
                       (unsigned long long)p->size);
    if (!levels_make(p))
        return err_set(e, ERR_NOMEM, "%s: out of memory", p->name);
    pick_newest(p);
    return bits_make(p) ? 0 : err_set(e, ERR_NOMEM, "%s: out of memory", p->name);
}

int page_file_open(struct page_file *p, const char *name, struct err *e)
{
    struct stat st;
    int rc = 0;
    memset(p, 0, sizeof *p);
    p->name = name;
    p->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (p->fd < 0)
        return err_errno(e, "opening %s", name);
    if (fstat(p->fd, &st))
        rc = err_errno(e, "looking at %s", name);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, ERR_INVALID, "%s is not a file", name);
    else if (!st.st_size)
        rc = err_set(e, ERR_NOTFOUND, "%s is empty", name);
    p->size = rc ? 0 : (uint64_t)st.st_size;
    if (!rc)
        rc = identify(p, e);
    if (rc)
        page_file_close(p);
    return rc;
}

void page_file_close(struct page_file *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    for (int i = 0; i < PAGE_DEPTH_MAX; i++)
        free(p->level[i]);
    memset(p->level, 0, sizeof p->level);
    free(p->seen);
    free(p->unused);
    free(p->big);
    p->seen = p->unused = p->big = NULL;
}

/* ---- walking ------------------------------------------------------------------------------------
 */

/* One walk under way. */
struct way {
    struct page_file *p;
    const struct page_walk *w;
    uint64_t branches, leaves, overflows, entries;
    unsigned depth; /* of the first leaf */
};

struct bounds {
    struct slice least, most; /* most is beyond; empty: none */
};

/* Takes N pages from FIRST on, which nobody has taken before. */
static bool take(struct way *y, uint64_t first, uint64_t n, uint64_t from)
{
    struct page_file *p = y->p;
    if (first < FIRST_DATA_PAGE || n > p->npages || first > p->npages - n) {
        page_damage(p, from, "%s: it leads to page %llu, and there are %llu", y->w->db,
                    (unsigned long long)first, (unsigned long long)p->npages);
        return false;
    }
    for (uint64_t i = first; i < first + n; i++) {
        if (bit(p->seen, i) || (y->w->skip_unused && bit(p->unused, i))) {
            page_damage(p, from, "%s: it leads to page %llu, which is not its own", y->w->db,
                        (unsigned long long)i);
            return false;
        }
    }
    for (uint64_t i = first; i < first + n; i++)
        bit_set(p->seen, i);
    p->looked += n;
    return true;
}

static bool load(struct way *y, uint64_t page, uint8_t *to)
{
    struct page_file *p = y->p;
    if (!read_at(p, page * p->page_size, to, p->page_size)) {
        page_damage(p, page, "%s: it cannot be read; the file has %llu octets", y->w->db,
                    (unsigned long long)p->size);
        return false;
    }
    if (page_number(to) == page)
        return true;
    page_damage(p, page, "%s: it says that it is page %llu", y->w->db,
                (unsigned long long)page_number(to));
    return false;
}

/* The node's octets, or NULL. */
static const uint8_t *node_at(const struct page_file *p, const uint8_t *page, size_t i)
{
    size_t at = get16(page + HEADER + 2 * i);
    if (at < HEADER || at % 2 || at > p->page_size - NODE_HEAD)
        return NULL;
    const uint8_t *node = page + at;
    return get16(node + 6) <= p->page_size - NODE_HEAD - at ? node : NULL;
}

static struct slice node_key(const uint8_t *node)
{
    return (struct slice){node + NODE_HEAD, get16(node + 6)};
}

static size_t node_count(struct way *y, uint64_t number, const uint8_t *page)
{
    const struct page_file *p = y->p;
    unsigned lower = page_lower(page), upper = page_upper(page);
    bool right = lower >= HEADER && lower % 2 == 0 && lower <= upper && upper <= p->page_size;
    if (!right)
        page_damage(y->p, number, "%s: its bounds are %u and %u", y->w->db, lower, upper);
    if (lower < HEADER || lower > p->page_size)
        return 0;
    return (lower - HEADER) / 2;
}

static int compare(const struct page_walk *w, struct slice a, struct slice b)
{
    if (w->numbers && a.len == 8 && b.len == 8) {
        uint64_t x = get64(a.data), y = get64(b.data);
        return (x > y) - (x < y);
    }
    return slice_compare(a, b);
}

static bool within(const struct page_walk *w, struct slice key, const struct bounds *b)
{
    return (!b->least.len || compare(w, key, b->least) >= 0) &&
           (!b->most.len || compare(w, key, b->most) < 0);
}

/* A value that has pages of its own. */
static bool big_value(struct way *y, uint64_t from, uint64_t first, size_t len, struct slice *ret)
{
    struct page_file *p = y->p;
    uint8_t head[HEADER];
    uint64_t at = first * p->page_size, n = 0;
    if (first >= p->npages || !read_at(p, at, head, sizeof head) || page_number(head) != first ||
        (page_flags(head) & P_KINDS) != P_OVERFLOW ||
        (n = get32(head + 12)) * p->page_size < len + HEADER || n > p->npages) {
        page_damage(p, from, "%s: page %llu does not hold the value of %zu octets", y->w->db,
                    (unsigned long long)first, len);
        return false;
    }
    if (!take(y, first, n, from))
        return false;
    y->overflows += n;
    free(p->big);
    p->big = at + HEADER + len <= p->size ? malloc(len + 1) : NULL;
    if (!p->big || !read_at(p, at + HEADER, p->big, len)) {
        page_damage(p, first, "%s: a value that cannot be read", y->w->db);
        return false;
    }
    *ret = (struct slice){p->big, len};
    return true;
}

static bool leaf_value(struct way *y, uint64_t number, const uint8_t *page, const uint8_t *node,
                       struct slice *ret)
{
    size_t len = (size_t)get16(node) | (size_t)get16(node + 2) << 16;
    const uint8_t *data = node + NODE_HEAD + get16(node + 6);
    size_t room = (size_t)(page + y->p->page_size - data);
    bool big = get16(node + 4) & N_BIG;
    if ((get16(node + 4) & ~N_ALL) || (big ? 8 : len) > room) {
        page_damage(y->p, number, "%s: a value that is not within it", y->w->db);
        return false;
    }
    if (big)
        return big_value(y, number, get64(data), len, ret);
    *ret = (struct slice){data, len};
    return true;
}

static void walk_leaf(struct way *y, uint64_t number, const uint8_t *page, const struct bounds *b)
{
    struct slice before = {NULL, 0};
    size_t n = node_count(y, number, page);
    y->leaves++;
    if (!n)
        page_damage(y->p, number, "%s: an empty page", y->w->db);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *node = node_at(y->p, page, i);
        struct page_pair pair = {.page = number};
        if (!node || !node_key(node).len || node_key(node).len > KEY_MAX) {
            page_damage(y->p, number, "%s: entry %zu is not within it", y->w->db, i);
            continue;
        }
        pair.key = node_key(node);
        pair.database = get16(node + 4) & N_DATABASE;
        if ((before.len && compare(y->w, pair.key, before) <= 0) || !within(y->w, pair.key, b))
            page_damage(y->p, number, "%s: entry %zu is out of order", y->w->db, i);
        before = pair.key;
        if (!leaf_value(y, number, page, node, &pair.value))
            continue;
        y->entries++;
        y->w->pair(y->w->arg, &pair);
    }
}

static void walk_page(struct way *y, uint64_t number, unsigned level, unsigned depth,
                      const struct bounds *b);

/* The key of entry I of a branch, which bounds its pages from below; the first has none. */
static struct slice branch_key(struct way *y, const uint8_t *page, size_t i)
{
    const uint8_t *node = i ? node_at(y->p, page, i) : NULL;
    return node ? node_key(node) : (struct slice){NULL, 0};
}

static void walk_branch(struct way *y, uint64_t number, unsigned level, unsigned depth,
                        const struct bounds *b)
{
    const uint8_t *page = y->p->level[level];
    size_t n = node_count(y, number, page);
    y->branches++;
    if (n < 2)
        page_damage(y->p, number, "%s: a branch without branches", y->w->db);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *node = node_at(y->p, page, i);
        if (!node) {
            page_damage(y->p, number, "%s: entry %zu is not within it", y->w->db, i);
            continue;
        }
        uint64_t child = (uint64_t)get16(node) | (uint64_t)get16(node + 2) << 16 |
                         (uint64_t)get16(node + 4) << 32;
        struct bounds below = {branch_key(y, page, i), (struct slice){NULL, 0}};
        if (i + 1 < n)
            below.most = branch_key(y, page, i + 1);
        if (i && (!below.least.len || below.least.len > KEY_MAX || !within(y->w, below.least, b) ||
                  (below.most.len && compare(y->w, below.least, below.most) >= 0)))
            page_damage(y->p, number, "%s: entry %zu is out of order", y->w->db, i);
        if (!below.least.len)
            below.least = b->least;
        if (!below.most.len)
            below.most = b->most;
        if (take(y, child, 1, number))
            walk_page(y, child, level + 1, depth, &below);
    }
}

static void walk_page(struct way *y, uint64_t number, unsigned level, unsigned depth,
                      const struct bounds *b)
{
    struct page_file *p = y->p;
    if (level + 1 == depth && y->w->quick) {
        y->leaves++;
        return;
    }
    if (level >= PAGE_DEPTH_MAX || !load(y, number, p->level[level])) {
        if (level >= PAGE_DEPTH_MAX)
            page_damage(p, number, "%s: too deep", y->w->db);
        return;
    }
    unsigned flags = page_flags(p->level[level]);
    unsigned right = level + 1 == depth ? P_LEAF : P_BRANCH;
    if (flags != right)
        page_damage(p, number, "%s: its kind is %u, not %u", y->w->db, flags, right);
    if ((flags & P_KINDS) == P_LEAF)
        walk_leaf(y, number, p->level[level], b);
    else if ((flags & P_KINDS) == P_BRANCH)
        walk_branch(y, number, level, depth, b);
}

void page_walk(struct page_file *p, const struct page_tree *t, const struct page_walk *w)
{
    struct way y = {.p = p, .w = w};
    struct bounds none = {{NULL, 0}, {NULL, 0}};
    uint64_t bad = p->bad;
    if (t->root != PAGE_NONE && take(&y, t->root, 1, 0))
        walk_page(&y, t->root, 0, t->depth, &none);
    bool counted = y.branches == t->branches && y.leaves == t->leaves &&
                   (w->quick || (y.overflows == t->overflows && y.entries == t->entries));
    if (p->bad == bad && !counted)
        page_damage(p, t->root == PAGE_NONE ? 0 : t->root,
                    "%s: its counts are wrong (%llu entries, not %llu)", w->db,
                    (unsigned long long)y.entries, (unsigned long long)t->entries);
}

void page_walk_leaf(struct page_file *p, uint64_t number, const struct page_walk *w)
{
    struct way y = {.p = p, .w = w};
    struct bounds none = {{NULL, 0}, {NULL, 0}};
    if (number < FIRST_DATA_PAGE || number >= p->npages || bit(p->seen, number) ||
        !read_at(p, number * p->page_size, p->level[0], p->page_size) ||
        page_number(p->level[0]) != number || page_flags(p->level[0]) != P_LEAF)
        return;
    bit_set(p->seen, number);
    walk_leaf(&y, number, p->level[0], &none);
}

bool page_tree_read(const struct page_pair *pair, struct page_tree *ret)
{
    if (!pair->database || pair->value.len != TREE_LEN)
        return false;
    tree_read(ret, pair->value.data);
    return !ret->flags && (ret->root == PAGE_NONE ? !ret->depth && !ret->entries : ret->depth > 0);
}

/* ---- the free list ------------------------------------------------------------------------------
 */

struct free_list {
    struct page_file *p;
    uint64_t txn;
};

static void free_record(void *arg, const struct page_pair *pair)
{
    struct free_list *f = arg;
    struct page_file *p = f->p;
    const uint8_t *ids = pair->value.data;
    uint64_t before = p->npages;
    bool reads = pair->key.len == 8 && pair->value.len >= 8;
    uint64_t n = reads ? get64(ids) : 0;
    if (!reads || get64(pair->key.data) > f->txn || n > pair->value.len / 8 - 1) {
        page_damage(p, pair->page, "free list: an entry that does not read");
        return;
    }
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t page = get64(ids + 8 * i);
        if (page < FIRST_DATA_PAGE || page >= before || bit(p->unused, page)) {
            page_damage(p, pair->page, "free list: page %llu is not in its place",
                        (unsigned long long)page);
            return;
        }
        bit_set(p->unused, page);
        before = page;
    }
}

bool page_free_list(struct page_file *p)
{
    struct free_list f = {p, p->meta[p->newest].txn};
    struct page_walk w = {.db = "free list", .numbers = true, .pair = free_record, .arg = &f};
    uint64_t before = p->bad, both = 0;
    memset(p->unused, 0, p->npages / 8 + 1);
    page_walk(p, &p->meta[p->newest].free, &w);
    for (uint64_t i = 0; i < p->npages && !both; i++)
        if (bit(p->seen, i) && bit(p->unused, i))
            both = i;
    bool sound = p->bad == before;
    if (both)
        page_damage(p, both, "it is in use, and in the free list");
    /* Which of them is wrong? A tree that leads astray has mostly been seen to be damaged. */
    return sound && (!both || before);
}
