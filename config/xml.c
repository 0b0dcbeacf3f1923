/* libxml2 calls back with elements in document order; they become nodes in an arena that lives and
 * dies with the tree. libxml2 tells the line where a start tag ends, people look for where it
 * begins, so lines are found in the text itself: a '<' cannot stand in an attribute's value, hence
 * the last '<' before the parser's position begins the tag. */
#include "config/xml.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "base/buf.h"
#include "base/text.h"
#include "config/xml_text.h"

#define XML_ROOT "snmpalertd xmlns=\"" XML_NAMESPACE "\""

enum { CHUNK_SIZE = 64 << 10 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    max_align_t data[];
};

struct xml_tree {
    struct chunk *chunks;
    struct xml_node *root;
};

struct level { /* an element whose end tag is still to come */
    struct xml_node *node, *last_child;
    struct buf text;
    int text_line;
};

struct builder {
    struct xml_tree *tree;
    xmlParserCtxtPtr parser;
    const char *file, *text;
    size_t len;
    size_t at; /* lines are counted up to here: LINE is its line */
    int line;
    struct level levels[XML_DEPTH_MAX];
    size_t depth, nnodes;
    int err; /* the first one; nothing is done after it */
    struct err *e;
};

/* ---- arena --------------------------------------------------------------------------------- */

static void *tree_take(struct xml_tree *t, size_t n)
{
    struct chunk *c = t->chunks;
    void *p;

    n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!c || c->size - c->used < n) {
        size_t size = n > CHUNK_SIZE ? n : CHUNK_SIZE;

        c = malloc(sizeof *c + size);
        if (!c)
            return NULL;
        *c = (struct chunk){.next = t->chunks, .size = size};
        t->chunks = c;
    }
    p = (char *)c->data + c->used;
    c->used += n;
    return p;
}

static char *tree_text(struct xml_tree *t, const void *p, size_t n)
{
    char *s = tree_take(t, n + 1);

    if (s) {
        if (n)
            memcpy(s, p, n);
        s[n] = '\0';
    }
    return s;
}

void xml_free(struct xml_tree *t)
{
    if (!t)
        return;
    while (t->chunks) {
        struct chunk *next = t->chunks->next;

        free(t->chunks);
        t->chunks = next;
    }
    free(t);
}

const struct xml_node *xml_root(const struct xml_tree *t)
{
    return t->root;
}

/* ---- errors and lines ------------------------------------------------------------------------ */

