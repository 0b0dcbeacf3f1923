/* The tables of SNMPALERT-MIB as const data: what the store keeps, what the agent serves, what the
 * XML file may hold and what the manual prints all derive from here. A test proves that this and
 * SNMPALERT-MIB.txt agree in OID, type, range, enumeration, access and index. Column numbers are
 * the tags on disk: once given they never change (mibs/numbers.txt lists them, a test compares).
 *
 * OIDs: ROOT.0.N notification; ROOT.1.T table T: ROOT.1.T.1.COLUMN.INDEX; the scalars are
 * ROOT.1.1.COLUMN.0 (a "table" whose only row has the index 0 and which has no entry arc). */
#ifndef MIBS_SCHEMA_H
#define MIBS_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a value is kept and shown. The comment gives the SNMP type and the C form of a cell. */
enum sa_syntax {
    SA_INTEGER,      /* Integer32 with range; int64_t in C */
    SA_ENUM,         /* INTEGER { names }; int64_t */
    SA_TRUTH,        /* TruthValue: 1 true, 2 false; int64_t */
    SA_ROW_STATUS,   /* RowStatus (RFC 2579); int64_t */
    SA_STORAGE_TYPE, /* StorageType (RFC 2579); int64_t */
    SA_UNSIGNED,     /* Unsigned32 (Gauge32 on the wire) with range; int64_t */
    SA_GAUGE,        /* Gauge32; int64_t */
    SA_COUNTER,      /* Counter32, wraps at 2^32; int64_t */
    SA_MILLIS,       /* SaMillis: Counter64 on the wire, ms since 1970 UTC, 0 = never; int64_t */
    SA_GAUGE64,      /* SaGauge64 (after RFC 2856 CounterBasedGauge64): Counter64; int64_t >= 0 */
    SA_DATE,         /* DateAndTime, shown as 11 octets (or 8 zero octets form for "never"); kept
                      * as ms since 1970, 0 = never; int64_t */
    SA_TEXT,         /* SaText: OCTET STRING of valid UTF-8, length range; bytes */
    SA_NAME,         /* SaName: OCTET STRING (SIZE (1..32)), name_valid(); bytes */
    SA_NAME_OR_EMPTY,/* SaNameOrEmpty: (SIZE (0..32)); bytes */
    SA_BITS,         /* BITS { names }: bit 0 is the top bit of octet 0; int64_t mask, bit n = 1 << n */
    SA_OCTETS,       /* OCTET STRING, opaque bytes (hidden columns) */
    SA_TEST_AND_INCR,/* TestAndIncr (RFC 2579): a SET must name its value, which then rises by one,
                      * from 2^31 - 1 to 0; int64_t */
};

enum sa_access {
    SA_HIDDEN,      /* not in the MIB: a cell for our own use; column numbers from 200 up */
    SA_NOT_ACCESSIBLE,
    SA_NOTIFY,      /* accessible-for-notify */
    SA_READ_ONLY,
    SA_READ_WRITE,
    SA_READ_CREATE,
};

enum sa_keep {
    SA_DURABLE,  /* environment `state`, synced */
    SA_VOLATILE, /* environment `samples`, unsynced, gone with the boot */
    SA_COMPUTED, /* never stored: a function of the row answers (store/view.h) */
};

struct sa_name { /* of an enumeration's value or a bit's position; list ends with name NULL */
    const char *name;
    int32_t value;
};

/* A value that is larger than this is in no column (the wire, and snmpd's GETBULK, set it). */
enum { SA_CELL_MAX = 1024, SA_COLUMN_MAX = 255, SA_INDEX_MAX = 3, SA_KEY_MAX = 496 };

struct sa_column {
    uint8_t number;
    const char *name;     /* "saDefinitionCondition" */
    const char *xml;      /* attribute and element name: "condition"; NULL: not from XML */
    enum sa_syntax syntax;
    enum sa_access access;
    enum sa_keep keep;
    int64_t min, max;     /* of the number, or of the length in octets */
    bool required;        /* must be set before a row can be active */
    bool frozen;          /* may not change while the row is active (else inconsistentValue) */
    uint8_t with;         /* not 0: is set by SETs of that column only, which else clear it */
    int64_t def;          /* DEFVAL of a number; what an absent cell reads as */
    const char *def_text; /* DEFVAL of a text; NULL as "" */
    const struct sa_name *names;
    const char *help;     /* one sentence; DESCRIPTION, manual and schema show it */
};

struct sa_index {
    const char *name;       /* the object's name, own or of another table: "saOwner" */
    const char *xml;        /* "owner", "name", "group" */
    enum sa_syntax syntax;  /* SA_NAME (length-prefixed, 1..32 octets) or SA_UNSIGNED */
    int64_t min, max;
};

