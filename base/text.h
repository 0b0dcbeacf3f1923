/* Text: UTF-8, globs, hashes, UUIDs. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character that p[0..n) starts with, into *RET_CP; returns its octets, 0 if it is none. */
size_t utf8_decode(const void *p, size_t n, uint32_t *ret_cp);
bool utf8_control(uint32_t cp); /* C0, DEL or C1? */
/* Valid UTF-8 (RFC 3629: no overlong forms, no surrogates)? */
bool utf8_valid(const void *p, size_t n);
/* The largest m <= max (and <= n) such that p[0..m) does not cut a character. */
size_t utf8_cut(const void *p, size_t n, size_t max);
/* Copy as valid UTF-8, terminated, into DST of CAP octets: invalid octets become '?', control
 * characters (but tab and newline if KEEP_NL) a blank, cut at a boundary. Returns the length. */
size_t utf8_clean(char *dst, size_t cap, const void *p, size_t n, bool keep_nl);

/* '*' any run, '?' one character, '\' quotes; linear in n * m, no recursion. */
bool glob_match(const char *pattern, const char *text);

/* 128-bit hash for secondary indexes (two rounds of SipHash-2-4 with fixed keys); always
 * verified on read, so only its spread matters. */
void hash128(const void *p, size_t n, uint8_t ret[16]);
uint64_t hash64(const void *p, size_t n, uint64_t seed);

enum { UUID_TEXT_LEN = 36 };
/* Random UUID (RFC 9562, version 4) in lower case, terminated. 0 or ERR_IO. */
int uuid_new(char ret[UUID_TEXT_LEN + 1]);

/* A name as the MIB allows it: 1..32 octets of printable UTF-8 without control characters. */
enum { NAME_MAX_LEN = 32 };
bool name_valid(const void *p, size_t n);

#endif
