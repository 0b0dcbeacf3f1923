/* The dispatcher: delivers what the core hands it and answers with outcomes. A process of its own:
 * network and the handlers' credentials, no store. The queue, its order and the retries are the
 * core's (alerts/notice.h); the dispatcher tries once for each job. Kinds that only the agent can
 * deliver (by_agent) have a dispatcher there, and those that need this machine's programs or files
 * (by_runner) one in the runner, which is a process like this one without the credentials. */
#ifndef DISPATCH_DISPATCH_H
#define DISPATCH_DISPATCH_H

#include "base/frame.h"
#include "base/text.h"
#include "config/kind.h"
#include "mibs/schema.h"
#include "snmp/engine.h"

enum {
    /* core → dispatcher, agent or runner */
    DISPATCH_HANDLER = 1,         /* struct dispatch_handler: add or replace (same id) */
    DISPATCH_HANDLER_GONE = 2,    /* u32 id */
    DISPATCH_JOB = 3,             /* struct job */
    DISPATCH_CANCEL = 4,          /* u64 job id: give up if not yet on the wire */
    DISPATCH_CHECK = 5,           /* struct job: could it be delivered? It is not sent */
    DISPATCH_HANDLER_CHANGED = 6, /* as DISPATCH_HANDLER: someone has just configured it so */
    DISPATCH_ENGINE = 7,          /* struct dispatch_engine, before the first handler */
    /* dispatcher, agent or runner → core */
    DISPATCH_OUTCOME = 16, /* struct outcome: exactly one for each job */
    DISPATCH_CHECKED = 17, /* struct checked: exactly one for each check */
};

enum { JOB_EVENTS_MAX = 200, JOB_RECIPIENTS_MAX = 64, JOB_VARBINDS_MAX = 32 };
enum { CHECK_MS = 60 * 1000 }; /* nobody waits longer for what becomes of a check */

struct dispatch_handler {
    uint32_t id;
    char owner[33], name[33];
    const struct kind *kind;
    struct values values;
    struct child *children; /* the elements within it */
    size_t nchildren;
};
void dispatch_handler_release(struct dispatch_handler *h); /* all but H itself */
void dispatch_handler_write(const struct dispatch_handler *h, struct buf *b);
int dispatch_handler_read(struct dispatch_handler *ret, const struct kinds *kinds, struct rd *r,
                          struct err *e);

/* The daemon's SNMP engine (RFC 3411), which the core keeps: its boots rise whenever a core starts.
 */
struct dispatch_engine {
    struct engine_id id;
    struct engine_clock clock; /* boots 0: the core has not said yet */
};
void dispatch_engine_write(const struct dispatch_engine *x, struct buf *b);
int dispatch_engine_read(struct dispatch_engine *ret, struct rd *r, struct err *e);

/* A varbind, fully instanced: the OID below ROOT.1 and the value as the table's getter gives it. */
struct job_varbind {
    uint32_t subids[128];
    size_t nsubids;
    enum sa_syntax syntax;
    int64_t number;
    uint8_t *bytes; /* texts, DateAndTime and BITS in wire form; owned */
    size_t len;
};

/* One state change (or test) to tell. Texts are valid UTF-8. */
struct job_event {
    uint32_t notice_id;
    char uuid[UUID_TEXT_LEN + 1];
    uint32_t sequence;    /* the target's */
    uint8_t kind;         /* enum sa_notice_kind */
    uint8_t notification; /* ROOT.0.N for traps */
    uint8_t level, previous_level;
    int64_t at_ms;           /* wall ms of the transition */
    int64_t active_since_ms; /* wall ms when it left OK, 0 */
    char owner[33], definition[33], service[33];
    char instance[256], value[256], message[256], description[256], url[256];
    struct job_varbind *varbinds;
    size_t nvarbinds;
};

/* One message to one target: one event, or several when the target gathers them (digest; newest
 * state per instance first). */
struct job {
    uint64_t id;
    uint32_t handler; /* dispatch_handler.id */
    char target_owner[33], target[33];
    char uuid[UUID_TEXT_LEN + 1]; /* of the message: the event's, or the digest's own */
    int64_t created_ms;           /* Date of the message; the same at every attempt */
    struct values overrides;      /* of the target */
    char **recipients;            /* those still to be reached */
    size_t nrecipients;           /* 0: the handler's own destination (SNMP) */
    struct job_event *events;
    size_t nevents;
};
void job_write(const struct job *j, struct buf *b);
/* KIND_OF: finds the handler whose properties check the overrides; NULL: there is none, then they
 * are skipped. ERR_SYNTAX: no job; ERR_INVALID: overrides that make no sense. On failure RET holds
 * nothing but the id (0 if that could not be read). */
int job_read(struct job *ret, const struct kind *(*kind_of)(void *arg, uint32_t handler), void *arg,
             struct rd *r, struct err *e);