struct sa_table {
    uint8_t id;        /* enum sa_table_id, = the arc below ROOT.1; 0: hidden, not served */
    const char *name;  /* "saDefinitionTable"; the LMDB database has the same name */
    const char *xml;   /* "definition"; NULL: rows do not come from XML */
    bool scalars;
    enum sa_keep keep; /* where rows live: SA_DURABLE, or SA_VOLATILE when no cell is durable */
    uint8_t row_status, storage_type; /* column numbers, 0: none */
    /* Of tables whose rows managers may override: the trigger that takes a row back to what the
     * configuration file says, and the hidden column that keeps that (store/set.h). 0: none. */
    uint8_t revert, file;
    const struct sa_index *index;
    size_t nindex;
    const struct sa_column *columns; /* ascending by number */
    size_t ncolumns;
    const char *help;
};

enum sa_table_id {
    SA_SYSTEM = 1,
    SA_PROCESS = 2,
    SA_OWNER = 3,
    SA_HANDLER = 4,
    SA_HANDLER_PROPERTY = 5,
    SA_SOURCE = 6,
    SA_TOPIC = 7,
    SA_METRIC = 8,
    SA_DEFINITION = 9,
    SA_SCRIPT = 10,
    SA_SCRIPT_TEXT = 11,
    SA_GROUP = 12,
    SA_GROUP_DEFINITION = 13,
    SA_GROUP_TARGET = 14,
    SA_TARGET = 15,
    SA_TARGET_PROPERTY = 16,
    SA_ALERT = 17,
    SA_RAISE = 18,
    SA_HISTORY = 19,
    SA_NOTICE = 20,
    SA_NOTICE_RECIPIENT = 21,
    SA_TRIAL = 22,
    SA_TEST_OPTION = 23,
};

/* All tables, ascending by id. */
extern const struct sa_table *const sa_tables[];
extern const size_t sa_ntables;
/* NULL when there is none. */
const struct sa_table *sa_table_by_id(unsigned id);
const struct sa_table *sa_table_by_xml(const char *xml);
const struct sa_column *sa_column_by_number(const struct sa_table *t, unsigned number);
const struct sa_column *sa_column_by_xml(const struct sa_table *t, const char *xml);
/* Which part of the row's index a column is (0, 1, ...), or -1: such a column is never stored, its
 * value is in the row's key. */
int sa_index_part(const struct sa_table *t, const struct sa_column *c);
/* The name of an enumeration's value (or bit), or NULL; and back: -1 when unknown. */
const char *sa_name_of(const struct sa_name *names, int64_t value);
int64_t sa_value_of(const struct sa_name *names, const char *name);

/* The root, from configure. */
extern const uint32_t sa_root[];
extern const size_t sa_root_len;

/* ---- column numbers ------------------------------------------------------------------------ */

enum { /* saSystem: scalars, index 0 */
    SYSTEM_VERSION = 1,      /* text, computed or durable at start */
    SYSTEM_STARTED = 2,      /* DateAndTime */
    SYSTEM_CONFIG_FILE = 3,
    SYSTEM_CONFIG_LOADED = 4, /* DateAndTime */
    SYSTEM_CONFIG_STATUS = 5, /* INTEGER { ok(1), refused(2) } */
    SYSTEM_CONFIG_ERROR = 6,
    SYSTEM_EVALUATIONS = 7,   /* Counter32, volatile */
    SYSTEM_EVALUATIONS_SAVED = 8,
    SYSTEM_FAULTS = 9,        /* evaluations that ended in an error */
    SYSTEM_KILLS = 10,        /* evaluators that had to be killed */
    SYSTEM_TRANSITIONS = 11,
    SYSTEM_NOTICES_PENDING = 12, /* Gauge32: PENDING and DISPATCHED */
    SYSTEM_NOTICES_DELIVERED = 13,
    SYSTEM_NOTICES_FAILED = 14,
    SYSTEM_STORE_USED = 15,   /* Gauge32, KiB, computed */
    SYSTEM_STORE_SIZE = 16,   /* Gauge32, KiB, computed */
    SYSTEM_RELOAD = 17,       /* saConfigReload, TestAndIncr: each SET asks for a reload */
    SYSTEM_HISTORY_MAX_AGE = 18,  /* Unsigned32, seconds, read-write, 0: no limit */
    SYSTEM_HISTORY_MAX_ROWS = 19, /* likewise, rows */
    SYSTEM_HISTORY_PURGED = 20,   /* Counter32, durable */
    SYSTEM_HISTORY_OLDEST = 21,   /* DateAndTime, computed */
    SYSTEM_NOTICE_MAX_AGE = 22,   /* of finished notices, likewise */
    SYSTEM_NOTICE_MAX_ROWS = 23,
    SYSTEM_NOTICES_PURGED = 24,
    SYSTEM_NOTICE_OLDEST = 25,
    SYSTEM_NOTICES_SUPPRESSED = 26, /* Counter32, durable, as is the next */
    SYSTEM_NOTICES_CANCELLED = 27,
    SYSTEM_REPEAT_TOLERANCE = 28, /* Unsigned32, read-write */
    SYSTEM_CLEARED_TTL = 31, /* Unsigned32, seconds, read-write, 0: no limit */
    SYSTEM_ALIVE_MONO = 200,  /* hidden, volatile, 64 bits: clock_mono_ms() when last alive */
    SYSTEM_ENGINE_ID = 201,   /* hidden, durable: SnmpEngineID of the daemon */
    SYSTEM_ENGINE_BOOTS = 202, /* hidden, durable: snmpEngineBoots of the core that runs */
};

