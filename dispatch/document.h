/* A job as a JSON document (RFC 8259, UTF-8): what a program reads and a web server is sent.
 *
 *   {"version": 1,                          of this shape: keys may be added under the same version
 *    "uuid": "6f1c...",                     the message's, the same at every attempt
 *    "created": "2026-11-20T22:38:45.123Z", the Date of the message
 *    "owner": "alice", "target": "ops",
 *    "recipients": ["bob@example.net"],     those still to be reached
 *    "notices": [                           one; of a digest several, the newest state first
 *      {"uuid": "6f1c...", "id": 12, "sequence": 7,
 *       "kind": "raise",                    as saNoticeKind has it
 *       "notification": "saAlertRaised",
 *       "level": "CRITICAL", "previousLevel": "OK",
 *       "at": "2026-11-20T22:38:45.123Z", "activeSince": "2026-11-20T22:38:45.123Z",
 *       "owner": "alice", "definition": "hot", "service": "lab", "instance": "cpu0",
 *       "value": "93", "message": "too hot", "description": "...", "url": "https://..."}]}
 *
 * Every key is always there: texts that are empty are "", times and words that are not known null.
 * What a trap's varbinds say is in it by these names. */
#ifndef DISPATCH_DOCUMENT_H
#define DISPATCH_DOCUMENT_H

#include "base/buf.h"
#include "dispatch/dispatch.h"

enum {
    DOCUMENT_VERSION = 1,
    /* Octets of the largest: each of a job's texts, with every octet escaped as \u00XX. */
    DOCUMENT_MAX = 4 << 20,
};

/* What "kind" says; NULL of a number that is none. */
const char *document_kind(unsigned kind);

/* Append it to B, on one line and without an end of line: B's sticky error tells whether it could.
 */
void document_write(const struct job *j, struct buf *b);

/* The notice at I of J alone, likewise: what stands in "notices", with "version", "targetOwner" and
 * "target" in front. */
void document_notice_write(const struct job *j, size_t i, struct buf *b);

#endif
