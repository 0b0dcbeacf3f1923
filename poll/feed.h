/* Between the poller and its kinds: a feed is the poller's side of one source. Not for other
 * folders. */
#ifndef POLL_FEED_H
#define POLL_FEED_H

#include "http/client.h"
#include "poll/poll.h"
#include "snmp/resolve.h"
#include "snmp/source.h"

struct feed;

/* What all feeds of a poller share. */
struct feed_env {
    struct loop *loop;
    struct session_set *sessions;
    struct resolver *resolver;
    struct http_client *client;
};

/* A kind of source. Its state is opened before the first poll and again after each that failed, so
 * that a changed address, password file or certificate is noticed. One poll runs at a time. */
struct feed_kind {
    const struct kind *kind;
    int (*open)(struct feed *f, void **ret_state, struct err *e);
    /* Begin one poll: samples, if everything is well, and then exactly one feed_done; at once or
     * later from the loop. */
    void (*poll)(void *state);
    void (*close)(void *state); /* abandons a running poll, which is then not answered */
};

extern const struct feed_kind feed_kind_snmp, feed_kind_http;

const struct feed_env *feed_env(const struct feed *f);
const struct poll_source *feed_source(const struct feed *f); /* valid while the state is open */
/* Polls that failed since the last good one. */
unsigned feed_failures(const struct feed *f);

/* The topic NAME (SUFFIX NULL) or NAME.SUFFIX has this value. JSON is at most POLL_JSON_MAX and
 * valid; borrowed for the call. Only when the whole poll is good. A topic whose name would be too
 * long is left out. */
void feed_sample(struct feed *f, const char *suffix, struct slice json);
/* The poll has ended; E NULL: well. ERR_SYNTAX and ERR_PROTOCOL: what came is malformed; others:
 * failing. May close the state: do not touch it afterwards. */
void feed_done(struct feed *f, const struct err *e);

#endif