enum { /* saProcessTable (process 1..) volatile */
    PROCESS_INDEX = 1,
    PROCESS_NAME = 2,
    PROCESS_PID = 3,
    PROCESS_STATE = 4, /* starting(1), running(2), stopped(3), failed(4) */
    PROCESS_STARTS = 5,
    PROCESS_LAST_EXIT = 6, /* text: "exit 0", "signal 9" */
    PROCESS_CPU = 7,       /* Counter32, hundredths of a second */
    PROCESS_MEMORY = 8,    /* Gauge32, KiB resident */
};

enum { /* saOwnerTable (owner): rows from XML, read-only */
    OWNER_NAME = 1, /* object saOwner, accessible-for-notify */
    OWNER_DEFINITIONS = 2,     /* Gauge32, computed */
    OWNER_MAX_DEFINITIONS = 3, /* Unsigned32, 0 = no limit */
    OWNER_LAST_ERROR = 4,      /* text: why the last SET on this owner's rows was refused */
    OWNER_LAST_ERROR_TIME = 5,
};

enum { /* saHandlerTable (owner, handler): rows from XML */
    HANDLER_NAME = 1,
    HANDLER_KIND = 2,
    HANDLER_STATUS = 3,       /* unknown(1), up(2), failing(3): by its last outcome */
    HANDLER_LAST_MESSAGE = 4, /* text of the last outcome */
    HANDLER_DELIVERED = 5,
    HANDLER_FAILED = 6,
    HANDLER_QUEUE = 7,        /* Gauge32: notices in flight */
    HANDLER_ENABLED = 8,      /* TruthValue, read-write, default true */
    HANDLER_VALIDATE = 9,     /* TestAndIncr: each SET asks whether it could deliver */
    HANDLER_TEST = 10,        /* TestAndIncr: each SET sends a test, with saTestTable's options */
    HANDLER_REVERT = 11,      /* trigger: enabled, and all properties as in the file */
    HANDLER_CHECK = 12,       /* computed: none(1), running(2), succeeded(3), failed(4) */
    HANDLER_CHECK_MESSAGE = 13, /* text: what the last one came to, durable, as is the time */
    HANDLER_CHECK_TIME = 14,
    HANDLER_IN_DOUBT = 15,    /* Counter32, durable */
    HANDLER_CHECKED = 204,    /* hidden: what the last one that ended came to, 0: none did */
    HANDLER_VALIDATED = 205,  /* hidden: of HANDLER_VALIDATE and _TEST, what has been answered; */
    HANDLER_TESTED = 206,     /* another value there: it is running */
};

enum { /* saHandlerPropertyTable (owner, handler, property) */
    HANDLER_PROPERTY_NAME = 1,
    HANDLER_PROPERTY_TYPE = 2,  /* text(1), number(2), boolean(3), enumeration(4), file(5), secret(6) */
    HANDLER_PROPERTY_VALUE = 3, /* read-write; secrets read as empty */
    HANDLER_PROPERTY_HELP = 4,
    HANDLER_PROPERTY_OVERRIDDEN = 5, /* TruthValue, computed */
    HANDLER_PROPERTY_REVERT = 6,     /* trigger */
    HANDLER_PROPERTY_FILE = 210,     /* hidden, as all _FILE below: the row as in the file */
};

enum { /* saSourceTable (owner, source) */
    SOURCE_NAME = 1,
    SOURCE_KIND = 2,
    SOURCE_INTERVAL = 3,    /* Unsigned32, ms */
    SOURCE_STATUS = 4,      /* unknown(1), up(2), failing(3), malformed(4), disabled(5) */
    SOURCE_LAST_POLL = 5,   /* DateAndTime, volatile, as all below */
    SOURCE_LATENCY = 6,     /* Gauge32, ms */
    SOURCE_SAMPLES = 7,     /* Counter32 */
    SOURCE_FAILURES = 8,    /* Counter32 */
    SOURCE_LAST_ERROR = 9,
    SOURCE_ENABLED = 10,    /* TruthValue, read-write, durable, default true */
    SOURCE_POLL_NOW = 11,   /* trigger */
};

enum { /* saTopicTable (owner, topicId), volatile; once under each owner that may read it */
    TOPIC_ID = 1,
    TOPIC_NAME = 2,    /* 1..255 */
    TOPIC_SOURCE = 3,
    TOPIC_UPDATED = 4, /* SaMillis */
    TOPIC_AGE = 5,     /* Gauge32, ms, computed */
    TOPIC_SIZE = 6,    /* Gauge32, octets of JSON */
    TOPIC_HEAD = 7,    /* first 1,024 octets of the JSON (large) */
};