void job_release(struct job *j);

enum outcome_result {
    OUTCOME_DELIVERED = 1, /* at least one recipient reached, none left to retry */
    OUTCOME_RETRY = 2,     /* something failed that may succeed later */
    OUTCOME_FAILED = 3,    /* nobody reached and nothing to retry */
};
struct outcome_recipient {
    char address[256];
    uint8_t state;   /* NOTICE_PENDING (retry), NOTICE_DELIVERED, NOTICE_FAILED */
    char reply[256]; /* "250 2.0.0 accepted" */
};
struct outcome {
    uint64_t job;
    uint8_t result;
    uint8_t confirmation; /* enum sa_confirmation */
    bool in_doubt;        /* the receiver may have it without having said so: it may come twice */
    uint32_t pause_ms;    /* of RETRY: the receiver wants to be left alone for so long; 0: unsaid */
    char error[256];      /* in words with host and port; "" when delivered */
    char response[1025];  /* what the receiver or program said, in UTF-8; "": nothing */
    struct outcome_recipient *recipients;
    size_t nrecipients;
};
void outcome_write(const struct outcome *o, struct buf *b);
int outcome_read(struct outcome *ret, struct rd *r, struct err *e);
void outcome_release(struct outcome *o);

struct checked {
    uint64_t job;
    bool good;
    char message[256]; /* what was found, or is wrong: in words with host and port */
};
void checked_write(const struct checked *c, struct buf *b);
int checked_read(struct checked *ret, struct rd *r, struct err *e);

/* ---- handler kinds ------------------------------------------------------------------------------
 * One file for each with one const structure. A service is what an XML handler opened; deliver
 * must answer through service_done exactly once, from the loop's thread, and must not block it. */
struct dispatcher;
struct service; /* the dispatcher's side of an opened handler */
struct dispatch_kind {
    const struct kind *kind;
    int (*open)(struct service *s, void **ret_state, struct err *e);
    /* Gives up whatever it has; the dispatcher answers its jobs with OUTCOME_RETRY. */
    void (*close)(void *state);
    void (*deliver)(void *state, struct job *j); /* takes J over (job_release, free) */
    /* Answer JOB with OUTCOME_RETRY if nothing of it is on the wire yet; may be NULL. */
    void (*cancel)(void *state, uint64_t job);
    /* Could J be delivered? Goes as far as it can (looks names up, connects, authenticates) and
     * sends nothing. Takes J over, must not block, and answers through service_checked() exactly
     * once, within CHECK_MS. NULL: nothing can be known of this kind but by sending. */
    void (*validate)(void *state, struct job *j);
    /* Opened because its configuration is new or has changed, and not because the daemon started;
     * may be NULL. */
    void (*changed)(void *state);
};
struct loop *service_loop(struct service *s);
void *service_place(const struct service *s); /* as the stage gave it to dispatcher_new() */
const struct dispatch_handler *service_handler(const struct service *s);
/* Lives as long as the dispatcher, and follows what the core says. */
const struct dispatch_engine *service_engine(const struct service *s);
void service_done(struct service *s, const struct outcome *o);
/* The same with OUTCOME_RETRY and WHY, which is UTF-8, and nobody reached. */
void service_retry(struct service *s, uint64_t job, const char *why);
/* What a check came to; WORDS are UTF-8, and cut at 255 octets. */
void service_checked(struct service *s, uint64_t job, bool good, const char *words);
/* The value for J: its target's, else the handler's, else the default. A secret (and the file of
 * one) of the handler reads as "" for a target that overrides a transport property. */
const char *service_text(const struct service *s, const struct job *j, const char *name);
int64_t service_number(const struct service *s, const struct job *j, const char *name);
bool service_true(const struct service *s, const struct job *j, const char *name);
/* May the handler's secrets go where J goes? Not where a target overrides a transport property. */
bool service_trusts(const struct service *s, const struct job *j);
/* The template for J, for notice_fill(); NULL when there is none. It lives as long as S and J. */
const struct template *service_template(const struct service *s, const struct job *j,
                                        const char *name);

extern const struct dispatch_kind dispatch_kind_smtp, dispatch_kind_snmp;

/* ---- the stage ---- */
/* PLACE: what its kinds need of the stage that they are in, for service_place(); may be NULL. */
int dispatcher_new(struct dispatcher **ret, struct loop *l,
                   const struct dispatch_kind *const *kinds, size_t nkinds, void *place,
                   struct err *e);
void dispatcher_free(struct dispatcher *d);
/* NULL: none now. The handlers of the one before go, with time to finish what they have. */
void dispatcher_set_core(struct dispatcher *d, struct chan *core);
int dispatcher_frame(struct dispatcher *d, uint16_t type, const uint8_t *payload, size_t len);

#endif
