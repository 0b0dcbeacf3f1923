/* Errors. Every function of the project that can fail returns 0 or one of these negative codes;
 * foreign codes (errno, LMDB, net-snmp, curl) are converted where they enter. The detail, in words
 * for the log and the user's screen, goes to a `struct err` that the caller lends. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

enum {
    ERR_OK = 0,
    ERR_NOMEM = -1,  /* out of memory */
    ERR_IO = -2,     /* errno in words in the detail */
    ERR_SYNTAX = -3, /* foreign text or bytes that do not parse */
    ERR_RANGE = -4,  /* number or length outside its limits */
    ERR_NOTFOUND = -5,
    ERR_EXISTS = -6,
    ERR_INVALID = -7,  /* argument or configuration that makes no sense */
    ERR_FULL = -8,     /* a queue, the store or a quota is full */
    ERR_VERSION = -9,  /* made by a newer or another version */
    ERR_CORRUPT = -10, /* stored bytes that are not what was written */
    ERR_DENIED = -11,
    ERR_TIMEOUT = -12,
    ERR_CLOSED = -13, /* the other side is gone */
    ERR_AGAIN = -14,  /* not now; nothing was done */
    ERR_NETWORK = -15,
    ERR_PROTOCOL = -16, /* a peer broke its protocol */
    ERR_UNSUPPORTED = -17,
    ERR_TEMPORARY = -18, /* a peer refused for now */
    ERR_PERMANENT = -19, /* a peer refused for good */
    /* the SNMP SET family (RFC 3416 section 4.2.5), for row edits from any side */
    ERR_WRONG_TYPE = -40,
    ERR_WRONG_LENGTH = -41,
    ERR_WRONG_VALUE = -42,
    ERR_NO_CREATION = -43,
    ERR_INCONSISTENT_VALUE = -44,
    ERR_INCONSISTENT_NAME = -45,
    ERR_NOT_WRITABLE = -46,
    ERR_RESOURCE_UNAVAILABLE = -47,
    ERR_COMMIT_FAILED = -48,
};

enum { ERR_TEXT_MAX = 480 };

struct err {
    int code;
    char text[ERR_TEXT_MAX]; /* UTF-8, one line, no secrets; always terminated */
};

/* Fill E (may be NULL) and return CODE, so that `return err_set(e, ERR_X, "...")` reads well.
 * Text that does not fit is cut at a UTF-8 boundary; control characters become '?'. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_set(ERR_IO, "<formatted>: <strerror(errno)>"); ENOMEM gives ERR_NOMEM, ENOENT ERR_NOTFOUND,
 * EACCES and EPERM ERR_DENIED. */
int err_errno(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "<formatted>: " before the text that is there; returns e->code. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "notFound", "wrongValue", ...; never NULL. */
const char *err_name(int code);

#endif