enum { /* saMetricTable (owner, topicId, metricId), volatile */
    METRIC_ID = 1,
    METRIC_PATH = 2, /* "apps[3].state" */
    METRIC_TYPE = 3, /* null(1), boolean(2), number(3), string(4) */
    METRIC_TEXT = 4, /* 0..255 */
    METRIC_INTEGER = 5, /* Integer32, clamped, rounded to nearest; 0 when not a number */
    METRIC_GAUGE = 6,   /* SaGauge64, clamped at 0 */
};

enum { /* saDefinitionTable (owner, definition) */
    DEFINITION_NAME = 1,
    DEFINITION_CONDITION = 2, /* JavaScript, 0..1024; empty when a script is named */
    DEFINITION_SCRIPT = 3,    /* name of a saScriptTable row, or empty */
    DEFINITION_SEVERITY = 4,  /* info(2), warning(3), critical(4); default critical */
    DEFINITION_SERVICE = 5,   /* SaNameOrEmpty; empty: "default" */
    DEFINITION_INTERVAL = 6,  /* ms, 1000..86400000, default 60000 */
    DEFINITION_TIME_THRESHOLD = 7, /* ms, 0..604800000, default 0 */
    DEFINITION_NO_DATA = 8,   /* keepLast(1), ok(2), alerting(3), unknown(4); default keepLast */
    DEFINITION_ON_ERROR = 9,  /* same; default unknown */
    DEFINITION_STALE_MULTIPLIER = 10, /* 1..1000, default 2 */
    DEFINITION_NOTIFY_RECOVERY = 11,  /* TruthValue, default true */
    DEFINITION_DESCRIPTION = 12, /* 0..255 */
    DEFINITION_DISABLED = 13, /* TruthValue, default false */
    DEFINITION_STORAGE = 14,
    DEFINITION_STATUS = 15,
    DEFINITION_ERROR = 16,       /* volatile: last evaluation's error, or empty */
    DEFINITION_EVALUATIONS = 17, /* Counter32, volatile */
    DEFINITION_LAST_VALUE = 18,  /* volatile */
    DEFINITION_NEXT = 19,        /* SaMillis, volatile: next evaluation by its interval */
    DEFINITION_LEVEL = 20,       /* computed: highest level of its instances, ok when none */
    DEFINITION_REVERT = 21,      /* trigger */
    DEFINITION_URL = 22,         /* 0..255 */
    DEFINITION_CPU = 23,         /* Counter32, ms, volatile */
    DEFINITION_ERROR_LINE = 24,  /* Unsigned32, computed: of DEFINITION_ERROR, 0: none */
    DEFINITION_ALERTS_OK = 25,   /* Gauge32, computed: instances in each level, in their order */
    DEFINITION_ALERTS_INFO = 26,
    DEFINITION_ALERTS_WARNING = 27,
    DEFINITION_ALERTS_CRITICAL = 28,
    DEFINITION_ALERTS_UNKNOWN = 29,
    DEFINITION_RECIPIENTS = 30, /* 0..1024, as TARGET_RECIPIENTS: told without a group */
    DEFINITION_HANDLER = 31,    /* SaName, default "mail": who delivers to these */
    DEFINITION_CLEAR_DELAY = 32, /* ms, 0..604800000, default 0 */
    DEFINITION_REPEAT_TOLERANCE = 33, /* 0..1000, default 1; 0: SYSTEM_REPEAT_TOLERANCE */
    DEFINITION_FLAP_HISTORY = 35, /* 0..100, default 0: off */
    DEFINITION_FLAP_LOW = 36, /* percent, default 25 */
    DEFINITION_FLAP_HIGH = 37, /* percent, default 50 */
    DEFINITION_CRIT = 38, /* JavaScript, 0..1024; empty: none, as those below */
    DEFINITION_CRIT_RESET = 39,
    DEFINITION_WARN = 40,
    DEFINITION_WARN_RESET = 41,
    DEFINITION_INFO = 42,
    DEFINITION_INFO_RESET = 43,
    DEFINITION_FILE = 210,
};

enum { /* saScriptTable (owner, script) */
    SCRIPT_NAME = 1,
    SCRIPT_DESCRIPTION = 2,
    SCRIPT_SIZE = 3, /* computed: octets of all segments */
    SCRIPT_STORAGE = 4,
    SCRIPT_STATUS = 5,
    SCRIPT_ERROR = 6, /* computed: why it does not compile as it stands, with the line */
    SCRIPT_REVERT = 7, /* trigger */
    SCRIPT_FILE = 210,
};