static void fail(struct builder *b, int code, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void fail(struct builder *b, int code, int line, const char *fmt, ...)
{
    char words[ERR_TEXT_MAX];
    va_list ap;

    if (b->err)
        return;
    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    b->err = err_set(b->e, code, "%s:%d: %s", b->file, line, words);
    if (b->parser)
        xmlStopParser(b->parser);
}

static void fail_nomem(struct builder *b)
{
    fail(b, ERR_NOMEM, b->line, "out of memory");
}

/* Offsets only grow, so that the whole file is counted once. */
static int line_at(struct builder *b, size_t offset)
{
    const char *end = b->text + offset;

    for (const char *p = b->text + b->at; p < end; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            break;
        b->line++;
    }
    if (offset > b->at)
        b->at = offset;
    return b->line;
}

/* Where the start tag that the parser has just read begins, or b->len when it cannot be told. */
static size_t tag_begin(const struct builder *b, size_t *ret_end)
{
    long end = xmlByteConsumed(b->parser);
    const char *p;

    if (end <= 0 || (size_t)end > b->len)
        return b->len;
    p = memrchr(b->text, '<', (size_t)end);
    *ret_end = (size_t)end;
    return p ? (size_t)(p - b->text) : b->len;
}

/* ---- what libxml2 calls ---------------------------------------------------------------------- */

static void on_document_type(void *arg, const xmlChar *name, const xmlChar *id,
                             const xmlChar *system)
{
    struct builder *b = arg;

    (void)name, (void)id, (void)system;
    fail(b, ERR_SYNTAX, xmlSAX2GetLineNumber(b->parser),
         "a document type (<!DOCTYPE>) is not allowed; expected <%s>", XML_ROOT);
}

static void on_error(void *arg, const xmlError *error)
{
    struct builder *b = arg;
    char message[300];
    size_t n;

    if (error->level < XML_ERR_ERROR)
        return;
    n = utf8_clean(message, sizeof message, error->message, strlen(error->message), false);
    while (n && message[n - 1] == ' ')
        message[--n] = '\0';
    if (error->code == XML_ERR_NO_MEMORY)
        fail_nomem(b);
    else
        fail(b, ERR_SYNTAX, error->line, "not well-formed XML: %s", message);
}

/* "name" or "prefix:name". */
static const char *qualified(struct builder *b, const xmlChar *name, const xmlChar *prefix)
{
    size_t n = strlen((const char *)name), m = prefix ? strlen((const char *)prefix) + 1 : 0;
    char *s = tree_take(b->tree, m + n + 1);

    if (!s)
        return NULL;
    if (m) {
        memcpy(s, prefix, m - 1);
        s[m - 1] = ':';
    }
    memcpy(s + m, name, n + 1);
    return s;
}

/* SAX2 gives five pointers for each: name, prefix, namespace, begin and end of the value. */
static bool add_attributes(struct builder *b, struct xml_node *n, int count, const xmlChar **list,
                           const char *tag, const char *tag_end)
{
    struct xml_attribute *a = tree_take(b->tree, (size_t)count * sizeof *a);

    if (!a)
        return false;
    for (int i = 0; i < count; i++, list += 5) {
        a[i].name = qualified(b, list[0], list[1]);
        a[i].value = tree_text(b->tree, list[3], (size_t)(list[4] - list[3]));
        if (!a[i].name || !a[i].value)
            return false;
        a[i].line = n->line;
        if (tag)
            a[i].line += text_count_lines(tag, tag_find_attribute(tag, tag_end, a[i].name));
    }
    n->attributes = a;
    n->nattributes = (size_t)count;
    return true;
}

static void link_node(struct builder *b, struct xml_node *n)
{
    struct level *above = b->depth ? &b->levels[b->depth - 1] : NULL;
    struct level *l = &b->levels[b->depth++];

    if (!above)
        b->tree->root = n;
    else if (above->last_child)
        above->last_child->next = n;
    else
        above->node->children = n;
    if (above)
        above->last_child = n;
    l->node = n;
    l->last_child = NULL;
    l->text_line = 0;
    buf_clear(&l->text);
}

/* What a start tag may not be, before anything is kept of it. */
static bool tag_allowed(struct builder *b, int line, const char *name, const xmlChar *uri,
                        int nattributes)
{
    const xmlChar *encoding = b->parser->input->encoding;

    if (!encoding)
        encoding = b->parser->encoding;
    if (encoding && strcasecmp((const char *)encoding, "UTF-8") != 0)
        fail(b, ERR_SYNTAX, 1, "the encoding is %.40s; expected UTF-8", (const char *)encoding);
    else if (!uri || strcmp((const char *)uri, XML_NAMESPACE) != 0)
        fail(b, ERR_SYNTAX, line, "<%.40s> is not in our namespace; expected <%s>", name, XML_ROOT);
    else if (b->depth == XML_DEPTH_MAX)
        fail(b, ERR_RANGE, line, "<%.40s> is nested too deeply; expected at most %d levels", name,
             XML_DEPTH_MAX);
    else if (b->nnodes == XML_NODES_MAX)
        fail(b, ERR_RANGE, line, "too many elements; expected at most %d", XML_NODES_MAX);
    else if (nattributes > XML_ATTRIBUTES_MAX)
        fail(b, ERR_RANGE, line, "<%.40s> has too many attributes; expected at most %d", name,
             XML_ATTRIBUTES_MAX);
    return !b->err;
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int nnamespaces, const xmlChar **namespaces, int nattributes, int ndefaulted,
                     const xmlChar **attributes)
{
    struct builder *b = arg;
    size_t end = 0, begin = tag_begin(b, &end);
    bool located = begin < b->len;
    int line = located ? line_at(b, begin) : xmlSAX2GetLineNumber(b->parser);
    struct xml_node *n;

    (void)prefix, (void)nnamespaces, (void)namespaces, (void)ndefaulted;
    if (b->err || !tag_allowed(b, line, (const char *)name, uri, nattributes))
        return;
    n = tree_take(b->tree, sizeof *n);
    if (!n) {
        fail_nomem(b);
        return;
    }
    *n = (struct xml_node){.line = line, .text = "", .text_line = line};
    n->name = tree_text(b->tree, name, strlen((const char *)name));
    if (!n->name || !add_attributes(b, n, nattributes, attributes, located ? b->text + begin : NULL,
                                    b->text + end)) {
        fail_nomem(b);
        return;
    }
    b->nnodes++;
    link_node(b, n);
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct builder *b = arg;
    struct level *l;
    const char *text, *end;

    (void)name, (void)prefix, (void)uri;
    if (b->err || b->depth == 0)
        return;
    l = &b->levels[--b->depth];
    if (l->text.err) {
        fail_nomem(b);
        return;
    }
    if (l->text_line == 0)
        return; /* blanks only */
    end = (const char *)l->text.data + l->text.len;
    text = text_skip_blanks((const char *)l->text.data, end);
    while (end > text && text_is_blank(end[-1]))
        end--;
    l->node->text = tree_text(b->tree, text, (size_t)(end - text));
    l->node->text_line = l->text_line;
    if (!l->node->text)
        fail_nomem(b);
}

static void on_text(void *arg, const xmlChar *text, int len)
{
    struct builder *b = arg;
    const char *p = (const char *)text, *end = p + len;
    struct level *l;

    if (b->err || b->depth == 0)
        return;
    l = &b->levels[b->depth - 1];
    buf_bytes(&l->text, text, (size_t)len);
    p = text_skip_blanks(p, end);
    if (p < end && l->text_line == 0) /* the parser stands at the end of this run */
        l->text_line = xmlSAX2GetLineNumber(b->parser) - text_count_lines(p, end);
}

/* ---- parse ----------------------------------------------------------------------------------- */

/* libxml2 would take other encodings, and stop at a 0 octet. */
static void check_octets(struct builder *b)
{
    const char *zero = memchr(b->text, 0, b->len);

    if (b->len == 0)
        fail(b, ERR_SYNTAX, 1, "the file is empty; expected <%s>", XML_ROOT);
    else if (zero)
        fail(b, ERR_SYNTAX, 1 + text_count_lines(b->text, zero), "a 0 octet; expected UTF-8 text");
    else if (!utf8_valid(b->text, b->len))
        fail(b, ERR_SYNTAX, text_foreign_line(b->text, b->text + b->len),
             "expected UTF-8 text, not other octets");
}

static void parse(struct builder *b)
{
    xmlSAXHandler sax = {
        .initialized = XML_SAX2_MAGIC,
        .internalSubset = on_document_type,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text,
        .cdataBlock = on_text,
        .serror = (xmlStructuredErrorFunc)on_error,
    };

    b->parser = xmlCreateMemoryParserCtxt(b->text, (int)b->len);
    if (!b->parser) {
        fail_nomem(b);
        return;
    }
    /* NOENT: "&amp;" in an attribute is given as "&". There are no other entities, since nothing
     * can declare one without a document type. */
    (void)xmlCtxtUseOptions(b->parser, XML_PARSE_NONET | XML_PARSE_NOENT);
    *b->parser->sax = sax;
    b->parser->userData = b;
    (void)xmlParseDocument(b->parser);
    if (!b->err && !b->parser->wellFormed)
        fail(b, ERR_SYNTAX, 1, "not well-formed XML");
    xmlFreeParserCtxt(b->parser);
}

int xml_parse(struct xml_tree **ret, const char *file, const void *text, size_t len, struct err *e)
{
    struct builder b = {.file = file, .text = text, .len = len, .line = 1, .e = e};

    if (len > INT_MAX)
        return err_set(e, ERR_RANGE, "%s: too large", file);
    b.tree = calloc(1, sizeof *b.tree);
    if (!b.tree)
        return err_set(e, ERR_NOMEM, "%s: out of memory", file);
    for (size_t i = 0; i < XML_DEPTH_MAX; i++)
        buf_init(&b.levels[i].text, len + 1);
    check_octets(&b);
    if (!b.err)
        parse(&b);
    for (size_t i = 0; i < XML_DEPTH_MAX; i++)
        buf_release(&b.levels[i].text);
    if (b.err)
        xml_free(b.tree);
    else
        *ret = b.tree;
    return b.err;
}
