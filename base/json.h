/* JSON, by jansson, behind one small header (no other file includes jansson.h). A `jv` is a value
 * of a parsed or built document; it is owned by its document's root unless said otherwise. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct json_t jv; /* opaque here; jansson's own type underneath */

enum jv_kind { JV_NULL, JV_BOOL, JV_INT, JV_REAL, JV_STRING, JV_ARRAY, JV_OBJECT };
enum { JV_DEPTH_MAX = 100 };

/* Parse a whole document of any kind; duplicate keys: last wins. Deeper than JV_DEPTH_MAX, invalid
 * UTF-8, trailing bytes, integers beyond 64 bits (parsed as real) are handled; errors name line
 * and column. The caller owns the root: jv_free(). */
jv *jv_parse(const void *text, size_t len, struct err *e);
void jv_free(jv *root); /* NULL is fine */

enum jv_kind jv_kind(const jv *v);
bool jv_bool(const jv *v);
int64_t jv_int(const jv *v);          /* of JV_INT, else 0 */
double jv_number(const jv *v);        /* of JV_INT and JV_REAL, else 0 */
struct slice jv_string(const jv *v);  /* UTF-8, terminated behind its len; may hold 0 octets */
size_t jv_len(const jv *v);           /* of an array or object, else 0 */
jv *jv_at(const jv *array, size_t i); /* borrowed; NULL when out of range */
jv *jv_get(const jv *object, const char *key); /* borrowed; NULL when absent */

/* Iterate over an object in insertion order: for (it = jv_iter(o); it; it = jv_iter_next(o, it)) */
void *jv_iter(const jv *object);
void *jv_iter_next(const jv *object, void *it);
const char *jv_iter_key(void *it);
jv *jv_iter_value(void *it); /* borrowed */

/* Build. Setters take over V (also on failure); V NULL (out of memory before) is an error. */
jv *jv_new_object(void);
jv *jv_new_array(void);
jv *jv_new_null(void);
jv *jv_new_bool(bool b);
jv *jv_new_int(int64_t i);
jv *jv_new_real(double d);                       /* NaN and infinities become null */
jv *jv_new_string(const void *utf8, size_t len); /* invalid UTF-8 is replaced by U+FFFD */
int jv_set(jv *object, const char *key, jv *v);
int jv_append(jv *array, jv *v);

/* Compact text, appended to B (whose sticky error tells what failed). */
void jv_dump(const jv *v, struct buf *b);

/* Without building: TEXT as a JSON string in quotation marks, appended to B. What is no UTF-8 is
 * replaced by U+FFFD, octet for octet. */
void json_put_text(struct buf *b, const char *text, size_t len);

#endif