enum { /* saScriptTextTable (owner, script, segment 1..16) */
    SCRIPT_TEXT_SEGMENT = 1,
    SCRIPT_TEXT_TEXT = 2, /* 0..1024; segments are joined in order, 16 KiB at most */
    SCRIPT_TEXT_STORAGE = 3,
    SCRIPT_TEXT_STATUS = 4,
    SCRIPT_TEXT_REVERT = 5, /* trigger */
    SCRIPT_TEXT_FILE = 210,
};

enum { /* saGroupTable (owner, group) */
    GROUP_NAME = 1,
    GROUP_DEFAULT = 2,     /* TruthValue, read-only */
    GROUP_DESCRIPTION = 3,
    GROUP_STORAGE = 4,
    GROUP_STATUS = 5,
    GROUP_SERVICE = 6, /* computed: of a default group; empty */
    GROUP_REVERT = 7,  /* trigger */
    GROUP_FILE = 210,
};

enum { /* saGroupDefinitionTable (owner, group, definition) */
    GROUP_DEFINITION_STORAGE = 1,
    GROUP_DEFINITION_STATUS = 2,
};

enum { /* saGroupTargetTable (owner, group, target) */
    GROUP_TARGET_STORAGE = 1,
    GROUP_TARGET_STATUS = 2,
};

enum { /* saTargetTable (owner, target) */
    TARGET_NAME = 1,
    TARGET_HANDLER = 2,    /* SaName; own owner's handler, then admin's; required */
    TARGET_RECIPIENTS = 3, /* 0..1024: addresses divided by commas or blanks */
    TARGET_GLOBAL = 4,     /* TruthValue, default false */
    TARGET_ENABLED = 5,    /* TruthValue, default true */
    TARGET_STATES = 6,     /* BITS { ok(0), info(1), warning(2), critical(3), unknown(4) }; empty: all */
    TARGET_DIGEST = 7,     /* Integer32 ms, -1..3600000; -1 (default): the handler kind's own */
    TARGET_DESCRIPTION = 8,
    TARGET_TEST = 9,       /* INTEGER { idle(1), run(2) }: run makes one test notice */
    TARGET_STORAGE = 10,
    TARGET_STATUS = 11,
    TARGET_PENDING = 12,   /* Gauge32, durable: notices PENDING or DISPATCHED */
    TARGET_DELIVERED = 13, /* Counter32 */
    TARGET_FAILED = 14,    /* Counter32 */
    TARGET_LAST_ERROR = 15,
    TARGET_REVERT = 16, /* trigger */
    TARGET_TOLD = 17,   /* Gauge32, computed: alerts that it was told a problem of, and no end yet */
    TARGET_MIN_LEVEL = 18, /* SaLevel, default ok: every level */
    TARGET_MATCH = 19,     /* 0..1024, JavaScript: which notices it gets; empty: all */
    TARGET_VALIDATE = 20, /* as those of saHandlerTable */
    TARGET_CHECK = 21,
    TARGET_CHECK_MESSAGE = 22,
    TARGET_CHECK_TIME = 23,
    TARGET_MATCH_ERROR = 24, /* 0..255, durable */
    TARGET_SEQUENCE = 200,    /* hidden, durable: last target sequence given (Unsigned32) */
    TARGET_INCARNATION = 201, /* hidden, durable: id of this row's life; a new one when made again */
    TARGET_CHECKED = 204,     /* hidden, as those of saHandlerTable */
    TARGET_VALIDATED = 205,
    TARGET_TEST_NOTICE = 206, /* hidden: number of the last test notice, while it is not finished */
    TARGET_FILE = 210,
};

enum { /* saTargetPropertyTable (owner, target, property) */
    TARGET_PROPERTY_NAME = 1,
    TARGET_PROPERTY_VALUE = 2, /* 0..1024; secrets read as empty */
    TARGET_PROPERTY_STORAGE = 3,
    TARGET_PROPERTY_STATUS = 4,
    TARGET_PROPERTY_REVERT = 5, /* trigger */
    TARGET_PROPERTY_FILE = 210,
};

