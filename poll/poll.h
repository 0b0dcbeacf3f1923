/* The poller: reads metrics from sources and hands them to the core as topics. A process of its
 * own: network and the sources' credentials, no store. One loop serves many hosts; a dead one
 * delays nobody. */
#ifndef POLL_POLL_H
#define POLL_POLL_H

#include "base/frame.h"
#include "config/kind.h"

/* The kinds: "snmp" and "http". */
extern const struct kind poll_kind_snmp, poll_kind_http;

/* ---- frames: core → poller
 * ---------------------------------------------------------------------*/
enum {
    POLL_SOURCE = 1,      /* struct poll_source: add or replace (same id) */
    POLL_SOURCE_GONE = 2, /* u32 id */
    POLL_NOW = 3,         /* u32 id: poll at once, the interval starts anew */
    /* ---- poller → core ---- */
    POLL_SAMPLE = 16, /* struct poll_sample: a topic has a new value */
    POLL_STATUS = 17, /* struct poll_status: once for each poll, after its samples */
    /* struct poll_gone: a topic of the last good poll that this one did not find (a table's row
     * that went away); before the poll's status. */
    POLL_TOPIC_GONE = 18,
};

enum {
    POLL_TOPIC_NAME_MAX = 255,
    POLL_JSON_MAX = 1 << 20,
    POLL_TOPICS_MAX = 10000, /* of one source */
    POLL_SOURCES_MAX = 10000,
    POLL_INTERVAL_MIN_MS = 100,
    POLL_INTERVAL_MAX_MS = 86400000,
};

struct poll_source {
    uint32_t id;
    char name[33];
    const struct kind *kind;
    uint32_t interval_ms;
    struct values values;
    struct child *children;
    size_t nchildren;
};
void poll_source_write(const struct poll_source *s, struct buf *b);
int poll_source_read(struct poll_source *ret, const struct kinds *kinds, struct rd *r,
                     struct err *e);
void poll_source_release(struct poll_source *s);

struct poll_sample {
    uint32_t source;
    char topic[POLL_TOPIC_NAME_MAX + 1];
    int64_t wall_ms, mono_ms; /* when, for people and for ages */
    struct slice json;        /* a valid document, at most POLL_JSON_MAX; borrowed from the frame */
};
void poll_sample_write(const struct poll_sample *s, struct buf *b);
int poll_sample_read(struct poll_sample *ret, struct rd *r);

struct poll_gone {
    uint32_t source;
    char topic[POLL_TOPIC_NAME_MAX + 1];
};
void poll_gone_write(const struct poll_gone *g, struct buf *b);
int poll_gone_read(struct poll_gone *ret, struct rd *r);

struct poll_status {
    uint32_t source;
    uint8_t status; /* STATUS_UP, STATUS_FAILING, STATUS_MALFORMED (mibs/schema.h) */
    uint32_t latency_ms;
    int64_t wall_ms; /* when the poll began */
    uint32_t topics; /* samples sent in this poll */
    char error[256]; /* "" when up */
};
void poll_status_write(const struct poll_status *s, struct buf *b);
int poll_status_read(struct poll_status *ret, struct rd *r);

/* ---- the stage
 * ----------------------------------------------------------------------------------- Polls until
 * freed; frames come from and go to CORE (which the caller owns; set with poller_set_core when the
 * core was restarted; then the core sends its sources again). */
struct poller;
int poller_new(struct poller **ret, struct loop *l, const struct kinds *kinds, struct err *e);
void poller_free(struct poller *p);
void poller_set_core(struct poller *p, struct chan *core); /* NULL: none now */
/* What chan_options.on_frame of the core's channel should call. */
int poller_frame(struct poller *p, uint16_t type, const uint8_t *payload, size_t len);

#endif
