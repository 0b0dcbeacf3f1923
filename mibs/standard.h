/* The standard modules as const data: ALARM-MIB and ITU-ALARM-MIB (RFC 3877), NOTIFICATION-LOG-MIB
 * (RFC 3014), by their published numbers. alerts/standard.h answers them out of the store, and
 * agent/standard.h serves that; neither knows an object by its name.
 *
 * A list of alarms and a log (alarmListName, nlmLogName) are an owner each. One model of alarms
 * serves a list, STD_MODEL, with a state for each level. RFC 3877 fixes how states and perceived
 * severities go together (ituAlarmTable): one state for each severity, rising. Hence:
 *
 *   level      alarmModelState   ituAlarmPerceivedSeverity
 *   ok         1                 cleared(1)
 *   unknown    2                 indeterminate(2)
 *   info       3                 warning(6)
 *   warning    4                 minor(5)
 *   critical   6                 critical(3)
 */
#ifndef MIBS_STANDARD_H
#define MIBS_STANDARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mibs/schema.h"

/* Numbered as alarmActiveVariableValueType and nlmLogVariableValueType are. */
enum std_syntax {
    STD_COUNTER32 = 1,
    STD_UNSIGNED32 = 2, /* Gauge32 too */
    STD_TICKS = 3,
    STD_INTEGER32 = 4,
    STD_IPADDRESS = 5,
    STD_OCTETS = 6,
    STD_OID = 7,
    STD_COUNTER64 = 8,
    STD_OPAQUE = 9,
};

/* What the rows of a table are, and so its index. */
enum std_rows {
    STD_SCALAR,           /* 0 */
    STD_OWNERS,           /* owner */
    STD_MODELS,           /* owner, STD_MODEL, state */
    STD_ITU_MODELS,       /* owner, STD_MODEL, severity */
    STD_ACTIVE,           /* owner, when it took its level, alert */
    STD_ACTIVE_VARIABLES, /* owner, alert, number */
    STD_CLEARED,          /* owner, when it was cleared, alert */
    STD_LOG,              /* owner, history */
    STD_LOG_VARIABLES,    /* owner, history, number */
    STD_ROWS_KINDS,
};

/* Where a value comes from; ARG of the object is what the comment says. */
enum std_source {
    STD_CONSTANT,           /* ARG; texts are empty, OIDs 0.0 */
    STD_COLUMN,             /* OID of a column of ours: ARG is table << 8 | column */
    STD_CONFIG_TIME,        /* sysUpTime when the configuration was loaded */
    STD_COUNT,              /* enum std_counter ARG of the row's owner, or of all */
    STD_COUNT_TIME,         /* sysUpTime of that */
    STD_LIMIT,              /* column ARG of saSystem */
    STD_LIMIT_MINUTES,      /* the same, of seconds */
    STD_LIMIT_OR_MOST,      /* the same, 2^32 - 1 when there is no limit */
    STD_LIST,               /* the owner's name */
    STD_MODEL_NOTIFICATION, /* of a state */
    STD_MODEL_LEVEL,        /* enum sa_level of a state */
    STD_MODEL_NAME,         /* its name */
    STD_MODEL_POINTER,      /* OID of alarmModelTable's row for a state, a severity, an alarm */
    STD_ITU_MODEL_POINTER,  /* of ituAlarmTable's */
    STD_NOTIFICATION,       /* that told the transition */
    STD_RESOURCE,           /* saAlertTable's row */
    STD_MESSAGE,
    STD_LOG_POINTER, /* nlmLogTable's row */
    STD_LOG_INDEX,
    STD_ITU_POINTER, /* ituAlarmActiveTable's row */
    STD_TREND,
    STD_AT,            /* DateAndTime of the transition */
    STD_AT_TIME,       /* sysUpTime of it; 0: before the agent started */
    STD_VARIABLE_NAME, /* its OID */
    STD_VARIABLE_SYNTAX,
    STD_VARIABLE, /* its value; there is one only if it has the object's syntax */
    STD_SOURCES,
};

/* What is counted for each owner, and for all (alerts/alarms.h keeps it). */
enum std_counter {
    STD_CURRENT,    /* alarms that are active */
    STD_CURRENT_AT, /* those at a level: STD_CURRENT_AT + LEVEL_INFO ... */
    STD_RAISED = STD_CURRENT_AT + LEVEL_UNKNOWN + 1, /* became active */
    STD_RAISED_AT,                                   /* took a level, likewise */
    STD_LOGGED = STD_RAISED_AT + LEVEL_UNKNOWN + 1,
    STD_BUMPED,     /* log entries that went for new ones */
    STD_LAST_RAISE, /* wall ms, 0: never */
    STD_LAST_CLEAR,
    STD_LAST_CHANGE,
    STD_COUNTERS,
};

enum { STD_MODEL = 1, STD_OID_MAX = 6 };

struct std_object {
    const char *name;
    uint8_t oid[STD_OID_MAX]; /* below mib-2; what follows is the index */
    uint8_t noid;
    enum std_rows rows;
    enum std_syntax syntax;
    enum std_source source;
    int64_t arg;
    uint8_t writable; /* column of saSystem that a SET sets; 0: read-only */
};

/* All that can be read, in the order of their OIDs. */
extern const struct std_object std_objects[];
extern const size_t std_nobjects;
/* NULL: there is none. */
const struct std_object *std_object_by_name(const char *name);

/* 1.3.6.1.2.1 */
extern const uint32_t std_mib2[];
extern const size_t std_nmib2;

/* What is registered. snmpd keeps a notification log of its own (in memory): in front of that comes
 * only who registers exactly what it does at a better priority. */
enum std_module { STD_ALARM_MIB, STD_ITU_ALARM_MIB, STD_NOTIFICATION_LOG_MIB, STD_MODULES };
extern const char *const std_module_names[STD_MODULES];

struct std_subtree {
    uint8_t oid[STD_OID_MAX]; /* below mib-2 */
    uint8_t noid;
    enum std_module module;
    uint8_t priority; /* RFC 2741 section 6.2.3: the lowest wins, 127 is usual */
};
extern const struct std_subtree std_subtrees[];
extern const size_t std_nsubtrees;
/* In the context of an owner, where snmpd has nothing: each module as a whole, by its number. */
extern const struct std_subtree std_roots[STD_MODULES];

/* A state of the model, by rising state. */
struct std_state {
    enum sa_level level;
    uint8_t state, severity;
};
enum { STD_STATES = 5 };
extern const struct std_state std_states[STD_STATES];
const struct std_state *std_state_of(enum sa_level level); /* ok's for what is none */

#endif