enum { /* saAlertTable (owner, alertId) */
    ALERT_ID = 1,
    ALERT_DEFINITION = 2, /* 1..32 */
    ALERT_INSTANCE = 3,   /* 0..255; empty: the definition's only instance */
    ALERT_LEVEL = 4,      /* ok(1), info(2), warning(3), critical(4), unknown(5) */
    ALERT_PREVIOUS_LEVEL = 5,
    ALERT_PHASE = 6,      /* inactive(1), pending(2), active(3), clearing(4) */
    ALERT_FLAGS = 7,      /* BITS { noData(0), error(1), disabled(2), acknowledged(3),
                           * suppressed(4), flapping(5) } */
    ALERT_SINCE = 8,      /* DateAndTime: in this level since */
    ALERT_CHANGED = 9,    /* SaMillis: last change of any durable cell */
    ALERT_VALUE = 10,     /* 0..255 */
    ALERT_MESSAGE = 11,   /* 0..255 */
    ALERT_HISTORY = 12,   /* last history id, 0: none */
    ALERT_ACKNOWLEDGE = 13, /* none(1), normal(2), sticky(3), until(4); read-write, as are: */
    ALERT_ACK_AUTHOR = 14,  /* 0..32 */
    ALERT_ACK_TEXT = 15,    /* 0..255 */
    ALERT_ACK_UNTIL = 16,   /* DateAndTime, for until(4) */
    ALERT_ACK_AT = 17,      /* DateAndTime: when the core took it in */
    ALERT_FIRMNESS = 18, /* soft(1), hard(2) */
    /* of raised alerts (alerts/raise.h) */
    ALERT_RESOURCE_TYPE = 25, /* 0..32; empty: it is evaluated, not raised, */
    ALERT_TYPE = 26,          /* 0..32; as is this */
    ALERT_RESOURCE_ID = 27,   /* 0..222 */
    ALERT_COUNT = 28,         /* Counter32: how often it was raised */
    ALERT_FIRST_SEEN = 29,    /* DateAndTime, as the next */
    ALERT_LAST_SEEN = 30,
    ALERT_CLEARED = 31,       /* TruthValue */
    ALERT_CLEARED_AT = 32,    /* DateAndTime */
    ALERT_TTL = 33,           /* seconds without a raise after which it clears itself, 0: never */
    /* hidden, durable, SA_INTEGER of 64 bits: struct judge_state (alerts/judge.h) */
    ALERT_PENDING_LEVEL = 200, /* level whose hold time runs (ok: the clear delay), 0 */
    ALERT_HELD = 201,          /* ms held before the present run (frozen while down) */
    ALERT_PENDING_SINCE = 202, /* clock_mono_ms() when the present hold began to count */
    ALERT_DATA_SINCE = 203,    /* clock_mono_ms() of the first evaluation without data, 0 */
    ALERT_ACTIVE_SINCE = 204,  /* wall ms when it left OK, 0 */
    ALERT_ACK_TAKEN = 205,     /* a hash of the acknowledgement that the core took in, 0: none */
    ALERT_ACK_DUE = 206,       /* wall ms of its end, as alerts/acknowledge.c waits for it, 0 */
    ALERT_RESULTS = 207, /* results in a row that were not ok, while it is not hard */
    ALERT_RING = 208, /* levels of the last results, an octet each, the oldest first */
    ALERT_RAISE_TIMER = 220,   /* wall ms by which alerts/raise.c has its timer, 0: it has none */
};

enum { /* saRaiseTable (owner, raiseId): commands, which go some minutes after they were done */
    RAISE_ID = 1,
    RAISE_VERB = 2,          /* raise(1), clear(2), delete(3) */
    RAISE_RESOURCE_TYPE = 3, /* 1..32 */
    RAISE_ALERT_TYPE = 4,    /* 1..32 */
    RAISE_RESOURCE_ID = 5,   /* 0..222 */
    RAISE_SEVERITY = 6,
    RAISE_MESSAGE = 7, /* 0..255 */
    RAISE_TTL = 8,     /* seconds */
    RAISE_RESULT = 9,  /* queued(1), done(2), refused(3) */
    RAISE_ERROR = 10,  /* 0..255 */
    RAISE_ALERT = 11,  /* saAlertId, 0 */
    RAISE_DONE_AT = 12, /* DateAndTime */
    RAISE_STATUS = 13,
    RAISE_TIMER = 200, /* hidden: wall ms by which alerts/raise.c has its timer, 0: it has none */
};

enum { /* saHistoryTable (owner, historyId) */
    HISTORY_ID = 1,
    HISTORY_ALERT = 2,
    HISTORY_DEFINITION = 3,
    HISTORY_INSTANCE = 4,
    HISTORY_FROM = 5,
    HISTORY_TO = 6,
    HISTORY_AT = 7,       /* DateAndTime */
    HISTORY_IN_TIME = 8,  /* SaMillis: when it left OK */
    HISTORY_OUT_TIME = 9, /* SaMillis: when it came back, 0 while active */
    HISTORY_REASON = 10,  /* condition(1), noData(2), error(3), disabled(4), deleted(5), ...,
                           * raised(20), cleared(21), expired(22) */
    HISTORY_VALUE = 11,   /* 0..255 */
    HISTORY_MESSAGE = 12, /* 0..255 */
    HISTORY_FIRMNESS = 13, /* soft(1), hard(2) */
};

enum { /* saNoticeTable (owner, noticeId) */
    NOTICE_ID = 1,
    NOTICE_UUID = 2,            /* text, 36 */
    NOTICE_TARGET = 3,
    NOTICE_TARGET_SEQUENCE = 4, /* Unsigned32, given at first dispatch; 0 before */
    NOTICE_HANDLER = 5,
    NOTICE_ALERT = 6,
    NOTICE_HISTORY = 7,
    NOTICE_KIND = 8, /* raise(1) clear(2) change(3) reminder(4) acknowledge(5) flapping(6) disable(7)
                      * enable(8) test(9) self(10) */
    NOTICE_STATE = 9, /* pending(1) dispatched(2) delivered(3) failed(4) cancelled(5) suppressed(6) */
    NOTICE_ATTEMPTS = 10,
    NOTICE_CREATED = 11,      /* DateAndTime */
    NOTICE_NEXT_ATTEMPT = 12, /* DateAndTime, never: none planned */
    NOTICE_FINISHED = 13,     /* DateAndTime */
    NOTICE_CONFIRMATION = 14, /* none(1) handedOff(2) acknowledged(3) */
    NOTICE_LAST_ERROR = 15,   /* 0..255 */
    NOTICE_DIGEST = 16,       /* UUID text of the digest that carried it, or empty */
    NOTICE_DEFINITION = 17,   /* 0..32 */
    NOTICE_INSTANCE = 18,     /* 0..255 */
    NOTICE_LEVEL = 19,
    NOTICE_PREVIOUS_LEVEL = 20,
    NOTICE_VALUE = 21,
    NOTICE_MESSAGE = 22,
    NOTICE_ACTION = 23,      /* idle(1) cancel(2) resend(3): read-write; the core does it */
    NOTICE_SUPPRESSION = 24, /* none(1) disabled(2) maintenance(3) silence(4) inhibition(5)
                              * acknowledged(6) flapping(7) */
    NOTICE_RESPONSE = 25,      /* 0..1024 */
    NOTICE_SINCE = 200,        /* hidden: wall ms of the transition */
    NOTICE_TARGET_OWNER = 201, /* hidden: a global target of admin's serves other owners' alerts */
    NOTICE_INCARNATION = 202,  /* hidden */
    NOTICE_SERVICE = 203,      /* hidden */
    NOTICE_ACTIVE_SINCE = 204, /* hidden: wall ms when the alert left OK */
    NOTICE_NOTIFICATION = 205, /* hidden: enum sa_notification it is told by */
    NOTICE_READY = 206,        /* hidden: wall ms before which it waits for its digest */
    NOTICE_RESENT = 207,       /* hidden: wall ms when a manager had it sent again, 0: never */
    NOTICE_BYGONE = 208,       /* hidden: 1: sent again when what it tells was over */
    NOTICE_MATCHING = 210,     /* hidden: ms by which READY was put off for the target's match, 0: not */
};

enum { /* saNoticeRecipientTable (owner, noticeId, recipient 1..) */
    NOTICE_RECIPIENT_NUMBER = 1,
    NOTICE_RECIPIENT_ADDRESS = 2, /* 0..255 */
    NOTICE_RECIPIENT_STATE = 3,   /* pending(1) delivered(3) failed(4) (as the notice's states) */
    NOTICE_RECIPIENT_REPLY = 4,   /* 0..255 */
};

/* ---- enumerations that code switches on ------------------------------------------------------ */

enum { /* saTrialTable (owner, trial) */
    TRIAL_NAME = 1,
    TRIAL_CONDITION = 2,  /* JavaScript, 0..1024 */
    TRIAL_SCRIPT = 3,     /* name of a saScriptTable row, or empty */
    TRIAL_DEFINITION = 4, /* name of a saDefinitionTable row, or empty: its settings, and its
                           * condition where neither of the two is given */
    TRIAL_RUN = 5,        /* TestAndIncr: each SET evaluates once */
    TRIAL_STATE = 6,      /* computed: idle(1), running(2), done(3), failed(4) */
    TRIAL_OUTCOME = 7,    /* enum sa_answer; durable, as all of the result */
    TRIAL_LEVEL = 8,      /* SaLevel: of an alert that was ok, without hold time */
    TRIAL_VALUE = 9,      /* 0..255 */
    TRIAL_MESSAGE = 10,   /* 0..1024 */
    TRIAL_ERROR = 11,     /* 0..255 */
    TRIAL_ERROR_LINE = 12, /* computed */
    TRIAL_TOPICS = 13,    /* 0..1024: names, a line each */
    TRIAL_MISSED = 14,    /* TruthValue: it looked for a topic that was not there */
    TRIAL_COST = 15,      /* Unsigned32, microseconds of CPU */
    TRIAL_TIME = 16,      /* DateAndTime */
    TRIAL_STORAGE = 17,
    TRIAL_STATUS = 18,
    TRIAL_ANSWERED = 200, /* hidden: of TRIAL_RUN, what has been answered */
    TRIAL_ENDED = 201,    /* hidden: TRIAL_STATE of the one that ended last, 0: none did */
};

enum { /* saTestTable (owner, handler, option) */
    TEST_OPTION = 1,
    TEST_OPTION_VALUE = 2, /* read-write; as in the live configuration unless set */
    TEST_OPTION_HELP = 3,
    TEST_OPTION_REVERT = 4, /* trigger */
    TEST_OPTION_FILE = 210, /* what the live configuration says */
};

enum sa_trial_state { TRIAL_IDLE = 1, TRIAL_RUNNING, TRIAL_DONE, TRIAL_FAILED };
enum sa_answer { /* 1 + enum verdict_kind */
    ANSWER_FALSE = 1,
    ANSWER_TRUE,
    ANSWER_LEVEL,
    ANSWER_SKIPPED,
    ANSWER_NO_DATA,
    ANSWER_ERROR
};
enum sa_check { CHECK_NONE = 1, CHECK_RUNNING, CHECK_SUCCEEDED, CHECK_FAILED };
enum sa_level { LEVEL_OK = 1, LEVEL_INFO, LEVEL_WARNING, LEVEL_CRITICAL, LEVEL_UNKNOWN };
enum sa_phase { PHASE_INACTIVE = 1, PHASE_PENDING, PHASE_ACTIVE, PHASE_CLEARING };
enum sa_firmness { FIRMNESS_SOFT = 1, FIRMNESS_HARD };
enum sa_policy { POLICY_KEEP_LAST = 1, POLICY_OK, POLICY_ALERTING, POLICY_UNKNOWN };
enum sa_reason {
    REASON_CONDITION = 1,
    REASON_NO_DATA,
    REASON_ERROR,
    REASON_DISABLED,
    REASON_DELETED,
    REASON_RAISED = 20, /* by an outside system, which: */
    REASON_CLEARED,
    REASON_EXPIRED /* or did not raise it again in time */
};
enum sa_notice_kind {
    KIND_RAISE = 1,
    KIND_CLEAR,
    KIND_CHANGE,
    KIND_REMINDER,
    KIND_ACKNOWLEDGE,
    KIND_FLAPPING,
    KIND_DISABLE,
    KIND_ENABLE,
    KIND_TEST,
    KIND_SELF
};
enum sa_notice_state {
    NOTICE_PENDING = 1,
    NOTICE_DISPATCHED,
    NOTICE_DELIVERED,
    NOTICE_FAILED,
    NOTICE_CANCELLED,
    NOTICE_SUPPRESSED
};
enum sa_raise_verb { VERB_RAISE = 1, VERB_CLEAR, VERB_DELETE };
enum sa_raise_result { RAISE_QUEUED = 1, RAISE_DONE, RAISE_REFUSED };
enum sa_acknowledge { ACK_NONE = 1, ACK_NORMAL, ACK_STICKY, ACK_UNTIL };
enum sa_notice_action { ACTION_IDLE = 1, ACTION_CANCEL, ACTION_RESEND };
enum sa_suppression {
    SUPPRESSION_NONE = 1,
    SUPPRESSION_DISABLED,
    SUPPRESSION_MAINTENANCE,
    SUPPRESSION_SILENCE,
    SUPPRESSION_INHIBITION,
    SUPPRESSION_ACKNOWLEDGED,
    SUPPRESSION_FLAPPING
};
enum sa_confirmation { CONFIRM_NONE = 1, CONFIRM_HANDED_OFF, CONFIRM_ACKNOWLEDGED };
enum { TRUTH_TRUE = 1, TRUTH_FALSE = 2 };
enum sa_row_status {
    ROW_ACTIVE = 1,
    ROW_NOT_IN_SERVICE,
    ROW_NOT_READY,
    ROW_CREATE_AND_GO,
    ROW_CREATE_AND_WAIT,
    ROW_DESTROY
};
enum sa_storage { STORAGE_OTHER = 1, STORAGE_VOLATILE, STORAGE_NON_VOLATILE, STORAGE_PERMANENT,
                  STORAGE_READ_ONLY };
enum { STATUS_UNKNOWN = 1, STATUS_UP, STATUS_FAILING, STATUS_MALFORMED, STATUS_DISABLED };
enum { TRIGGER_IDLE = 1, TRIGGER_RUN };

/* ---- notifications: ROOT.0.N ------------------------------------------------------------------ */

enum sa_notification {
    SA_ALERT_RAISED = 1,
    SA_ALERT_CLEARED = 2,
    SA_ALERT_CHANGED = 3,
    SA_ALERT_ACKNOWLEDGED = 5,
    SA_ALERT_FLAPPING = 6,
    SA_DEFINITION_DISABLED = 7,
    SA_DEFINITION_ENABLED = 8,
    SA_TEST = 12,
};

/* An object of a notification and whose row gives its index. */
enum sa_row_of { ROW_OF_OWNER, ROW_OF_DEFINITION, ROW_OF_ALERT, ROW_OF_NOTICE, ROW_OF_HANDLER };
struct sa_object {
    uint8_t table, column;
    enum sa_row_of row;
};
struct sa_notification_type {
    uint8_t number;
    const char *name; /* "saAlertRaised" */
    const struct sa_object *objects;
    size_t nobjects;
    const char *help;
};
extern const struct sa_notification_type sa_notifications[];
extern const size_t sa_nnotifications;
const struct sa_notification_type *sa_notification_by_number(unsigned number);

#endif
